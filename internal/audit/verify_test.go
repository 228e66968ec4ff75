package audit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// chain is the contents of a file of five records.
func chain(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Options{File: path})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		_ = l.Record(put(n))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	text := chain(t)
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines[4] += "\n"
	without := func(n int) string { return strings.Join(append(append([]string{}, lines[:n]...), lines[n+1:]...), "") }
	tests := []struct {
		name, text string
		fault      string // in the error; empty: there is none
	}{
		{"as written", text, ""},
		{"empty", "", ""},
		{"a value changed", strings.Replace(text, "/a1", "/a9", 1), "line 4: "},
		{"a space added", strings.Replace(text, `"path":"/a1"`, `"path": "/a1"`, 1), "line 3: "},
		{"a field added", strings.Replace(text, `"path":"/a1"`, `"path":"/a1","x":1`, 1), "line 3: "},
		{"a field twice", strings.Replace(text, `"path":"/a1"`, `"path":"/a0","path":"/a1"`, 1), "line 3: "},
		{"a line taken out", without(2), "line 3: "},
		{"the first taken out", without(0), ""}, // an earlier file may be missing: From tells
		{"two exchanged", lines[0] + lines[2] + lines[1] + lines[3] + lines[4], "line 2: "},
		{"one twice", lines[0] + lines[1] + lines[1] + lines[2], "line 3: "},
		{"an empty line", lines[0] + "\n" + lines[1], "line 2: no record"},
		{"something behind", text + "x\n", "last line is no whole record"},
		{"the last line cut", text[:len(text)-5], "last line is no whole record"},
		{"another chain behind", text + lines[0], "line 6: "},
		{"a long line", strings.Repeat("x", 3<<20), "line 1: more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := &audit.Verifier{}
			err := v.File("f", strings.NewReader(tt.text))
			if err == nil {
				_, err = v.Report()
			}
			switch {
			case tt.fault == "" && err != nil:
				t.Error(err)
			case tt.fault != "" && (kind.Of(err) != kind.Corrupt || !strings.Contains(err.Error(), tt.fault)):
				t.Errorf("got %v, want %q", err, tt.fault)
			}
		})
	}
}

// TestVerifyExpect: lines taken off the end are missed by whoever knows one of
// them from the log.
func TestVerifyExpect(t *testing.T) {
	t.Parallel()
	text := chain(t)
	v := &audit.Verifier{}
	_ = v.File("f", strings.NewReader(text))
	rep, _ := v.Report()
	short := text[:strings.LastIndex(text[:len(text)-1], "\n")+1]
	for _, tt := range []struct {
		text string
		want kind.Kind
	}{{text, 0}, {short, kind.Corrupt}} {
		v := &audit.Verifier{Expect: rep.Hash}
		if err := v.File("f", strings.NewReader(tt.text)); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Report(); kind.Of(err) != tt.want {
			t.Errorf("got %v, want %v", err, tt.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	text := chain(f)
	f.Add([]byte(text))
	f.Add([]byte(text[:len(text)-9]))
	f.Add([]byte(`{"seq":1,"op":"begin"}`))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := &audit.Verifier{}
		err := v.File("f", bytes.NewReader(b))
		rep, _ := v.Report()
		if err == nil && rep.Records > int64(bytes.Count(b, []byte("\n")))+1 {
			t.Errorf("%d records in %d bytes", rep.Records, len(b))
		}
	})
}

func TestParseSyslog(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ where, network, address string }{
		{"local", "", ""}, {"udp:h:514", "udp", "h:514"}, {"tcp:[::1]:601", "tcp", "[::1]:601"},
	} {
		if n, a, err := audit.ParseSyslog(tt.where); err != nil || n != tt.network || a != tt.address {
			t.Errorf("%q: %q %q %v", tt.where, n, a, err)
		}
	}
	for _, where := range []string{"", "h:514", "unix:/dev/log", "udp:h", "udp://h:514"} {
		if _, _, err := audit.ParseSyslog(where); kind.Of(err) != kind.Invalid {
			t.Errorf("%q: %v", where, err)
		}
	}
}
