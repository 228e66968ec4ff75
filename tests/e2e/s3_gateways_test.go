package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// s3Client is Amazon's client of a node.
func s3Client(n *testbed.Truckee, id, secret string) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(n.S3()), Region: "us-east-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// s3Code is the code of S3's error; empty: there is none.
func s3Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// putObject puts text by one gateway.
func putObject(ctx context.Context, c *awss3.Client, bucket, key, text string, change ...func(*awss3.PutObjectInput)) error {
	in := &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte(text))}
	for _, f := range change {
		f(in)
	}
	_, err := c.PutObject(ctx, in)
	return err
}

func getObject(ctx context.Context, c *awss3.Client, bucket, key string) (string, error) {
	out, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

// soon asks until it is so; what takes other gateways a second may take a
// loaded machine longer.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// TestS3Gateways: two gateways on one PostgreSQL are one S3 server: buckets, their
// settings, conditional writes and uploads, also when one of them is killed.
func TestS3Gateways(t *testing.T) {
	t.Parallel()
	pg, store := newPostgres(t), sharedS3(t)
	first := create(t, t.TempDir(), "--db", pg.URL("postgres"), "-b", store.flag())
	id, secret, err := first.S3Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := join(t, first)
	start(t, first)
	start(t, second)
	a, b := s3Client(first, id, secret), s3Client(second, id, secret)
	w := &twoGateways{t: t, first: first, second: second, a: a, b: b, bucket: "photos"}
	w.buckets()
	w.conditions()
	w.settings()
	w.killed()
	w.expired()
	w.removal()
	checkDeep(t, first)
}

type twoGateways struct {
	t             *testing.T
	first, second *testbed.Truckee
	a, b          *awss3.Client
	bucket        string
}

// buckets that one makes the other has at once, and SFTP shows.
func (w *twoGateways) buckets() {
	t, ctx := w.t, w.t.Context()
	if _, err := w.a.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &w.bucket}); err != nil {
		t.Fatal(err)
	}
	if err := putObject(ctx, w.b, w.bucket, "2026/one", "by the other gateway"); err != nil {
		t.Fatal(err)
	}
	if got, err := getObject(ctx, w.a, w.bucket, "2026/one"); got != "by the other gateway" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := fetch(t, dial(t, w.second.Endpoint), "/photos/2026/one"); string(got) != "by the other gateway" {
		t.Errorf("by SFTP: %q", got)
	}
	for i := range 5 {
		name := fmt.Sprint("race-", i)
		var made atomic.Int32
		var wg sync.WaitGroup
		for _, c := range []*awss3.Client{w.a, w.b, w.a, w.b} {
			wg.Go(func() {
				_, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)})
				switch code := s3Code(err); code {
				case "":
					made.Add(1)
				case "BucketAlreadyOwnedByYou", "BucketAlreadyExists":
				default:
					t.Errorf("create bucket %s: %s", name, code)
				}
			})
		}
		wg.Wait()
		// Who has it is told so, or that it is done already, as in us-east-1.
		if made.Load() == 0 {
			t.Errorf("nobody made %s", name)
		}
	}
}

// conditions hold across gateways: of those who put a new key one does.
func (w *twoGateways) conditions() {
	t, ctx := w.t, w.t.Context()
	for i := range 10 {
		key := fmt.Sprint("once/", i)
		var won atomic.Int32
		var wg sync.WaitGroup
		for j, c := range []*awss3.Client{w.a, w.b, w.a, w.b, w.a, w.b} {
			wg.Go(func() {
				err := putObject(ctx, c, w.bucket, key, fmt.Sprint(j), func(in *awss3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
				switch code := s3Code(err); code {
				case "":
					won.Add(1)
				case "PreconditionFailed", "ConditionalRequestConflict":
				default:
					t.Errorf("put %s: %s", key, code)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d of 6 puts of a new key succeeded", key, won.Load())
		}
	}
}

// settings that one gateway is told the other keeps to.
func (w *twoGateways) settings() {
	t, ctx := w.t, w.t.Context()
	_, err := w.a.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
		Bucket: &w.bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "versioning at the other gateway", func() bool {
		out, err := w.b.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: &w.bucket})
		return err == nil && out.Status == types.BucketVersioningStatusEnabled
	})
	for _, c := range []*awss3.Client{w.a, w.b} {
		if err := putObject(ctx, c, w.bucket, "versions", "x"); err != nil {
			t.Error(err)
		}
	}
	if err := store(dial(t, w.second.Endpoint), "/photos/versions", []byte("by SFTP")); err != nil {
		t.Error(err)
	}
	out, err := w.a.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: &w.bucket, Prefix: aws.String("versions")})
	if err != nil || len(out.Versions) != 3 {
		t.Errorf("%d versions of 3, %v", len(out.Versions), err)
	}
	public := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/2026/*"}]}`
	if _, err := w.a.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: &w.bucket}); err != nil {
		t.Error(err)
	}
	if _, err := w.b.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: &w.bucket, Policy: &public}); err != nil {
		t.Fatal(err)
	}
	anonymous := func(n *testbed.Truckee) int {
		resp, err := http.Get(n.S3() + "/photos/2026/one")
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	soon(t, "a public policy", func() bool { return anonymous(w.first) == 200 && anonymous(w.second) == 200 })
	if _, err := w.a.DeleteBucketPolicy(ctx, &awss3.DeleteBucketPolicyInput{Bucket: &w.bucket}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the policy's end", func() bool { return anonymous(w.first) == 403 && anonymous(w.second) == 403 })
}

// killed: what a gateway had acknowledged is there, and an upload goes on by the
// other one.
func (w *twoGateways) killed() {
	t, ctx := w.t, w.t.Context()
	key := aws.String("large")
	up, err := w.b.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	part := func(c *awss3.Client, n int32) {
		t.Helper()
		out, err := c.UploadPart(ctx, &awss3.UploadPartInput{
			Bucket: &w.bucket, Key: key, UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(bytes.Repeat([]byte{byte(n)}, 5<<20)),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag})
	}
	part(w.b, 1)
	part(w.a, 2)
	if err := w.second.Kill(); err != nil {
		t.Fatal(err)
	}
	part(w.a, 3)
	_, err = w.a.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: &w.bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.second.Start(ctx, "--s3-uploads-expire", "20s"); err != nil { // for what comes next
		t.Fatal(err)
	}
	got, err := getObject(ctx, w.b, w.bucket, "large")
	if err != nil || len(got) != 15<<20 || got[0] != 1 || got[10<<20] != 3 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// expired: an upload that nobody goes on with is aborted, by the one that is told to.
func (w *twoGateways) expired() {
	t, ctx := w.t, w.t.Context()
	if _, err := w.a.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: aws.String("given up")}); err != nil {
		t.Fatal(err)
	}
	soon(t, "the end of an upload", func() bool {
		out, err := w.b.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &w.bucket})
		return err == nil && len(out.Uploads) == 0
	})
}

// removal of a bucket by one gateway is one by both.
func (w *twoGateways) removal() {
	t, ctx := w.t, w.t.Context()
	name := "race-0"
	if _, err := w.b.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	soon(t, "a bucket's end", func() bool { return s3Code(putObject(ctx, w.a, name, "x", "x")) == "NoSuchBucket" })
	if code := s3Code(func() error { _, err := w.b.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &w.bucket}); return err }()); code != "BucketNotEmpty" {
		t.Errorf("delete of a bucket with objects: %q", code)
	}
}
