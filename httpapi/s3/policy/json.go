package policy

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest: a policy needs five levels.
const maxDepth = 16

// member is one name of an object with its value, in the document's order.
type member struct {
	name  string
	value any // string, json.Number, bool, nil, []any or object
}

type object []member

// decode reads one JSON value and nothing behind it. Unlike encoding/json it
// refuses a name that an object has twice, which two readers could understand
// in two ways.
func decode(doc []byte) (any, error) {
	if !utf8.Valid(doc) {
		return nil, malformed("the document is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	v, err := value(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, malformed("there is more behind the end of the document")
	}
	return v, nil
}

func value(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, malformed("the document nests too deep")
	}
	t, err := d.Token()
	if err != nil {
		return nil, malformed("not JSON: %v", err)
	}
	switch t {
	case json.Delim('{'):
		return members(d, depth)
	case json.Delim('['):
		return elements(d, depth)
	}
	return t, nil
}

func members(d *json.Decoder, depth int) (object, error) {
	var o object
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, malformed("not JSON: %v", err)
		}
		name, ok := t.(string)
		if !ok {
			return nil, malformed("not JSON")
		}
		if seen[name] {
			return nil, malformed("%q stands there twice", name)
		}
		seen[name] = true
		v, err := value(d, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{name, v})
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed("not JSON: %v", err)
	}
	return o, nil
}

func elements(d *json.Decoder, depth int) ([]any, error) {
	list := []any{}
	for d.More() {
		v, err := value(d, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed("not JSON: %v", err)
	}
	return list, nil
}

// texts reads a string or a list of at least one.
func texts(v any, what string) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		if len(v) == 0 {
			return nil, malformed("%s is empty", what)
		}
		all := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, malformed("%s holds something that is no string", what)
			}
			all = append(all, s)
		}
		return all, nil
	}
	return nil, malformed("%s is neither a string nor a list of strings", what)
}

// scalars is texts that takes numbers and booleans, too, as conditions may
// have them.
func scalars(v any, what string) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		return nil, malformed("%s has no value", what)
	}
	all := make([]string, 0, len(list))
	for _, e := range list {
		switch e := e.(type) {
		case string:
			all = append(all, e)
		case json.Number:
			all = append(all, e.String())
		case bool:
			if e {
				all = append(all, "true")
			} else {
				all = append(all, "false")
			}
		default:
			return nil, malformed("%s has a value that is no string, number or boolean", what)
		}
	}
	return all, nil
}
