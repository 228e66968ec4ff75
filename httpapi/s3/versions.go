package s3

import (
	"context"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
)

func (c *call) listVersions(ctx context.Context) error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	o := filestore.VersionListOptions{ListOptions: filestore.ListOptions{
		Prefix: l.prefix, Delimiter: l.delimiter, After: c.query.get("key-marker"), Max: l.max, Meta: true,
	}}
	idMarker := c.query.get("version-id-marker")
	if idMarker != "" {
		if o.After == "" {
			return fail(InvalidArgument, "A version-id marker cannot be specified without a key marker.").with("ArgumentName", "version-id-marker").with("ArgumentValue", idMarker)
		}
		if o.VersionAfter, err = parseVersion(idMarker); err != nil {
			return err
		}
	}
	page, err := c.bucket.ListVersions(ctx, o)
	if err != nil {
		return err
	}
	whose := c.owners()
	return c.xml(http.StatusOK, "ListVersionsResult", func(d *document) {
		l.head(d, c.target.bucket, false)
		l.name(d, "KeyMarker", o.After)
		d.text("VersionIdMarker", idMarker)
		if page.Truncated {
			l.name(d, "NextKeyMarker", page.Next)
			d.optional("NextVersionIdMarker", page.NextVersion.String())
		}
		d.number("MaxKeys", int64(l.max))
		d.boolean("IsTruncated", page.Truncated)
		for i := range page.Items {
			if page.Items[i].Prefix == "" {
				l.writeVersion(d, &page.Items[i].Object, whose(page.Items[i].Object.Meta.ACL))
			}
		}
		for i := range page.Items {
			if page.Items[i].Prefix != "" {
				l.writePrefix(d, page.Items[i].Prefix)
			}
		}
	})
}

func (l *listing) writeVersion(d *document, o *filestore.Object, owner acl.Person) {
	element := "Version"
	if o.DeleteMarker {
		element = "DeleteMarker"
	}
	d.open(element)
	l.name(d, "Key", o.Key)
	d.text("VersionId", o.Version.String())
	d.boolean("IsLatest", o.Latest)
	d.text("LastModified", xmlTime(o.Mtime))
	if !o.DeleteMarker {
		d.text("ETag", quoted(o.ETag))
		d.checksumAlgorithms(o)
		d.number("Size", o.Size)
		d.text("StorageClass", storageClass(&o.Meta))
	}
	d.owner("Owner", owner)
	d.close(element)
}

// requestedVersion reads versionId.
func (c *call) requestedVersion() (filestore.VersionID, error) {
	text, ok := c.query.lookup("versionId")
	if !ok {
		return filestore.VersionID{}, nil
	}
	return parseVersion(text)
}

func parseVersion(text string) (filestore.VersionID, error) {
	if text == "" {
		return filestore.VersionID{}, fail(InvalidArgument, "Version id cannot be the empty string").with("ArgumentName", "versionId")
	}
	v, err := filestore.ParseVersionID(text)
	if err != nil {
		return v, fail(InvalidArgument, "Invalid version id specified").with("ArgumentName", "versionId").with("ArgumentValue", text).because(err)
	}
	return v, nil
}
