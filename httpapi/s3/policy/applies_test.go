package policy

import (
	"errors"
	"testing"
)

// A denial whose actions aren't about its resources, or whose condition isn't about its
// actions, is refused when it is put, as on AWS; an allowance isn't.
func TestDenialsOfNothing(t *testing.T) {
	t.Parallel()
	const bucket, objects, both = `"arn:aws:s3:::b"`, `"arn:aws:s3:::b/*"`, `["arn:aws:s3:::b","arn:aws:s3:::b/*"]`
	for _, tt := range []struct {
		action, resource, more string
		ok                     bool
	}{
		{`"Action":"s3:GetObject"`, objects, "", true},
		{`"Action":"s3:GetObject"`, `"arn:aws:s3:::b/a.txt"`, "", true},
		{`"Action":"s3:GetObject"`, `"*"`, "", true},
		{`"Action":"s3:GetObject"`, `"arn:aws:s3:::*"`, "", true},
		{`"Action":"s3:GetObject"`, bucket, "", false},
		{`"Action":"s3:ListBucket"`, bucket, "", true},
		{`"Action":"s3:ListBucket"`, `"arn:aws:s3:::?"`, "", true},
		{`"Action":"s3:ListBucket"`, objects, "", false},
		{`"Action":["s3:GetObject","s3:ListBucket"]`, both, "", true},
		{`"Action":["s3:GetObject","s3:ListBucket"]`, objects, "", false},
		{`"Action":"s3:*"`, objects, "", true},
		{`"Action":"s3:*"`, bucket, "", true},
		{`"Action":"*"`, bucket, "", true},
		{`"Action":"s3:Get*"`, bucket, "", true},
		{`"Action":"s3:GetObject*"`, bucket, "", false},
		{`"Action":["s3:AbortMultipartUpload","s3:ListMultipartUploadParts","s3:BypassGovernanceRetention"]`, objects, "", true},
		{`"Action":"s3:AbortMultipartUpload"`, bucket, "", false},
		{`"Action":"s3:PutLifecycleConfiguration"`, bucket, "", true},
		{`"Action":"s3:PutLifecycleConfiguration"`, objects, "", false},
		{`"Action":"s3:GetBucketObjectLockConfiguration"`, bucket, "", true},
		{`"Action":"s3:GetBucketObjectLockConfiguration"`, objects, "", false},
		{`"Action":"s3:ListAllMyBuckets"`, bucket, "", true}, // about neither
		{`"NotAction":"s3:GetObject"`, bucket, "", true},
		{`"Action":"s3:ListBucket"`, bucket, `"Condition":{"StringLike":{"s3:prefix":"a/*"}},`, true},
		{`"Action":["s3:ListBucket","s3:GetObject"]`, both, `"Condition":{"StringLike":{"s3:prefix":"a/*"}},`, true},
		{`"Action":"s3:*"`, both, `"Condition":{"NumericLessThan":{"s3:max-keys":9}},`, true},
		{`"Action":"s3:GetObject"`, objects, `"Condition":{"StringLike":{"s3:Prefix":"a/*"}},`, false},
		{`"Action":"s3:PutObject"`, objects, `"Condition":{"NumericLessThan":{"s3:max-keys":9}},`, false},
	} {
		doc := one(`"Effect":"Deny","Principal":"*",` + tt.more + tt.action + `,"Resource":` + tt.resource)
		p, err := Parse([]byte(doc), "b")
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if err := p.CheckNew("b"); tt.ok != (err == nil) || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", doc, err)
		}
	}
	p, err := Parse([]byte(one(`"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":`+bucket)), "b")
	if err != nil || p.CheckNew("b") != nil {
		t.Errorf("an allowance: %v", err)
	}
	p, err = Parse([]byte(one(`"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","NotResource":"arn:aws:s3:::b/*"`)), "b")
	if err != nil || p.CheckNew("b") != nil {
		t.Errorf("NotResource: %v", err)
	}
}
