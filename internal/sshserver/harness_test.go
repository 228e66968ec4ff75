package sshserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// patient is how long tests wait for what must happen.
const patient = time.Minute

func newHostKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// open is a server's configuration that lets everybody in.
func open(t testing.TB) *ServerConfig {
	t.Helper()
	c := &ServerConfig{NoClientAuth: true}
	c.AddHostKey(newHostKey(t))
	return c
}

// trusting is a client's configuration that trusts everybody.
func trusting() *ssh.ClientConfig {
	return &ssh.ClientConfig{User: "u", HostKeyCallback: ssh.InsecureIgnoreHostKey()}
}

// handler serves a channel; requests are answered by others.
type handler func(sc *ServerConn, ch ssh.Channel)

// serve serves nc to its end, each channel by the handler of its type.
func serve(nc net.Conn, config *ServerConfig, handlers map[string]handler) error {
	sc, channels, requests, err := NewServerConn(nc, config)
	if err != nil {
		return err
	}
	go func() {
		for r := range requests {
			_ = r.Reply(true, r.Payload)
		}
	}()
	for nch := range channels {
		h := handlers[nch.ChannelType()]
		if h == nil {
			_ = nch.Reject(ssh.UnknownChannelType, "no")
			continue
		}
		ch, requests, err := nch.Accept()
		if err != nil {
			continue
		}
		go func() {
			for r := range requests {
				_ = r.Reply(true, nil)
			}
		}()
		go func() {
			defer ch.Close()
			h(sc, ch)
		}()
	}
	return sc.Wait()
}

// pair is a connection of two ends of the system's.
func pair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// connect logs upstream's client in to a server with these handlers. After the
// test it waits for the server's end.
func connect(t testing.TB, cc *ssh.ClientConfig, sc *ServerConfig, handlers map[string]handler) *ssh.Client {
	t.Helper()
	near, far := pair(t)
	return connectOver(t, near, far, cc, sc, handlers)
}

func connectOver(t testing.TB, near, far net.Conn, cc *ssh.ClientConfig, sc *ServerConfig, handlers map[string]handler) *ssh.Client {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- serve(far, sc, handlers) }()
	conn, channels, requests, err := ssh.NewClientConn(near, "", cc)
	if err != nil {
		near.Close()
		t.Fatalf("client: %v; server: %v", err, <-served)
	}
	client := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() {
		client.Close()
		select {
		case <-served:
		case <-time.After(patient):
			t.Errorf("the server didn't end:\n%s", stacks())
		}
	})
	return client
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

// within fails the test, and shows all goroutines, if f takes too long.
func within(t testing.TB, what string, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(patient):
		t.Fatalf("%s takes too long:\n%s", what, stacks())
	}
}

// stream is an endless pseudo-random stream.
func stream(seed byte) io.Reader {
	return mathrand.NewChaCha8([32]byte{seed})
}

// send writes n bytes of a stream in pieces of all sizes.
func send(w io.Writer, seed byte, n int) error {
	from, sizes := stream(seed), mathrand.New(mathrand.NewPCG(uint64(seed), uint64(n)))
	b := make([]byte, 300<<10)
	for n > 0 {
		k := min(n, 1+sizes.IntN(1<<(1+sizes.IntN(18))))
		if _, err := io.ReadFull(from, b[:k]); err != nil {
			return err
		}
		before := bytes.Clone(b[:k])
		if _, err := w.Write(b[:k]); err != nil {
			return err
		}
		if !bytes.Equal(before, b[:k]) {
			return errors.New("Write changed what it was given")
		}
		n -= k
	}
	return nil
}

var errOther = errors.New("other bytes than those that were sent")

// receive reads n bytes of a stream into pieces of all sizes, and compares.
func receive(r io.Reader, seed byte, n int) error {
	from, sizes := stream(seed), mathrand.New(mathrand.NewPCG(uint64(seed)+1, uint64(n)))
	b, want := make([]byte, 300<<10), make([]byte, 300<<10)
	for n > 0 {
		k, err := r.Read(b[:min(n, 1+sizes.IntN(1<<(1+sizes.IntN(18))))])
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(from, want[:k]); err != nil {
			return err
		}
		if !bytes.Equal(b[:k], want[:k]) {
			return errOther
		}
		n -= k
	}
	return nil
}

// openChannel opens a channel and answers its requests.
func openChannel(t testing.TB, c *ssh.Client, kind string) ssh.Channel {
	t.Helper()
	ch, requests, err := c.OpenChannel(kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	return ch
}

// ours counts the goroutines of this package's servers.
func ours() int {
	n := 0
	for _, g := range strings.Split(string(stacks()), "\n\n") {
		if strings.Contains(g, "sshserver.(*mux)") || strings.Contains(g, "sshserver.(*handshakeTransport)") || strings.Contains(g, "sshserver.(*connection)") {
			n++
		}
	}
	return n
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time\n%s", what, stacks())
		}
	}
}
