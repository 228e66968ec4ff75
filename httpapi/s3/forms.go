package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/postform"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// postsForm reports whether the request is an upload by an HTML form.
func (c *call) postsForm() bool {
	return c.r.Method == http.MethodPost && c.scope() == onBucket && c.op != nil && c.op.name == "PostObject" && postform.IsForm(c.r.Header.Get("Content-Type"))
}

// postWithoutForm answers a POST to a bucket that is no upload by a form.
func (c *call) postWithoutForm(context.Context) error {
	return fail(MalformedPOSTRequest, "The body of your POST request is not well-formed multipart/form-data.")
}

// postObject is an upload by an HTML form: its fields become the headers of a
// PutObject, once they are known to be what whoever signed the form allows.
func (c *call) postObject(ctx context.Context) error {
	came := c.bytes
	// The fields have as long as the body may be silent.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(bodyTimeout))
	form, err := postform.Read(came, c.r.Header.Get("Content-Type"))
	if err != nil {
		return said(err)
	}
	signed, err := c.authenticateForm(ctx, form)
	if err != nil {
		return err
	}
	if err := c.findBucket(ctx); err != nil {
		return err
	}
	key, err := form.Key()
	if err != nil {
		return said(err)
	}
	if err := checkKey(key); err != nil {
		return err
	}
	in := &formFile{form: form, most: maxObject}
	if signed != nil {
		if err := signed.Check(form, c.target.bucket, c.server.now()); err != nil {
			return said(err)
		}
		if least, most, ok := signed.Lengths(); ok {
			in.least, in.most = least, min(most, maxObject)
		}
	}
	if err := c.takeFields(form); err != nil {
		return err
	}
	c.key, c.form = key, form
	c.bytes = &counted{ReadCloser: io.NopCloser(in)}
	c.r.ContentLength = -1
	if err := c.authorise(ctx, access{action: "s3:PutObject", bucket: c.bucket, key: key}); err != nil {
		return err
	}
	return c.putObject(ctx)
}

// authenticateForm finds out who signed the form, and gives the policy that was
// signed, nil for a form without.
func (c *call) authenticateForm(ctx context.Context, form *postform.Form) (*postform.Policy, error) {
	document, there := form.Get("policy")
	claim, err := sigv4.FromForm(form.Value, c.server.SignatureV2)
	switch {
	case err != nil:
		return nil, c.refused(ctx, "", err)
	case claim == nil && !there:
		return nil, nil
	case claim == nil:
		return nil, fail(InvalidArgument, "Bucket POST must contain a field named 'X-Amz-Signature'. If it is specified, please check the order of the fields.")
	case !there:
		return nil, fail(InvalidArgument, "Bucket POST must contain a field named 'policy'. If it is specified, please check the order of the fields.")
	}
	secret, err := c.secretOf(ctx, claim)
	if err == nil {
		if err = claim.VerifyPolicy(document, secret); err != nil {
			c.claimedWrongly(claim.AccessKey, err)
		}
	}
	if err != nil {
		return nil, c.refused(ctx, claim.AccessKey, err)
	}
	if err := c.moderate("key " + claim.AccessKey); err != nil {
		return nil, err
	}
	c.who.signedBy(claim)
	p, err := postform.ParsePolicy(document)
	return p, said(err)
}

// takeFields makes headers of the form's fields. Headers that the request itself
// has say nothing here: no policy speaks of them.
func (c *call) takeFields(form *postform.Form) error {
	h := c.r.Header
	for name := range h {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, "content-") || strings.HasPrefix(lower, "if-") || lower == "cache-control" || lower == "expires" {
			h.Del(name)
		}
	}
	for _, field := range form.Fields {
		if field.Name != "tagging" {
			if err := checkHeaderValue(field.Name, field.Value); err != nil {
				return err
			}
		}
		switch field.Name {
		case "acl":
			h.Set("X-Amz-Acl", field.Value)
		case "content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires", "content-md5", "if-match", "if-none-match":
			h.Set(field.Name, field.Value)
		case "tagging":
			tags, err := settings.ParseTagging([]byte(field.Value), settings.MaxObjectTags)
			if err != nil {
				return said(err)
			}
			var pairs []string
			for _, t := range tags {
				pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
			}
			h.Set("X-Amz-Tagging", strings.Join(pairs, "&"))
		default:
			if !strings.HasPrefix(field.Name, "x-amz-") {
				continue
			}
			if err := checkHeaderName(field.Name); err != nil {
				return err
			}
			h.Add(field.Name, field.Value)
		}
	}
	return nil
}

// formFile is the file of a form: what its policy says of its length is checked
// while it comes, and the form's end when it ends.
type formFile struct {
	form        *postform.Form
	n           int64
	least, most int64
	err         error
}

// Read implements io.Reader.
func (f *formFile) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.form.File.Read(p)
	f.n += int64(n)
	switch {
	case f.n > f.most:
		f.err = &sigv4.Error{Code: string(EntityTooLarge), Message: codes[EntityTooLarge].text}
	case errors.Is(err, io.EOF) && f.n < f.least:
		f.err = &sigv4.Error{Code: string(EntityTooSmall), Message: codes[EntityTooSmall].text}
	case errors.Is(err, io.EOF):
		f.err = io.EOF
		if end := f.form.End(); end != nil {
			f.err = &sigv4.Error{Code: string(MalformedPOSTRequest), Message: codes[MalformedPOSTRequest].text}
		}
	case err != nil:
		f.err = err
	}
	if f.err != nil && f.err != io.EOF {
		return 0, f.err
	}
	return n, err
}

// posted answers an upload by a form as its fields want it.
func (c *call) posted(o *filestore.Object) error {
	place := c.location()
	for _, name := range []string{"success_action_redirect", "redirect"} {
		to, err := url.Parse(c.form.Value(name))
		if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			continue
		}
		if to.RawQuery != "" {
			to.RawQuery += "&"
		}
		to.RawQuery += "bucket=" + url.QueryEscape(c.target.bucket) + "&key=" + url.QueryEscape(c.key) + "&etag=" + url.QueryEscape(quoted(o.ETag))
		c.w.Header().Set("Location", to.String())
		return c.empty(http.StatusSeeOther)
	}
	c.w.Header().Set("Location", place)
	switch c.form.Value("success_action_status") {
	case "200":
		return c.empty(http.StatusOK)
	case "201":
		d := &document{} // in no namespace, as AWS has it
		d.raw(xmlHeader)
		d.open("PostResponse")
		d.text("Location", place)
		d.text("Bucket", c.target.bucket)
		d.text("Key", c.key)
		d.text("ETag", quoted(o.ETag))
		d.close("PostResponse")
		return c.send(http.StatusCreated, xmlType, d.b)
	}
	return c.empty(http.StatusNoContent)
}
