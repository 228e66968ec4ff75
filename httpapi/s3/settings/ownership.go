package settings

import "encoding/xml"

// Ownership says whose the objects are that others than a bucket's owner write.
type Ownership string

// The kinds of ownership. Under BucketOwnerEnforced everything is the bucket
// owner's, and there are no ACLs.
const (
	BucketOwnerEnforced  Ownership = "BucketOwnerEnforced"
	BucketOwnerPreferred Ownership = "BucketOwnerPreferred" // the owner's, if written with bucket-owner-full-control
	ObjectWriter         Ownership = "ObjectWriter"
)

// Valid reports whether o is one of the kinds.
func (o Ownership) Valid() bool {
	return o == BucketOwnerEnforced || o == BucketOwnerPreferred || o == ObjectWriter
}

type xmlOwnership struct {
	XMLName xml.Name           `xml:"OwnershipControls"`
	Xmlns   string             `xml:"xmlns,attr,omitempty"`
	Rules   []xmlOwnershipRule `xml:"Rule"`
	Unknown []Unknown          `xml:",any"`
}

type xmlOwnershipRule struct {
	Ownership Ownership `xml:"ObjectOwnership"`
	Unknown   []Unknown `xml:",any"`
}

// ParseOwnership reads OwnershipControls.
func ParseOwnership(data []byte) (Ownership, error) {
	var doc xmlOwnership
	if err := Read(data, "OwnershipControls", &doc); err != nil {
		return "", err
	}
	if len(doc.Rules) != 1 || !doc.Rules[0].Ownership.Valid() {
		return "", malformed("There is not exactly one rule with a known ObjectOwnership.")
	}
	return doc.Rules[0].Ownership, nil
}

// WriteOwnership is the document of o.
func WriteOwnership(o Ownership) []byte {
	return Write(xmlOwnership{Xmlns: Namespace, Rules: []xmlOwnershipRule{{Ownership: o}}})
}

// PublicAccess is what a bucket's owner blocks, whatever policies and ACLs say.
type PublicAccess struct {
	XMLName         xml.Name  `xml:"PublicAccessBlockConfiguration"`
	Xmlns           string    `xml:"xmlns,attr,omitempty"`
	BlockACLs       bool      `xml:"BlockPublicAcls"`       // no new public ACLs
	IgnoreACLs      bool      `xml:"IgnorePublicAcls"`      // those that are there don't count
	BlockPolicy     bool      `xml:"BlockPublicPolicy"`     // no new public policy
	RestrictBuckets bool      `xml:"RestrictPublicBuckets"` // a public policy gives nothing to others
	Unknown         []Unknown `xml:",any"`
}

// ParsePublicAccess reads a PublicAccessBlockConfiguration.
func ParsePublicAccess(data []byte) (*PublicAccess, error) {
	p := &PublicAccess{}
	if err := Read(data, "PublicAccessBlockConfiguration", p); err != nil {
		return nil, err
	}
	return p, nil
}
