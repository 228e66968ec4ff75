package postform

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

const contentType = "multipart/form-data; boundary=xx"

func body(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteString("--xx\r\nContent-Disposition: form-data; name=\"" + fields[i] + "\"")
		if fields[i] == "file" {
			b.WriteString(`; filename="C:\\dir\\a photo.jpg"`)
		}
		b.WriteString("\r\n\r\n" + fields[i+1] + "\r\n")
	}
	return b.String() + "--xx--\r\n"
}

func read(t *testing.T, fields ...string) *Form {
	t.Helper()
	f, err := Read(strings.NewReader(body(fields...)), contentType)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func codeOf(err error) string {
	var e *settings.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestAFormIsReadUpToItsFile(t *testing.T) {
	t.Parallel()
	f := read(t, "KEY", "in/${filename}", "acl", "private", "file", "contents", "after", "the file")
	if key, err := f.Key(); err != nil || key != "in/a photo.jpg" {
		t.Errorf("key %q, %v", key, err)
	}
	if data, err := io.ReadAll(f.File); err != nil || string(data) != "contents" {
		t.Errorf("contents %q, %v", data, err)
	}
	if _, ok := f.Get("after"); ok {
		t.Error("a field behind the file counts")
	}
	if err := f.End(); err != nil {
		t.Error(err)
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, code string }{
		"no file":       {body("key", "k"), "InvalidArgument"},
		"cut off":       {"--xx\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk", "MalformedPOSTRequest"},
		"empty":         {"", "InvalidArgument"},
		"no name":       {"--xx\r\n\r\nk\r\n--xx--\r\n", "MalformedPOSTRequest"},
		"fields of 1 M": {body("key", strings.Repeat("k", 1<<20), "file", ""), "MaxPostPreDataLengthExceededError"},
		"1000 fields":   {strings.Repeat("--xx\r\nContent-Disposition: form-data; name=\"x-ignore-a\"\r\n\r\n\r\n", 1000) + body("file", ""), "MaxPostPreDataLengthExceededError"},
		"a head of 1 M": {"--xx\r\nContent-Disposition: form-data; name=\"a\"\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n\r\n" + body("file", ""), "MaxPostPreDataLengthExceededError"},
		"two of a name": {body("acl", "private", "ACL", "public-read", "file", ""), "InvalidArgument"},
	} {
		if _, err := Read(strings.NewReader(c.body), contentType); codeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := read(t, "key", "k", "file", "x", "after", strings.Repeat("x", 1<<20))
	if _, err := io.ReadAll(f.File); err != nil || codeOf(f.End()) != "MalformedPOSTRequest" {
		t.Errorf("1 M behind the file: %v", err)
	}
	if _, err := read(t, "file", "x").Key(); codeOf(err) != "InvalidArgument" {
		t.Errorf("no key: %v", err)
	}
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func policyOf(conditions string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"expiration":"2026-05-01T13:00:00Z","conditions":[` + conditions + `]}`))
}

func TestAPolicyAllowsWhatItSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	const usual = `{"bucket":"b"},["starts-with","$key","foo"],{"acl":"private"}`
	fine := []string{"key", "foo.txt", "acl", "private", "policy", "x", "signature", "x", "AWSAccessKeyId", "x", "file", ""}
	for name, c := range map[string]struct {
		conditions string
		fields     []string
		now        time.Time
		denied     bool
	}{
		"all is said":              {usual, fine, noon, false},
		"fields in any case":       {`{"bUcKeT":"b"},["StArTs-WiTh","$KeY","foo"],{"AcL":"private"}`, fine, noon, false},
		"too late":                 {usual, fine, noon.Add(time.Hour), true},
		"another bucket":           {`{"bucket":"c"},["starts-with","$key","foo"],{"acl":"private"}`, fine, noon, true},
		"no word of the bucket":    {`["starts-with","$key","foo"],{"acl":"private"}`, fine, noon, true},
		"another key":              {usual, []string{"key", "bar", "acl", "private", "file", ""}, noon, true},
		"a field that has to be":   {usual, []string{"key", "foo", "file", ""}, noon, true},
		"a field too many":         {usual, append([]string{"x-amz-meta-a", "b"}, fine...), noon, true},
		"a field to ignore":        {usual, append([]string{"x-ignore-a", "b"}, fine...), noon, false},
		"a checksum":               {usual, append([]string{"x-amz-checksum-sha256", "b"}, fine...), noon, false},
		"any value":                {usual + `,["starts-with","$x-amz-meta-a",""]`, append([]string{"x-amz-meta-a", "b"}, fine...), noon, false},
		"one of several types":     {usual + `,["starts-with","$Content-Type","image/"]`, append([]string{"Content-Type", "image/png,text/html"}, fine...), noon, true},
		"the file's name in a key": {`{"bucket":"b"},["starts-with","$key","foo/a "],{"acl":"private"}`, append([]string{"key", "foo/${filename}"}, fine[2:]...), noon, false},
	} {
		p, err := ParsePolicy(policyOf(c.conditions))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := p.Check(read(t, c.fields...), "b", c.now); (codeOf(err) == "AccessDenied") != c.denied || !c.denied && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	plain := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, field := range map[string]string{
		"no base64":              "{}",
		"no JSON":                plain("x"),
		"no expiration":          plain(`{"conditions":[]}`),
		"EXPIRATION":             plain(`{"EXPIRATION":"2026-05-01T13:00:00Z","conditions":[]}`),
		"no conditions":          plain(`{"expiration":"2026-05-01T13:00:00Z"}`),
		"CONDITIONS":             plain(`{"expiration":"2026-05-01T13:00:00Z","CONDITIONS":[]}`),
		"another date":           plain(`{"expiration":"2026-05-01 13:00:00","conditions":[]}`),
		"an empty condition":     policyOf(`{}`),
		"a condition on two":     policyOf(`{"a":"b","c":"d"}`),
		"a number":               policyOf(`{"a":1}`),
		"an unknown operator":    policyOf(`["ends-with","$key","x"]`),
		"no dollar":              policyOf(`["eq","key","x"]`),
		"two parts":              policyOf(`["content-length-range",1]`),
		"a length that is none":  policyOf(`["content-length-range",-1,5]`),
		"lengths the wrong way":  policyOf(`["content-length-range",7,5]`),
		"more behind it":         plain(`{"expiration":"2026-05-01T13:00:00Z","conditions":[]}{}`),
		"a policy without a end": plain(strings.Repeat("[", 1<<14)),
	} {
		if _, err := ParsePolicy(field); codeOf(err) != "InvalidPolicyDocument" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeveralRangesNarrow(t *testing.T) {
	t.Parallel()
	p, err := ParsePolicy(policyOf(`["content-length-range",0,10],["content-length-range","5","20"]`))
	if err != nil {
		t.Fatal(err)
	}
	if least, most, ok := p.Lengths(); least != 5 || most != 10 || !ok {
		t.Errorf("%d to %d, %v", least, most, ok)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(body("key", "foo", "file", "x")), "multipart/form-data; boundary=xx")
	f.Fuzz(func(_ *testing.T, data []byte, kind string) {
		form, err := Read(strings.NewReader(string(data)), kind)
		if err != nil {
			return
		}
		_, _ = form.Key()
		_, _ = io.Copy(io.Discard, form.File)
		_ = form.End()
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(`{"expiration":"2026-05-01T13:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key","foo"],["content-length-range",0,1]]}`))
	form := &Form{Fields: []Field{{"key", "foo"}}}
	f.Fuzz(func(_ *testing.T, doc []byte) {
		if p, err := ParsePolicy(base64.StdEncoding.EncodeToString(doc)); err == nil {
			_ = p.Check(form, "b", noon)
		}
	})
}
