package policy

import (
	"errors"
	"strings"
	"testing"
)

const whole = `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`

func one(statement string) string {
	return `{"Version":"2012-10-17","Statement":[{` + statement + `}]}`
}

func TestParseTakesWhatAWSTakes(t *testing.T) {
	t.Parallel()
	for name, doc := range map[string]string{
		"a list of statements":      one(whole),
		"one statement":             `{"Statement":{` + whole + `}}`,
		"the old version":           `{"Version":"2008-10-17","Id":"x","Statement":[{` + whole + `}]}`,
		"a Sid":                     one(`"Sid":"first",` + whole),
		"lists":                     one(`"Effect":"Deny","Principal":{"AWS":["*","anna"],"CanonicalUser":"0f"},"Action":["s3:Get*","S3:putobject"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`),
		"every bucket":              one(`"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"`),
		"buckets like this one":     one(`"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::*","arn:aws:s3:::*/*","arn:aws:s3:::?/x"]`),
		"a user's ARN":              one(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/division/anna"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`),
		"an account's ARN":          one(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::anna:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`),
		"an ARN with a field less":  one(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::anna:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`),
		"not for everything":        one(`"Effect":"Deny","NotPrincipal":{"AWS":"anna"},"NotAction":"s3:GetObject","NotResource":"arn:aws:s3:::b/public/*"`),
		"a condition with a number": one(whole + `,"Condition":{"NumericLessThanEquals":{"s3:max-keys":10},"Bool":{"aws:SecureTransport":true}}`),
		"a variable":                one(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/home/${aws:username}/*"`),
	} {
		if _, err := Parse([]byte(doc), "b"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	without := func(element string) string { return one(strings.Replace(whole, element, `"Sid":"x"`, 1)) }
	for name, doc := range map[string]string{
		"nothing":                       ``,
		"no JSON":                       `{"Statement":`,
		"no object":                     `[]`,
		"no UTF-8":                      "{\"Statement\":\"\xff\"}",
		"no statement":                  `{"Version":"2012-10-17"}`,
		"an empty list":                 `{"Statement":[]}`,
		"a statement that is none":      `{"Statement":["x"]}`,
		"more behind the end":           one(whole) + `{}`,
		"another version":               `{"Version":"2020-01-01","Statement":[{` + whole + `}]}`,
		"an unknown element":            `{"Comment":"x","Statement":[{` + whole + `}]}`,
		"an unknown one in a statement": one(whole + `,"Priority":1`),
		"small letters":                 one(strings.ToLower(whole)),
		"a name twice":                  one(whole + `,"Effect":"Deny"`),
		"a Sid twice":                   `{"Statement":[{"Sid":"a",` + whole + `},{"Sid":"a",` + whole + `}]}`,
		"no Effect":                     without(`"Effect":"Allow"`),
		"another Effect":                one(strings.Replace(whole, "Allow", "Maybe", 1)),
		"no Principal":                  without(`"Principal":"*"`),
		"an empty Principal":            one(strings.Replace(whole, `"Principal":"*"`, `"Principal":{}`, 1)),
		"a Principal that is text":      one(strings.Replace(whole, `"Principal":"*"`, `"Principal":"anna"`, 1)),
		"a Principal of another kind":   one(strings.Replace(whole, `"Principal":"*"`, `"Principal":{"Service":"x.amazonaws.com"}`, 1)),
		"wildcards in a Principal":      one(strings.Replace(whole, `"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::*:user/anna"}`, 1)),
		"part of a Principal's name":    one(strings.Replace(whole, `"Principal":"*"`, `"Principal":{"AWS":"an*"}`, 1)),
		"both Principals":               one(whole + `,"NotPrincipal":{"AWS":"anna"}`),
		"allow all but somebody":        one(strings.Replace(whole, `"Principal":"*"`, `"NotPrincipal":{"AWS":"anna"}`, 1)),
		"no Action":                     without(`"Action":"s3:GetObject"`),
		"an unknown Action":             one(strings.Replace(whole, "s3:GetObject", "s3:Foo", 1)),
		"an Action of another service":  one(strings.Replace(whole, "s3:GetObject", "iam:PassRole", 1)),
		"an empty list of actions":      one(strings.Replace(whole, `"s3:GetObject"`, "[]", 1)),
		"both Actions":                  one(whole + `,"NotAction":"s3:GetObject"`),
		"no Resource":                   without(`"Resource":"arn:aws:s3:::b/*"`),
		"a Resource of another bucket":  one(strings.Replace(whole, ":::b/", ":::c/", 1)),
		"a Resource that is no ARN":     one(strings.Replace(whole, "arn:aws:s3:::b/*", "b/*", 1)),
		"another service's Resource":    one(strings.Replace(whole, "arn:aws:s3:::", "arn:aws:sqs:::", 1)),
		"a number for a Resource":       one(strings.Replace(whole, `"arn:aws:s3:::b/*"`, "7", 1)),
		"an unknown operator":           one(whole + `,"Condition":{"StringEqual":{"s3:prefix":"x"}}`),
		"Null that may be absent":       one(whole + `,"Condition":{"NullIfExists":{"s3:prefix":"true"}}`),
		"an unknown key":                one(whole + `,"Condition":{"StringEquals":{"s3:prefixes":"x"}}`),
		"a tag without a name":          one(whole + `,"Condition":{"StringEquals":{"s3:ExistingObjectTag/":"x"}}`),
		"an operator without keys":      one(whole + `,"Condition":{"StringEquals":{}}`),
		"a key without values":          one(whole + `,"Condition":{"StringEquals":{"s3:prefix":[]}}`),
		"a value that is an object":     one(whole + `,"Condition":{"StringEquals":{"s3:prefix":{"a":"b"}}}`),
		"no address":                    one(whole + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/99"}}`),
		"no number":                     one(whole + `,"Condition":{"NumericEquals":{"s3:max-keys":"many"}}`),
		"a number that explodes":        one(whole + `,"Condition":{"NumericEquals":{"s3:max-keys":"1e999999999"}}`),
		"no date":                       one(whole + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"soon"}}`),
		"no boolean":                    one(whole + `,"Condition":{"Bool":{"aws:SecureTransport":"yes"}}`),
		"no ARN":                        one(whole + `,"Condition":{"ArnLike":{"aws:SourceArn":"x"}}`),
		"an unknown variable":           one(strings.Replace(whole, ":::b/*", ":::b/${aws:shoe}", 1)),
		"a variable without an end":     one(strings.Replace(whole, ":::b/*", ":::b/${aws:username", 1)),
		"too large":                     one(whole + `,"Sid":"` + strings.Repeat("x", MaxSize) + `"`),
		"too deep":                      strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
	} {
		if _, err := Parse([]byte(doc), "b"); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(one(whole)), "GetObject", "b", "a/b")
	f.Add([]byte(one(whole+`,"Condition":{"ForAnyValue:StringLike":{"s3:prefix":["a*","${aws:username}?"]}}`)), "ListBucket", "b", "")
	f.Add([]byte(one(`"Effect":"Deny","NotPrincipal":{"AWS":"anna"},"NotAction":"s3:*","NotResource":"arn:aws:s3:::b/${aws:username, 'x'}"`)), "x", "b", "k")
	f.Fuzz(func(t *testing.T, doc []byte, action, bucket, key string) {
		p, err := Parse(doc, bucket)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		r := Request{Principal: Principal{Name: "anna", ID: "0f"}, Action: "s3:" + action, Bucket: bucket, Key: key, Values: func(k string) ([]string, bool) {
			return []string{key}, len(k)%2 == 0
		}}
		p.Public()
		p.Evaluate(r)
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("***", "")
	f.Fuzz(func(t *testing.T, text, s string) {
		p, err := parsePattern(text, true, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(text)*len(s) < 64 && p.match(s) != slow(text, s) {
			t.Fatalf("%q against %q: %v", text, s, p.match(s))
		}
	})
}

// slow is what a pattern means, said as shortly as possible.
func slow(text, s string) bool {
	switch {
	case text == "":
		return s == ""
	case text[0] == '*':
		return slow(text[1:], s) || s != "" && slow(text, s[runeLen(s):])
	case s == "":
		return false
	case text[0] == '?':
		return slow(text[1:], s[runeLen(s):])
	}
	return text[0] == s[0] && slow(text[1:], s[1:])
}
