package policy

import (
	"math/big"
	"net/netip"
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
