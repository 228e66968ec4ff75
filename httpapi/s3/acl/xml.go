package acl

import (
	"encoding/json"
	"encoding/xml"
	"fmt"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

type xmlOwner struct {
	ID          string             `xml:"ID"`
	DisplayName string             `xml:"DisplayName,omitempty"`
	Unknown     []settings.Unknown `xml:",any"`
}

type xmlGrantee struct {
	XSI     string             `xml:"xmlns:xsi,attr,omitempty"`
	Type    string             `xml:"xsi:type,attr,omitempty"`
	Attrs   []xml.Attr         `xml:",any,attr"`
	ID      string             `xml:"ID,omitempty"`
	Name    string             `xml:"DisplayName,omitempty"`
	URI     string             `xml:"URI,omitempty"`
	Email   string             `xml:"EmailAddress,omitempty"`
	Unknown []settings.Unknown `xml:",any"`
}

type xmlGrant struct {
	Grantee    *xmlGrantee        `xml:"Grantee"`
	Permission Permission         `xml:"Permission"`
	Unknown    []settings.Unknown `xml:",any"`
}

type xmlGrants struct {
	Grants  []xmlGrant         `xml:"Grant"`
	Unknown []settings.Unknown `xml:",any"`
}

type xmlPolicy struct {
	XMLName   xml.Name
	Namespace string             `xml:"xmlns,attr,omitempty"`
	Owner     *xmlOwner          `xml:"Owner"`
	List      *xmlGrants         `xml:"AccessControlList"`
	Unknown   []settings.Unknown `xml:",any"`
}

// Parse reads an AccessControlPolicy for what owner owns.
func Parse(data []byte, owner Person, people People) (List, error) {
	var doc xmlPolicy
	if err := settings.Read(data, "AccessControlPolicy", &doc); err != nil {
		return List{}, refuse("MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema: "+err.Error())
	}
	if doc.Owner == nil || doc.Owner.ID == "" || doc.List == nil {
		return List{}, refuse("MalformedACLError", "The ACL has no owner or no list.")
	}
	if doc.Owner.ID != owner.ID {
		return List{}, refuse("AccessDenied", "An ACL can't give what it is about to another owner.")
	}
	if len(doc.List.Grants) > MaxGrants {
		return List{}, refuse("MalformedACLError", "An ACL has at most 100 grants.")
	}
	l := List{Owner: owner}
	for _, g := range doc.List.Grants {
		if g.Grantee == nil || !g.Permission.valid() {
			return List{}, refuse("MalformedACLError", "A grant has no grantee or no permission.")
		}
		grant, err := grantee(people, g.Grantee.ID, g.Grantee.URI, g.Grantee.Email)
		if err != nil {
			return List{}, err
		}
		grant.Permission = g.Permission
		l.Grants = append(l.Grants, grant)
	}
	return l.sorted(), nil
}

const schemaInstance = "http://www.w3.org/2001/XMLSchema-instance"

// XML is the list as an AccessControlPolicy, with the names that people knows.
func (l List) XML(people People) []byte {
	doc := xmlPolicy{
		XMLName: xml.Name{Local: "AccessControlPolicy"}, Namespace: settings.Namespace,
		Owner: &xmlOwner{ID: l.Owner.ID, DisplayName: nameOf(l.Owner, people)}, List: &xmlGrants{},
	}
	for _, g := range l.sorted().Grants {
		x := &xmlGrantee{XSI: schemaInstance, Type: "Group", URI: g.Group}
		if g.Group == "" {
			x.Type, x.ID, x.Name = "CanonicalUser", g.Person.ID, nameOf(g.Person, people)
		}
		doc.List.Grants = append(doc.List.Grants, xmlGrant{Grantee: x, Permission: g.Permission})
	}
	return settings.Write(doc)
}

func nameOf(p Person, people People) string {
	if p.Name == "" {
		if known, ok := people.Known(p.ID); ok {
			return known.Name
		}
	}
	return p.Name
}

// stored is the form in which a list is kept.
type stored struct {
	Owner  storedPerson  `json:"o"`
	Grants []storedGrant `json:"g"`
}

type storedPerson struct {
	ID   string `json:"i"`
	Name string `json:"n,omitempty"`
}

type storedGrant struct {
	Person     *storedPerson `json:"p,omitempty"`
	Group      string        `json:"g,omitempty"`
	Permission Permission    `json:"a"`
}

// Encode is the list as it is kept: JSON, {"o": owner, "g": grants}, where a
// person is {"i": id, "n": name} and a grant {"p": person or "g": group, "a":
// permission}.
func (l List) Encode() []byte {
	s := stored{Owner: storedPerson(l.Owner), Grants: []storedGrant{}}
	for _, g := range l.Grants {
		e := storedGrant{Group: g.Group, Permission: g.Permission}
		if g.Group == "" {
			p := storedPerson(g.Person)
			e.Person = &p
		}
		s.Grants = append(s.Grants, e)
	}
	data, err := json.Marshal(s)
	if err != nil { // strings only: can't be
		return nil
	}
	return data
}

// Decode reads what Encode wrote.
func Decode(data []byte) (List, error) {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return List{}, fmt.Errorf("acl: %w", err)
	}
	l := List{Owner: Person(s.Owner)}
	for _, g := range s.Grants {
		grant := Grant{Group: g.Group, Permission: g.Permission}
		if g.Person != nil {
			grant.Person = Person(*g.Person)
		}
		l.Grants = append(l.Grants, grant)
	}
	return l, nil
}
