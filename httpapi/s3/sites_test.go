package s3_test

import (
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

const site = `<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>oops.html</Key></ErrorDocument><RoutingRules>
	<RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
	</RoutingRules></WebsiteConfiguration>`

func TestABucketAsASite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.WebsiteDomains = []string{"web.test"} })
	w.bucket("photos")
	w.do("ann", "PUT", "/photos?policy", allow("Allow", `"*"`, "s3:GetObject", "photos/*", "")).want(t, 204)
	browse := func(method, path string, header ...string) reply {
		return w.do("", method, path, nil, append(header, "Host", "photos.web.test:5000")...)
	}
	browse("GET", "/").want(t, 404) // no site yet
	w.do("ann", "PUT", "/photos?website", []byte(site)).want(t, 200)
	for key, text := range map[string]string{"index.html": "home", "a/index.html": "a's", "x.txt": "0123456789", "oops.html": "sorry"} {
		w.put("photos", key, text, "Content-Type", "text/html")
	}
	w.put("photos", "moved", "", "X-Amz-Website-Redirect-Location", "/x.txt")

	for path, want := range map[string]string{"/": "home", "/a/": "a's", "/x.txt": "0123456789"} {
		if r := browse("GET", path).want(t, 200); string(r.body) != want || r.Header.Get("Content-Type") != "text/html" {
			t.Errorf("%s: %q", path, r.body)
		}
	}
	browse("HEAD", "/").want(t, 200)
	if r := browse("GET", "/x.txt", "Range", "bytes=2-3").want(t, 206); string(r.body) != "23" {
		t.Errorf("a range: %q", r.body)
	}
	if r := browse("GET", "/a").want(t, 302); r.Header.Get("Location") != "/a/" {
		t.Errorf("a folder: %q", r.Header.Get("Location"))
	}
	if r := browse("GET", "/moved").want(t, 301); r.Header.Get("Location") != "/x.txt" {
		t.Errorf("an object elsewhere: %q", r.Header.Get("Location"))
	}
	if r := browse("GET", "/old/b").want(t, 301); !strings.HasSuffix(r.Header.Get("Location"), "/new/b") {
		t.Errorf("a rule: %q", r.Header.Get("Location"))
	}
	for _, path := range []string{"/absent", "/?acl", "/absent?versionId=x&response-content-type=a"} {
		r := browse("GET", path, "Range", "bytes=0-1")
		if path == "/?acl" {
			r.want(t, 206)
			continue
		}
		if r.want(t, 404); string(r.body) != "sorry" || r.Header.Get("Location") != "" {
			t.Errorf("%s: %q", path, r.body)
		}
	}
	browse("PUT", "/x.txt").want(t, 405)
	browse("DELETE", "/x.txt").want(t, 405)
	browse("POST", "/").want(t, 405)

	// Nobody reads what needs a name, with or without one.
	w.do("ann", "DELETE", "/photos?policy", nil).want(t, 204)
	if r := browse("GET", "/x.txt").want(t, 403); strings.Contains(string(r.body), "sorry") || !strings.Contains(string(r.body), "<h1>403") {
		t.Errorf("%s", r.body)
	}
	w.do("ann", "GET", "/x.txt", nil, "Host", "photos.web.test").want(t, 403)
	w.do("", "GET", "/", nil, "Host", "absent.web.test").want(t, 404)
}

// A page of another site may ask a site for a font as it may ask the bucket, by the
// same rules.
func TestASiteIsSharedAcrossOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.WebsiteDomains = []string{"web.test"} })
	w.bucket("fonts")
	w.do("ann", "PUT", "/fonts?policy", allow("Allow", `"*"`, "s3:GetObject", "fonts/*", "")).want(t, 204)
	w.do("ann", "PUT", "/fonts?website", []byte(site)).want(t, 200)
	w.put("fonts", "a.woff", "font")
	browse := func(method, path, origin string, header ...string) reply {
		return w.do("", method, path, nil, append(header, "Host", "fonts.web.test:5000", "Origin", origin)...)
	}
	const allowed = "Access-Control-Allow-Origin"
	if r := browse("GET", "/a.woff", "https://page.test").want(t, 200); r.Header.Get(allowed) != "" {
		t.Errorf("without rules: %v", r.Header)
	}
	browse("OPTIONS", "/a.woff", "https://page.test", "Access-Control-Request-Method", "GET").want(t, 403)
	w.do("ann", "PUT", "/fonts?cors", []byte("<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://page.test</AllowedOrigin></CORSRule></CORSConfiguration>")).want(t, 200)
	if r := browse("GET", "/a.woff", "https://page.test").want(t, 200); r.Header.Get(allowed) != "https://page.test" {
		t.Errorf("%v", r.Header)
	}
	if r := browse("GET", "/absent", "https://page.test").want(t, 404); r.Header.Get(allowed) != "https://page.test" {
		t.Errorf("what isn't there: %v", r.Header)
	}
	if r := browse("GET", "/a.woff", "https://other.test").want(t, 200); r.Header.Get(allowed) != "" {
		t.Errorf("another origin: %v", r.Header)
	}
	if r := browse("OPTIONS", "/a.woff", "https://page.test", "Access-Control-Request-Method", "GET").want(t, 200); r.Header.Get(allowed) != "https://page.test" {
		t.Errorf("asked before: %v", r.Header)
	}
	browse("OPTIONS", "/a.woff", "https://page.test", "Access-Control-Request-Method", "PUT").want(t, 403)
}

// A site has the keys that begin with a slash, too, and no path of it is an error of
// S3's.
func TestPathsOfSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.WebsiteDomains = []string{"web.test"} })
	w.bucket("photos")
	w.do("ann", "PUT", "/photos?policy", allow("Allow", `"*"`, "s3:GetObject", "photos/*", "")).want(t, 204)
	w.do("ann", "PUT", "/photos?website", []byte(site)).want(t, 200)
	w.put("photos", "oops.html", "sorry")
	w.put("photos", "/a", "with a slash")
	w.put("photos", "/b/index.html", "a folder")
	for path, want := range map[string]struct {
		status   int
		contents string
	}{
		"//a": {200, "with a slash"}, "//b/": {200, "a folder"}, "//absent": {404, "sorry"}, "//": {404, "sorry"},
		"/%ff": {400, "<h1>400"}, "/?a=%zz": {400, "<h1>400"}, "/" + strings.Repeat("x", 1025): {400, "<h1>400"},
	} {
		r := w.do("", "GET", "//photos.web.test"+path, nil).want(t, want.status)
		if !strings.Contains(string(r.body), want.contents) {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if r := w.do("", "GET", "//photos.web.test//b", nil).want(t, 302); r.Header.Get("Location") != "/b/" {
		t.Errorf("a folder is at %q", r.Header.Get("Location"))
	}
}
