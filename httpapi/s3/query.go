package s3

import (
	"strconv"
	"strings"
)

// query is the parameters of a request in the order in which they came, decoded.
type query []parameter

type parameter struct {
	name, value string
	bare        bool // came without "="
}

// maxParameters bounds what is looked at.
const maxParameters = 256

func parseQuery(raw string) (query, error) {
	if raw == "" {
		return nil, nil
	}
	var q query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if len(q) == maxParameters {
			return nil, fail(InvalidRequest, "There are too many query parameters.")
		}
		name, value, found := strings.Cut(part, "=")
		var p parameter
		var err error
		if p.name, err = unescapeQuery(name); err != nil {
			return nil, err
		}
		if p.value, err = unescapeQuery(value); err != nil {
			return nil, err
		}
		p.bare = !found
		q = append(q, p)
	}
	return q, nil
}

// get is the first value of a parameter, empty if it isn't there.
func (q query) get(name string) string {
	value, _ := q.lookup(name)
	return value
}

func (q query) has(name string) bool {
	_, ok := q.lookup(name)
	return ok
}

func (q query) lookup(name string) (string, bool) {
	for _, p := range q {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// number reads a parameter that counts: absent gives def, and more than most is
// most.
func (q query) number(name string, def, most int) (int, error) {
	text, ok := q.lookup(name)
	if !ok || text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, fail(InvalidArgument, "Argument %s must be an integer between 0 and 2147483647", name).with("ArgumentName", name).with("ArgumentValue", text)
	}
	return min(int(n), most), nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
