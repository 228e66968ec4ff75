package policy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A condition is one operator with one key and its values.
type condition struct {
	name     string
	op       operator
	negated  bool // …Not…: holds if no value matches
	ifExists bool
	each     quantifier
	key      string
	values   []operand
}

type quantifier uint8

const (
	single quantifier = iota
	anyValue
	allValues
)

// operand is one value of a condition, read once.
type operand struct {
	text    pattern
	number  *big.Rat
	moment  time.Time
	network netip.Prefix
	yes     bool
}

// An operator compares what a request holds with one value.
type operator struct {
	parse func(value string, variables bool) (operand, error)
	match func(have string, want operand) bool
}

// parseConditions reads {operator: {key: value or values}}.
func parseConditions(v any, variables bool) ([]condition, error) {
	block, ok := v.(object)
	if !ok {
		return nil, malformed("Condition is no object")
	}
	var all []condition
	for _, m := range block {
		shape, err := parseOperator(m.name)
		if err != nil {
			return nil, err
		}
		keys, ok := m.value.(object)
		if !ok || len(keys) == 0 {
			return nil, malformed("the operator %q has no keys", m.name)
		}
		for _, k := range keys {
			c := shape
			if err := c.setKey(k, variables); err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func (c *condition) setKey(k member, variables bool) error {
	c.key = foldKey(k.name)
	if _, known := keyKind(c.key); !known {
		return malformed("unknown condition key %q", k.name)
	}
	values, err := scalars(k.value, "the condition on "+k.name)
	if err != nil {
		return err
	}
	for _, value := range values {
		o, err := c.op.parse(value, variables)
		if err != nil {
			return malformed("the condition %s on %s has the invalid value %q", c.name, k.name, value)
		}
		c.values = append(c.values, o)
	}
	return nil
}

// parseOperator reads [ForAnyValue:|ForAllValues:]NAME[IfExists].
func parseOperator(name string) (condition, error) {
	c := condition{name: name}
	base := name
	if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		c.each, base = anyValue, rest
	} else if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		c.each, base = allValues, rest
	}
	if rest, ok := strings.CutSuffix(base, "IfExists"); ok {
		c.ifExists, base = true, rest
	}
	var ok bool
	c.op, c.negated, ok = operatorNamed(base)
	if !ok || base == "Null" && (c.ifExists || c.each != single) {
		return c, malformed("unknown condition operator %q", name)
	}
	if base == "Null" {
		c.name = base
	}
	return c, nil
}

func operatorNamed(name string) (op operator, negated, ok bool) {
	switch name {
	case "StringEquals", "StringNotEquals":
		return operator{plainOperand, func(have string, want operand) bool { return have == want.text.text() }}, name == "StringNotEquals", true
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase":
		return operator{plainOperand, func(have string, want operand) bool { return strings.EqualFold(have, want.text.text()) }}, name == "StringNotEqualsIgnoreCase", true
	case "StringLike", "StringNotLike":
		return operator{likeOperand, func(have string, want operand) bool { return want.text.match(have) }}, name == "StringNotLike", true
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		return operator{arnOperand, matchARN}, strings.Contains(name, "Not"), true
	case "BinaryEquals":
		return operator{binaryOperand, func(have string, want operand) bool { return have == want.text.text() }}, false, true
	case "Bool", "Null":
		return operator{boolOperand, func(have string, want operand) bool { return have == strconv.FormatBool(want.yes) }}, false, true
	case "IpAddress", "NotIpAddress":
		return operator{networkOperand, matchAddress}, name == "NotIpAddress", true
	}
	if test, negated, ok := comparison(name, "Numeric"); ok {
		return operator{numberOperand, func(have string, want operand) bool {
			n, ok := number(have)
			return ok && test(n.Cmp(want.number))
		}}, negated, true
	}
	if test, negated, ok := comparison(name, "Date"); ok {
		return operator{momentOperand, func(have string, want operand) bool {
			t, err := moment(have)
			return err == nil && test(t.Compare(want.moment))
		}}, negated, true
	}
	return operator{}, false, false
}

// comparison is the family NumericEquals, NumericLessThan, … as a test of a
// comparison's result.
func comparison(name, family string) (test func(int) bool, negated, ok bool) {
	rest, ok := strings.CutPrefix(name, family)
	if !ok {
		return nil, false, false
	}
	switch rest {
	case "Equals", "NotEquals":
		return func(c int) bool { return c == 0 }, rest == "NotEquals", true
	case "LessThan":
		return func(c int) bool { return c < 0 }, false, true
	case "LessThanEquals":
		return func(c int) bool { return c <= 0 }, false, true
	case "GreaterThan":
		return func(c int) bool { return c > 0 }, false, true
	case "GreaterThanEquals":
		return func(c int) bool { return c >= 0 }, false, true
	}
	return nil, false, false
}

func plainOperand(value string, variables bool) (operand, error) {
	p, err := parsePattern(value, false, variables)
	return operand{text: p}, err
}

func likeOperand(value string, variables bool) (operand, error) {
	p, err := parsePattern(value, true, variables)
	return operand{text: p}, err
}

func arnOperand(value string, variables bool) (operand, error) {
	if value != "*" && strings.Count(value, ":") < 5 {
		return operand{}, malformed("no ARN")
	}
	return likeOperand(value, variables)
}

func binaryOperand(value string, _ bool) (operand, error) {
	data, err := base64.StdEncoding.DecodeString(value)
	return operand{text: pattern{{text: string(data)}}}, err
}

func boolOperand(value string, _ bool) (operand, error) {
	switch strings.ToLower(value) {
	case "true":
		return operand{yes: true}, nil
	case "false":
		return operand{}, nil
	}
	return operand{}, malformed("no boolean")
}

func networkOperand(value string, _ bool) (operand, error) {
	if !strings.Contains(value, "/") {
		a, err := netip.ParseAddr(value)
		if err != nil {
			return operand{}, err
		}
		return operand{network: netip.PrefixFrom(a.WithZone(""), a.BitLen())}, nil
	}
	n, err := netip.ParsePrefix(value)
	return operand{network: n.Masked()}, err
}

func numberOperand(value string, _ bool) (operand, error) {
	n, ok := number(value)
	if !ok {
		return operand{}, malformed("no number")
	}
	return operand{number: n}, nil
}

func momentOperand(value string, _ bool) (operand, error) {
	t, err := moment(value)
	return operand{moment: t}, err
}

// number reads a decimal number; without an exponent or a fraction, which
// could ask for more memory than the text has characters.
func number(s string) (*big.Rat, bool) {
	if len(s) > 40 || strings.Trim(s, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// moment reads a date of ISO 8601 in the forms that AWS takes, or seconds
// since 1970.
func moment(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil && (layout != "2006" || len(s) == 4) {
			return t, nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(n, 0), nil
}

func matchAddress(have string, want operand) bool {
	a, err := netip.ParseAddr(have)
	return err == nil && want.network.Contains(a.Unmap().WithZone(""))
}

// matchARN compares the six parts of two ARNs each by itself, so that a
// wildcard stays in its part; the last part takes all that is left.
func matchARN(have string, want operand) bool {
	parts, patterns := strings.SplitN(have, ":", 6), want.text.splitARN()
	if len(patterns) == 1 {
		return want.text.match(have)
	}
	if len(parts) != len(patterns) {
		return false
	}
	return !slices.ContainsFunc(parts, func(part string) bool {
		p := patterns[0]
		patterns = patterns[1:]
		return !p.match(part)
	})
}

// splitARN cuts a pattern at the first five colons of its literals.
func (p pattern) splitARN() []pattern {
	parts := []pattern{nil}
	for _, e := range p {
		for e.kind == literal && len(parts) < 6 {
			before, after, found := strings.Cut(e.text, ":")
			if !found {
				break
			}
			last := len(parts) - 1
			parts[last] = append(parts[last], piece{text: before})
			parts = append(parts, nil)
			e.text = after
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], e)
	}
	return parts
}
