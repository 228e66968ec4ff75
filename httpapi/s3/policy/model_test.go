package policy

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The evaluation is compared with another one, which works on the document itself and
// is made of nothing but what AWS's page says: regular expressions for patterns, one
// sentence after the other. Documents and requests are drawn from few words, so that
// they often meet.

type (
	doc   = map[string]any
	facts = map[string][]string
)

// modelMatch compares a text with a pattern; vars stands for variables, false if one
// of the pattern's has no value.
func modelMatch(pattern, text string, wild bool, vars facts) (match, known bool) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for pattern != "" {
		if name, rest, ok := strings.Cut(strings.TrimPrefix(pattern, "${"), "}"); ok && strings.HasPrefix(pattern, "${") {
			value := vars[strings.ToLower(name)]
			if len(value) != 1 {
				return false, false
			}
			b.WriteString(regexp.QuoteMeta(value[0]))
			pattern = rest
			continue
		}
		switch c := pattern[:1]; {
		case wild && c == "*":
			b.WriteString(".*")
		case wild && c == "?":
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(c))
		}
		pattern = pattern[1:]
	}
	return regexp.MustCompile(b.String() + `\z`).MatchString(text), true
}

// modelAny tells whether one of the patterns matches; unsure if none does and one had
// a variable without a value.
func modelAny(patterns []string, text string, wild bool, vars facts) (match, unsure bool) {
	for _, p := range patterns {
		m, known := modelMatch(p, text, wild, vars)
		match, unsure = match || m, unsure || !known
	}
	return match, unsure && !match
}

func modelCompare(operator, have string, want []string, vars facts) (match, unsure bool) {
	switch operator {
	case "StringEquals":
		return modelAny(want, have, false, vars)
	case "StringLike":
		return modelAny(want, have, true, vars)
	case "Bool":
		return slices.Contains(want, have), false
	case "NumericLessThan":
		a, err := strconv.Atoi(have)
		return err == nil && slices.ContainsFunc(want, func(w string) bool { b, _ := strconv.Atoi(w); return a < b }), false
	case "IpAddress":
		return slices.ContainsFunc(want, func(w string) bool {
			_, network, err := net.ParseCIDR(w)
			return err == nil && network.Contains(net.ParseIP(have))
		}), false
	}
	panic(operator)
}

