package acl

import (
	"net/http"
	"strings"
)

// granting are the headers that grant, and what.
func granting() [5]struct {
	name       string
	permission Permission
} {
	return [5]struct {
		name       string
		permission Permission
	}{
		{"X-Amz-Grant-Read", Read},
		{"X-Amz-Grant-Write", Write},
		{"X-Amz-Grant-Read-Acp", ReadACP},
		{"X-Amz-Grant-Write-Acp", WriteACP},
		{"X-Amz-Grant-Full-Control", FullControl},
	}
}

// InHeaders reports whether a request says in its headers who may do what.
func InHeaders(h http.Header) bool {
	if h.Get("X-Amz-Acl") != "" {
		return true
	}
	for _, g := range granting() {
		if h.Get(g.name) != "" {
			return true
		}
	}
	return false
}

// FromHeaders gives the list that a request's headers ask for: a canned one, or
// that of its grants, which then is the whole list. Without either it is private.
func FromHeaders(h http.Header, bucket bool, writer, bucketOwner Person, people People) (List, error) {
	l := List{Owner: writer}
	for _, g := range granting() {
		for value := range strings.SplitSeq(strings.Join(h.Values(g.name), ","), ",") {
			if value = strings.TrimSpace(value); value == "" {
				continue
			}
			grant, err := parseGrantee(value, people)
			if err != nil {
				return List{}, err
			}
			grant.Permission = g.permission
			l.Grants = append(l.Grants, grant)
		}
	}
	canned := h.Get("X-Amz-Acl")
	switch {
	case canned != "" && len(l.Grants) > 0:
		return List{}, refuse("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
	case len(l.Grants) > MaxGrants:
		return List{}, refuse("MalformedACLError", "An ACL has at most 100 grants.")
	case len(l.Grants) > 0:
		return l.sorted(), nil
	case canned == "":
		return Private(writer), nil
	}
	l, ok := Canned(canned, bucket, writer, bucketOwner)
	if !ok {
		return List{}, refuse("InvalidArgument", "There is no canned ACL of that name here.")
	}
	return l, nil
}

// parseGrantee reads id="…", uri="…" or emailAddress="…".
func parseGrantee(text string, people People) (Grant, error) {
	kind, value, ok := strings.Cut(text, "=")
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	if !ok || value == "" {
		return Grant{}, refuse("InvalidArgument", "A grant is neither id=, uri= nor emailAddress= with a value.")
	}
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "id":
		return grantee(people, value, "", "")
	case "uri":
		return grantee(people, "", value, "")
	case "emailaddress":
		return grantee(people, "", "", value)
	}
	return Grant{}, refuse("InvalidArgument", "A grant is neither id=, uri= nor emailAddress= with a value.")
}
