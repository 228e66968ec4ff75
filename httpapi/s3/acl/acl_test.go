package acl

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

var anna, bert, carl = Account("anna"), Account("bert"), Account("carl")

// known are the people of these tests.
type known struct{}

func (known) Known(id string) (Person, bool) {
	for _, p := range []Person{anna, bert} {
		if p.ID == id {
			return p, true
		}
	}
	return Person{ID: id}, IsCanonical(id)
}

func (known) Named(name string) (Person, bool) {
	return Account(name), name == "anna" || name == "bert"
}

func code(err error) string {
	var e *settings.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestCannedLists(t *testing.T) {
	t.Parallel()
	owner := Grant{Person: bert, Permission: FullControl}
	all := func(p Permission) Grant { return Grant{Group: AllUsers, Permission: p} }
	for _, c := range []struct {
		name   string
		bucket bool
		want   []Grant
	}{
		{"private", false, []Grant{owner}},
		{"public-read", false, []Grant{all(Read), owner}},
		{"public-read-write", false, []Grant{all(Read), all(Write), owner}},
		{"authenticated-read", false, []Grant{{Group: AuthenticatedUsers, Permission: Read}, owner}},
		{"bucket-owner-read", false, []Grant{owner, {Person: anna, Permission: Read}}},
		{"bucket-owner-full-control", false, []Grant{owner, {Person: anna, Permission: FullControl}}},
		{"bucket-owner-read", true, []Grant{owner}},
		{"log-delivery-write", true, []Grant{{Group: LogDelivery, Permission: Write}, {Group: LogDelivery, Permission: ReadACP}, owner}},
		{"log-delivery-write", false, nil},
		{"public", false, nil},
		{"", false, nil},
	} {
		l, ok := Canned(c.name, c.bucket, bert, anna)
		if ok != (c.want != nil) || !reflect.DeepEqual(l.Grants, c.want) {
			t.Errorf("%q (bucket %v): %v %v", c.name, c.bucket, ok, l.Grants)
		}
	}
}

func TestWhatAListAllows(t *testing.T) {
	t.Parallel()
	l := List{Owner: anna, Grants: []Grant{
		{Person: anna, Permission: FullControl},
		{Person: bert, Permission: Read},
		{Group: AllUsers, Permission: ReadACP},
		{Group: AuthenticatedUsers, Permission: Write},
	}}
	for _, c := range []struct {
		whom  string
		p     Permission
		quiet bool
		want  bool
	}{
		{anna.ID, WriteACP, false, true},
		{bert.ID, Read, false, true},
		{bert.ID, WriteACP, false, false},
		{bert.ID, Write, false, true},
		{carl.ID, Read, false, false},
		{carl.ID, Write, false, true},
		{carl.ID, Write, true, false},
		{"", ReadACP, false, true},
		{"", ReadACP, true, false},
		{"", Write, false, false},
		{"", Read, false, false},
	} {
		if got := l.Allows(c.whom, c.p, c.quiet); got != c.want {
			t.Errorf("%.4s %s %v: %v", c.whom, c.p, c.quiet, got)
		}
	}
	if (List{Grants: []Grant{{Person: Person{}, Permission: Read}}}).Allows("", Read, false) {
		t.Error("a grant to nobody lets everybody in")
	}
	if !l.Public() || Private(anna).Public() || !Private(anna).OnlyOwner(anna.ID) || l.OnlyOwner(anna.ID) {
		t.Error("public or only the owner's: wrong")
	}
}

func TestGrantHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers [][2]string
		want    []Grant
		code    string
	}{
		"none": {nil, []Grant{{Person: bert, Permission: FullControl}}, ""},
		"by id": {[][2]string{{"X-Amz-Grant-Read", `id="` + anna.ID + `"`}, {"X-Amz-Grant-Write-Acp", "id=" + carl.ID}}, []Grant{
			{Person: anna, Permission: Read}, {Person: Person{ID: carl.ID}, Permission: WriteACP},
		}, ""},
		"several in one, a group first": {[][2]string{{"X-Amz-Grant-Read", `id=` + anna.ID + `, uri="` + AllUsers + `"`}}, []Grant{
			{Group: AllUsers, Permission: Read}, {Person: anna, Permission: Read},
		}, ""},
		"by mail":             {[][2]string{{"X-Amz-Grant-Full-Control", "emailAddress=anna"}}, []Grant{{Person: anna, Permission: FullControl}}, ""},
		"an unknown mail":     {[][2]string{{"X-Amz-Grant-Read", "emailAddress=carl"}}, nil, "UnresolvableGrantByEmailAddress"},
		"an id that is none":  {[][2]string{{"X-Amz-Grant-Read", "id=_foo"}}, nil, "InvalidArgument"},
		"an unknown group":    {[][2]string{{"X-Amz-Grant-Read", "uri=http://x"}}, nil, "InvalidArgument"},
		"another word":        {[][2]string{{"X-Amz-Grant-Read", "name=anna"}}, nil, "InvalidArgument"},
		"nothing named":       {[][2]string{{"X-Amz-Grant-Read", "anna"}}, nil, "InvalidArgument"},
		"a canned one":        {[][2]string{{"X-Amz-Acl", "public-read"}}, []Grant{{Group: AllUsers, Permission: Read}, {Person: bert, Permission: FullControl}}, ""},
		"an unknown one":      {[][2]string{{"X-Amz-Acl", "public-ready"}}, nil, "InvalidArgument"},
		"a canned and a list": {[][2]string{{"X-Amz-Acl", "private"}, {"X-Amz-Grant-Read", "id=" + anna.ID}}, nil, "InvalidRequest"},
		"too many":            {[][2]string{{"X-Amz-Grant-Read", strings.Repeat("id="+anna.ID+",", 101)}}, nil, "MalformedACLError"},
	} {
		h := http.Header{}
		for _, pair := range c.headers {
			h.Add(pair[0], pair[1])
		}
		l, err := FromHeaders(h, false, bert, anna, known{})
		if code(err) != c.code || c.code == "" && (err != nil || !reflect.DeepEqual(l.Grants, c.want)) {
			t.Errorf("%s: %v, %v", name, l.Grants, err)
		}
		if InHeaders(h) != (c.headers != nil) {
			t.Errorf("%s: InHeaders is wrong", name)
		}
	}
}

