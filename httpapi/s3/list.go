package s3

import (
	"context"
	"net/http"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

const maxPage = 1000

// listing is what the forms of a list have in common.
type listing struct {
	prefix, delimiter string
	max               int
	url               bool // names are percent-encoded
}

func (c *call) readListing(maxName string) (l listing, err error) {
	l.prefix, l.delimiter = c.query.get("prefix"), c.query.get("delimiter")
	if l.max, err = c.query.number(maxName, maxPage, maxPage); err != nil {
		return l, err
	}
	switch e := c.query.get("encoding-type"); {
	case e == "":
	case strings.EqualFold(e, "url"):
		l.url = true
	default:
		return l, fail(InvalidArgument, "Invalid Encoding Method specified in Request").with("ArgumentName", "encoding-type").with("ArgumentValue", e)
	}
	return l, nil
}

// name writes an element that holds a key or a part of one.
func (l *listing) name(d *document, element, value string) {
	if l.url {
		value = sigv4.Escape(value, true)
	}
	d.text(element, value)
}

func (l *listing) optionalName(d *document, element, value string) {
	if value != "" {
		l.name(d, element, value)
	}
}

// head writes what every list begins with. The prefix of the first form of lists is
// never encoded: AWS's SDKs don't decode it there.
func (l *listing) head(d *document, bucket string, first bool) {
	d.text("Name", bucket)
	if first {
		d.text("Prefix", l.prefix)
	} else {
		l.name(d, "Prefix", l.prefix)
	}
	l.optionalName(d, "Delimiter", l.delimiter)
	if l.url {
		d.text("EncodingType", "url")
	}
}

func (c *call) listObjects(ctx context.Context) error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	marker := c.query.get("marker")
	page, err := c.page(ctx, &l, marker)
	if err != nil {
		return err
	}
	return c.xml(http.StatusOK, "ListBucketResult", func(d *document) {
		l.head(d, c.target.bucket, true)
		l.name(d, "Marker", marker)
		d.number("MaxKeys", int64(l.max))
		d.boolean("IsTruncated", page.Truncated)
		if page.Truncated && (l.delimiter != "" || len(page.Items) == 0) {
			l.name(d, "NextMarker", page.Next)
		}
		c.writePage(d, &l, page.Items, true)
	})
}

func (c *call) listObjectsV2(ctx context.Context) error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	token, hasToken := c.query.lookup("continuation-token")
	start := c.query.get("start-after")
	after := start
	if token != "" {
		if after, err = decodeToken(token); err != nil {
			return err
		}
	}
	page, err := c.page(ctx, &l, after)
	if err != nil {
		return err
	}
	return c.xml(http.StatusOK, "ListBucketResult", func(d *document) {
		l.head(d, c.target.bucket, false)
		if hasToken {
			d.text("ContinuationToken", token)
		}
		l.optionalName(d, "StartAfter", start)
		d.number("KeyCount", int64(len(page.Items)))
		d.number("MaxKeys", int64(l.max))
		d.boolean("IsTruncated", page.Truncated)
		if page.Truncated {
			d.text("NextContinuationToken", encodeToken(page.Next))
		}
		c.writePage(d, &l, page.Items, strings.EqualFold(c.query.get("fetch-owner"), "true"))
	})
}

func (c *call) page(ctx context.Context, l *listing, after string) (filestore.ObjectList, error) {
	return c.bucket.ListObjects(ctx, filestore.ListOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: after, Max: l.max, Meta: true})
}

// writePage writes the objects, and behind them the common prefixes.
func (c *call) writePage(d *document, l *listing, items []filestore.ListItem, owner bool) {
	whose := c.owners()
	for i := range items {
		if items[i].Prefix == "" {
			c.writeObject(d, l, &items[i].Object, owner, whose)
		}
	}
	for i := range items {
		if items[i].Prefix != "" {
			l.writePrefix(d, items[i].Prefix)
		}
	}
}

func (c *call) writeObject(d *document, l *listing, o *filestore.Object, owner bool, whose func([]byte) acl.Person) {
	d.open("Contents")
	l.name(d, "Key", o.Key)
	d.text("LastModified", xmlTime(o.Mtime))
	d.text("ETag", quoted(o.ETag))
	d.checksumAlgorithms(o)
	d.number("Size", o.Size)
	if owner {
		d.owner("Owner", whose(o.Meta.ACL))
	}
	d.text("StorageClass", storageClass(&o.Meta))
	d.close("Contents")
}

func (d *document) checksumAlgorithms(o *filestore.Object) {
	for _, sum := range o.Meta.Checksums {
		d.text("ChecksumAlgorithm", sum.Algorithm)
	}
	if len(o.Meta.Checksums) > 0 {
		d.text("ChecksumType", checksumType(o.Meta.Checksums[0]))
	}
}

func (l *listing) writePrefix(d *document, prefix string) {
	d.open("CommonPrefixes")
	l.name(d, "Prefix", prefix)
	d.close("CommonPrefixes")
}
