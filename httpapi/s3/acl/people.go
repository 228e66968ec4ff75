package acl

import (
	"regexp"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// People tells what is known of accounts.
type People interface {
	// Known gives the person of a canonical id, with the name if it is known.
	// False if there can be no such person.
	Known(id string) (Person, bool)
	// Named gives the person of an account's name or e-mail address; false if
	// there is none.
	Named(name string) (Person, bool)
}

// IsCanonical reports whether id has the form of a canonical user id.
func IsCanonical(id string) bool { return canonical.MatchString(id) }

var canonical = regexp.MustCompile(`^[0-9a-f]{64}$`)

func refuse(code, message string) error { return &settings.Error{Code: code, Message: message} }

// grantee resolves one of the three ways to name who gets a grant.
func grantee(people People, id, uri, email string) (Grant, error) {
	switch {
	case id != "":
		p, ok := people.Known(id)
		if !ok {
			return Grant{}, refuse("InvalidArgument", "Invalid id")
		}
		return Grant{Person: p}, nil
	case uri != "":
		if uri != AllUsers && uri != AuthenticatedUsers && uri != LogDelivery {
			return Grant{}, refuse("InvalidArgument", "Invalid group uri")
		}
		return Grant{Group: uri}, nil
	case email != "":
		p, ok := people.Named(email)
		if !ok {
			return Grant{}, refuse("UnresolvableGrantByEmailAddress", "The e-mail address you provided does not match any account on record.")
		}
		return Grant{Person: p}, nil
	}
	return Grant{}, refuse("InvalidArgument", "A grant names nobody.")
}