func TestListsSurviveTheirForms(t *testing.T) {
	t.Parallel()
	l, _ := Canned("public-read-write", false, bert, anna)
	l.Grants = append(l.Grants, Grant{Person: anna, Permission: ReadACP})
	kept, err := Decode(l.Encode())
	if err != nil || !reflect.DeepEqual(kept, l) {
		t.Errorf("kept: %v, %v", kept, err)
	}
	parsed, err := Parse(l.XML(known{}), bert, known{})
	if err != nil || !reflect.DeepEqual(parsed, l) {
		t.Errorf("XML: %v, %v\n%s", parsed, err, l.XML(known{}))
	}
	if text := string(l.XML(known{})); !strings.Contains(text, `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>`+anna.ID+`</ID><DisplayName>anna</DisplayName></Grantee>`) {
		t.Error(text)
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	doc := func(owner, grants string) string {
		return `<AccessControlPolicy><Owner><ID>` + owner + `</ID></Owner><AccessControlList>` + grants + `</AccessControlList></AccessControlPolicy>`
	}
	grant := func(grantee, permission string) string {
		return `<Grant><Grantee>` + grantee + `</Grantee><Permission>` + permission + `</Permission></Grant>`
	}
	if l, err := Parse([]byte(doc(bert.ID, "")), bert, known{}); err != nil || len(l.Grants) != 0 {
		t.Errorf("an empty list: %v, %v", l, err)
	}
	for name, c := range map[string][2]string{
		"nothing":             {"", "MalformedACLError"},
		"no XML":              {"<a", "MalformedACLError"},
		"another document":    {"<CORSConfiguration/>", "MalformedACLError"},
		"no owner":            {"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>", "MalformedACLError"},
		"no list":             {"<AccessControlPolicy><Owner><ID>" + bert.ID + "</ID></Owner></AccessControlPolicy>", "MalformedACLError"},
		"another owner":       {doc(anna.ID, ""), "AccessDenied"},
		"an unknown element":  {doc(bert.ID, "<Deny/>"), "MalformedACLError"},
		"an unknown right":    {doc(bert.ID, grant("<ID>"+anna.ID+"</ID>", "LOOK")), "MalformedACLError"},
		"an id that is none":  {doc(bert.ID, grant("<ID>_foo</ID>", "READ")), "InvalidArgument"},
		"an unknown group":    {doc(bert.ID, grant("<URI>x</URI>", "READ")), "InvalidArgument"},
		"an unknown mail":     {doc(bert.ID, grant("<EmailAddress>x@example.org</EmailAddress>", "READ")), "UnresolvableGrantByEmailAddress"},
		"nobody":              {doc(bert.ID, grant("", "READ")), "InvalidArgument"},
		"too many grants":     {doc(bert.ID, strings.Repeat(grant("<ID>"+anna.ID+"</ID>", "READ"), 101)), "MalformedACLError"},
		"a document type":     {`<!DOCTYPE a [<!ENTITY e "x">]>` + doc(bert.ID, ""), "MalformedACLError"},
		"two documents":       {doc(bert.ID, "") + doc(bert.ID, ""), "MalformedACLError"},
		"a bottomless nest":   {strings.Repeat("<AccessControlPolicy>", 10000), "MalformedACLError"},
		"text behind the end": {doc(bert.ID, "") + "x", "MalformedACLError"},
	} {
		if _, err := Parse([]byte(c[0]), bert, known{}); code(err) != c[1] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Private(bert).XML(known{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data, bert, known{})
		if err != nil {
			return
		}
		again, err := Parse(l.XML(known{}), bert, known{})
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%v becomes %v, %v", l, again, err)
		}
	})
}

// A list that headers give is one that can be kept, and shown.
func FuzzFromHeaders(f *testing.F) {
	f.Add("public-read", "", "")
	f.Add("", `id="`+bert.ID+`", uri=`+AllUsers, "emailAddress=x@example.org")
	f.Add("private", "id=", ",,")
	f.Fuzz(func(t *testing.T, canned, read, full string) {
		h := http.Header{"X-Amz-Acl": {canned}, "X-Amz-Grant-Read": {read}, "X-Amz-Grant-Full-Control": {full}}
		l, err := FromHeaders(h, false, bert, bert, known{})
		if err != nil {
			return
		}
		if again, err := Decode(l.Encode()); err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%v becomes %v, %v", l, again, err)
		}
		if again, err := Parse(l.XML(known{}), bert, known{}); err != nil || len(again.Grants) != len(l.Grants) {
			t.Fatalf("%v is shown as %v, %v", l, again, err)
		}
	})
}
