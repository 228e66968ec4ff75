package sftpd

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// addressed is a connection that comes from somewhere.
type addressed struct {
	net.Conn
	from net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.from }

// from connects from an address.
func (h *harness) from(ip string) net.Conn {
	near, far := newPipe()
	h.listen.conns <- addressed{far, &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}}
	h.t.Cleanup(func() { near.Close() })
	return near
}

func (h *harness) waiting() int {
	h.srv.mu.Lock()
	defer h.srv.mu.Unlock()
	return h.srv.waiting
}

func loginOver(nc net.Conn) error {
	c, chans, reqs, err := ssh.NewClientConn(nc, "", config("alice"))
	if err == nil {
		ssh.NewClient(c, chans, reqs).Close()
	}
	return err
}

// One source that opens connections and says nothing keeps nobody else out,
// and itself not for long.
func TestLoginsOfOneSourceGiveWay(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.MaxHandshakes = 3 })
	crowd := func() {
		for h.waiting() < 3 {
			n := h.waiting()
			h.from("192.0.2.1")
			for h.waiting() == n {
				runtime.Gosched()
			}
		}
	}
	since := func(at time.Time) {
		h.srv.mu.Lock()
		defer h.srv.mu.Unlock()
		for c := range h.srv.conns {
			c.since = at
		}
	}
	crowd()
	if err := loginOver(h.from("192.0.2.2")); err != nil {
		t.Errorf("another source: %v", err)
	}
	for h.connections() != 2 { // the client knows of its login before the server counts it
		runtime.Gosched()
	}
	crowd()
	since(time.Now().Add(time.Hour)) // however slow the machine is
	if err := loginOver(h.from("192.0.2.1")); err == nil {
		t.Error("the source of the crowd was let in at once")
	}
	since(time.Now().Add(-loginPace))
	if err := loginOver(h.from("192.0.2.1")); err != nil {
		t.Errorf("the source of the crowd, later: %v", err)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := source(&net.TCPAddr{IP: net.ParseIP(addr), Port: 1}); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// Connections beyond an account's bound don't stay: they would use up the
// places of all accounts.
func TestConnectionsBeyondAnAccountsBoundEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, func(s *Server) { s.MaxSessions, s.MaxConns = 1, 4+maxTurnedAway })
		h.sftp(h.login())
		told := h.login()
		if _, err := told.NewSession(); err == nil || !strings.Contains(err.Error(), "too many connections") {
			t.Errorf("second connection: %v", err)
		}
		if err := told.Wait(); err == nil {
			t.Error("the connection goes on")
		}
		for range 3 * h.srv.MaxConns {
			// Beyond maxTurnedAway the end may come before the client is told of its login.
			_, _ = h.dial(config("alice"))
		}
		synctest.Wait() // for those that end at once; no time has passed for the others
		if n := h.connections(); n != 1+maxTurnedAway {
			t.Errorf("%d connections", n)
		}
		if c, err := h.dial(config("bob", ssh.Password("battery staple"))); err != nil {
			t.Errorf("another account: %v", err)
		} else {
			c.Close()
		}
	})
}

// plainPacket is an SSH binary packet before there are keys.
func plainPacket(payload string) []byte {
	pad := 8 - (5+len(payload))%8
	if pad < 4 {
		pad += 8
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))
	b = append(append(b, byte(pad)), payload...)
	return append(b, make([]byte, pad)...)
}

func sshString(s string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func TestLogRepeatsLittleOfAStrangersWords(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	nc := h.from("192.0.2.1")
	go func() {
		_, _ = io.WriteString(nc, "SSH-2.0-x\r\n")
		_, _ = nc.Write(plainPacket("\x01\x00\x00\x00\x02" + sshString(strings.Repeat("\x01\n", 100_000)) + sshString("")))
	}()
	_, _ = io.Copy(io.Discard, nc)
	for h.connections() != 0 {
		runtime.Gosched()
	}
	if log := h.log.String(); !strings.Contains(log, "sftp no login") || len(log) > 8*maxLogged {
		t.Errorf("a log of %d bytes: %.300s", len(log), log)
	}
}

func TestBytesBeforeTheLoginAreBounded(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	nc := h.from("192.0.2.1")
	go func() { _, _ = io.Copy(io.Discard, nc) }()
	if _, err := io.WriteString(nc, "SSH-2.0-x\r\n"); err != nil {
		t.Fatal(err)
	}
	ignore := plainPacket("\x02" + sshString(strings.Repeat("x", 30_000)))
	sent := 0
	for range 100 {
		n, err := nc.Write(ignore)
		if sent += n; err != nil {
			break
		}
	}
	for h.connections() != 0 {
		runtime.Gosched()
	}
	if most := maxLoginBytes + 3*maxPending; sent > most {
		t.Errorf("%d bytes were taken", sent)
	}
}