func modelCondition(operator, key string, want []string, values facts, allow bool) bool {
	have, there := values[strings.ToLower(key)]
	if operator == "Null" {
		return (want[0] == "true") != there
	}
	set, base, ok := strings.Cut(operator, ":")
	if !ok {
		set, base = "", operator
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	negated := false
	for plain, not := range map[string]string{"StringEquals": "StringNotEquals", "StringLike": "StringNotLike", "IpAddress": "NotIpAddress"} {
		if base == not {
			base, negated = plain, true
		}
	}
	if !there {
		return ifExists || set == "ForAllValues" || set == "" && negated
	}
	holds := func(h string) bool {
		match, unsure := modelCompare(base, h, want, values)
		if unsure && negated {
			return !allow // what it exempts isn't known: it denies, and doesn't allow
		}
		return match != negated
	}
	if set == "ForAnyValue" || set == "" && !negated {
		return slices.ContainsFunc(have, holds)
	}
	return !slices.ContainsFunc(have, func(h string) bool { return !holds(h) })
}

func modelStatement(s doc, r Request, values facts) bool {
	allow := s["Effect"] == "Allow"
	who := func(v any) bool {
		if v == "*" {
			return true
		}
		names := v.(doc)["AWS"].([]string)
		return slices.Contains(names, "*") || !r.Principal.Anonymous() && (slices.Contains(names, r.Principal.Name) || slices.Contains(names, "arn:aws:iam::"+r.Principal.ID+":root"))
	}
	if p, ok := s["Principal"]; ok && !who(p) {
		return false
	}
	if p, ok := s["NotPrincipal"]; ok && who(p) {
		return false
	}
	does := func(v any) bool {
		m, _ := modelAny(v.([]string), r.Action, true, nil)
		return m
	}
	if a, ok := s["Action"]; ok && !does(a) {
		return false
	}
	if a, ok := s["NotAction"]; ok && does(a) {
		return false
	}
	arn := "arn:aws:s3:::" + r.Bucket
	if r.Key != "" {
		arn += "/" + r.Key
	}
	if p, ok := s["Resource"]; ok {
		if m, _ := modelAny(p.([]string), arn, true, values); !m {
			return false
		}
	}
	if p, ok := s["NotResource"]; ok {
		if m, unsure := modelAny(p.([]string), arn, true, values); m || unsure && allow {
			return false
		}
	}
	conditions, _ := s["Condition"].(doc)
	for operator, keys := range conditions {
		for key, want := range keys.(doc) {
			if !modelCondition(operator, key, want.([]string), values, allow) {
				return false
			}
		}
	}
	return true
}

// drawn draws documents and requests.
type drawn struct{ *rand.Rand }

func (d drawn) of(words ...string) string { return words[d.IntN(len(words))] }

func (d drawn) some(words ...string) []string {
	var all []string
	for range 1 + d.IntN(2) {
		if w := d.of(words...); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

func (d drawn) condition() (operator, key string, want []string) {
	quantifier := d.of("", "", "", "ForAnyValue:", "ForAllValues:")
	ifExists := d.of("", "", "IfExists")
	switch d.IntN(5) {
	case 0:
		return "Null", d.of("s3:prefix", "aws:username", "s3:x-amz-acl"), []string{d.of("true", "false")}
	case 1:
		return d.of("Bool") + ifExists, "aws:SecureTransport", []string{d.of("true", "false")}
	case 2:
		return d.of("IpAddress", "NotIpAddress") + ifExists, "aws:SourceIp", d.some("192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32")
	case 3:
		return "NumericLessThan" + ifExists, "s3:max-keys", d.some("1", "10", "100")
	}
	return quantifier + d.of("StringEquals", "StringNotEquals", "StringLike", "StringNotLike") + ifExists,
		d.of("s3:prefix", "s3:PREFIX", "aws:username", "s3:RequestObjectTagKeys", "s3:ExistingObjectTag/team"),
		d.some("a", "b", "a*", "?", "*", "${aws:username}", "${aws:username}/*", "anna", "a/${s3:prefix}")
}

func (d drawn) statement() doc {
	s := doc{"Effect": d.of("Allow", "Allow", "Deny")}
	principal, action, resource := "Principal", d.of("Action", "Action", "NotAction"), d.of("Resource", "Resource", "NotResource")
	if s["Effect"] == "Deny" {
		principal = d.of("Principal", "NotPrincipal")
	}
	s[principal] = doc{"AWS": d.some("anna", "bert", "arn:aws:iam::b2:root", "*")}
	if principal == "Principal" && d.IntN(3) == 0 {
		s[principal] = "*"
	}
	s[action] = d.some("s3:GetObject", "s3:Get*", "s3:*", "s3:PutObject", "s3:ListBucket", "s3:?etObject")
	s[resource] = d.some("arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::b*", "arn:aws:s3:::b/a*", "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/?", "arn:aws:s3:::*/a")
	conditions := doc{}
	for range d.IntN(3) {
		operator, key, want := d.condition()
		conditions[operator] = doc{key: want}
	}
	if len(conditions) > 0 {
		s["Condition"] = conditions
	}
	return s
}

func (d drawn) request() (Request, facts) {
	r := Request{Bucket: "b", Action: d.of("s3:GetObject", "s3:PutObject", "s3:GetObjectAcl"), Key: d.of("a", "b", "ab", "anna/x", "bert/anna/", "*", "ü")}
	if d.IntN(3) == 0 {
		r.Action, r.Key = "s3:ListBucket", ""
	}
	values := facts{"aws:securetransport": {d.of("true", "false")}, "aws:sourceip": {d.of("192.0.2.7", "192.0.2.8", "198.51.100.1", "2001:db8::1")}}
	if name := d.of("anna", "bert", ""); name != "" {
		r.Principal = Principal{Name: name, ID: map[string]string{"anna": "a1", "bert": "b2"}[name]}
		values["aws:username"] = []string{name}
	}
	for key, words := range map[string][]string{"s3:prefix": {"a", "b", "a/b", "", "*", "anna"}, "s3:existingobjecttag/team": {"a", "anna"}, "s3:max-keys": {"5", "50", "x"}} {
		if d.IntN(2) == 0 {
			values[key] = []string{d.of(words...)}
		}
	}
	if d.IntN(2) == 0 {
		values["s3:requestobjecttagkeys"] = d.some("a", "b", "anna")
	}
	return r, values
}

func TestTheEvaluationIsThatOfAModel(t *testing.T) {
	t.Parallel()
	d := drawn{rand.New(rand.NewPCG(1, 2))}
	counts := map[Decision]int{}
	for range 250 {
		var statements []doc
		for range 1 + d.IntN(3) {
			statements = append(statements, d.statement())
		}
		document, err := json.Marshal(doc{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(document, "b")
		if err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		for range 10 {
			r, values := d.request()
			want := Silent
			for _, s := range statements {
				switch {
				case !modelStatement(s, r, values):
				case s["Effect"] == "Deny":
					want = Denied
				case want == Silent:
					want = Allowed
				}
			}
			counts[want]++
			if got := p.Evaluate(asked(r, values)); got != want {
				t.Fatalf("%d, the model says %d\n%s\n%+v\n%v", got, want, document, r, values)
			}
		}
	}
	for _, decision := range []Decision{Silent, Allowed, Denied} {
		if counts[decision] < 100 {
			t.Errorf("decisions are too much alike to tell anything: %v", counts)
		}
	}
}
