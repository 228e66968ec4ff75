package s3_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // version 2 of signatures
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// AWS's SDK for Go with its defaults: checksums in trailers, verified when read.
func TestAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c := w.aws("ann")
	b := ptr("data")
	must[*awss3.CreateBucketOutput](t)(c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: b}))
	data := randomBytes(200 << 10)
	put := must[*awss3.PutObjectOutput](t)(c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: ptr("a/b c+d"), Body: bytes.NewReader(data), Metadata: map[string]string{"colour": "blue"}}))
	if put.ChecksumCRC32 == nil {
		t.Error("no checksum is echoed")
	}
	// By TLS, what can't be read twice is streamed with an unsigned trailer.
	secure := httptest.NewTLSServer(w.server)
	defer secure.Close()
	must[*awss3.PutObjectOutput](t)(c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: ptr("stream"), Body: io.NopCloser(bytes.NewReader(data)), ContentLength: aws.Int64(int64(len(data)))},
		func(o *awss3.Options) { o.BaseEndpoint, o.HTTPClient = &secure.URL, secure.Client() }))
	for _, key := range []string{"a/b c+d", "stream"} {
		got := must[*awss3.GetObjectOutput](t)(c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: &key, ChecksumMode: types.ChecksumModeEnabled}))
		body := must[[]byte](t)(io.ReadAll(got.Body))
		if !bytes.Equal(body, data) {
			t.Errorf("%s: %d bytes", key, len(body))
		}
	}
	head := must[*awss3.HeadObjectOutput](t)(c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: b, Key: ptr("a/b c+d")}))
	if head.Metadata["colour"] != "blue" || *head.ContentLength != int64(len(data)) {
		t.Errorf("%+v", head)
	}
	must[*awss3.CopyObjectOutput](t)(c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: b, Key: ptr("copy"), CopySource: ptr(url.QueryEscape("data/a/b c+d"))}))
	up := must[*awss3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: ptr("parts"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}))
	part := must[*awss3.UploadPartOutput](t)(c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: b, Key: ptr("parts"), UploadId: up.UploadId, PartNumber: ptr(int32(1)), Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}))
	done := must[*awss3.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: b, Key: ptr("parts"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: ptr(int32(1)), ChecksumCRC64NVME: part.ChecksumCRC64NVME}}},
	}))
	if done.ChecksumType != types.ChecksumTypeFullObject || *done.ChecksumCRC64NVME != *part.ChecksumCRC64NVME {
		t.Errorf("completed: %+v", done)
	}
	pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: b, MaxKeys: ptr(int32(1))})
	var keys []string
	for pages.HasMorePages() {
		for _, o := range must[*awss3.ListObjectsV2Output](t)(pages.NextPage(ctx)).Contents {
			keys = append(keys, *o.Key)
		}
	}
	if fmt.Sprint(keys) != "[a/b c+d copy parts stream]" {
		t.Errorf("keys %q", keys)
	}
	var ids []types.ObjectIdentifier
	for _, k := range keys {
		ids = append(ids, types.ObjectIdentifier{Key: &k})
	}
	deleted := must[*awss3.DeleteObjectsOutput](t)(c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: ids}}))
	if len(deleted.Deleted) != 4 || len(deleted.Errors) != 0 {
		t.Errorf("%+v", deleted)
	}
	_, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: ptr("copy")})
	if none := (*types.NoSuchKey)(nil); !errors.As(err, &none) {
		t.Errorf("of what is gone: %v", err)
	}
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: ptr("copy"), Body: strings.NewReader("x"), IfMatch: ptr("other")})
	if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != "NoSuchKey" {
		t.Errorf("If-Match of what is gone: %v", err)
	}
	must[*awss3.DeleteBucketOutput](t)(c.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: b}))
}

