package s3_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// page is a list as it is answered, in all of its forms.
type page struct {
	Contents []struct {
		Key  string
		Size int64
	}
	CommonPrefixes []struct{ Prefix string }
	Version        []struct {
		Key, VersionId string
		IsLatest       bool
	}
	DeleteMarker []struct {
		Key, VersionId string
		IsLatest       bool
	}
	IsTruncated                                                   bool
	NextMarker, NextContinuationToken                             string
	NextKeyMarker, NextVersionIdMarker                            string
	KeyCount, MaxKeys                                             int
	Prefix, Delimiter, Marker, ContinuationToken, EncodingType    string
	UploadIdMarker, NextUploadIdMarker, KeyMarker, StartAfter, Id string
}

func (p page) names() []string {
	var names []string
	for _, o := range p.Contents {
		names = append(names, o.Key)
	}
	for _, o := range p.CommonPrefixes {
		names = append(names, o.Prefix)
	}
	slices.Sort(names)
	return names
}

func (w *world) list(bucket string, params ...string) page {
	w.t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	var p page
	r := w.do("ann", "GET", "/"+bucket+"?"+strings.ReplaceAll(q.Encode(), "+", "%20"), nil).want(w.t, 200)
	if err := xml.Unmarshal(r.body, &p); err != nil {
		w.t.Fatalf("%v in %s", err, r.body)
	}
	return p
}

func TestListsInTheOrderOfBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	keys := []string{"a", "a-b", "a.b", "a/b", "a/c/d", "a/c/e", "a0", "b/", "b//c", "z", "ü"}
	for _, k := range keys {
		w.put("data", k, k)
	}
	slices.Sort(keys)
	if got := w.list("data").names(); !slices.Equal(got, keys) {
		t.Errorf("keys %q, want %q", got, keys)
	}
	tests := []struct {
		params []string
		want   []string
	}{
		{[]string{"delimiter", "/"}, []string{"a", "a-b", "a.b", "a/", "a0", "b/", "z", "ü"}},
		{[]string{"prefix", "a/", "delimiter", "/"}, []string{"a/b", "a/c/"}},
		{[]string{"prefix", "a"}, []string{"a", "a-b", "a.b", "a/b", "a/c/d", "a/c/e", "a0"}},
		{[]string{"prefix", "b/", "delimiter", "/"}, []string{"b/", "b//"}},
		{[]string{"delimiter", "c"}, []string{"a", "a-b", "a.b", "a/b", "a/c", "a0", "b/", "b//c", "z", "ü"}},
		{[]string{"prefix", "none"}, nil},
	}
	for _, tt := range tests {
		if got := w.list("data", tt.params...).names(); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.params, got, tt.want)
		}
		for _, size := range []string{"1", "2", "3"} {
			if got := w.pagesV2("data", size, tt.params...); !slices.Equal(got, tt.want) {
				t.Errorf("%v by pages of %s: %q, want %q", tt.params, size, got, tt.want)
			}
			if got := w.pagesV1("data", size, tt.params...); !slices.Equal(got, tt.want) {
				t.Errorf("%v by pages of %s (V1): %q, want %q", tt.params, size, got, tt.want)
			}
		}
	}
	if p := w.list("data", "max-keys", "0"); p.IsTruncated || len(p.names()) > 0 || p.MaxKeys != 0 {
		t.Errorf("max-keys=0: %+v", p)
	}
	if p := w.list("data", "max-keys", "5000"); p.MaxKeys != 1000 {
		t.Errorf("max-keys=5000: %d", p.MaxKeys)
	}
	if p := w.list("data", "list-type", "2", "delimiter", "/"); p.KeyCount != 8 {
		t.Errorf("KeyCount %d counts no common prefixes", p.KeyCount)
	}
	if p := w.list("data", "list-type", "2", "start-after", "a0"); !slices.Equal(p.names(), []string{"b/", "b//c", "z", "ü"}) {
		t.Errorf("start-after: %q", p.names())
	}
}

func (w *world) pagesV2(bucket, size string, params ...string) (all []string) {
	w.t.Helper()
	params = append(slices.Clone(params), "list-type", "2", "max-keys", size)
	for token := ""; ; {
		more := params
		if token != "" {
			more = append(slices.Clone(params), "continuation-token", token)
		}
		p := w.list(bucket, more...)
		all = append(all, p.names()...)
		if p.KeyCount != len(p.names()) || p.IsTruncated != (p.NextContinuationToken != "") || p.ContinuationToken != token {
			w.t.Fatalf("page %+v", p)
		}
		if !p.IsTruncated {
			return all
		}
		token = p.NextContinuationToken
	}
}

