package s3

import (
	"context"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
)

func (c *call) listUploads(ctx context.Context) error {
	l, err := c.readListing("max-uploads")
	if err != nil {
		return err
	}
	marker, idMarker := c.query.get("key-marker"), c.query.get("upload-id-marker")
	if marker == "" {
		idMarker = "" // it means nothing without a key
	}
	var page filestore.UploadList
	if l.max > 0 {
		page, err = c.bucket.Uploads(ctx, filestore.ListUploadsOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: marker, UploadAfter: idMarker, Max: l.max})
		if err != nil {
			return err
		}
	}
	whose := c.owners()
	return c.xml(http.StatusOK, "ListMultipartUploadsResult", func(d *document) {
		d.text("Bucket", c.target.bucket)
		l.name(d, "KeyMarker", marker)
		d.text("UploadIdMarker", idMarker)
		if page.Truncated {
			l.name(d, "NextKeyMarker", page.Next)
			d.text("NextUploadIdMarker", page.NextUpload)
		}
		l.optionalName(d, "Delimiter", l.delimiter)
		l.name(d, "Prefix", l.prefix)
		if l.url {
			d.text("EncodingType", "url")
		}
		d.number("MaxUploads", int64(l.max))
		d.boolean("IsTruncated", page.Truncated)
		for i := range page.Items {
			if item := &page.Items[i]; item.Prefix == "" {
				writeUpload(d, &l, &item.Upload, whose(item.Upload.Meta.ACL))
			}
		}
		for i := range page.Items {
			if page.Items[i].Prefix != "" {
				l.writePrefix(d, page.Items[i].Prefix)
			}
		}
	})
}

func writeUpload(d *document, l *listing, u *filestore.UploadInfo, owner acl.Person) {
	d.open("Upload")
	l.name(d, "Key", u.Key)
	d.text("UploadId", u.ID)
	d.person("Initiator", u.Initiator)
	d.owner("Owner", owner)
	d.text("StorageClass", storageClass(&u.Meta))
	d.text("Initiated", xmlTime(u.Initiated))
	d.optional("ChecksumAlgorithm", u.ChecksumAlgorithm)
	d.optional("ChecksumType", u.ChecksumType)
	d.close("Upload")
}

func (c *call) listParts(ctx context.Context) error {
	l, err := c.readListing("max-parts")
	if err != nil {
		return err
	}
	after, err := c.query.number("part-number-marker", 0, filestore.MaxParts)
	if err != nil {
		return err
	}
	u, err := c.upload(ctx)
	if err != nil {
		return err
	}
	parts, more, err := c.bucket.Parts(ctx, c.key, u.ID, after, l.max)
	if err != nil {
		return uploadFailure(err)
	}
	next := after
	if len(parts) > 0 {
		next = parts[len(parts)-1].Number
	}
	c.aborts(u.Initiated)
	return c.xml(http.StatusOK, "ListPartsResult", func(d *document) {
		d.text("Bucket", c.target.bucket)
		l.name(d, "Key", c.key)
		d.text("UploadId", u.ID)
		d.person("Initiator", u.Initiator)
		d.owner("Owner", c.owners()(u.Meta.ACL))
		d.text("StorageClass", storageClass(&u.Meta))
		d.number("PartNumberMarker", int64(after))
		d.number("NextPartNumberMarker", int64(next))
		d.number("MaxParts", int64(l.max))
		if l.url {
			d.text("EncodingType", "url")
		}
		d.boolean("IsTruncated", more && l.max > 0)
		d.optional("ChecksumAlgorithm", u.ChecksumAlgorithm)
		d.optional("ChecksumType", u.ChecksumType)
		for i := range parts {
			d.open("Part")
			d.number("PartNumber", int64(parts[i].Number))
			d.text("LastModified", xmlTime(parts[i].Mtime))
			d.text("ETag", quoted(parts[i].ETag))
			d.number("Size", parts[i].Size)
			d.checksums(told(parts[i].Checksums), 0, false)
			d.close("Part")
		}
	})
}
