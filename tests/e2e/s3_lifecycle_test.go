package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// A node whose lifecycle's days are a second ends what its rules name, by prefix, tag,
// size and number of versions, and nothing else: what is locked stays, and what a rule
// that is off names.
func TestS3Lifecycle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n, err := testbed.NewTruckee(ctx, binary, t.TempDir(), clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(ctx, "--s3-lifecycle-day", "1s"); err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, n)
	id, secret, err := n.S3Key(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := s3Client(n, id, secret)
	bucket := aws.String("aging")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(key, contents string, change ...func(*awss3.PutObjectInput)) {
		t.Helper()
		in := &awss3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(contents)}
		for _, f := range change {
			f(in)
		}
		must(c.PutObject(ctx, in))
	}
	tags := func(tags string) func(*awss3.PutObjectInput) {
		return func(in *awss3.PutObjectInput) { in.Tagging = &tags }
	}
	must(c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket, ObjectLockEnabledForBucket: aws.Bool(true)}))
	put("tagged/over", "1", tags("scratch=yes&a=b"))
	put("tagged/other", "1", tags("scratch=no"))
	put("sized/5", "55555")
	put("sized/6", "666666")
	put("sized/9", "999999999")
	put("held/key", "0", func(in *awss3.PutObjectInput) { in.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatusOn })
	for _, contents := range []string{"1", "2", "3"} {
		put("held/key", contents)
		put("many/key", contents)
		put("off/key", contents)
	}
	must(c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: aws.String("markers/key")}))
	must(c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("uploads/over")}))
	must(c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("other")}))
	// The rules come last, so that all that is over is over at once.
	rule := func(id string, f *types.LifecycleRuleFilter, change func(*types.LifecycleRule)) types.LifecycleRule {
		r := types.LifecycleRule{ID: &id, Status: types.ExpirationStatusEnabled, Filter: f}
		change(&r)
		return r
	}
	under := func(prefix string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: &prefix} }
	expire := func(r *types.LifecycleRule) { r.Expiration = &types.LifecycleExpiration{Days: aws.Int32(1)} }
	keepOne := func(r *types.LifecycleRule) {
		r.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(1), NewerNoncurrentVersions: aws.Int32(1)}
	}
	must(c.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{Bucket: bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{
		rule("tag", &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String("scratch"), Value: aws.String("yes")}}, expire),
		rule("size", &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: aws.String("sized/"), ObjectSizeGreaterThan: aws.Int64(5), ObjectSizeLessThan: aws.Int64(9)}}, expire),
		rule("held", under("held/"), keepOne),
		rule("many", under("many/"), keepOne),
		rule("markers", under("markers/"), func(r *types.LifecycleRule) {
			r.Expiration = &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}
		}),
		rule("uploads", under("uploads/"), func(r *types.LifecycleRule) {
			r.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)}
		}),
		rule("off", under("off/"), func(r *types.LifecycleRule) { keepOne(r); r.Status = types.ExpirationStatusDisabled }),
	}}}))
	want := []string{
		"held/key", "held/key", "held/key*", "many/key", "many/key*", "off/key", "off/key", "off/key*", "other (upload)", "sized/5*",
		"sized/6", "sized/6 x*", "sized/9*", "tagged/other*", "tagged/over", "tagged/over x*",
	}
	shown := func() (all []string) {
		t.Helper()
		out, err := c.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: bucket})
		must(out, err)
		for _, v := range out.Versions {
			all = append(all, *v.Key+star(v.IsLatest))
		}
		for _, m := range out.DeleteMarkers {
			all = append(all, *m.Key+" x"+star(m.IsLatest))
		}
		uploads, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: bucket})
		must(uploads, err)
		for _, u := range uploads.Uploads {
			all = append(all, *u.Key+" (upload)")
		}
		slices.Sort(all)
		return all
	}
	expect := func() {
		t.Helper()
		slices.Sort(want)
		if !within(time.Minute, func() bool { return slices.Equal(shown(), want) }) {
			t.Fatalf("%q,\nwant %q", shown(), want)
		}
	}
	expect()
	// A later pass, which ends what was put since, leaves the rest as it is.
	put("tagged/last", "1", tags("scratch=yes"))
	want = append(want, "tagged/last", "tagged/last x*")
	expect()
}
