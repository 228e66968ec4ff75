package e2e

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// SIGHUP in the middle of a transfer: what is right is taken over, what is wrong
// changes nothing, and the transfer goes on.
func TestReload(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	accounts := filepath.Join(n.BaseDir, "private", "accounts")
	good := readFile(t, accounts)
	cfg := filepath.Join(n.BaseDir, "tahoe.cfg")
	hup := func(want string) {
		t.Helper()
		before := strings.Count(n.Log(), want)
		if err := syscall.Kill(n.Pid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return strings.Count(n.Log(), want) > before })
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	c := dial(t, n.Endpoint)
	f, err := c.Create("/transfer")
	if err != nil {
		t.Fatal(err)
	}
	half := bytes.Repeat([]byte("truckee "), 1<<17)
	if _, err := f.Write(half); err != nil {
		t.Fatal(err)
	}
	write(accounts, good+strings.Replace(good[strings.LastIndex(strings.TrimSpace(good), "\n")+1:], testbed.Account, "late", 1)+"\n")
	hup("read again: accounts")
	late := n.Endpoint
	late.User = "late"
	dial(t, late)

	write(accounts, good+"broken\n")
	lines := strconv.Itoa(strings.Count(good, "\n") + 1)
	hup("read again: accounts")
	tells(t, n, accounts+":"+lines+":")
	dial(t, late) // the set before stays

	write(cfg, "[node]\nlog_level = \"debug\"\n[sftpd]\nmax_sessions = 2\nmax_handles = 7\n")
	hup(`the rest waits for a restart" what=sftpd.max_handles`)
	eventually(t, func() bool { return strings.Contains(n.Log(), "level=DEBUG") || greeted(n) })
	write(cfg, "[sftpd]\nmax_sessions = \"many\"\n")
	hup("the configuration is wrong")

	if _, err := f.Write(half); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Stat("/transfer"); err != nil || st.Size() != int64(2*len(half)) {
		t.Errorf("after four reloads: %v, %v", st, err)
	}
	// max_sessions is 2 since the third: this one and another, and no more.
	dial(t, n.Endpoint)
	if third, err := connect(n.Endpoint); err == nil {
		if _, err := third.Getwd(); err == nil {
			t.Error("a third connection of an account that may have two")
		}
		third.Close()
	}
}

// A SIGHUP that comes while the node drains, from logrotate for instance, ends
// nothing: the transfer under way is finished.
func TestReloadWhileStopping(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	f, err := dial(t, n.Endpoint).Create("/transfer")
	if err != nil {
		t.Fatal(err)
	}
	half := bytes.Repeat([]byte("truckee "), 1<<17)
	if _, err := f.Write(half); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	tells(t, n, "msg=stopping")
	if err := syscall.Kill(n.Pid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(half); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Stop(); err != nil {
		t.Error(err)
	}
	start(t, n)
	if st, err := dial(t, n.Endpoint).Stat("/transfer"); err != nil || st.Size() != int64(2*len(half)) {
		t.Errorf("after the node has stopped: %v, %v", st, err)
	}
}

// greeted makes a connection without a word, which is logged at debug only.
func greeted(n *testbed.Truckee) bool {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)))
	if err == nil {
		c.Close()
	}
	return false
}

// listening is a socket of a parent's, and its address.
func listening(t *testing.T) (*os.File, *net.TCPAddr) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket, l.Addr().(*net.TCPAddr)
}

// A parent opens the sockets, the one for S3 by its name, as systemd does, and is
// told when the node serves and when it stops.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	objects, s3 := listening(t)
	socket, sftp := listening(t)
	notify := filepath.Join(socketDir(t), "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()

	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=s3:truckee.socket exec "$0" serve`, binary)
	cmd.Env = append(n.Command(t.Context()).Env, "NOTIFY_SOCKET="+notify)
	cmd.ExtraFiles = []*os.File{objects, socket}
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		if err := told.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		k, err := told.Read(b)
		if err != nil || string(b[:k]) != want {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("told %q, %v, want %q\n%s", b[:k], err, want, log.String())
		}
	}
	hear("READY=1")
	e := n.Endpoint
	e.Port = sftp.Port
	if _, err := dial(t, e).Stat("/"); err != nil {
		t.Error(err)
	}
	if resp, err := http.Get("http://" + s3.String() + "/"); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("S3 answers %s to a stranger", resp.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
}
