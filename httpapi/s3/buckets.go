package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
)

const maxBucketsPage = 10000

func (c *call) listBuckets(ctx context.Context) error {
	limit, err := c.query.number("max-buckets", maxBucketsPage, maxBucketsPage)
	if err != nil {
		return err
	}
	if limit == 0 {
		return fail(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000").with("ArgumentName", "max-buckets").with("ArgumentValue", "0")
	}
	after := ""
	if token := c.query.get("continuation-token"); token != "" {
		if after, err = decodeToken(token); err != nil {
			return err
		}
	}
	var all []filestore.BucketInfo
	if region := c.query.get("bucket-region"); region == "" || region == c.server.region() {
		if all, err = c.server.Files.Buckets(ctx, c.who.account.Name, c.who.account.Root, c.query.get("prefix"), after, limit+1); err != nil {
			return err
		}
	}
	next := ""
	if len(all) > limit {
		all = all[:limit]
		next = encodeToken(all[limit-1].Name)
	}
	return c.xml(http.StatusOK, "ListAllMyBucketsResult", func(d *document) {
		d.person("Owner", c.who.account.Name)
		d.open("Buckets")
		for _, b := range all {
			d.open("Bucket")
			d.text("Name", b.Name)
			d.text("CreationDate", xmlTime(b.Created))
			d.text("BucketRegion", c.server.region())
			d.close("Bucket")
		}
		d.close("Buckets")
		d.optional("ContinuationToken", next)
		d.optional("Prefix", c.query.get("prefix"))
	})
}

// person writes who an account is to others.
func (d *document) person(element, account string) { d.owner(element, acl.Account(account)) }

// owner is person, of whom the name may not be known.
func (d *document) owner(element string, p acl.Person) {
	d.open(element)
	d.text("ID", p.ID)
	d.optional("DisplayName", p.Name)
	d.close(element)
}

// Tokens of pages say after which name the next page begins. They are opaque to
// clients, and safe in a query as they are.
func encodeToken(after string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{1}, after...))
}

func decodeToken(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != 1 {
		return "", fail(InvalidArgument, "The continuation token provided is incorrect").with("ArgumentName", "continuation-token")
	}
	return string(b[1:]), nil
}

// maxBucketDocument is the longest body of CreateBucket.
const maxBucketDocument = 64 << 10

type xmlCreateBucket struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Location string   `xml:"LocationConstraint"`

	Tags []settings.Tag `xml:"Tags>Tag"`

	Directory *struct{} `xml:"Bucket"` // of another kind: what it would be isn't here
	Zone      *struct{} `xml:"Location"`
}

func (c *call) createBucket(ctx context.Context) error {
	if c.who.anonymous() {
		return fail(AccessDenied, "")
	}
	if !validBucketName(c.target.bucket) {
		return fail(InvalidBucketName, "").with("BucketName", c.target.bucket)
	}
	info := filestore.BucketInfo{Name: c.target.bucket, Owner: c.who.account.Name, Created: c.server.now()}
	if err := c.readBucketDocument(ctx, &info); err != nil {
		return err
	}
	switch lock := c.r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"); strings.ToLower(lock) {
	case "", "false":
	case "true":
		info.Lock, info.Versioning = true, filestore.VersioningEnabled
	default:
		return fail(InvalidArgument, "Invalid value of x-amz-bucket-object-lock-enabled.")
	}
	if err := c.newBucketDocuments(&info); err != nil {
		return err
	}
	owner, err := c.server.Mount(ctx, c.who.account)
	if err != nil {
		return err
	}
	_, err = c.server.Files.CreateBucket(ctx, owner, info)
	if errors.Is(err, kind.Exist) {
		err = c.bucketExists(ctx, info)
	}
	switch {
	case errors.Is(err, kind.NameInvalid):
		return fail(InvalidBucketName, "").with("BucketName", info.Name).because(err)
	case errors.Is(err, kind.TooLarge):
		return fail(TooManyBuckets, "").because(err)
	case errors.Is(err, kind.NotDir), errors.Is(err, kind.Unsupported):
		return fail(BucketAlreadyExists, "Something that is no bucket has this name in your files.").with("BucketName", info.Name).because(err)
	case err != nil:
		return err
	}
	c.w.Header().Set("Location", "/"+info.Name)
	return c.empty(http.StatusOK)
}

