package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// open opens a Log that the test closes.
func open(t *testing.T, o audit.Options) *audit.Log {
	t.Helper()
	l, err := audit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// records are the lines of a file.
func records(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		r := map[string]any{}
		if err := json.Unmarshal([]byte(l), &r); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, r)
	}
	return all
}

// verify checks files, the oldest first.
func verify(t *testing.T, v *audit.Verifier, paths ...string) (audit.Report, error) {
	t.Helper()
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.File(filepath.Base(p), bytes.NewReader(b)); err != nil {
			return audit.Report{}, err
		}
	}
	return v.Report()
}

func put(n int) audit.Record {
	return audit.Record{
		Service: audit.SFTP, Session: "S", Account: "alice", Remote: "192.0.2.1:22", Op: audit.Write, Path: fmt.Sprintf("/a%d", n),
		Object: "00ff", Written: 10, From: 5, To: 15, Size: 15, Took: 1500 * time.Microsecond,
	}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, audit.Options{File: path, Begin: "version 1"})
	for _, r := range []audit.Record{
		put(1),
		{Service: audit.S3, Op: audit.Remove, Path: "/b\xff", Err: fmt.Errorf("remove: %w", kind.Denied)},
		{Service: audit.SFTP, Op: audit.Write, Path: "/c", Err: audit.Dropped},
	} {
		if err := l.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := records(t, path)
	if len(got) != 5 || got[0]["op"] != "begin" || got[0]["detail"] != "version 1" || got[4]["op"] != "end" {
		t.Fatalf("got %v", got)
	}
	r := got[1]
	delete(r, "time")
	delete(r, "prev")
	want := map[string]any{
		"seq": 2.0, "service": "sftp", "session": "S", "account": "alice", "remote": "192.0.2.1:22", "op": "write", "path": "/a1",
		"object": "00ff", "written": 10.0, "from": 5.0, "to": 15.0, "size": 15.0, "seconds": 0.0015, "outcome": "ok",
	}
	if fmt.Sprint(r) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", r, want)
	}
	if got[2]["outcome"] != "denied" || got[2]["path"] != "/b\uFFFD" || got[3]["outcome"] != "dropped" {
		t.Errorf("got %v", got[2:4])
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
	rep, err := verify(t, &audit.Verifier{}, path)
	if err != nil || rep.Records != 5 || rep.Seq != 5 || rep.From != "" || rep.Crashes != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if f := l.Figures(); f.Hash != rep.Hash || f.Seq != 5 || f.Lost != 0 {
		t.Errorf("figures %+v", f)
	}
}

// TestNoCapability: whatever a frontend says, no capability reaches the file.
func TestNoCapability(t *testing.T) {
	t.Parallel()
	const secret = "aaaabbbbccccddddeeeeffff"
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, audit.Options{File: path})
	for _, c := range []string{"URI:DIR3:" + secret, "uri:chk:" + secret, "URI%3ADIR2%3A" + secret, "x URI:LIT:" + secret, "uri%3aLIT:" + secret} {
		r := audit.Record{Op: audit.Read, Account: c, Session: c, Remote: c, Request: c, Path: "/uri/" + c + "/name", Target: c, Object: c, Digest: c, Detail: "went to " + c}
		if err := l.Record(r); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Record(audit.Record{Op: audit.Read, Path: "/curious/Uriah/URI/uri"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	if bytes.Contains(b, []byte(secret)) {
		t.Errorf("a capability: %s", b)
	}
	if n := bytes.Count(b, []byte(`"path":"/uri/URI:***/name"`)); n != 5 || !bytes.Contains(b, []byte("/curious/Uriah/URI/uri")) {
		t.Errorf("%d paths as they should be: %s", n, b)
	}
}

func TestChainGoesOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		between func(t *testing.T, path string)
		crashes int64
	}{
		{"after an end", func(*testing.T, string) {}, 0},
		{"after a crash within a line", func(t *testing.T, path string) { cut(t, path, 20) }, 1},
		{"after a crash behind a line", func(t *testing.T, path string) { cutLine(t, path) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			l := open(t, audit.Options{File: path})
			_ = l.Record(put(1))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			tt.between(t, path)
			l = open(t, audit.Options{File: path})
			_ = l.Record(put(2))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			rep, err := verify(t, &audit.Verifier{}, path)
			if err != nil || rep.Crashes != tt.crashes {
				t.Errorf("%+v, %v", rep, err)
			}
		})
	}
}

