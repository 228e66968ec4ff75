package audit

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestManualHasTheSchema: every key and every word of a record stands in the
// manual's section on them.
func TestManualHasTheSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Audit records\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var words []string
	for f := range reflect.TypeFor[line]().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		words = append(words, key)
	}
	for _, op := range append(Ops(), opBegin, opEnd, opLost) {
		words = append(words, string(op))
	}
	for _, s := range []Service{SFTP, S3, Control, itself} {
		words = append(words, string(s))
	}
	for _, err := range []error{nil, Dropped, Failed} {
		words = append(words, Outcome(err))
	}
	for _, w := range words {
		if !strings.Contains(section, "`"+w+"`") {
			t.Errorf("docs/manual.md, Audit records, doesn't tell what %q is", w)
		}
	}
}
