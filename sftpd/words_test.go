package sftpd

import (
	"fmt"
	"strings"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"md5sum a":                            `["md5sum" "a"]`,
		"  a \t b  ":                          `["a" "b"]`,
		`a 'b c' "d e" f\ g`:                  `["a" "b c" "d e" "f g"]`,
		`a'b'"c"\d`:                           `["abcd"]`,
		`a '' ""`:                             `["a" "" ""]`,
		`"\$\"\\\x"`:                          `["$\"\\\\x"]`,
		"a \\\nb":                             `["a" "b"]`,
		"echo ${ShellId}%ComSpec%":            `["echo" "%ComSpec%"]`, // rclone's first question
		"echo $HOME $USER $LOGNAME $NONE":     `["echo" "/" "alice" "alice"]`,
		`echo "$HOME $NONE ${USER}x" '$HOME'`: `["echo" "/  alicex" "$HOME"]`,
		"echo $ $1 a$":                        `["echo" "$" "$1" "a$"]`,
		"ls ~ ~/a a~ ~bob":                    `["ls" "/" "//a" "a~" "~bob"]`,
		"a;b\nc && d | e":                     `["a"] ["b"] ["c"]&& ["d"]| ["e"]`,
		"a;":                                  `["a"]`,
		"\n\na\n":                             `["a"]`,
		"scp -t -- *.txt":                     `["scp" "-t" "--" "*.txt"]`,
		"md5sum caf\u00e9 \xff":               "[\"md5sum\" \"caf\u00e9\" \"\\xff\"]",
		"":                                    "",
	} {
		steps, err := splitCommand(line, environment("alice"))
		var got []string
		for _, s := range steps {
			text := fmt.Sprintf("%q", s.words)
			if s.pipe {
				text += "|"
			}
			if s.and {
				text += "&&"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != want || err != nil {
			t.Errorf("%q: %s, %v, want %s", line, text, err, want)
		}
	}
	for _, line := range []string{
		"a `b`", "a $(b)", `"$(b)"`, "\"`b`\"", "a > f", "a < f", "a & b", "a || b", "(a)", "a ;; b", "; a", "| a", "a |", "a &&", "'a", `"a`, `a\`,
		"${", "${a b}", "${}", strings.Repeat("a;", 20),
	} {
		if steps, err := splitCommand(line, environment("alice")); err == nil {
			t.Errorf("%q: %v", line, steps)
		}
	}
}

// Any line splits, or is refused, into words that it held.
func FuzzSplitCommand(f *testing.F) {
	f.Add("a 'b c' \"d $HOME\" \\e | f && g ; h ~ ${X}")
	f.Fuzz(func(t *testing.T, line string) {
		steps, err := splitCommand(line, environment("u"))
		if err != nil {
			return
		}
		n := 0
		for i, s := range steps {
			if len(s.words) == 0 || (s.pipe || s.and) && i == len(steps)-1 {
				t.Errorf("%q: step %d of %d: %+v", line, i, len(steps), s)
			}
			for _, w := range s.words {
				n += len(w)
			}
		}
		if n > len(line) || len(steps) > maxSteps+1 { // no value is longer than its parameter
			t.Errorf("%q: %d bytes of words in %d steps", line, n, len(steps))
		}
	})
}
