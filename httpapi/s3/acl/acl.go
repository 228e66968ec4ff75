// Package acl is S3's access control lists: canned ones, those of grant
// headers, and the XML form; what they allow, and whether they make something
// public. It is pure: no clock, no network, no storage.
//
// People are accounts. The canonical id of one is computed from its name (ID),
// so nothing has to be stored or looked up to know it.
//
// Source: Amazon S3 User Guide, "Access control list (ACL) overview".
package acl

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Permission is what a grant gives.
type Permission string

// The permissions. On a bucket Read lists it and Write changes its objects; on
// an object Read reads it and Write does nothing; ReadACP and WriteACP are for
// the list itself.
const (
	Read        Permission = "READ"
	Write       Permission = "WRITE"
	ReadACP     Permission = "READ_ACP"
	WriteACP    Permission = "WRITE_ACP"
	FullControl Permission = "FULL_CONTROL"
)

func (p Permission) valid() bool {
	return p == Read || p == Write || p == ReadACP || p == WriteACP || p == FullControl
}

// The groups that a grant may name.
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	LogDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// MaxGrants is how many grants a list may have, as on AWS.
const MaxGrants = 100

// Person is an account: its canonical id, and its name where that is known.
type Person struct {
	ID   string
	Name string
}

// Account is the person of an account's name. The empty name is nobody.
func Account(name string) Person {
	if name == "" {
		return Person{}
	}
	return Person{ID: ID(name), Name: name}
}

// ID is the canonical id of an account's name: SHA-256 in hexadecimal, 64 digits,
// over a label and the name.
func ID(name string) string {
	sum := sha256.Sum256([]byte("truckee s3 canonical user id\x00" + name))
	return hex.EncodeToString(sum[:])
}

// Grant gives one permission to a person or to a group.
type Grant struct {
	Person     Person // none if Group is set
	Group      string
	Permission Permission
}

// List is an access control list.
type List struct {
	Owner  Person
	Grants []Grant
}

// Private is the list of what is its owner's alone.
func Private(owner Person) List {
	return List{Owner: owner, Grants: []Grant{{Person: owner, Permission: FullControl}}}
}

// Allows reports whether the list gives p to whom (nobody: ""). With
// withoutPublic the grants to groups of people don't count.
func (l List) Allows(whom string, p Permission, withoutPublic bool) bool {
	return slices.ContainsFunc(l.Grants, func(g Grant) bool {
		if g.Permission != p && g.Permission != FullControl {
			return false
		}
		switch g.Group {
		case "":
			return whom != "" && g.Person.ID == whom
		case AllUsers:
			return !withoutPublic
		case AuthenticatedUsers:
			return !withoutPublic && whom != ""
		}
		return false
	})
}

// Public reports whether the list gives anything to everybody, or to everybody
// with an account.
func (l List) Public() bool {
	return slices.ContainsFunc(l.Grants, func(g Grant) bool { return g.Group == AllUsers || g.Group == AuthenticatedUsers })
}

// OnlyOwner reports whether the list gives nothing to anybody but person.
func (l List) OnlyOwner(person string) bool {
	return !slices.ContainsFunc(l.Grants, func(g Grant) bool { return g.Group != "" || g.Person.ID != person })
}

// sorted has the groups first, then people, each in the order in which they came.
func (l List) sorted() List {
	grants := slices.Clone(l.Grants)
	slices.SortStableFunc(grants, func(a, b Grant) int {
		rank := func(g Grant) int {
			if g.Group != "" {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return List{Owner: l.Owner, Grants: grants}
}
