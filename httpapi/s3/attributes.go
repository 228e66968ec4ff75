package s3

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
)

var objectAttributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

func (c *call) getAttributes(ctx context.Context) error {
	wanted, err := c.wantedAttributes()
	if err != nil {
		return err
	}
	most, err := headerNumber(c.r.Header, "X-Amz-Max-Parts", maxPage)
	if err != nil {
		return err
	}
	after, err := headerNumber(c.r.Header, "X-Amz-Part-Number-Marker", 0)
	if err != nil {
		return err
	}
	// Sizes and checksums tell of the contents: as on AWS both permissions are needed.
	if err := c.authorise(ctx, access{action: "s3:GetObject", bucket: c.bucket, key: c.key}); err != nil {
		return err
	}
	r, err := c.openObject(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	o := r.Object()
	parts, err := r.Parts(ctx)
	if err != nil {
		return err
	}
	key, err := c.clientKey(ofRequest)
	if err == nil {
		err = openSeal(key, o.Meta.Client)
	}
	if err != nil {
		return err
	}
	c.setVersion(c.bucket, o.Version)
	c.w.Header().Set("Last-Modified", httpTime(o.Mtime))
	return c.xml(http.StatusOK, "GetObjectAttributesResponse", func(d *document) {
		has := func(name string) bool { return slices.Contains(wanted, name) }
		if has("ETag") {
			d.text("ETag", o.ETag)
		}
		if has("Checksum") && len(o.Meta.Checksums) > 0 {
			d.open("Checksum")
			d.checksums(o.Meta.Checksums, o.Meta.Parts, true)
			d.close("Checksum")
		}
		if has("ObjectParts") && len(parts) > 0 {
			writeObjectParts(d, &o.Meta, parts, after, min(most, maxPage))
		}
		if has("StorageClass") {
			d.text("StorageClass", storageClass(&o.Meta))
		}
		if has("ObjectSize") {
			d.number("ObjectSize", o.Size)
		}
	})
}

func (c *call) wantedAttributes() ([]string, error) {
	var wanted []string
	for _, value := range c.r.Header["X-Amz-Object-Attributes"] {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !slices.Contains(objectAttributes, name) {
				return nil, fail(InvalidArgument, "Invalid attribute name specified.").with("ArgumentName", "x-amz-object-attributes").with("ArgumentValue", name)
			}
			wanted = append(wanted, name)
		}
	}
	if len(wanted) == 0 {
		return nil, fail(InvalidRequest, "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	return wanted, nil
}

func headerNumber(h http.Header, name string, def int) (int, error) {
	text := h.Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fail(InvalidArgument, "Provided %s not an integer or within integer range", strings.ToLower(name)).with("ArgumentValue", text)
	}
	return n, nil
}

// writeObjectParts writes a page of an object's parts.
func writeObjectParts(d *document, m *filestore.ObjectMeta, parts []filestore.Part, after, most int) {
	total := len(parts)
	for len(parts) > 0 && parts[0].Number <= after {
		parts = parts[1:]
	}
	more := len(parts) > most
	parts = parts[:min(most, len(parts))]
	next := after
	if len(parts) > 0 {
		next = parts[len(parts)-1].Number
	}
	d.open("ObjectParts")
	d.number("TotalPartsCount", int64(total))
	d.number("PartsCount", int64(total))
	d.number("PartNumberMarker", int64(after))
	d.number("NextPartNumberMarker", int64(next))
	d.number("MaxParts", int64(most))
	d.boolean("IsTruncated", more)
	for i := range parts {
		d.open("Part")
		d.number("PartNumber", int64(parts[i].Number))
		d.number("Size", parts[i].Size)
		d.checksums(ofObject(parts[i].Checksums, m), 0, false)
		d.close("Part")
	}
	d.close("ObjectParts")
}
