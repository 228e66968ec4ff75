package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (c *call) deleteObject(ctx context.Context) error {
	v, err := c.requestedVersion()
	if err != nil {
		return err
	}
	cond, err := c.deleteConditions()
	if err != nil {
		return err
	}
	bypass, err := c.bypasses(ctx, c.key)
	if err != nil {
		return err
	}
	done, err := c.bucket.DeleteObject(ctx, c.key, v, filestore.DeleteOptions{If: cond, BypassGovernance: bypass})
	if err != nil {
		return deleteFailure(err)
	}
	if done.Marker {
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	if !v.IsLatest() {
		c.w.Header().Set("X-Amz-Version-Id", v.String())
	} else {
		c.setVersion(c.bucket, done.Version)
	}
	return c.empty(http.StatusNoContent)
}

// deleteFailure says what hindered a deletion.
func deleteFailure(err error) error {
	if errors.Is(err, kind.Denied) {
		return fail(AccessDenied, "Access Denied because object protected by object lock.").because(err)
	}
	return writeFailure(err)
}

const (
	maxDeletes        = 1000
	maxDeleteDocument = 4 << 20
)

type xmlDelete struct {
	XMLName xml.Name   `xml:"Delete"`
	Quiet   bool       `xml:"Quiet"`
	Objects xmlObjects `xml:"Object"`
}

// xmlObjects takes no more objects than there may be, as xmlParts does.
type xmlObjects []xmlDeleteObject

// UnmarshalXML implements xml.Unmarshaler.
func (x *xmlObjects) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if len(*x) == maxDeletes {
		return errTooMany
	}
	var o xmlDeleteObject
	if err := d.DecodeElement(&o, &start); err != nil {
		return err
	}
	*x = append(*x, o)
	return nil
}

type xmlDeleteObject struct {
	Key     string  `xml:"Key"`
	Version *string `xml:"VersionId"`
	ETag    string  `xml:"ETag"`
	Mtime   string  `xml:"LastModifiedTime"`
	Size    string  `xml:"Size"`
}

func (c *call) deleteObjects(ctx context.Context) error {
	body, err := c.document(ctx, maxDeleteDocument)
	if err != nil {
		return err
	}
	doc, err := parseDelete(body)
	if err != nil {
		return err
	}
	outcomes := c.deleteAll(ctx, doc.Objects)
	var records errgroup.Group // many wait for the disk together
	records.SetLimit(100)
	for i := range outcomes {
		records.Go(func() error { return c.recordDeletion(&doc.Objects[i], outcomes[i].err) })
	}
	if err := records.Wait(); err != nil {
		return err
	}
	return c.xml(http.StatusOK, "DeleteResult", func(d *document) {
		for i, o := range doc.Objects {
			version := ""
			if o.Version != nil {
				version = *o.Version
			}
			outcomes[i].write(d, o.Key, version, doc.Quiet)
		}
	})
}

func parseDelete(body []byte) (doc xmlDelete, err error) {
	if err := xml.Unmarshal(body, &doc); err != nil {
		return doc, fail(MalformedXML, "").because(err)
	}
	if len(doc.Objects) == 0 || len(doc.Objects) > maxDeletes {
		return doc, fail(MalformedXML, "")
	}
	return doc, nil
}

// recordDeletion keeps a record of one of many, beside that of the request: it is
// what tells who has removed a key. What nobody in particular was refused has none.
func (c *call) recordDeletion(o *xmlDeleteObject, err error) error {
	if c.server.Audit == nil || c.who.anonymous() && err != nil || o.Key == "" || len(o.Key) > maxKey {
		return nil
	}
	r := audit.Record{
		Service: audit.S3, Session: c.id, Account: c.who.account.Name, Remote: c.r.RemoteAddr, Op: audit.Remove, Request: c.op.name,
		Path: "/" + c.target.bucket + "/" + o.Key, Err: err, Took: c.server.now().Sub(c.began),
	}
	if o.Version != nil {
		r.Detail = versionDetail(*o.Version)
	}
	return c.server.Audit.Record(r)
}

// versionDetail names a version in a record.
func versionDetail(id string) string {
	if id == "" || len(id) > maxKey {
		return ""
	}
	return "version " + id
}

// deletion is what came of one of many.
type deletion struct {
	done filestore.Deleted
	err  error
}

// deleteAll deletes what may be deleted, in as few commits as the filestore needs.
func (c *call) deleteAll(ctx context.Context, objects []xmlDeleteObject) []deletion {
	outcomes := make([]deletion, len(objects))
	var requests []filestore.DeleteRequest
	var at []int
	for i := range objects {
		r, err := c.deleteRequest(ctx, &objects[i])
		if err != nil {
			outcomes[i].err = err
			continue
		}
		requests, at = append(requests, r), append(at, i)
	}
	for j, result := range c.bucket.DeleteObjects(ctx, requests) {
		outcomes[at[j]] = deletion{result.Deleted, result.Err}
		if result.Err != nil {
			outcomes[at[j]].err = deleteFailure(result.Err)
		}
	}
	return outcomes
}

func (c *call) deleteRequest(ctx context.Context, o *xmlDeleteObject) (filestore.DeleteRequest, error) {
	r := filestore.DeleteRequest{Key: o.Key}
	if o.Key == "" {
		return r, fail(UserKeyMustBeSpecified, "A key must be given.")
	}
	if err := checkKey(o.Key); err != nil {
		return r, err
	}
	a := access{action: "s3:DeleteObject", bucket: c.bucket, key: o.Key}
	if o.Version != nil && *o.Version != "" {
		v, err := parseVersion(*o.Version)
		if err != nil {
			return r, fail(NoSuchVersion, "").because(err)
		}
		r.Version, a.action, a.version = v, "s3:DeleteObjectVersion", *o.Version
	}
	if err := c.authorise(ctx, a); err != nil {
		return r, err
	}
	if o.ETag != "" {
		r.If.Match = matchOf([]string{o.ETag})
	}
	if err := deleteCondition(&r.If, o.Mtime, o.Size); err != nil {
		return r, err
	}
	var err error
	r.BypassGovernance, err = c.bypasses(ctx, o.Key)
	return r, err
}

// write tells what came of the deletion of a key.
func (o *deletion) write(d *document, key, version string, quiet bool) {
	if o.err != nil {
		f := failureOf(o.err)
		d.open("Error")
		d.text("Key", key)
		d.optional("VersionId", version)
		d.text("Code", string(f.code))
		d.text("Message", f.message)
		d.close("Error")
		return
	}
	if quiet {
		return
	}
	d.open("Deleted")
	d.text("Key", key)
	d.optional("VersionId", version)
	if o.done.Marker {
		d.boolean("DeleteMarker", true)
		d.optional("DeleteMarkerVersionId", o.done.Version.String())
	}
	d.close("Deleted")
}
