package s3

import (
	"context"
	"net/http"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
)

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
		if err := c.mayReadTags(ctx, from, &o); err != nil {
			return m, err
		}
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

// mayReadTags asks for the right to see the tags of a source, if it has any: in a copy
// of his own the caller can read them.
func (c *call) mayReadTags(ctx context.Context, from *source, o *filestore.Object) error {
	if len(o.Meta.Tags) == 0 {
		return nil
	}
	return c.authorise(ctx, access{action: "s3:GetObjectTagging", bucket: from.bucket, key: from.key, version: from.version.String(), source: true})
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
