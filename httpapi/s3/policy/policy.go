// Package policy is the language of AWS bucket policies: a strict parser, the
// evaluation, and the question whether a policy makes a bucket public. It is
// pure: no clock, no network, no storage.
//
// A document that this package doesn't understand in every word is refused
// when it is put (ErrMalformed with the reason), so that no condition is ever
// skipped and no statement means more than its author wrote: a statement
// without a principal or an action is an error, not "everybody" or
// "everything"; so are unknown elements, operators, condition keys and actions,
// and resources outside of the bucket that the policy is for.
//
// Sources: AWS Identity and Access Management User Guide, "IAM JSON policy
// elements reference" and "Policy evaluation logic"; Amazon S3 User Guide,
// "Policies and permissions", "The meaning of public".
package policy

import (
	"errors"
	"fmt"
)

// MaxSize is the largest document that Parse takes, in bytes, as on AWS.
const MaxSize = 20 << 10

// ErrMalformed is what every refusal of Parse wraps; the text names the reason
// and is meant for whoever wrote the policy.
var ErrMalformed = errors.New("policy: malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Effect is what a statement does to the requests that it matches.
type Effect uint8

// The effects of a statement.
const (
	Allow Effect = iota + 1
	Deny
)

// Policy is a parsed document. It is immutable and safe for concurrent use.
type Policy struct {
	id         string
	variables  bool // version 2012-10-17: ${…} means something
	statements []statement
}

type statement struct {
	sid        string
	effect     Effect
	principals principals
	actions    actions
	resources  resources
	conditions []condition
}

// Principal is who asks. The zero value is nobody in particular: anonymous.
type Principal struct {
	Name string // the account's name
	ID   string // its canonical id
}

// Anonymous reports whether p is nobody in particular.
func (p Principal) Anonymous() bool { return p.Name == "" && p.ID == "" }

// Request is one question to a policy.
type Request struct {
	Principal Principal
	Action    string // "s3:GetObject"; upper and lower case are the same
	Bucket    string
	Key       string // of an object; "" for the bucket itself

	// Values gives what a condition key (in lower case, such as "s3:prefix" or
	// "s3:existingobjecttag/Team": the part behind the slash as it was written)
	// holds for this request; false if the request has no such key.
	Values func(key string) ([]string, bool)
}

// Decision is a policy's answer.
type Decision uint8

// The answers. Denied is final: no other permission outweighs it.
const (
	Silent Decision = iota // no statement matches
	Allowed
	Denied
)

// Evaluate answers r: an explicit deny first, then an allow, else Silent.
func (p *Policy) Evaluate(r Request) Decision {
	decision := Silent
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == Allow && decision == Allowed || !s.matches(r, p.variables) {
			continue
		}
		if s.effect == Deny {
			return Denied
		}
		decision = Allowed
	}
	return decision
}

func (s *statement) matches(r Request, variables bool) bool {
	vars := noVariables
	if variables {
		vars = r.variable
	}
	if !s.principals.match(r.Principal) || !s.actions.match(r.Action) || !s.resources.match(r.Bucket, r.Key, vars, s.effect) {
		return false
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r, vars, s.effect) {
			return false
		}
	}
	return true
}

func (r Request) values(key string) ([]string, bool) {
	if r.Values == nil {
		return nil, false
	}
	return r.Values(key)
}

// variable gives what a policy variable stands for: a condition key with one value.
func (r Request) variable(name string) (string, bool) {
	values, ok := r.values(foldKey(name))
	if !ok || len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func noVariables(string) (string, bool) { return "", false }
