package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3's ETags are
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
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
		f := c.absent(err, v)
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

func (c *call) copyObject(ctx context.Context) error {
	from, err := c.openSource(ctx)
	if err != nil {
		return err
	}
	defer from.r.Close()
	key, err := c.clientKey(ofRequest)
	if err == nil {
		err = c.encryption(key != nil)
	}
	if err != nil {
		return err
	}
	cond, err := c.writeConditions()
	if err != nil {
		return err
	}
	m, err := c.copiedMeta(ctx, from)
	if err != nil {
		return err
	}
	o, err := c.copyTo(ctx, from, m, key, filestore.CommitOptions{If: cond})
	if err != nil {
		return writeFailure(err)
	}
	c.setNewVersion(c.bucket, o.Version)
	c.setSourceVersion(from)
	describeSeal(c.w.Header(), o.Meta.Client, c.r.Header)
	c.record.Read, c.record.Size = o.Size, o.Size
	return c.xml(http.StatusOK, "CopyObjectResult", func(d *document) {
		d.text("LastModified", xmlTime(o.Mtime))
		d.text("ETag", quoted(o.ETag))
		d.checksums(o.Meta.Checksums, o.Meta.Parts, true)
	})
}

func (c *call) setSourceVersion(from *source) {
	o := from.r.Object()
	if text := o.Version.String(); text != "" && from.bucket.Info().Versioning != filestore.VersioningNever {
		c.w.Header().Set("X-Amz-Copy-Source-Version-Id", text)
	}
}

