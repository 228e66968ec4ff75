package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/internal/audit"
)

// scope is what a request addresses: the service, a bucket, or an object.
type scope uint8

const (
	onService scope = iota
	onBucket
	onObject
)

func (t *target) scope() scope {
	switch {
	case t.key != "":
		return onObject
	case t.bucket != "":
		return onBucket
	}
	return onService
}

// route is what an operation is found by. Sub is the sub-resource, the query
// parameter that says which of a bucket's or an object's aspects is meant.
type route struct {
	scope  scope
	method string
	sub    string
}

// operation is one of S3's operations.
type operation struct {
	name   string // S3's own word for it
	action string // that policies allow or deny. Empty: the handler authorises
	audit  audit.Op
	handle func(*call, context.Context) error
	// open operations need neither an account nor a bucket that exists.
	open bool
	// streams says that the answer goes out while it is made, so that its record
	// can only follow it.
	streams bool
}

// operations is the table of all operations. Objects, buckets and lists are in
// objectOperations, the documents of buckets and objects in configurationOperations.
func operations() map[route]*operation {
	all := map[route]*operation{}
	for r, op := range objectOperations() {
		all[r] = op
	}
	for r, op := range configurationOperations() {
		all[r] = op
	}
	return all
}

func objectOperations() map[route]*operation {
	get, put, head, post, del := http.MethodGet, http.MethodPut, http.MethodHead, http.MethodPost, http.MethodDelete
	return map[route]*operation{
		{onService, get, ""}: {name: "ListBuckets", action: "s3:ListAllMyBuckets", audit: audit.List, handle: (*call).listBuckets},

		{onBucket, put, ""}:           {name: "CreateBucket", action: "s3:CreateBucket", audit: audit.Mkdir, handle: (*call).createBucket, open: true},
		{onBucket, head, ""}:          {name: "HeadBucket", action: "s3:ListBucket", audit: audit.List, handle: (*call).headBucket},
		{onBucket, del, ""}:           {name: "DeleteBucket", action: "s3:DeleteBucket", audit: audit.Rmdir, handle: (*call).deleteBucket},
		{onBucket, get, "location"}:   {name: "GetBucketLocation", action: "s3:GetBucketLocation", audit: audit.List, handle: (*call).getBucketLocation},
		{onBucket, get, ""}:           {name: "ListObjects", action: "s3:ListBucket", audit: audit.List, handle: (*call).listObjects},
		{onBucket, get, "list-type"}:  {name: "ListObjectsV2", action: "s3:ListBucket", audit: audit.List, handle: (*call).listObjectsV2},
		{onBucket, get, "versions"}:   {name: "ListObjectVersions", action: "s3:ListBucketVersions", audit: audit.List, handle: (*call).listVersions},
		{onBucket, get, "uploads"}:    {name: "ListMultipartUploads", action: "s3:ListBucketMultipartUploads", audit: audit.List, handle: (*call).listUploads},
		{onBucket, post, "delete"}:    {name: "DeleteObjects", audit: audit.Remove, handle: (*call).deleteObjects},
		{onObject, get, ""}:           {name: "GetObject", action: "s3:GetObject", audit: audit.Read, handle: (*call).getObject, streams: true},
		{onObject, head, ""}:          {name: "HeadObject", action: "s3:GetObject", audit: audit.Read, handle: (*call).headObject},
		{onObject, put, ""}:           {name: "PutObject", action: "s3:PutObject", audit: audit.Write, handle: (*call).putObject},
		{onObject, put, "copy"}:       {name: "CopyObject", action: "s3:PutObject", audit: audit.Copy, handle: (*call).copyObject},
		{onObject, del, ""}:           {name: "DeleteObject", action: "s3:DeleteObject", audit: audit.Remove, handle: (*call).deleteObject},
		{onObject, get, "attributes"}: {name: "GetObjectAttributes", action: "s3:GetObjectAttributes", audit: audit.Read, handle: (*call).getAttributes},

		{onObject, post, "uploads"}:      {name: "CreateMultipartUpload", action: "s3:PutObject", audit: audit.Write, handle: (*call).createUpload},
		{onObject, put, "uploadId"}:      {name: "UploadPart", action: "s3:PutObject", audit: audit.Write, handle: (*call).uploadPart},
		{onObject, put, "uploadId copy"}: {name: "UploadPartCopy", action: "s3:PutObject", audit: audit.Copy, handle: (*call).uploadPartCopy},
		{onObject, post, "uploadId"}:     {name: "CompleteMultipartUpload", action: "s3:PutObject", audit: audit.Write, handle: (*call).completeUpload},
		{onObject, del, "uploadId"}:      {name: "AbortMultipartUpload", action: "s3:AbortMultipartUpload", audit: audit.Remove, handle: (*call).abortUpload},
		{onObject, get, "uploadId"}:      {name: "ListParts", action: "s3:ListMultipartUploadParts", audit: audit.List, handle: (*call).listParts},
	}
}

