package policy

import "strings"

// resources is the Resource or NotResource of a statement: patterns over
// "bucket" and "bucket/key", what stands behind arn:aws:s3:::.
type resources struct {
	not      bool
	patterns []pattern
}

func (rs *resources) parse(v any, what string, not bool, bucket string, variables bool) error {
	if rs.patterns != nil {
		return malformed("a statement has both Resource and NotResource")
	}
	rs.not = not
	values, err := texts(v, what)
	if err != nil {
		return err
	}
	for _, value := range values {
		p, err := parseResource(value, bucket, variables)
		if err != nil {
			return err
		}
		rs.patterns = append(rs.patterns, p)
	}
	return nil
}

func parseResource(value, bucket string, variables bool) (pattern, error) {
	path := value
	if value != "*" {
		parts := strings.SplitN(value, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "s3" || parts[5] == "" {
			return nil, malformed("invalid resource %q: not arn:aws:s3:::BUCKET or …/KEY", value)
		}
		path = parts[5]
	}
	p, err := parsePattern(path, true, variables)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(path, "/")
	of, err := parsePattern(name, true, variables)
	if err != nil { // a variable that holds a slash
		return nil, err
	}
	if !of.overlaps(bucket) && !reaches(of, bucket) {
		return nil, malformed("the resource %q is not in this bucket", value)
	}
	return p, nil
}

// reaches is for patterns without a slash that go past the bucket's name, such
// as "buck*": a run matches slashes, too.
func reaches(p pattern, bucket string) bool {
	return len(p) > 0 && p.has(anyRun) && p.overlaps(bucket+"/")
}

// match: a pattern whose variable stands for nothing here matches nothing, and
// exempts nothing from a deny; what an allow would exempt it from isn't known,
// so it allows nothing.
func (rs *resources) match(bucket, key string, vars func(string) (string, bool), effect Effect) bool {
	path := bucket
	if key != "" {
		path += "/" + key
	}
	for _, p := range rs.patterns {
		resolved, ok := p.resolve(vars)
		if !ok {
			if rs.not && effect == Allow {
				return false
			}
			continue
		}
		if resolved.match(path) {
			return !rs.not
		}
	}
	return rs.not
}
