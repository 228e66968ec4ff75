package control_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
)

// socketDir is a directory for sockets that the test names itself: the system
// takes 107 bytes, whatever the directory for temporary files is called.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "truckee-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serve runs h at a socket until the test ends.
func serve(t *testing.T, h control.Handler) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "control.sock")
	serveAt(t, path, h)
	return path
}

func serveAt(t *testing.T, path string, h control.Handler) {
	t.Helper()
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- control.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left behind", path)
		}
	})
}

func do(t *testing.T, path string, r control.Request, in io.Reader) (out control.Outcome, stdout, stderr string) {
	t.Helper()
	c, err := control.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	out, err = c.Do(t.Context(), r, control.Streams{In: in, Out: &o, Err: &e})
	if err != nil {
		t.Fatal(err)
	}
	return out, o.String(), e.String()
}

func TestRequest(t *testing.T) {
	path := serve(t, func(_ context.Context, r control.Request, s control.Streams) control.Outcome {
		fmt.Fprintf(s.Err, "%s %s", r.Op, r.Args)
		n, err := io.Copy(s.Out, s.In)
		return control.Outcome{Status: 3, Message: fmt.Sprint(n, " bytes, ", err)}
	})
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", st.Mode(), err)
	}
	for _, size := range []int{0, 1, 256 << 10, 3<<20 + 7} {
		in := bytes.Repeat([]byte("x"), size)
		out, stdout, stderr := do(t, path, control.Request{Op: "echo", Args: []byte(`{"a":1}`)}, bytes.NewReader(in))
		want := control.Outcome{Status: 3, Message: fmt.Sprint(size, " bytes, <nil>")}
		if out != want || stdout != string(in) || stderr != `echo {"a":1}` {
			t.Errorf("%d bytes: %+v, %d bytes back, %q", size, out, len(stdout), stderr)
		}
	}
}

func TestInputIsReadOnlyWhenWanted(t *testing.T) {
	path := serve(t, func(context.Context, control.Request, control.Streams) control.Outcome { return control.Outcome{} })
	in := readFunc(func([]byte) (int, error) { t.Error("read"); return 0, io.EOF })
	if out, _, _ := do(t, path, control.Request{Op: "x"}, in); out.Status != 0 {
		t.Errorf("got %+v", out)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestInputErrorReachesTheHandler(t *testing.T) {
	path := serve(t, func(_ context.Context, _ control.Request, s control.Streams) control.Outcome {
		_, err := io.ReadAll(s.In)
		return control.Outcome{Message: fmt.Sprint(err)}
	})
	in := io.MultiReader(strings.NewReader("some"), readFunc(func([]byte) (int, error) { return 0, errors.New("disk on fire") }))
	if out, _, _ := do(t, path, control.Request{Op: "x"}, in); out.Message != "standard input: disk on fire" {
		t.Errorf("got %+v", out)
	}
}

func TestClientThatGoesAwayCancels(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error, 1)
	path := serve(t, func(ctx context.Context, _ control.Request, s control.Streams) control.Outcome {
		close(started)
		<-ctx.Done()
		_, err := s.In.Read(make([]byte, 1))
		ended <- err
		return control.Outcome{}
	})
	c, err := control.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	_, err = c.Do(ctx, control.Request{Op: "x"}, control.Streams{})
	if kind.Of(err) != kind.Canceled {
		t.Errorf("Do: %v, want kind %v", err, kind.Canceled)
	}
	if err := <-ended; err == nil {
		t.Error("the handler could go on reading")
	}
}

func TestServerThatStopsTellsTheClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- control.Serve(ctx, l, func(ctx context.Context, _ control.Request, _ control.Streams) control.Outcome {
			cancel()
			<-ctx.Done()
			return control.Outcome{Status: 1, Message: "stopping"}
		}, slog.New(slog.DiscardHandler))
	}()
	if out, _, _ := do(t, path, control.Request{Op: "x"}, nil); out.Message != "stopping" {
		t.Errorf("got %+v", out)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNoNode(t *testing.T) {
	dir := socketDir(t)
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{stale, filepath.Join(dir, "absent"), filepath.Join(dir, "no", "directory")} {
		if _, err := control.Dial(t.Context(), path); kind.Of(err) != kind.NotExist {
			t.Errorf("%s: %v, want kind %v", path, err, kind.NotExist)
		}
	}
	serveAt(t, stale, func(context.Context, control.Request, control.Streams) control.Outcome { return control.Outcome{} })
	do(t, stale, control.Request{Op: "x"}, nil)
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a", 200), strings.Repeat("b", 200))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "control.sock")
	serveAt(t, path, func(context.Context, control.Request, control.Streams) control.Outcome {
		return control.Outcome{Message: "here"}
	})
	if out, _, _ := do(t, path, control.Request{Op: "x"}, nil); out.Message != "here" {
		t.Errorf("got %+v", out)
	}
}

// send writes raw bytes to the socket and returns all that comes back.
func send(t *testing.T, path string, raw []byte) []byte {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.UnixConn).CloseWrite()
	back, _ := io.ReadAll(c)
	return back
}

func frame(t byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{t}, uint32(len(body))), body...)
}

func TestForeignClients(t *testing.T) {
	called := 0
	path := serve(t, func(context.Context, control.Request, control.Streams) control.Outcome {
		called++
		return control.Outcome{}
	})
	tests := []struct {
		name, want string
		raw        []byte
	}{
		{"nothing", "", nil},
		{"HTTP", "", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"huge frame", "", []byte{'H', 0xff, 0xff, 0xff, 0xff}},
		{"cut frame", "", frame('H', `{"version":1,"op":"x"}`)[:10]},
		{"no JSON", "", frame('H', "{")},
		{"no operation", "", frame('H', `{"version":1}`)},
		{"input first", "", frame('I', "x")},
		{"newer version", "version 1 of the control protocol, this command version 2", frame('H', `{"version":2,"op":"x"}`)},
	}
	for _, tt := range tests {
		back := send(t, path, tt.raw)
		if tt.want == "" && len(back) > 0 || !strings.Contains(string(back), tt.want) {
			t.Errorf("%s: answered %q, want %q in it", tt.name, back, tt.want)
		}
	}
	if called != 0 {
		t.Errorf("the handler was called %d times", called)
	}
}