func (s *Server) prepare() {
	s.routes = operations()
	s.lanes = newLanes()
	s.subs = map[scope]map[string]bool{onService: {}, onBucket: {}, onObject: {}}
	for r := range s.routes {
		if name, _, _ := strings.Cut(r.sub, " "); name != "" && name != "copy" {
			s.subs[r.scope][name] = true
		}
	}
}

// find gives the operation that a request asks for. More than one sub-resource is
// 400; one that isn't known is 501, never taken for a request of the data beside
// it; a known one with another method is 405.
func (s *Server) find(t *target, r *http.Request) (*operation, error) {
	sub, at, err := s.subresource(t)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodPut && at == onObject && r.Header["X-Amz-Copy-Source"] != nil && (sub == "" || sub == "uploadId") {
		sub = strings.TrimSpace(sub + " copy")
	}
	if op := s.routes[route{at, r.Method, sub}]; op != nil {
		return op, t.versionless(sub)
	}
	var allowed []string
	for other := range s.routes {
		if other.scope == at && other.sub == sub {
			allowed = append(allowed, other.method)
		}
	}
	slices.Sort(allowed)
	return nil, fail(MethodNotAllowed, "").header("Allow", strings.Join(allowed, ", ")).with("Method", r.Method).with("ResourceType", resourceTypes[at])
}

// versionless refuses a version where an upload in parts is meant: policies would be
// asked about the tags and the owner of an object that isn't the one in question.
func (t *target) versionless(sub string) error {
	if !strings.HasPrefix(sub, "upload") || !t.query.has("versionId") {
		return nil
	}
	return fail(InvalidArgument, "This operation does not accept a version-id.").with("ArgumentName", "versionId").with("ArgumentValue", t.query.get("versionId"))
}

// unambiguous refuses a header that S3 acts upon and that came more than once: what
// a policy judges would be another value than the one that counts.
func (c *call) unambiguous() error {
	for name, values := range c.r.Header {
		if len(values) < 2 || !strings.HasPrefix(name, "X-Amz-") || strings.HasPrefix(name, "X-Amz-Meta-") || strings.HasPrefix(name, "X-Amz-Grant-") ||
			name == "X-Amz-Trailer" || name == "X-Amz-Object-Attributes" {
			continue
		}
		return fail(InvalidArgument, "A header came more than once.").with("ArgumentName", strings.ToLower(name))
	}
	return nil
}

// implemented refuses what a request that makes an object asks for beside, where to
// pass it over would do another thing: what was to be appended, or to be a part, or
// another version, would replace the object; what was to be held would not be.
func (c *call) implemented() error {
	if c.query.has("versionId") {
		return fail(InvalidArgument, "This operation does not accept a version-id.").with("ArgumentName", "versionId").with("ArgumentValue", c.query.get("versionId"))
	}
	if c.query.has("partNumber") { // the operations on parts don't come here
		return fail(InvalidArgument, "This operation does not accept a part number without an upload id.").with("ArgumentName", "partNumber").with("ArgumentValue", c.query.get("partNumber"))
	}
	for name := range c.r.Header {
		if name != "X-Amz-Write-Offset-Bytes" && !strings.HasPrefix(name, "X-Amz-Object-Lock-") {
			continue
		}
		switch name {
		case "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold":
			continue
		}
		return fail(NotImplemented, "A header you provided implies functionality that is not implemented").with("Header", strings.ToLower(name))
	}
	return nil
}

var resourceTypes = map[scope]string{onService: "SERVICE", onBucket: "BUCKET", onObject: "OBJECT"}

func (s *Server) subresource(t *target) (string, scope, error) {
	at := t.scope()
	sub := ""
	for _, p := range t.query {
		switch {
		case p.name == "list-type" && p.value != "2":
			continue
		case s.subs[at][p.name]:
			if sub != "" && sub != p.name {
				return "", at, fail(InvalidRequest, "Conflicting sub-resources: %s and %s.", sub, p.name)
			}
			sub = p.name
		case p.value == "" && !isParameter(p.name) && at != onService:
			return "", at, fail(NotImplemented, "").with("Resource-Type", p.name)
		}
	}
	return sub, at, nil
}

// isParameter tells the names that may stand in a query with an empty value and
// select nothing.
func isParameter(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, "response-") || slices.Contains(parameters, name)
}

var parameters = []string{
	"prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token", "start-after", "fetch-owner", "list-type",
	"key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts", "part-number-marker", "max-buckets", "bucket-region",
	"versionId", "partNumber", "x-id", "id", "AWSAccessKeyId", "Signature", "Expires", "allow-unordered",
}
