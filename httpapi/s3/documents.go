package s3

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/lifecycle"
	"github.com/truckee-fs/truckee/httpapi/s3/policy"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The documents of a bucket, by the names under which they are kept
// (filestore.BucketInfo.Documents): the policy as JSON, the ACL as acl.Encode
// writes it, the ownership as its word, the others as XML.
const (
	docPolicy       = "policy"
	docACL          = "acl"
	docOwnership    = "ownership"
	docPublicAccess = "public-access"
	docCORS         = "cors"
	docLifecycle    = lifecycle.Document
	docWebsite      = "website"
	docMinimum      = "lifecycle-minimum" // of transitions, as its word
	docTagging      = "tagging"
	docEncryption   = "encryption"
	docPayment      = "payment"
)

// parsedDocuments keeps what documents of buckets say, as it was parsed, beside
// the document that it was parsed from.
type parsedDocuments struct {
	mu    sync.Mutex                   // guards the fields below
	all   map[[2]string]parsedDocument // by bucket and name
	bytes int                          // of their documents
}

type parsedDocument struct {
	raw   []byte
	value any
}

// maxParsed bounds what is kept, in bytes of documents.
const maxParsed = 4 << 20

// parsed gives a bucket's document as parse reads it; the zero value and false if
// the bucket has none.
func parsed[T any](s *Server, info filestore.BucketInfo, name string, parse func([]byte) (T, error)) (value T, there bool, err error) {
	raw, there := info.Documents[name]
	if !there {
		return value, false, nil
	}
	at := [2]string{info.Name, name}
	p := &s.parsed
	p.mu.Lock()
	kept, ok := p.all[at]
	p.mu.Unlock()
	if ok && bytes.Equal(kept.raw, raw) {
		return kept.value.(T), true, nil
	}
	if value, err = parse(raw); err != nil {
		return value, false, fmt.Errorf("the %s of bucket %s: %w: %w", name, info.Name, kind.Corrupt, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil || p.bytes > maxParsed {
		p.all, p.bytes = map[[2]string]parsedDocument{}, 0
	}
	p.bytes += len(raw) + len(info.Name) - len(p.all[at].raw)
	p.all[at] = parsedDocument{raw, value}
	return value, true, nil
}

func (s *Server) policyOf(info filestore.BucketInfo) (*policy.Policy, error) {
	p, _, err := parsed(s, info, docPolicy, func(raw []byte) (*policy.Policy, error) { return policy.Parse(raw, info.Name) })
	return p, err
}

func (s *Server) corsOf(info filestore.BucketInfo) (*settings.CORS, error) {
	cors, _, err := parsed(s, info, docCORS, settings.ParseCORS)
	return cors, err
}

func (s *Server) lifecycleOf(info filestore.BucketInfo) (*settings.Lifecycle, error) {
	l, _, err := parsed(s, info, docLifecycle, settings.ParseLifecycle)
	return l, err
}

func (s *Server) encryptionOf(info filestore.BucketInfo) (*settings.Encryption, error) {
	e, _, err := parsed(s, info, docEncryption, settings.ParseEncryption)
	return e, err
}

// ownership is whose the objects are that others write into the bucket.
func (s *Server) ownership(info filestore.BucketInfo) (settings.Ownership, error) {
	raw, there := info.Documents[docOwnership]
	if !there {
		return s.defaultOwnership(), nil
	}
	o := settings.Ownership(raw)
	if !o.Valid() {
		return "", fmt.Errorf("the ownership of bucket %s: %w", info.Name, kind.Corrupt)
	}
	return o, nil
}

func (s *Server) defaultOwnership() settings.Ownership {
	if s.ObjectWriter {
		return settings.ObjectWriter
	}
	return settings.BucketOwnerEnforced
}

// publicAccess is what the bucket blocks: nothing, unless it was told to.
func publicAccess(info filestore.BucketInfo) (settings.PublicAccess, error) {
	raw, there := info.Documents[docPublicAccess]
	if !there {
		return settings.PublicAccess{}, nil
	}
	p, err := settings.ParsePublicAccess(raw)
	if err != nil {
		return settings.PublicAccess{}, fmt.Errorf("the public access block of bucket %s: %w: %w", info.Name, kind.Corrupt, err)
	}
	return *p, nil
}

// bucketACL is the bucket's list.
func bucketACL(info filestore.BucketInfo) (acl.List, error) {
	return objectACL(info.Documents[docACL], acl.Account(info.Owner))
}

// objectACL is an object's list; without one it is the bucket owner's alone.
func objectACL(document []byte, owner acl.Person) (acl.List, error) {
	if len(document) == 0 {
		return acl.Private(owner), nil
	}
	l, err := acl.Decode(document)
	if err != nil {
		return acl.List{}, fmt.Errorf("an ACL: %w: %w", kind.Corrupt, err)
	}
	return l, nil
}

// keep puts a document into what is registered of a bucket; nil removes it.
func keep(info *filestore.BucketInfo, name string, data []byte) {
	info.Documents = maps.Clone(info.Documents)
	if data == nil {
		delete(info.Documents, name)
		return
	}
	if info.Documents == nil {
		info.Documents = map[string][]byte{}
	}
	info.Documents[name] = data
}

// said turns the refusals of the pure packages into failures.
func said(err error) error {
	var e *settings.Error
	if errors.As(err, &e) {
		return fail(code(e.Code), "%s", e.Message)
	}
	if errors.Is(err, policy.ErrMalformed) {
		return fail(MalformedPolicy, "%s", err.Error())
	}
	return err
}

func tagList(pairs []filestore.Pair) []settings.Tag {
	tags := make([]settings.Tag, len(pairs))
	for i, p := range pairs {
		tags[i] = settings.Tag{Key: p.Name, Value: p.Value}
	}
	return tags
}

func pairList(tags []settings.Tag) []filestore.Pair {
	pairs := make([]filestore.Pair, len(tags))
	for i, t := range tags {
		pairs[i] = filestore.Pair{Name: t.Key, Value: t.Value}
	}
	return pairs
}
