package policy

import (
	"strings"
	"testing"
)

func parsed(t *testing.T, statements ...string) *Policy {
	t.Helper()
	p, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[{`+strings.Join(statements, "},{")+`}]}`), "b")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asked(r Request, values map[string][]string) Request {
	r.Values = func(key string) ([]string, bool) { v, ok := values[key]; return v, ok }
	return r
}

func TestStatementsMatchWhoWhatAndWhere(t *testing.T) {
	t.Parallel()
	anna := Principal{Name: "anna", ID: "a1"}
	get := Request{Principal: anna, Action: "s3:GetObject", Bucket: "b", Key: "pub/x"}
	with := func(f func(*Request)) Request { r := get; f(&r); return r }
	const allow, deny = `"Effect":"Allow",`, `"Effect":"Deny",`
	const all, read, everywhere = `"Principal":"*",`, `"Action":"s3:GetObject",`, `"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`
	for _, c := range []struct {
		name      string
		statement string
		r         Request
		want      Decision
	}{
		{"everybody", allow + all + read + everywhere, get, Allowed},
		{"without a name, too", allow + all + read + everywhere, with(func(r *Request) { r.Principal = Principal{} }), Allowed},
		{"by name", allow + `"Principal":{"AWS":"anna"},` + read + everywhere, get, Allowed},
		{"by canonical id", allow + `"Principal":{"CanonicalUser":"a1"},` + read + everywhere, get, Allowed},
		{"by ARN", allow + `"Principal":{"AWS":"arn:aws:iam:::user/x/anna"},` + read + everywhere, get, Allowed},
		{"somebody else", allow + `"Principal":{"AWS":"arn:aws:iam::bert:root"},` + read + everywhere, get, Silent},
		{"a name isn't nobody's", allow + `"Principal":{"AWS":"anna"},` + read + everywhere, with(func(r *Request) { r.Principal = Principal{} }), Silent},
		{"all but her: her", deny + `"NotPrincipal":{"AWS":"anna"},` + read + everywhere, get, Silent},
		{"all but her: nobody", deny + `"NotPrincipal":{"AWS":"anna"},` + read + everywhere, with(func(r *Request) { r.Principal = Principal{} }), Denied},
		{"actions in small letters", allow + all + `"Action":"S3:getobject",` + everywhere, get, Allowed},
		{"actions with wildcards", allow + all + `"Action":"s3:Get?bj*",` + everywhere, get, Allowed},
		{"another action", allow + all + `"Action":"s3:PutObject",` + everywhere, get, Silent},
		{"all actions but it", allow + all + `"NotAction":"s3:GetObject",` + everywhere, get, Silent},
		{"all actions but another", allow + all + `"NotAction":"s3:PutObject",` + everywhere, get, Allowed},
		{"a longer action's name", allow + all + `"Action":"s3:GetObject",` + everywhere, with(func(r *Request) { r.Action = "s3:GetObjectAcl" }), Silent},
		{"a star goes past slashes", allow + all + read + `"Resource":"arn:aws:s3:::b*"`, get, Allowed},
		{"objects are not the bucket", allow + all + read + `"Resource":"arn:aws:s3:::b"`, get, Silent},
		{"the bucket is no object", allow + all + `"Action":"s3:*","Resource":"arn:aws:s3:::b/*"`, with(func(r *Request) { r.Action, r.Key = "s3:ListBucket", "" }), Silent},
		{"a prefix", allow + all + read + `"Resource":"arn:aws:s3:::b/pub/*"`, get, Allowed},
		{"another prefix", allow + all + read + `"Resource":"arn:aws:s3:::b/private/*"`, get, Silent},
		{"all but a prefix", deny + all + read + `"NotResource":"arn:aws:s3:::b/pub/*"`, get, Silent},
		{"all but another prefix", deny + all + read + `"NotResource":"arn:aws:s3:::b/x/*"`, get, Denied},
		{"keys are case-sensitive", allow + all + read + `"Resource":"arn:aws:s3:::b/PUB/*"`, get, Silent},
		{"a question mark is one character", allow + all + read + `"Resource":"arn:aws:s3:::b/pub/?"`, with(func(r *Request) { r.Key = "pub/ü" }), Allowed},
	} {
		if got := parsed(t, c.statement).Evaluate(c.r); got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestDenyOutweighsAllowWhereverItStands(t *testing.T) {
	t.Parallel()
	const allow = `"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"`
	const deny = `"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*"`
	put := Request{Action: "s3:PutObject", Bucket: "b", Key: "k"}
	for _, p := range []*Policy{parsed(t, allow, deny), parsed(t, deny, allow)} {
		if got := p.Evaluate(put); got != Denied {
			t.Errorf("put: %v", got)
		}
		if got := p.Evaluate(Request{Action: "s3:GetObject", Bucket: "b", Key: "k"}); got != Allowed {
			t.Errorf("get: %v", got)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	have := map[string][]string{
		"aws:sourceip": {"203.0.113.7"}, "aws:securetransport": {"false"}, "aws:currenttime": {"2026-05-01T12:00:00Z"}, "aws:epochtime": {"1777636800"},
		"aws:username": {"anna"}, "s3:prefix": {"home/anna/x"}, "s3:max-keys": {"100"}, "s3:requestobjecttagkeys": {"a", "b"},
		"s3:existingobjecttag/Team": {"Red"}, "aws:useragent": {"curl/8"}, "aws:principalarn": {"arn:aws:iam::anna:user/anna"},
	}
	r := asked(Request{Principal: Principal{Name: "anna", ID: "a1"}, Action: "s3:ListBucket", Bucket: "b"}, have)
	for condition, want := range map[string]bool{
		`"StringEquals":{"s3:prefix":"home/anna/x"}`:                                    true,
		`"StringEquals":{"S3:Prefix":["y","home/anna/x"]}`:                              true,
		`"StringEquals":{"s3:prefix":"home/*"}`:                                         false,
		`"StringEquals":{"s3:prefix":"home/${aws:username}/x"}`:                         true,
		`"StringNotEquals":{"s3:prefix":"y"}`:                                           true,
		`"StringNotEquals":{"s3:prefix":["y","home/anna/x"]}`:                           false,
		`"StringEqualsIgnoreCase":{"s3:prefix":"HOME/anna/X"}`:                          true,
		`"StringNotEqualsIgnoreCase":{"s3:prefix":"HOME/anna/X"}`:                       false,
		`"StringLike":{"s3:prefix":"home/*"}`:                                           true,
		`"StringLike":{"s3:prefix":"home/${aws:username}/*"}`:                           true,
		`"StringLike":{"s3:prefix":"home/${aws:referer, 'anna'}/*"}`:                    true,
		`"StringLike":{"s3:prefix":"home/${aws:referer}/*"}`:                            false,
		`"StringNotLike":{"s3:prefix":"home/*"}`:                                        false,
		`"StringNotLike":{"s3:prefix":"home/${aws:referer}/*"}`:                         false,
		`"StringEquals":{"s3:ExistingObjectTag/Team":"Red"}`:                            true,
		`"StringEquals":{"s3:ExistingObjectTag/team":"Red"}`:                            false,
		`"StringNotEquals":{"s3:ExistingObjectTag/team":"Red"}`:                         true,
		`"StringEqualsIfExists":{"s3:ExistingObjectTag/team":"Red"}`:                    true,
		`"StringEqualsIfExists":{"s3:ExistingObjectTag/Team":"Blue"}`:                   false,
		`"Null":{"s3:ExistingObjectTag/team":"true"}`:                                   true,
		`"Null":{"s3:ExistingObjectTag/Team":true}`:                                     false,
		`"Null":{"s3:ExistingObjectTag/Team":"false"}`:                                  true,
		`"NumericEquals":{"s3:max-keys":100}`:                                           true,
		`"NumericEquals":{"s3:max-keys":"100.0"}`:                                       true,
		`"NumericNotEquals":{"s3:max-keys":"100"}`:                                      false,
		`"NumericLessThan":{"s3:max-keys":"100"}`:                                       false,
		`"NumericLessThanEquals":{"s3:max-keys":"100"}`:                                 true,
		`"NumericGreaterThan":{"s3:max-keys":"99.5"}`:                                   true,
		`"NumericGreaterThanEquals":{"s3:max-keys":"101"}`:                              false,
		`"DateLessThan":{"aws:CurrentTime":"2026-05-01T12:00:01Z"}`:                     true,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-05-01"}`:                            true,
		`"DateEquals":{"aws:CurrentTime":"2026-05-01T14:00:00+02:00"}`:                  true,
		`"DateNotEquals":{"aws:CurrentTime":"2026-05-01T14:00:00+02:00"}`:               false,
		`"DateLessThanEquals":{"aws:EpochTime":"1777636800"}`:                           true,
		`"Bool":{"aws:SecureTransport":"false"}`:                                        true,
		`"Bool":{"aws:SecureTransport":true}`:                                           false,
		`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`:                                 true,
		`"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.7"]}`:                     true,
		`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                                     false,
		`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                                  true,
		`"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","10.0.0.0/8"]}`:               false,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/an*"}`:                      true,
		`"ArnLike":{"aws:PrincipalArn":"arn:*:*:*:anna:ann?"}`:                          false,
		`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::bert:user/bert"}`:             true,
		`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a","b","c"]}`:         true,
		`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a"]}`:                 false,
		`"ForAllValues:StringEquals":{"aws:TagKeys":["a"]}`:                             true,
		`"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["b","c"]}`:              true,
		`"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["c"]}`:                  false,
		`"ForAnyValue:StringEquals":{"aws:TagKeys":["a"]}`:                              false,
		`"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["a"]}`:               true,
		`"ForAllValues:StringNotEquals":{"s3:RequestObjectTagKeys":["a"]}`:              false,
		`"StringEquals":{"s3:delimiter":"/"}`:                                           false,
		`"StringNotEquals":{"s3:delimiter":"/"}`:                                        true,
		`"NotIpAddress":{"aws:VpcSourceIp":"10.0.0.0/8"}`:                               true,
		`"StringEquals":{"aws:username":"anna","s3:prefix":"y"}`:                        false,
		`"StringEquals":{"aws:username":"anna"},"Bool":{"aws:SecureTransport":"false"}`: true,
		`"StringEquals":{"aws:username":"anna"},"Bool":{"aws:SecureTransport":"true"}`:  false,
		`"BinaryEquals":{"aws:useragent":"Y3VybC84"}`:                                   true,
	} {
		p := parsed(t, `"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{`+condition+`}`)
		if got := p.Evaluate(r) == Allowed; got != want {
			t.Errorf("%s: %v", condition, got)
		}
	}
}

func TestAWildcardInAVariableIsACharacter(t *testing.T) {
	t.Parallel()
	p := parsed(t, `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/home/${aws:username}/*"`)
	r := asked(Request{Action: "s3:GetObject", Bucket: "b", Key: "home/anna/x"}, map[string][]string{"aws:username": {"*"}})
	if p.Evaluate(r) != Silent {
		t.Error("an account named * reads everybody's home")
	}
}

func TestAVariableOfNobodyExemptsNothingFromADeny(t *testing.T) {
	t.Parallel()
	p := parsed(t, `"Effect":"Deny","Principal":"*","Action":"s3:*","NotResource":"arn:aws:s3:::b/home/${aws:username}/*"`)
	if p.Evaluate(Request{Action: "s3:GetObject", Bucket: "b", Key: "home/anna/x"}) != Denied {
		t.Error("a request without a name gets around a deny")
	}
}

func TestOldPoliciesKnowNoVariables(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}"}}`), "b")
	if err != nil {
		t.Fatal(err)
	}
	if p.Evaluate(Request{Action: "s3:GetObject", Bucket: "b", Key: "${aws:username}"}) != Allowed {
		t.Error("the text isn't taken as it is")
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	const allow = `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"`
	for statement, want := range map[string]bool{
		allow: true,
		strings.Replace(allow, `"*"`, `{"AWS":["anna","*"]}`, 1):                         true,
		strings.Replace(allow, `"*"`, `{"AWS":"anna"}`, 1):                               false,
		strings.Replace(allow, "Allow", "Deny", 1):                                       false,
		allow + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}`:              false,
		allow + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:               false,
		allow + `,"Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}}`: true,
		allow + `,"Condition":{"IpAddress":{"aws:SourceIp":"2001:db8::/31"}}`:            true,
		allow + `,"Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:            true,
		allow + `,"Condition":{"StringLike":{"aws:SourceVpc":"vpc-1"}}`:                  false,
		allow + `,"Condition":{"StringLike":{"aws:SourceVpc":"vpc-*"}}`:                  true,
		allow + `,"Condition":{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}`:        true,
		allow + `,"Condition":{"ForAllValues:StringEquals":{"aws:userid":"x"}}`:          true,
		allow + `,"Condition":{"StringEquals":{"s3:prefix":"public/"}}`:                  true,
		allow + `,"Condition":{"StringEquals":{"aws:userid":"x"}}`:                       false,
	} {
		if got := parsed(t, statement).Public(); got != want {
			t.Errorf("%s: %v", statement, got)
		}
	}
}

func TestALongPatternEndsInTime(t *testing.T) {
	t.Parallel()
	p := parsed(t, `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/`+strings.Repeat("*a", 8000)+`b"`)
	if p.Evaluate(Request{Action: "s3:GetObject", Bucket: "b", Key: strings.Repeat("a", 1024)}) != Silent {
		t.Error("matches")
	}
}