func TestMinIO(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainKeys)
	ctx := t.Context()
	c := w.minio("ann")
	if err := c.MakeBucket(ctx, "data", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	data := randomBytes(11 << 20)
	for _, tt := range []struct {
		key  string
		size int64
		o    minio.PutObjectOptions
	}{
		{"small", 1000, minio.PutObjectOptions{}},
		{"parts", int64(len(data)), minio.PutObjectOptions{PartSize: 5 << 20}},
		{"unknown", -1, minio.PutObjectOptions{PartSize: 5 << 20}},
		{"md5", 1 << 20, minio.PutObjectOptions{SendContentMd5: true}},
		{"threads", int64(len(data)), minio.PutObjectOptions{PartSize: 5 << 20, NumThreads: 3, ConcurrentStreamParts: true}},
	} {
		want := data
		if tt.size >= 0 {
			want = data[:tt.size]
		}
		tt.o.UserMetadata = map[string]string{"Colour": "blue"}
		must[minio.UploadInfo](t)(c.PutObject(ctx, "data", tt.key, bytes.NewReader(want), tt.size, tt.o))
		o := must[*minio.Object](t)(c.GetObject(ctx, "data", tt.key, minio.GetObjectOptions{Checksum: true}))
		got := must[[]byte](t)(io.ReadAll(o))
		info := must[minio.ObjectInfo](t)(o.Stat())
		if !bytes.Equal(got, want) || info.UserMetadata["Colour"] != "blue" {
			t.Errorf("%s: %d bytes, %+v", tt.key, len(got), info)
		}
	}
	must[minio.UploadInfo](t)(c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: "data", Object: "composed"},
		minio.CopySrcOptions{Bucket: "data", Object: "parts"}, minio.CopySrcOptions{Bucket: "data", Object: "small"}))
	o := must[*minio.Object](t)(c.GetObject(ctx, "data", "composed", minio.GetObjectOptions{}))
	if got := must[[]byte](t)(io.ReadAll(o)); !bytes.Equal(got, append(bytes.Clone(data), data[:1000]...)) {
		t.Errorf("composed: %d bytes", len(got))
	}
	key := must[encrypt.ServerSide](t)(encrypt.NewSSEC(bytes.Repeat([]byte{7}, 32)))
	must[minio.UploadInfo](t)(c.PutObject(ctx, "data", "sealed", bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{ServerSideEncryption: key, PartSize: 5 << 20}))
	o = must[*minio.Object](t)(c.GetObject(ctx, "data", "sealed", minio.GetObjectOptions{ServerSideEncryption: key}))
	if got := must[[]byte](t)(io.ReadAll(o)); !bytes.Equal(got, data) {
		t.Errorf("sealed: %d bytes", len(got))
	}
	n := 0
	for info := range c.ListObjects(ctx, "data", minio.ListObjectsOptions{Recursive: true, WithMetadata: true}) {
		if info.Err != nil {
			t.Fatal(info.Err)
		}
		n++
	}
	if n != 7 {
		t.Errorf("%d objects", n)
	}
	if err := c.RemoveBucketWithOptions(ctx, "data", minio.RemoveBucketOptions{}); minio.ToErrorResponse(err).Code != "BucketNotEmpty" {
		t.Errorf("%v", err)
	}
	objects := make(chan minio.ObjectInfo, 10)
	for info := range c.ListObjects(ctx, "data", minio.ListObjectsOptions{Recursive: true}) {
		objects <- info
	}
	close(objects)
	for e := range c.RemoveObjects(ctx, "data", objects, minio.RemoveObjectsOptions{}) {
		t.Error(e)
	}
	if err := c.RemoveBucket(ctx, "data"); err != nil {
		t.Error(err)
	}
}

// fetch does a request that needs no signing any more.
func fetch(t *testing.T, method, link string, body []byte, header http.Header) reply {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, link, bytes.NewReader(body)))
	for name, values := range header {
		if name != "Host" {
			req.Header[name] = values
		}
	}
	res := must[*http.Response](t)(http.DefaultTransport.RoundTrip(req))
	defer res.Body.Close()
	return reply{res, must[[]byte](t)(io.ReadAll(res.Body))}
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(s *s3.Server) { s.Now = func() time.Time { return now } })
	w.bucket("data")
	ctx := t.Context()
	c := awss3.NewPresignClient(w.aws("ann"))
	put := must[*awsPresigned](t)(c.PresignPutObject(ctx, &awss3.PutObjectInput{Bucket: ptr("data"), Key: ptr("a b+c"), Metadata: map[string]string{"colour": "blue"}, ContentType: ptr("text/x-test")}))
	fetch(t, "PUT", put.URL, []byte("hello"), put.SignedHeader).want(t, 200)
	get := must[*awsPresigned](t)(c.PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: ptr("data"), Key: ptr("a b+c"), ResponseContentType: ptr("text/plain")}))
	r := fetch(t, "GET", get.URL, nil, nil).want(t, 200)
	if string(r.body) != "hello" || r.Header.Get("X-Amz-Meta-Colour") != "blue" || r.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%q, %v", r.body, r.Header)
	}
	fetch(t, "HEAD", get.URL, nil, nil).want(t, 403)
	fetch(t, "GET", get.URL+"&x=y", nil, nil).want(t, 403, "SignatureDoesNotMatch")
	fetch(t, "GET", strings.Replace(get.URL, "a%20b", "a%20c", 1), nil, nil).want(t, 403, "SignatureDoesNotMatch")
	fetch(t, "GET", strings.Replace(get.URL, "X-Amz-Expires=900", "X-Amz-Expires=604801", 1), nil, nil).want(t, 403, "AccessDenied")
	fetch(t, "GET", strings.Replace(get.URL, "X-Amz-Expires=900", "X-Amz-Expires=-1", 1), nil, nil).want(t, 403, "AccessDenied")
	fetch(t, "GET", get.URL, nil, http.Header{"X-Amz-Acl": {"private"}}).want(t, 403, "AccessDenied")
	now = now.Add(14 * time.Minute)
	fetch(t, "GET", get.URL, nil, nil).want(t, 200)
	now = now.Add(2 * time.Minute)
	fetch(t, "GET", get.URL, nil, nil).want(t, 403, "AccessDenied")
	now = now.Add(-time.Hour)
	fetch(t, "GET", get.URL, nil, nil).want(t, 403, "AccessDenied")
}

