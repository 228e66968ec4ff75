package mask

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgresql://joe:S3cr3t@db:5432/truckee?sslmode=disable": "postgresql://joe:***@db:5432/truckee?sslmode=disable",
		"postgresql://joe@db/truckee":                             "postgresql://joe@db/truckee",
		"postgresql:///truckee?host=/run/x&password=S3cr3t":       "postgresql:///truckee?host=/run/x&password=***",
		"postgresql://db/x?ssl%70assword=S3cr3t":                  "postgresql://db/x?ssl%70assword=***",
		"postgresql://a:S3cr3t%40@h/x":                            "postgresql://a:***@h/x",
		"https://h/x?X-Amz-Signature=S3cr3t&a=b":                  "https://h/x?X-Amz-Signature=***&a=b",
		"postgresql://a:S3cr3t@h:port/x":                          "***",
		"host=x password=S3cr3t":                                  "***",
		"joe:S3cr3t@db":                                           "***",
		"postgresql://joe:a@S3cr3t@db/x":                          "***",
		"postgresql://joe:1?S3cr3t@db/x":                          "***",
		"postgresql://joe:1/S3cr3t@db/x":                          "***",
		"postgresql://joe:1/a?b=S3cr3t@db/x":                      "***",
		"postgresql://joe:S3cr3t@db/x?options=a@b":                "postgresql://joe:***@db/x?options=a@b",
		"postgresql:///x?user=joe@corp&password=S3cr3t":           "postgresql:///x?user=joe@corp&password=***",
		"": "***",
	} {
		got := URL(text)
		if got != want || strings.Contains(got, "S3cr3t") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("postgresql", "joe", "S3cr3t word/@:?", "db:5432", "a=b")
	f.Fuzz(func(t *testing.T, scheme, user, _, host, query string) {
		const secret = "tHe+pa5s"
		for _, text := range []string{
			scheme + "://" + user + ":" + secret + "@" + host + "/x?" + query,
			scheme + "://" + host + "/x?" + query + "&password=" + secret,
		} {
			got := URL(text)
			// The attacker of this test may only not write the secret elsewhere,
			// nor turn its place into another part of the address.
			if strings.ContainsAny(scheme+user+host, "/?#@\\") || strings.ContainsAny(query, "#;") {
				return
			}
			if strings.Contains(got, secret) {
				t.Errorf("%q: %q", text, got)
			}
		}
	})
}

func TestErrorHidesAndKeepsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial joe:S3 cr/3t and S3+cr%2F3t")
	err := Error(fmt.Errorf("open: %w", cause), "S3 cr/3t", "a")
	if err.Error() != "open: dial joe:*** and ***" || !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	if got := Error(cause, "other"); got != cause { // the very same
		t.Errorf("%v", got)
	}
	if Error(nil, "x") != nil {
		t.Error("an error of nothing")
	}
}
