package s3

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
)

// source is what a copy is made of.
type source struct {
	bucket  *filestore.Bucket
	key     string
	version filestore.VersionID
	r       *filestore.ObjectReader
	client  *clientKey
	plain   *sealedReader
}

// parseCopySource reads x-amz-copy-source: a bucket and a key, encoded as in a query,
// with or without a slash before them, and a version behind them.
func parseCopySource(text string) (bucket, key string, v filestore.VersionID, err error) {
	path, version, versioned := cutLast(text, "?versionId=")
	if path, err = unescapeQuery(path); err != nil {
		return "", "", v, err
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		return "", "", v, fail(InvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey").
			with("ArgumentName", "x-amz-copy-source").with("ArgumentValue", text)
	}
	if versioned {
		v, err = parseVersion(version)
	}
	return bucket, key, v, firstOf(err, checkKey(key))
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// openSource opens what the request names as its source, if the caller may read it
// and its conditions hold.
func (c *call) openSource(ctx context.Context) (*source, error) {
	text := c.r.Header.Get("X-Amz-Copy-Source")
	bucket, key, v, err := parseCopySource(text)
	if err != nil {
		return nil, err
	}
	s := &source{key: key, version: v}
	if s.bucket, err = c.lookup(ctx, bucket); err != nil {
		return nil, err
	}
	action := "s3:GetObject"
	if !v.IsLatest() {
		action = "s3:GetObjectVersion"
	}
	if err := c.authorise(ctx, access{action: action, bucket: s.bucket, key: key, version: v.String(), source: true}); err != nil {
		return nil, err
	}
	c.record.Path, c.record.Target = "/"+bucket+"/"+key, "/"+c.target.bucket+"/"+c.key
	if s.client, err = c.clientKey(ofSource); err != nil {
		return nil, err
	}
	if s.r, err = s.bucket.Open(ctx, key, v); err != nil {
		f := c.absent(err, key, v)
		if told := failureOf(f).code; (told == NoSuchKey || told == NoSuchVersion) && !c.mayList(ctx, access{bucket: s.bucket, key: key, source: true}) {
			f = fail(AccessDenied, "").because(err)
		}
		var marker *filestore.DeleteMarkerError
		if errors.As(err, &marker) && !v.IsLatest() {
			f = fail(InvalidRequest, "The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		return nil, f
	}
	o := s.r.Object()
	if err := firstOf(openSeal(s.client, o.Meta.Client), c.copyConditions(&o)); err != nil {
		s.r.Close()
		return nil, err
	}
	if s.plain, err = openSealed(ctx, s.r, s.client); err != nil {
		s.r.Close()
		return nil, err
	}
	return s, nil
}

func (c *call) setSourceVersion(from *source) {
	o := from.r.Object()
	if text := o.Version.String(); text != "" && from.bucket.Info().Versioning != filestore.VersioningNever {
		c.w.Header().Set("X-Amz-Copy-Source-Version-Id", text)
	}
}

// copyRange reads x-amz-copy-source-range, which must be in the source.
func (c *call) copyRange(size int64) (off, n int64, err error) {
	text := c.r.Header.Get("X-Amz-Copy-Source-Range")
	if text == "" {
		return 0, size, nil
	}
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	off, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || !dash || err1 != nil || err2 != nil || off < 0 || end < off {
		return 0, 0, fail(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy").
			with("ArgumentName", "x-amz-copy-source-range").with("ArgumentValue", text)
	}
	if end >= size {
		return 0, 0, fail(InvalidRange, "Range specified is not valid for source object of size: %d", size)
	}
	return off, end - off + 1, nil
}
