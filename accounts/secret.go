package accounts

import (
	"fmt"
	"log/slog"
)

// secret is text that must not be shown: a password or its hash. The text is
// behind a pointer, because fmt prints unexported fields without asking their
// Format method.
type secret struct{ text *string }

func newSecret(s string) secret { return secret{&s} }

// expose returns the text. Its callers render lines and verify passwords.
func (s secret) expose() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format prints every verb without the text.
func (secret) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("secret(…)")) }

// LogValue keeps the text out of logs.
func (secret) LogValue() slog.Value { return slog.StringValue("secret(…)") }

// MarshalText keeps the text out of JSON and other encodings.
func (secret) MarshalText() ([]byte, error) { return []byte("secret(…)"), nil }
