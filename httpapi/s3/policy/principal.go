package policy

import (
	"regexp"
	"strings"
)

// principals is the Principal or NotPrincipal of a statement.
type principals struct {
	set   bool
	not   bool
	all   bool // "*": everybody, without a name, too
	names []string
}

func (ps *principals) parse(v any, what string, not bool) error {
	if ps.set {
		return malformed("a statement has both Principal and NotPrincipal")
	}
	ps.set, ps.not = true, not
	if v == "*" {
		ps.all = true
		return nil
	}
	o, ok := v.(object)
	if !ok || len(o) == 0 {
		return malformed("%s is neither \"*\" nor an object", what)
	}
	for _, m := range o {
		values, err := texts(m.value, what)
		if err != nil {
			return err
		}
		for _, value := range values {
			if err := ps.add(m.name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ps *principals) add(class, value string) error {
	switch class {
	case "AWS":
		if value == "*" {
			ps.all = true
			return nil
		}
		name, err := accountOf(value)
		if err != nil {
			return err
		}
		ps.names = append(ps.names, name)
	case "CanonicalUser":
		if value == "" || strings.ContainsAny(value, "*?") {
			return malformed("the principal %q is no canonical user id", value)
		}
		ps.names = append(ps.names, value)
	default:
		return malformed("principals of the kind %q are not known here", class)
	}
	return nil
}

var plainAccount = regexp.MustCompile(`^[^\s*?:/]+$`)

// accountOf reads the forms of a principal: an account's name or canonical id,
// arn:aws:iam::ANY:user/NAME, or arn:aws:iam::NAME:root.
func accountOf(value string) (string, error) {
	if plainAccount.MatchString(value) {
		return value, nil
	}
	parts := strings.SplitN(value, ":", 6)
	if len(parts) < 5 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "iam" && parts[2] != "sts" || strings.ContainsAny(value, "*?") {
		return "", malformed("invalid principal %q", value)
	}
	last := parts[len(parts)-1]
	account := parts[len(parts)-2]
	if user, ok := strings.CutPrefix(last, "user/"); ok {
		if i := strings.LastIndexByte(user, '/'); i >= 0 {
			user = user[i+1:]
		}
		if user == "" {
			return "", malformed("invalid principal %q", value)
		}
		return user, nil
	}
	if last == "root" && account != "" {
		return account, nil
	}
	return "", malformed("invalid principal %q: neither user/NAME nor root", value)
}

func (ps *principals) match(p Principal) bool { return ps.contains(p) != ps.not }

func (ps *principals) contains(p Principal) bool {
	if ps.all {
		return true
	}
	if p.Anonymous() {
		return false
	}
	for _, name := range ps.names {
		if name == p.Name || p.ID != "" && name == p.ID {
			return true
		}
	}
	return false
}
