package main

import (
	"slices"
	"strings"
	"testing"
)

func vars(name string) (string, bool) {
	v, ok := map[string]string{
		"DB_URL": "postgresql://u:p$w@h/db", "TWO": "a 'b", "S3": `s3:http\://h\:9000:r:b:k:s\\`, "EMPTY": "",
	}[name]
	return v, ok
}

func TestSplitArgs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                nil,
		" \n ":                            nil,
		"--db=$DB_URL --sftp=:8022":       {"--db=postgresql://u:p$w@h/db", "--sftp=:8022"},
		"-b ${S3}":                        {"-b", `s3:http\://h\:9000:r:b:k:s\\`},
		`-b s3:http\://h\:9000:r:b:k:s\\`: {"-b", `s3:http\://h\:9000:r:b:k:s\\`},
		"$TWO":                            {"a", "'b"},
		`"$TWO"`:                          {"a 'b"},
		`'$TWO' \$TWO "\$TWO"`:            {"$TWO", "$TWO", "$TWO"},
		`a\ b "c d"'e f' ""`:              {"a b", "c de f", ""},
		"$EMPTY":                          nil,
		`"$EMPTY"`:                        {""},
		"$ a$":                            {"$", "a$"},
		`\'x\"`:                           {`'x"`},
		`a\`:                              {`a\`},
		"${DB_URL}x":                      {"postgresql://u:p$w@h/dbx"},
	} {
		got, err := splitArgs(text, vars)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"$NOT_SET":  "$NOT_SET, which is not set",
		"${NOT_SET": "${ begins no",
		"${}":       "${ begins no",
		"${A B}":    "${ begins no",
		"'a":        "quotation",
		`"a`:        "quotation",
	} {
		if got, err := splitArgs(text, vars); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzSplitArgs(f *testing.F) {
	f.Add(`a "b $TWO" 'c' \ ${DB_URL}`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitArgs(text, vars)
		if err != nil {
			return
		}
		// Quoted, every word comes back as it is.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := splitArgs(strings.Join(quoted, " "), vars)
		if err != nil || !slices.Equal(again, words) {
			t.Errorf("%q: %q, then %q, %v", text, words, again, err)
		}
	})
}

func TestCmdArgsAreForCommandsThatOpenANode(t *testing.T) {
	t.Parallel()
	with := func(text string) func(string) (string, bool) {
		return func(string) (string, bool) { return text, true }
	}
	for _, tt := range []struct {
		args, env, command, rest string
	}{
		{"serve --dev", "--sftp=:1", "serve", "--sftp=:1 --dev"},
		{"version", "--sftp=:1", "version", ""},
		{"", "serve --sftp=:1", "serve", "--sftp=:1"},
		{"fs ls -- x", "--dev", "fs ls", "--dev -- x"},
	} {
		c, rest, err := findWith(strings.Fields(tt.args), with(tt.env))
		if err != nil || c.name != tt.command || strings.Join(rest, " ") != tt.rest {
			t.Errorf("%q and %q: %v, %q, %v", tt.args, tt.env, c, rest, err)
		}
	}
	if _, _, err := findWith(nil, with(" ")); err == nil {
		t.Error("no command at all was found")
	}
}