func (w *world) pagesV1(bucket, size string, params ...string) (all []string) {
	w.t.Helper()
	params = append(slices.Clone(params), "max-keys", size)
	for marker := ""; ; {
		p := w.list(bucket, append(slices.Clone(params), "marker", marker)...)
		all = append(all, p.names()...)
		if !p.IsTruncated {
			return all
		}
		if marker = p.NextMarker; marker == "" {
			marker = p.names()[len(p.names())-1]
		}
	}
}

func TestListsEncodeNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, k := range []string{"foo+1/bar", "quux ab/thud", "asdf+b", "c\x01d", "ü"} {
		w.put("data", k, k)
	}
	p := w.list("data", "delimiter", "/", "encoding-type", "url")
	if want := []string{"%C3%BC", "asdf%2Bb", "c%01d", "foo%2B1/", "quux%20ab/"}; !slices.Equal(p.names(), want) || p.EncodingType != "url" {
		t.Errorf("%q, want %q", p.names(), want)
	}
	w.do("ann", "GET", "/data?encoding-type=other", nil).want(t, 400, "InvalidArgument")
	raw := w.do("ann", "GET", "/data?prefix=c", nil).want(t, 200)
	if !strings.Contains(string(raw.body), "<Key>c&#x1;d</Key>") {
		t.Errorf("a control character: %s", raw.body)
	}
}

func TestListVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.do("ann", "PUT", "/data?versioning", []byte(`<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`)).want(t, 200)
	var ids []string
	for i := range 3 {
		ids = append(ids, w.put("data", "k", fmt.Sprint(i)).Header.Get("X-Amz-Version-Id"))
	}
	r := w.do("ann", "DELETE", "/data/k", nil).want(t, 204)
	if r.Header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("no delete marker: %v", r.Header)
	}
	marker := r.Header.Get("X-Amz-Version-Id")
	w.put("data", "other", "x")

	if r := w.get("data", "k").want(t, 404, "NoSuchKey"); r.Header.Get("X-Amz-Delete-Marker") != "true" || r.Header.Get("X-Amz-Version-Id") != marker {
		t.Errorf("the latest is a marker: %v", r.Header)
	}
	if r := w.do("ann", "GET", "/data/k?versionId="+marker, nil).want(t, 405, "MethodNotAllowed"); r.Header.Get("Allow") != "DELETE" {
		t.Errorf("the marker: %v", r.Header)
	}
	for i, id := range ids {
		if r := w.do("ann", "GET", "/data/k?versionId="+id, nil).want(t, 200); string(r.body) != fmt.Sprint(i) || r.Header.Get("X-Amz-Version-Id") != id {
			t.Errorf("version %d: %q", i, r.body)
		}
	}
	p := w.list("data", "versions", "")
	var got []string
	for _, v := range p.Version {
		got = append(got, v.Key+" "+v.VersionId)
	}
	if want := []string{"k " + ids[2], "k " + ids[1], "k " + ids[0]}; len(got) != 4 || !slices.Equal(got[:3], want) {
		t.Errorf("versions %q, want %q", got, want)
	}
	if len(p.DeleteMarker) != 1 || p.DeleteMarker[0].VersionId != marker || !p.DeleteMarker[0].IsLatest {
		t.Errorf("markers %+v", p.DeleteMarker)
	}
	got = nil
	for keyMarker, idMarker := "", ""; ; {
		p := w.list("data", "versions", "", "max-keys", "1", "key-marker", keyMarker, "version-id-marker", idMarker)
		for _, v := range p.Version {
			got = append(got, v.VersionId)
		}
		for _, v := range p.DeleteMarker {
			got = append(got, v.VersionId)
		}
		if !p.IsTruncated {
			break
		}
		keyMarker, idMarker = p.NextKeyMarker, p.NextVersionIdMarker
	}
	if len(got) != 5 || got[0] != marker || !slices.Equal(got[1:4], []string{ids[2], ids[1], ids[0]}) {
		t.Errorf("by pages of one: %q", got)
	}
	w.do("ann", "DELETE", "/data/k?versionId="+marker, nil).want(t, 204)
	if r := w.get("data", "k").want(t, 200); string(r.body) != "2" {
		t.Errorf("after the marker is gone: %q", r.body)
	}
}