// What stands for a header in a URL is one that a header could be: objects that no
// client could read the answer of can't be made.
func TestPresignedHeadersAreHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "hello")
	presigned := func(method, query string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, w.http.URL+"/data/k?X-Amz-Expires=60&"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		u := w.user("ann")
		link, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: u.key, SecretAccessKey: u.secret}, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	for query, status := range map[string]int{"x-amz-meta-a=b%09c": 200, "x-amz-meta-a=b%00c": 400, "x-amz-meta-a=b%0D%0Ac": 400, "x-amz-meta-a%20b=c": 400, "x-amz-meta-a%3Ab=c": 400} {
		if r := fetch(t, "PUT", presigned("PUT", query), []byte("x"), nil); r.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", query, r.StatusCode, r.body, status)
		}
	}
	w.get("data", "k").want(t, 200)
	fetch(t, "GET", presigned("GET", "response-content-type=a%2Fb"), nil, nil).want(t, 200)
	fetch(t, "GET", presigned("GET", "response-content-type=a%00b"), nil, nil).want(t, 400, "InvalidArgument")
}

func TestSignatureV2(t *testing.T) {
	t.Parallel()
	on := newWorld(t, func(s *s3.Server) { s.SignatureV2 = true })
	off := newWorld(t)
	sign := func(w *world, text string) string {
		h := hmac.New(sha1.New, []byte(w.user("ann").secret))
		h.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	for _, w := range []*world{on, off} {
		w.bucket("data")
		w.put("data", "k", "x")
		value := "AWS KEYANN:" + sign(w, "PUT\n\ntext/x-test\n"+date+"\nx-amz-meta-a:b\n/data/k?acl")
		until := fmt.Sprint(time.Now().Add(time.Minute).Unix())
		link := w.http.URL + "/data/k?AWSAccessKeyId=KEYANN&Expires=" + until + "&Signature=" + url.QueryEscape(sign(w, "GET\n\n\n"+until+"\n/data/k"))
		put := func(value string) reply {
			return w.do("", "PUT", "/data/k?acl", nil, "Authorization", value, "Date", date, "Content-Type", "text/x-test", "X-Amz-Meta-A", "b")
		}
		if w == off {
			put(value).want(t, 400, "InvalidRequest")
			fetch(t, "GET", link, nil, nil).want(t, 400, "InvalidRequest")
			continue
		}
		if r := put(value); r.code() == "SignatureDoesNotMatch" || r.StatusCode == 403 {
			t.Errorf("a right signature: %s", r.body)
		}
		for resource, status := range map[string]int{"/data": 200, "/data/": 200, "/data//": 403, "/": 403} { // boto3 sends /data and signs /data/
			value := "AWS KEYANN:" + sign(w, "GET\n\n\n"+date+"\n"+resource+"?cors")
			if r := w.do("", "GET", "/data?cors", nil, "Authorization", value, "Date", date); status == 200 && r.code() != "NoSuchCORSConfiguration" || status != 200 && r.StatusCode != status {
				t.Errorf("a bucket signed as %s: %d %s", resource, r.StatusCode, r.body)
			}
		}
		put("AWS KEYANN:"+sign(w, "other")).want(t, 403, "SignatureDoesNotMatch")
		fetch(t, "GET", link, nil, nil).want(t, 200)
		fetch(t, "GET", link+"&versionId=null", nil, nil).want(t, 403, "SignatureDoesNotMatch")
		fetch(t, "GET", link+"&version%49d=null", nil, nil).want(t, 403, "SignatureDoesNotMatch")
		fetch(t, "GET", link+"&%61cl", nil, nil).want(t, 403, "SignatureDoesNotMatch")
		past := fmt.Sprint(time.Now().Add(-time.Minute).Unix())
		link = w.http.URL + "/data/k?AWSAccessKeyId=KEYANN&Expires=" + past + "&Signature=" + url.QueryEscape(sign(w, "GET\n\n\n"+past+"\n/data/k"))
		fetch(t, "GET", link, nil, nil).want(t, 403, "AccessDenied")
	}
}

// A condition is judged inside of the commit: of many that want to be the first,
// one is.
func TestConditionsAreExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	results := make(chan int, 16)
	for i := range cap(results) {
		go func() {
			r := w.sign(request{method: "PUT", target: "/data/k", body: fmt.Append(nil, i), user: "ann", header: http.Header{"If-None-Match": {"*"}}})
			res, err := w.http.Client().Do(r.WithContext(context.Background()))
			if err != nil {
				results <- 0
				return
			}
			res.Body.Close()
			results <- res.StatusCode
		}()
	}
	count := map[int]int{}
	for range cap(results) {
		count[<-results]++
	}
	if count[200] != 1 || count[412]+count[409] != cap(results)-1 {
		t.Errorf("%v", count)
	}
}
