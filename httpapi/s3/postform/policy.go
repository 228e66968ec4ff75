package postform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
)

// MaxPolicy is the longest policy document, in bytes.
const MaxPolicy = 20 << 10

// Policy is what whoever signed the form allows.
type Policy struct {
	Expiration time.Time
	conditions []condition
	ranged     bool
	least      int64
	most       int64
}

// condition is demanded of one field.
type condition struct {
	field  string
	value  string
	starts bool
}

func invalidPolicy(format string, args ...any) error {
	return refuse("InvalidPolicyDocument", "Invalid Policy: "+format, args...)
}

// ParsePolicy reads the field "policy": base64 of a JSON document.
func ParsePolicy(field string) (*Policy, error) {
	if len(field) > MaxPolicy*4/3+4 {
		return nil, invalidPolicy("it is too long.")
	}
	data, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, field))
	if err != nil {
		return nil, invalidPolicy("it is not base64.")
	}
	var doc struct {
		expiration *string
		conditions []any
		there      bool
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var top map[string]any // exact names: encoding/json's structs know no case
	if err := d.Decode(&top); err != nil {
		return nil, invalidPolicy("it is not JSON.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalidPolicy("there is more behind its end.")
	}
	for name, v := range top {
		switch name {
		case "expiration":
			if s, ok := v.(string); ok {
				doc.expiration = &s
			}
		case "conditions":
			doc.conditions, doc.there = v.([]any)
		default:
			return nil, invalidPolicy("unexpected element %q.", name)
		}
	}
	if doc.expiration == nil {
		return nil, invalidPolicy("it has no expiration.")
	}
	if !doc.there {
		return nil, invalidPolicy("it has no list of conditions.")
	}
	p := &Policy{}
	if p.Expiration, err = time.Parse(time.RFC3339Nano, *doc.expiration); err != nil {
		return nil, invalidPolicy("its expiration is no date of ISO 8601.")
	}
	for _, c := range doc.conditions {
		if err := p.add(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add takes {"field": "value"}, ["eq", "$field", "value"], ["starts-with", …]
// or ["content-length-range", least, most].
func (p *Policy) add(v any) error {
	switch v := v.(type) {
	case map[string]any:
		if len(v) != 1 {
			return invalidPolicy("a condition doesn't name exactly one field.")
		}
		for name, value := range v {
			text, ok := value.(string)
			if !ok {
				return invalidPolicy("a condition's value is no string.")
			}
			p.conditions = append(p.conditions, condition{field: strings.ToLower(name), value: text})
		}
		return nil
	case []any:
		if len(v) != 3 {
			return invalidPolicy("a condition hasn't three parts.")
		}
		op, ok := v[0].(string)
		if !ok {
			return invalidPolicy("a condition has no operator.")
		}
		switch strings.ToLower(op) {
		case "eq", "starts-with":
			field, ok1 := v[1].(string)
			value, ok2 := v[2].(string)
			if !ok1 || !ok2 || len(field) < 2 || field[0] != '$' {
				return invalidPolicy("a condition has no $field or no value.")
			}
			p.conditions = append(p.conditions, condition{strings.ToLower(field[1:]), value, strings.EqualFold(op, "starts-with")})
			return nil
		case "content-length-range":
			return p.setRange(v[1], v[2])
		}
		return invalidPolicy("unknown condition %q.", op)
	}
	return invalidPolicy("a condition is neither an object nor a list.")
}

func (p *Policy) setRange(least, most any) error {
	a, ok1 := length(least)
	b, ok2 := length(most)
	if !ok1 || !ok2 || a > b {
		return invalidPolicy("a content-length-range hasn't two lengths in order.")
	}
	if !p.ranged || a > p.least {
		p.least = a
	}
	if !p.ranged || b < p.most {
		p.most = b
	}
	p.ranged = true
	return nil
}

func length(v any) (int64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

// Check refuses (AccessDenied) a form that the policy doesn't allow: one that
// came too late, whose fields don't meet a condition, or that has a field which
// no condition is about.
func (p *Policy) Check(f *Form, bucket string, now time.Time) error {
	if !now.Before(p.Expiration) {
		return refuse("AccessDenied", "Invalid according to Policy: Policy expired.")
	}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		have, ok := f.field(c.field, bucket)
		if !ok && !(c.starts && c.value == "") || !c.met(have) {
			return refuse("AccessDenied", "Invalid according to Policy: Policy Condition failed: [\"%s\", \"$%s\", \"%s\"]", c.operator(), c.field, c.value)
		}
		covered[c.field] = true
	}
	if !covered["bucket"] {
		return refuse("AccessDenied", "Invalid according to Policy: Policy Condition failed: the policy says nothing of the bucket.")
	}
	for _, field := range f.Fields {
		if !covered[field.Name] && !exempt(field.Name) {
			return refuse("AccessDenied", "Invalid according to Policy: Extra input fields: %s", field.Name)
		}
	}
	return nil
}

func (f *Form) field(name, bucket string) (string, bool) {
	switch name {
	case "bucket":
		return bucket, true
	case "key":
		key, err := f.Key()
		return key, err == nil
	}
	return f.Get(name)
}

func (c condition) met(have string) bool {
	if !c.starts {
		return have == c.value
	}
	if c.field == "content-type" && strings.Contains(have, ",") {
		for one := range strings.SplitSeq(have, ",") {
			if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
				return false
			}
		}
		return true
	}
	return strings.HasPrefix(have, c.value)
}

func (c condition) operator() string {
	if c.starts {
		return "starts-with"
	}
	return "eq"
}

// exempt are the fields that a policy needn't speak of: those of the signature
// itself, and checksums, which give nothing and only demand.
func exempt(name string) bool {
	switch name {
	case "x-amz-signature", "signature", "policy", "awsaccesskeyid", "bucket":
		return true
	}
	return strings.HasPrefix(name, ignored) || strings.HasPrefix(name, "x-amz-checksum-")
}

// Lengths gives what the policy demands of the file's length; false if nothing.
func (p *Policy) Lengths() (least, most int64, ok bool) { return p.least, p.most, p.ranged }
