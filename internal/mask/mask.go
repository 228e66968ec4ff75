// Package mask shows where something is stored without the secrets that open it.
// It is the one place that decides what of a database's or a store's address may
// stand in logs, errors and reports.
package mask

import (
	"net/url"
	"strings"
)

// Hidden stands for a secret.
const Hidden = "***"

// secretParams are the parameters of a URL whose values are secrets. Any whose
// name holds one of these words counts: sslpassword, sslkey, AWSAccessKeyId.
var secretParams = []string{"pass", "secret", "key", "token", "credential", "signature"}

// Ambiguous reports whether programs read the address differently, because @, /, ?
// or # stand in its user or password as they are and not as %XX: for some the
// password then ends earlier than for others, who take its rest for a host.
func Ambiguous(text string) bool {
	_, text, _ = strings.Cut(text, "://")
	head, rest, _ := strings.Cut(text, "/")
	userinfo, host, named := strings.Cut(head, "@")
	if named {
		return strings.ContainsAny(userinfo, "?#") || strings.Contains(host, "@")
	}
	return strings.Contains(head, ":") && strings.Contains(rest, "@")
}

// URL is the address with its password, and every parameter that may be a
// secret, hidden. What is no URL, or ambiguous, is hidden as a whole.
func URL(text string) string {
	u, err := url.Parse(text)
	if err != nil || Ambiguous(text) || u.Scheme == "" || u.Opaque != "" || u.Host == "" && u.Path == "" && u.RawQuery == "" && u.User == nil {
		return Hidden
	}
	userinfo := ""
	if u.User != nil {
		userinfo = url.User(u.User.Username()).String()
		if _, given := u.User.Password(); given {
			userinfo += ":" + Hidden
		}
		userinfo += "@"
	}
	shown := u.Scheme + "://" + userinfo + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + query(u.RawQuery)
	}
	return shown
}

func query(raw string) string {
	var parts []string
	for part := range strings.SplitSeq(raw, "&") {
		name, _, valued := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); valued && (err != nil || isSecret(plain)) {
			part = name + "=" + Hidden
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "&")
}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range secretParams {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// Text is text with every one of the secrets in it hidden, as they are and as
// they stand in a URL. Secrets of less than four bytes are left alone: hiding
// every "a" would say more than it hides.
func Text(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), escapedPassword(s)} {
			text = strings.ReplaceAll(text, form, Hidden)
		}
	}
	return text
}

func escapedPassword(s string) string {
	return strings.TrimPrefix(url.UserPassword("", s).String(), ":")
}

// Error is err with the secrets hidden in its text, for what libraries say that
// repeat an address. The chain of causes stays for errors.Is and errors.As; only
// who digs for it finds the text as it was.
func Error(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	hidden := Text(text, secrets...)
	if hidden == text {
		return err
	}
	return &masked{hidden, err}
}

type masked struct {
	text  string
	cause error
}

func (m *masked) Error() string { return m.text }
func (m *masked) Unwrap() error { return m.cause }
