package settings

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func lifecycle(t *testing.T, rules string) *Lifecycle {
	t.Helper()
	l, err := ParseLifecycle([]byte("<LifecycleConfiguration>" + rules + "</LifecycleConfiguration>"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var written = time.Date(2026, 5, 1, 10, 30, 0, 0, time.UTC)

func TestDaysEndAtMidnight(t *testing.T) {
	t.Parallel()
	l := lifecycle(t, `<Rule><ID>r</ID><Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>`)
	for mtime, want := range map[time.Time]time.Time{
		written: time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC): time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC),
	} {
		if when, rule, ok := l.Expires(Aged{Key: "a", Mtime: mtime, Current: true}, Clock{}); !ok || rule != "r" || !when.Equal(want) {
			t.Errorf("%v: %v %q %v", mtime, when, rule, ok)
		}
	}
	when, _, _ := l.Expires(Aged{Key: "a", Mtime: written, Current: true}, Clock{Day: time.Second})
	if !when.Equal(written.Add(3 * time.Second)) {
		t.Errorf("short days: %v", when)
	}
}

func TestWhatRulesSelect(t *testing.T) {
	t.Parallel()
	const days = `<Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>`
	and := `<Rule><Filter><And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>20</ObjectSizeLessThan></And></Filter>` + days
	fits := Aged{Key: "logs/x", Size: 15, Tags: []Tag{{"c", "d"}, {"a", "b"}}, Current: true}
	with := func(f func(*Aged)) Aged { v := fits; f(&v); return v }
	for name, c := range map[string]struct {
		rules string
		v     Aged
		want  bool
	}{
		"all":              {and, fits, true},
		"another prefix":   {and, with(func(v *Aged) { v.Key = "log" }), false},
		"another tag":      {and, with(func(v *Aged) { v.Tags = []Tag{{"a", "c"}} }), false},
		"not larger":       {and, with(func(v *Aged) { v.Size = 10 }), false},
		"not smaller":      {and, with(func(v *Aged) { v.Size = 20 }), false},
		"old prefix":       {`<Rule><Prefix>logs/</Prefix>` + days, fits, true},
		"one tag":          {`<Rule><Filter><Tag><Key>c</Key><Value>d</Value></Tag></Filter>` + days, fits, true},
		"one size":         {`<Rule><Filter><ObjectSizeLessThan>15</ObjectSizeLessThan></Filter>` + days, fits, false},
		"everything":       {`<Rule><Filter/>` + days, fits, true},
		"disabled":         {`<Rule><Filter/><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>`, fits, false},
		"not current":      {`<Rule><Filter/>` + days, with(func(v *Aged) { v.Current = false }), false},
		"only transitions": {`<Rule><Filter/><Status>Enabled</Status><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>`, fits, false},
	} {
		if _, _, ok := lifecycle(t, c.rules).Expires(c.v, Clock{}); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func TestVersionsMarkersAndUploads(t *testing.T) {
	t.Parallel()
	day := Clock{Day: time.Minute}
	const noncurrent = `<Rule><Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>`
	const markers = `<Rule><Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>`
	const expire = `<Rule><Filter/><Status>Enabled</Status><Expiration><Days>5</Days></Expiration></Rule>`
	for name, c := range map[string]struct {
		rules string
		v     Aged
		after time.Duration // 0: never
	}{
		"old, since it was replaced":    {noncurrent, Aged{Mtime: written, Since: written.Add(time.Hour), Newer: 3}, time.Hour + 2*time.Minute},
		"one of the newest old":         {noncurrent, Aged{Mtime: written, Since: written, Newer: 2}, 0},
		"the current":                   {noncurrent, Aged{Mtime: written, Current: true}, 0},
		"a marker alone":                {markers, Aged{Mtime: written, Current: true, Marker: true, Alone: true}, time.Nanosecond},
		"a marker that hides something": {markers, Aged{Mtime: written, Current: true, Marker: true}, 0},
		"an old marker alone":           {expire, Aged{Mtime: written, Current: true, Marker: true, Alone: true}, 5 * time.Minute},
		"an object, for a marker rule":  {markers, Aged{Mtime: written, Current: true, Alone: true}, 0},
	} {
		when, _, ok := lifecycle(t, c.rules).Expires(c.v, day)
		want := written.Add(c.after.Truncate(time.Second))
		if ok != (c.after != 0) || ok && !when.Equal(want) {
			t.Errorf("%s: %v %v", name, when, ok)
		}
	}
	l := lifecycle(t, `<Rule><Filter><Prefix>a</Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>`)
	if when, _, ok := l.Aborts("abc", written, day); !ok || !when.Equal(written.Add(2*time.Minute)) {
		t.Errorf("upload: %v %v", when, ok)
	}
	if _, _, ok := l.Aborts("b", written, day); ok || !l.AbortsAny() || l.AgesVersions() {
		t.Error("an upload of another key ends, too, or the rule is overlooked")
	}
}

// Rules of which a part would be kept and mean nothing are refused when they are put;
// where they are kept already they can still be read.
func TestRulesThatWouldMeanNothing(t *testing.T) {
	t.Parallel()
	const size = `<Filter><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></Filter>`
	const abort = `<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`
	const days, date, marker = `<Expiration><Days>9</Days></Expiration>`, `<Expiration><Date>2026-05-03</Date></Expiration>`, `<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`
	const laterDate, laterDays = `<Transition><Date>2026-05-01</Date><StorageClass>GLACIER</StorageClass></Transition>`, `<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`
	for inner, ok := range map[string]bool{
		size + days: true, "<Filter/>" + abort: true, "<Filter/>" + days + laterDays: true, "<Filter/>" + date + laterDate: true, "<Filter/>" + marker: true,
		size + abort: false, size + days + abort: false, size + marker: false, "<Filter/>" + days + laterDate: false, "<Filter/>" + date + laterDays: false,
		`<Filter><And><Prefix>a</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>` + abort: false,
	} {
		l := lifecycle(t, "<Rule><Status>Enabled</Status>"+inner+"</Rule>")
		var refused *Error
		if err := l.CheckNew(); ok != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Code != "InvalidRequest") {
			t.Errorf("%s: %v", inner, err)
		}
	}
}

func TestTheEarliestRuleCounts(t *testing.T) {
	t.Parallel()
	l := lifecycle(t, `<Rule><ID>late</ID><Filter/><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>
		<Rule><ID>date</ID><Filter/><Status>Enabled</Status><Expiration><Date>2026-05-03</Date></Expiration></Rule>`)
	if when, rule, _ := l.Expires(Aged{Mtime: written, Current: true}, Clock{}); rule != "date" || !when.Equal(time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v %q", when, rule)
	}
}

func TestCORSRules(t *testing.T) {
	t.Parallel()
	c, err := ParseCORS([]byte(`<CORSConfiguration>
		<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.example.org</AllowedOrigin><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>
		<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>
	</CORSConfiguration>`))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		origin, method string
		headers        []string
		want           [][2]string
	}{
		{"https://a.example.org", "GET", []string{"X-Amz-Date"}, [][2]string{
			{"Access-Control-Allow-Origin", "https://a.example.org"},
			{"Access-Control-Allow-Credentials", "true"},
			{"Access-Control-Allow-Methods", "GET"},
			{"Access-Control-Allow-Headers", "x-amz-date"},
			{"Access-Control-Expose-Headers", "ETag"},
			{"Access-Control-Max-Age", "60"},
		}},
		{"https://b", "PUT", nil, [][2]string{{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Allow-Methods", "PUT, GET"}}},
		{"https://b", "PUT", []string{"x-amz-date"}, nil},
		{"https://b", "DELETE", nil, nil},
		{"https://example.org", "GET", []string{"x-amz-date"}, nil},
	} {
		var got [][2]string
		if r := c.Match(q.origin, q.method, q.headers); r != nil {
			got = r.Headers(q.origin, q.headers, true)
		}
		if !reflect.DeepEqual(got, q.want) {
			t.Errorf("%s %s: %v", q.method, q.origin, got)
		}
	}
}

func TestOneStar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"a*b", "ab", true}, {"a*b", "axb", true}, {"ab*ba", "aba", false}, {"a", "b", false}, {"*a", "ba", true}, {"a*", "ba", false},
	} {
		if oneStar(c.pattern, c.s) != c.want {
			t.Errorf("%q against %q", c.pattern, c.s)
		}
	}
}

func TestWebsites(t *testing.T) {
	t.Parallel()
	w, err := ParseWebsite([]byte(`<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><RoutingRules>
		<RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect></RoutingRule>
		<RoutingRule><Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals><KeyPrefixEquals>img/</KeyPrefixEquals></Condition><Redirect><HostName>cdn.example.org</HostName><Protocol>https</Protocol><ReplaceKeyWith>none.png</ReplaceKeyWith><HttpRedirectCode>307</HttpRedirectCode></Redirect></RoutingRule>
	</RoutingRules></WebsiteConfiguration>`))
	if err != nil {
		t.Fatal(err)
	}
	if w.Document("") != "index.html" || w.Document("a/") != "a/index.html" || w.Document("a") != "a" {
		t.Error("the index document is somewhere else")
	}
	for _, c := range []struct {
		key    string
		failed int
		want   string
		status int
	}{
		{"old/a b?", 0, "http://h/new/a%20b%3F", 301},
		{"old/\r\nx: y", 0, "http://h/new/%0D%0Ax:%20y", 301},
		{"img/x", 0, "", 0},
		{"img/x", 404, "https://cdn.example.org/none.png", 307},
		{"x", 404, "", 0},
	} {
		if to, _ := w.Route("http", "h", c.key, c.failed); to.Location != c.want || to.Status != c.status {
			t.Errorf("%q %d: %v", c.key, c.failed, to)
		}
	}
	all, err := ParseWebsite([]byte(`<WebsiteConfiguration><RedirectAllRequestsTo><HostName>x.org</HostName></RedirectAllRequestsTo></WebsiteConfiguration>`))
	if err != nil {
		t.Fatal(err)
	}
	if to, ok := all.Route("https", "h", "a/b", 0); !ok || to != (Redirection{"https://x.org/a/b", 301}) {
		t.Errorf("%v", to)
	}
}