// cut takes n bytes off the end of a file.
func cut(t *testing.T, path string, n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.Truncate(path, int64(len(b)-n))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cutLine takes the last line off a file.
func cutLine(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut(t, path, len(b)-1-bytes.LastIndexByte(b[:len(b)-1], '\n'))
}

func TestOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	open(t, audit.Options{File: path})
	if _, err := audit.Open(audit.Options{File: path}); kind.Of(err) != kind.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	l := open(t, audit.Options{File: path, MaxSize: 1000, Required: true})
	for n := range 20 {
		if err := l.Record(put(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	aside, err := filepath.Glob(filepath.Join(dir, "audit-*.jsonl"))
	if err != nil || len(aside) < 4 {
		t.Fatalf("%q, %v", aside, err)
	}
	v := &audit.Verifier{}
	// Their names end in the number of the last line; times may be equal.
	for seq := 0; seq <= 22; seq++ {
		if m, _ := filepath.Glob(filepath.Join(dir, fmt.Sprintf("audit-*-%d.jsonl", seq))); len(m) == 1 {
			if _, err := verify(t, v, m[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	rep, err := verify(t, v, path)
	if err != nil || rep.Records != 22 || rep.From != "" {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep, err := verify(t, &audit.Verifier{}, path); err != nil || rep.From == "" {
		t.Errorf("alone: %+v, %v", rep, err)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, old := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "old")
	l := open(t, audit.Options{File: path, Required: true})
	_ = l.Record(put(1))
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	for _, err := os.Stat(path); err != nil; _, err = os.Stat(path) { // a signal is no call
		if err := l.Record(put(2)); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Record(put(3))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := verify(t, &audit.Verifier{}, old, path); err != nil || rep.Seq != uint64(rep.Records) {
		t.Errorf("%+v, %v", rep, err)
	}
	if got := records(t, path); got[len(got)-2]["path"] != "/a3" {
		t.Errorf("got %v", got)
	}
}

// onFullDisk makes path lead to a disk that is full.
func onFullDisk(t *testing.T, path string) {
	t.Helper()
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
}

// nowEmpty puts a file in the place of path.
func nowEmpty(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk: nobody waits for a disk that is full. What was done meanwhile is
// written when there is place again, and what was too much is told.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	onFullDisk(t, path)
	var told buffer
	l := open(t, audit.Options{File: path, Also: []io.Writer{&told}})
	const many = 10_000
	for n := range many {
		if err := errors.Join(l.Ready(), l.Record(put(n))); err != nil {
			t.Fatal(err)
		}
	}
	for !l.Figures().Failing {
		time.Sleep(time.Millisecond)
	}
	nowEmpty(t, path)
	l.Reopen()
	for l.Figures().Failing {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := verify(t, &audit.Verifier{}, path)
	if err != nil || rep.Lost == 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	f, got := l.Figures(), int64(0)
	for _, r := range records(t, path) {
		if r["op"] == "write" {
			got++
		}
	}
	if got == 0 || got+f.Lost != many {
		t.Errorf("%d records and %d lost of %d", got, f.Lost, many)
	}
	if !strings.Contains(told.String(), `"/a0"`) {
		t.Error("another place has heard nothing")
	}
}

// TestLongTexts: what clients choose takes no more memory than it may, though the
// disk hangs.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	onFullDisk(t, path)
	l := open(t, audit.Options{File: path})
	r := put(1)
	r.Path, r.Target = "/"+strings.Repeat("p", 1<<16), "/"+strings.Repeat("t", 1<<16)
	for range 3000 {
		_ = l.Record(r)
	}
	if f := l.Figures(); f.Lost < 1500 {
		t.Errorf("%d of 3000 lost: 16 KiB each are kept", f.Lost)
	}
	nowEmpty(t, path)
	l.Reopen()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := verify(t, &audit.Verifier{}, path); err != nil || rep.Records < 100 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// TestRequired: what can't be recorded is not answered with success, and nothing
// new begins.
func TestRequired(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, audit.Options{File: path, Required: true})
	if err := l.Record(put(1)); err != nil {
		t.Fatal(err)
	}
	if got := records(t, path); len(got) != 2 { // before Record returns
		t.Errorf("got %v", got)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	onFullDisk(t, path)
	l.Reopen()
	for n := 2; l.Ready() == nil; n++ {
		if n > 10_000 {
			t.Fatal("the full disk is not noticed")
		}
		if err := l.Record(put(2)); err != nil && kind.Of(err) != kind.Unavailable {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := l.Record(put(3)); kind.Of(err) != kind.Unavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	nowEmpty(t, path)
	l.Reopen()
	for l.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	if err := l.Record(put(4)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(put(5)); kind.Of(err) != kind.Unavailable {
		t.Errorf("after Close: %v", err)
	}
	late := 0
	for _, r := range records(t, path) {
		if r["path"] == "/a3" { // they were done, whoever heard what
			late++
		}
	}
	if rep, err := verify(t, &audit.Verifier{}, path+".old", path); err != nil || late != 10 {
		t.Errorf("%+v, %v; %d of 10", rep, err, late)
	}
}

func TestRequiredFromTheStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	onFullDisk(t, path)
	l := open(t, audit.Options{File: path, Required: true})
	if err := l.Begin(); kind.Of(err) != kind.Unavailable {
		t.Errorf("got %v", err)
	}
}

// TestNothingDone: who does nothing leaves nothing, and a beginning is told once.
func TestNothingDone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := open(t, audit.Options{File: path}).Close(); err != nil {
		t.Fatal(err)
	}
	if got := records(t, path); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	l := open(t, audit.Options{File: path, Required: true})
	if err := errors.Join(l.Begin(), l.Record(put(1)), l.Close()); err != nil {
		t.Fatal(err)
	}
	if got := records(t, path); len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestNoLooks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, audit.Options{File: path, NoLooks: true})
	for _, op := range audit.Ops() {
		_ = l.Record(audit.Record{Op: op})
		_ = l.Record(audit.Record{Op: op, Err: kind.Denied})
	}
	_ = l.Close()
	if got, want := len(records(t, path)), 2+2*len(audit.Ops())-2; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

// TestSlowPlace: a syslog that hangs holds up nobody, the end neither.
func TestSlowPlace(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{})
	defer close(hung)
	l := open(t, audit.Options{Also: []io.Writer{writer(func([]byte) (int, error) { <-hung; return 0, kind.Closed })}})
	for n := range 10_000 {
		_ = l.Record(put(n))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l.Figures().Lost == 0 {
		t.Error("nothing lost")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestDigests: a digest is of what can be read; what failed has none.
func TestDigests(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, audit.Options{File: path, Digests: true})
	if !audit.Digests(l) || audit.Digests(open(t, audit.Options{})) || audit.Digests(audit.Nothing{}) || audit.Digests(nil) {
		t.Error("digests are wanted where they aren't configured, or aren't where they are")
	}
	for _, err := range []error{nil, kind.NoSpace} {
		_ = l.Record(audit.Record{Op: audit.Write, Digest: audit.Digest([]byte{0xab, 0xcd}), Err: err})
	}
	_ = l.Close()
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), `"digest"`) != 1 || !strings.Contains(string(b), `"digest":"sha256:abcd"`) {
		t.Errorf("%s, %v", b, err)
	}
}