// copiedMeta is what the copy has beside its data: the source's, or what the
// request says instead.
func (c *call) copiedMeta(ctx context.Context, from *source) (filestore.ObjectMeta, error) {
	o := from.r.Object()
	m, err := c.newMeta(c.bucket)
	if err != nil {
		return m, err
	}
	meta, err := directive(c.r.Header, "X-Amz-Metadata-Directive")
	if err != nil {
		return m, err
	}
	tagging, err := directive(c.r.Header, "X-Amz-Tagging-Directive")
	if err != nil {
		return m, err
	}
	if !tagging {
		m.Tags = o.Meta.Tags
		// A policy may depend on the tags: so far it was asked about the request's.
		if err := c.authorise(ctx, access{action: "s3:PutObject", bucket: c.bucket, key: c.key, tags: tagList(m.Tags)}); err != nil {
			return m, err
		}
	}
	class, redirect := valueOf(m.Headers, storageClassHeader), valueOf(m.Headers, redirectHeader)
	same := from.key == c.key && from.bucket.Name() == c.bucket.Name()
	sealed := c.r.Header[ofRequest+"Server-Side-Encryption"] != nil || c.r.Header[ofRequest+sealKey] != nil
	if same && from.version.IsLatest() && !meta && !tagging && class == "" && redirect == "" && !sealed {
		return m, fail(InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !meta {
		m.Headers = replaced(o.Meta.Headers, class, redirect)
	}
	return m, nil
}

// directive reads whether something is to be replaced by what the request has.
func directive(h http.Header, name string) (replace bool, err error) {
	switch value := h.Get(name); value {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, fail(InvalidArgument, "Unknown metadata directive.").with("ArgumentName", strings.ToLower(name)).with("ArgumentValue", value)
	}
}

// replaced is the headers of the source, but for those that are never copied.
func replaced(pairs []filestore.Pair, class, redirect string) []filestore.Pair {
	var out []filestore.Pair
	for _, p := range pairs {
		if p.Name != storageClassHeader && p.Name != redirectHeader {
			out = append(out, p)
		}
	}
	// Both sort behind x-amz-meta-.
	if class != "" {
		out = append(out, filestore.Pair{Name: storageClassHeader, Value: class})
	}
	if redirect != "" {
		out = append(out, filestore.Pair{Name: redirectHeader, Value: redirect})
	}
	return out
}

// digestAtMost is the largest source that is read for the sake of an MD5 alone,
// where what it has is one over its parts, or none.
const digestAtMost = 256 << 20

// copyTo makes the copy. It shares the source's blocks, unless a client's key is
// in play: then the data is encrypted anew.
func (c *call) copyTo(ctx context.Context, from *source, m filestore.ObjectMeta, key *clientKey, opts filestore.CommitOptions) (filestore.Object, error) {
	o := from.r.Object()
	algorithm, err := c.requestedAlgorithm()
	if err != nil {
		return filestore.Object{}, err
	}
	if key != nil || from.client != nil {
		return c.copySealed(ctx, from, m, key, algorithm, opts)
	}
	m.MD5, m.HasMD5, m.Parts = o.Meta.MD5, o.Meta.HasMD5, o.Meta.Parts
	m.Checksums = o.Meta.Checksums
	plain := o.Meta.HasMD5 && o.Meta.Parts == 0
	have := len(m.Checksums) > 0 && !m.Checksums[0].Composite && (algorithm == "" || m.Checksums[0].Algorithm == string(algorithm))
	if algorithm != "" && !have || !plain && o.Size <= digestAtMost {
		switch {
		case algorithm != "":
		case len(m.Checksums) == 0:
			algorithm = checksum.CRC64NVME // as what is put has, now that it is read
		case m.Checksums[0].Composite:
			algorithm = checksum.Algorithm(m.Checksums[0].Algorithm)
		}
		got, err := digest(ctx, from.plain, 0, o.Size, algorithm, nil)
		if err != nil {
			return filestore.Object{}, err
		}
		m.MD5, m.HasMD5, m.Parts = got.md5, true, 0
		if algorithm != "" {
			m.Checksums = got.checksums()
		}
	}
	made, err := c.bucket.CopyObject(ctx, c.key, from.r, m, opts)
	made.Meta = m
	return made, err
}

// requestedAlgorithm reads which checksum a copy is to have.
func (c *call) requestedAlgorithm() (checksum.Algorithm, error) {
	name := c.r.Header.Get("X-Amz-Checksum-Algorithm")
	if name == "" {
		return "", nil
	}
	a, ok := checksum.Parse(name)
	if !ok {
		return "", fail(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]")
	}
	return a, nil
}

// copySealed copies through this server, as a client's key takes off or puts on a
// cipher.
func (c *call) copySealed(ctx context.Context, from *source, m filestore.ObjectMeta, key *clientKey, algorithm checksum.Algorithm, opts filestore.CommitOptions) (filestore.Object, error) {
	w, err := c.bucket.NewObject(ctx)
	if err != nil {
		return filestore.Object{}, err
	}
	defer w.Abort()
	o := from.r.Object()
	switch {
	case algorithm != "":
	case len(o.Meta.Checksums) > 0:
		algorithm = checksum.Algorithm(o.Meta.Checksums[0].Algorithm)
	case key == nil:
		algorithm = checksum.CRC64NVME // as what is put has
	}
	var salt [32]byte
	if key != nil {
		m.Client = key.newSeal()
		salt = m.Client.Salt
	}
	got, err := recrypt(ctx, from.plain, 0, o.Size, algorithm, w, key, salt)
	if err != nil {
		return filestore.Object{}, err
	}
	m.MD5, m.HasMD5, m.Checksums = got.md5, true, got.checksums()
	made, err := w.Commit(ctx, c.key, m, opts)
	made.Meta = m
	return made, err
}

// recrypt moves plain text to w, encrypted by key if there is one.
func recrypt(ctx context.Context, src *sealedReader, off, n int64, algorithm checksum.Algorithm, w io.Writer, key *clientKey, salt [32]byte) (received, error) {
	write, err := key.writer(w, salt)
	if err != nil {
		return received{}, err
	}
	got, err := digest(ctx, src, off, n, algorithm, write)
	got.md5 = key.etag(got.md5)
	return got, err
}

// maxRead is the largest copy that is read by this server, in bytes: of a larger
// source a copy can only share the blocks.
const maxRead = 5 << 30

// digest reads a range, gives it to sink, and computes its MD5 and checksum.
func digest(ctx context.Context, src *sealedReader, off, n int64, algorithm checksum.Algorithm, sink func([]byte) error) (received, error) {
	got := received{size: n, algorithm: algorithm}
	if n > maxRead {
		return got, fail(InvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxRead))
	}
	sum := md5.New()
	var beside hash.Hash
	if algorithm != "" {
		beside = algorithm.New()
	}
	defer src.stream(ctx, off, n)()
	buffer := sendBuffers.Get().(*[sendBuffer]byte)
	defer sendBuffers.Put(buffer)
	for done := int64(0); done < n; {
		p := buffer[:min(sendBuffer, n-done)]
		m, err := src.read(ctx, p, off+done)
		if err != nil && !errors.Is(err, io.EOF) || m == 0 {
			return got, firstOf(err, io.ErrUnexpectedEOF)
		}
		if beside != nil {
			beside.Write(p[:m])
		}
		if sink != nil {
			if err := sink(p[:m]); err != nil {
				return got, err
			}
		}
		sum.Write(p[:m])
		done += int64(m)
	}
	sum.Sum(got.md5[:0])
	if beside != nil {
		got.sum = beside.Sum(nil)
	}
	return got, nil
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
