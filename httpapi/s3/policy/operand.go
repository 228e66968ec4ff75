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