// readBucketDocument reads the body, which may say where the bucket is to be, and its
// tags.
func (c *call) readBucketDocument(ctx context.Context, info *filestore.BucketInfo) error {
	body, err := c.document(ctx, maxBucketDocument)
	if err != nil || len(body) == 0 {
		return err
	}
	var doc xmlCreateBucket
	if err := xml.Unmarshal(body, &doc); err != nil {
		return fail(MalformedXML, "").because(err)
	}
	if doc.Location != "" && !c.server.hasRegion(doc.Location) {
		return fail(InvalidLocationConstraint, "").with("LocationConstraint", doc.Location)
	}
	if doc.Directory != nil || doc.Zone != nil {
		return fail(NotImplemented, "Directory buckets are not supported.")
	}
	if len(doc.Tags) == 0 {
		return nil
	}
	if err := settings.CheckTags(doc.Tags, settings.MaxBucketTags); err != nil {
		return said(err)
	}
	keep(info, docTagging, settings.WriteTagging(doc.Tags))
	return nil
}

// hasRegion tells the names that this server's region goes by.
func (s *Server) hasRegion(name string) bool {
	if name == s.region() {
		return true
	}
	for _, other := range s.Regions {
		if other == "*" || other == name {
			return true
		}
	}
	return len(s.Regions) == 0 && regionName.MatchString(name)
}

var regionName = regexp.MustCompile(`^([a-z]{2}(-[a-z]+)+-[0-9]{1,2}|EU)$`)

// bucketExists is the answer to who makes a bucket that is there. In us-east-1 its
// owner hears that it was made, as long as nothing else was asked of it.
func (c *call) bucketExists(ctx context.Context, asked filestore.BucketInfo) error {
	b, err := c.server.Files.Bucket(ctx, asked.Name)
	if err != nil {
		if errors.Is(err, kind.NotExist) {
			return fail(OperationAborted, "").because(err) // it was removed just now
		}
		return err
	}
	info := b.Info()
	switch {
	case info.Owner != asked.Owner || !sameDocuments(info.Documents, asked.Documents):
		return fail(BucketAlreadyExists, "").with("BucketName", asked.Name)
	case c.server.region() == DefaultRegion && info.Lock == asked.Lock:
		return nil
	}
	return fail(BucketAlreadyOwnedByYou, "").with("BucketName", asked.Name)
}

// sameDocuments compares what CreateBucket can ask for.
func sameDocuments(a, b map[string][]byte) bool {
	return bytes.Equal(a[docACL], b[docACL]) && (b[docOwnership] == nil || bytes.Equal(a[docOwnership], b[docOwnership]))
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// validBucketName tells the names that AWS allows (User Guide, "General purpose
// bucket naming rules").
func validBucketName(name string) bool {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return false
	}
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return false
		}
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

func (c *call) headBucket(context.Context) error {
	c.w.Header().Set("X-Amz-Bucket-Region", c.server.region())
	c.w.Header().Set("X-Amz-Access-Point-Alias", "false")
	return c.empty(http.StatusOK)
}

func (c *call) deleteBucket(ctx context.Context) error {
	owner, err := c.server.Mount(ctx, c.who.account)
	if err != nil {
		return err
	}
	if err := c.bucket.Delete(ctx, owner); err != nil {
		switch {
		case errors.Is(err, kind.NotEmpty):
			return fail(BucketNotEmpty, "").with("BucketName", c.target.bucket).because(err)
		case errors.Is(err, kind.NotExist):
			return fail(NoSuchBucket, "").with("BucketName", c.target.bucket).because(err)
		}
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketLocation(context.Context) error {
	region := c.server.region()
	if region == DefaultRegion {
		region = ""
	}
	d := &document{}
	d.raw(xmlHeader)
	d.raw(`<LocationConstraint xmlns="` + namespace + `">`)
	d.b = appendEscaped(d.b, region)
	d.close("LocationConstraint")
	return c.send(http.StatusOK, "application/xml", d.b)
}