func TestListBuckets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"bbb", "aaa", "abc"} {
		w.bucket(name)
	}
	w.do("bob", "PUT", "/bobs", nil).want(t, 200)
	names := func(query string) (all []string, token string) {
		var doc struct {
			Buckets           struct{ Bucket []struct{ Name string } }
			ContinuationToken string
		}
		r := w.do("ann", "GET", "/"+query, nil).want(t, 200)
		if err := xml.Unmarshal(r.body, &doc); err != nil {
			t.Fatal(err)
		}
		for _, b := range doc.Buckets.Bucket {
			all = append(all, b.Name)
		}
		return all, doc.ContinuationToken
	}
	if got, _ := names(""); !slices.Equal(got, []string{"aaa", "abc", "bbb"}) {
		t.Errorf("all: %q", got)
	}
	if got, _ := names("?prefix=a"); !slices.Equal(got, []string{"aaa", "abc"}) {
		t.Errorf("by prefix: %q", got)
	}
	got, token := names("?max-buckets=2")
	rest, end := names("?max-buckets=2&continuation-token=" + token)
	if !slices.Equal(append(got, rest...), []string{"aaa", "abc", "bbb"}) || token == "" || end != "" {
		t.Errorf("by pages: %q, %q", got, rest)
	}
	w.do("", "GET", "/", nil).want(t, 403, "AccessDenied")
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.bucket("data") // again, by its owner
	w.do("bob", "PUT", "/data", nil).want(t, 409, "BucketAlreadyExists")
	for _, name := range []string{"ab", "Upper", "a..b", "192.168.1.1", "xn--a", "-ab", "ab-", strings.Repeat("a", 64), "a_b", "a-s3alias"} {
		w.do("ann", "PUT", "/"+name, nil).want(t, 400, "InvalidBucketName")
	}
	w.do("", "PUT", "/anonymous", nil).want(t, 403, "AccessDenied")
	w.put("data", "k", "x")
	w.do("ann", "DELETE", "/data", nil).want(t, 409, "BucketNotEmpty")
	w.do("bob", "DELETE", "/data", nil).want(t, 403, "AccessDenied")
	w.do("ann", "DELETE", "/data/k", nil).want(t, 204)
	w.do("ann", "DELETE", "/data", nil).want(t, 204)
	w.do("ann", "DELETE", "/data", nil).want(t, 404, "NoSuchBucket")
	w.do("ann", "PUT", "/data", []byte("<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>")).want(t, 200)
	w.do("ann", "PUT", "/other", []byte("<CreateBucketConfiguration>")).want(t, 400, "MalformedXML")
	if r := w.do("ann", "HEAD", "/data", nil).want(t, 200); r.Header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("HEAD: %v", r.Header)
	}
	if r := w.do("ann", "GET", "/data?location", nil).want(t, 200); !strings.Contains(string(r.body), `></LocationConstraint>`) {
		t.Errorf("location: %s", r.body)
	}
}

// What S3 puts, SFTP shows.
func TestTheTreeIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "dir/file", "by S3")
	tree := w.tree("ann")
	info, err := tree.Stat(context.Background(), []string{"data", "dir", "file"})
	if err != nil || info.Size != 5 {
		t.Errorf("%+v, %v", info, err)
	}
	w.do("ann", "DELETE", "/data/dir/file", nil).want(t, 204)
	if _, err := tree.Stat(context.Background(), []string{"data", "dir"}); err == nil {
		t.Error("an implicit directory stays")
	}
}

// Who makes a bucket again that he has hears what AWS says: nothing in us-east-1, and
// elsewhere that it is his; others that it is taken. It stays as it is.
func TestBucketsAreMadeAgain(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]int{"": 200, "eu-central-1": 409} {
		w := newWorld(t, func(s *s3.Server) { s.Region, s.Regions = region, []string{"*"} })
		w.bucket("data")
		w.put("data", "k", "x")
		r := w.do("ann", "PUT", "/data", nil).want(t, want)
		if want == 409 && r.code() != "BucketAlreadyOwnedByYou" {
			t.Errorf("%s", r.body)
		}
		w.do("bob", "PUT", "/data", nil).want(t, 409, "BucketAlreadyExists")
		w.get("data", "k").want(t, 200)
		if got := w.do("ann", "HEAD", "/data", nil).Header.Get("X-Amz-Bucket-Region"); want == 409 && got != region {
			t.Errorf("region %q", got)
		}
	}
}
