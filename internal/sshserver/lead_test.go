package sshserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// While one channel is used, its goroutine reads the packets itself; with
// another one, or when it doesn't come back, the loop does.
func TestTheLeadIsLentAndTakenBack(t *testing.T) {
	t.Parallel()
	var m *mux
	leave := make(chan struct{})
	client := connect(t, trusting(), open(t), map[string]handler{
		"echo": func(sc *ServerConn, ch ssh.Channel) {
			m = ch.(*channel).mux
			_, _ = io.Copy(ch, onlyReader{ch})
			<-leave
		},
	})
	lent := func() (*channel, bool) {
		m.lead.mu.Lock()
		defer m.lead.mu.Unlock()
		return m.lead.holder, m.lead.inside
	}
	ch := openChannel(t, client, "echo")
	b := make([]byte, 1)
	roundTrip := func() error {
		if _, err := ch.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(ch, b)
		return err
	}
	eventually(t, "the lead is lent", func() bool {
		if err := roundTrip(); err != nil {
			t.Fatal(err)
		}
		holder, inside := lent()
		return holder != nil && inside
	})
	if _, _, err := client.OpenChannel("none of these", nil); err == nil {
		t.Error("a channel of another type was opened")
	}
	eventually(t, "the lead is lent again, with one channel left", func() bool {
		if err := roundTrip(); err != nil {
			t.Fatal(err)
		}
		holder, _ := lent()
		return holder != nil
	})
	if err := ch.CloseWrite(); err != nil { // the handler leaves its Read, and doesn't come back
		t.Fatal(err)
	}
	eventually(t, "the lead goes back", func() bool {
		holder, _ := lent()
		return holder == nil
	})
	close(leave)
}

// A panic while a packet is handled, in a goroutine that reads packets itself,
// ends the connection, and can be recovered from.
func TestAPanicGivesTheLeadBack(t *testing.T) {
	t.Parallel()
	recovered := make(chan any, 1)
	client := connect(t, trusting(), open(t), map[string]handler{
		"echo": func(sc *ServerConn, ch ssh.Channel) {
			defer func() { recovered <- recover() }()
			m := ch.(*channel).mux
			b := make([]byte, 1)
			for { // until the lead is here
				if _, err := io.ReadFull(ch, b); err != nil {
					t.Error(err)
				}
				m.lead.mu.Lock()
				mine := m.lead.holder != nil
				m.lead.mu.Unlock()
				if mine {
					break
				}
				_, _ = ch.Write(b)
			}
			ch.(*channel).pending.L.Lock()
			defer ch.(*channel).pending.L.Unlock()
			if m.enter(ch.(*channel), false) {
				m.pump(ch.(*channel), ch.(*channel).pending.L, func() bool { panic("a bug") })
			}
		},
	})
	ch := openChannel(t, client, "echo")
	b := make([]byte, 1)
	for {
		if _, err := ch.Write(b); err != nil {
			break
		}
		if _, err := io.ReadFull(ch, b); err != nil {
			break
		}
	}
	within(t, "the panic", func() error {
		if v := <-recovered; v != "a bug" && v != nil { // nil: the loop took the lead back first
			return errOther
		}
		return nil
	})
}

// A client that lets its window run out stops a Write, not the connection; what
// it lets in by and by arrives.
func TestWindowsRunOut(t *testing.T) {
	t.Parallel()
	const n = 5 << 20 // more than twice the window
	client := connect(t, trusting(), open(t), map[string]handler{
		"source": func(_ *ServerConn, ch ssh.Channel) {
			if err := send(ch, 4, n); err != nil {
				t.Error(err)
			}
			_ = ch.CloseWrite()
			_, _ = io.Copy(io.Discard, ch)
		},
		"sink": func(_ *ServerConn, ch ssh.Channel) {
			if err := receive(ch, 6, n); err != nil {
				t.Error(err)
			}
			_ = ch.CloseWrite()
			_, _ = io.Copy(io.Discard, ch)
		},
	})
	source, sink := openChannel(t, client, "source"), openChannel(t, client, "sink")
	within(t, "another request, with a window run out", func() error {
		_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
		return err
	})
	within(t, "all of it, up", func() error {
		if err := send(sink, 6, n); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, sink)
		return err
	})
	within(t, "all of it, down", func() error { return receive(source, 4, n) })
	if _, err := source.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after it: %v", err)
	}
}

// However a client sends its window full, what waits takes no more memory than
// the window and a piece.
func TestSmallPacketsTakeLittleMemory(t *testing.T) {
	t.Parallel()
	b := newBuffer()
	b.L.Lock()
	for range channelWindowSize {
		b.write([]byte{7})
	}
	n := 0
	for p := b.head; p != nil; p = p.next {
		n++
	}
	b.L.Unlock()
	if most := channelWindowSize/pieceSize + 1; n > most {
		t.Errorf("%d pieces of %d bytes for a window of single bytes", n, pieceSize)
	}
	got := make([]byte, channelWindowSize+1)
	b.L.Lock()
	defer b.L.Unlock()
	if n := b.take(got); n != channelWindowSize || bytes.Count(got[:n], []byte{7}) != n {
		t.Errorf("%d bytes taken", n)
	}
}

// cutConn breaks after so many bytes that it has received.
type cutConn struct {
	*script
	left int
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.script.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// A client that vanishes at any byte of a conversation leaves no goroutine.
func TestPeersThatVanish(t *testing.T) {
	t.Parallel()
	openIt := message(msgChannelOpen, "session", uint32(5), uint32(100), uint32(1<<15))
	var wire []byte
	for _, p := range [][]byte{
		openIt, message(msgChannelRequest, uint32(0), "env", 1), message(msgChannelData, uint32(0), "some data, longer than the window"),
		message(msgGlobalRequest, "x", 1), openIt, message(msgChannelData, uint32(1), "more"), message(msgChannelClose, uint32(1)),
		message(msgChannelData, uint32(0), string(make([]byte, 300))), // an echo of which won't fit the window
		message(msgChannelEOF, uint32(0)),
	} {
		wire = append(wire, framed(p)...)
	}
	config := open(t)
	for cut := range len(wire) + 1 {
		sc := *config
		m := established(&cutConn{&script{Reader: bytes.NewReader(wire)}, cut}, &sc)
		within(t, "the end", func() error {
			serveAll(m)
			<-m.conn.kexLoopDone
			return nil
		})
	}
}

// And one that vanishes during key exchange and login, none either.
func TestPeersThatVanishBeforeLogin(t *testing.T) {
	config := open(t)
	near, far := pair(t)
	rec := &recorder{Conn: near}
	served := make(chan error, 1)
	go func() { served <- serve(far, config, nil) }()
	conn, _, _, err := ssh.NewClientConn(rec, "", trusting())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	<-served
	for cut := 0; cut < len(rec.sent); cut += 13 {
		if _, _, _, err := NewServerConn(&cutConn{&script{Reader: bytes.NewReader(rec.sent)}, cut}, config); err == nil {
			t.Error("logged in by a replay")
		}
	}
	eventually(t, "no goroutine is left", func() bool { return ours() == 0 })
}

// recorder keeps what is written.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	sent []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.sent = append(r.sent, p...)
	r.mu.Unlock()
	return r.Conn.Write(p)
}

// An idle connection takes little memory.
func TestMemoryOfAnIdleConnection(t *testing.T) {
	config := open(t)
	const n = 50
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapInuse + s.StackInuse
	}
	before := heap()
	for range n {
		client := connect(t, trusting(), config, map[string]handler{"echo": echo})
		ch := openChannel(t, client, "echo")
		if err := send(ch, 1, 100); err != nil {
			t.Fatal(err)
		}
		if err := receive(ch, 1, 100); err != nil {
			t.Fatal(err)
		}
	}
	each := (int64(heap()) - int64(before)) / n
	t.Logf("%d KiB, the client's part included", each>>10)
	if each > 256<<10 {
		t.Errorf("a connection takes %d KiB, the client's part included", each>>10)
	}
}

// skSigner signs as a security key does that nobody touched.
func skSign(t *testing.T, key ssh.PublicKey, flags byte, application string, data []byte, sign func([]byte) []byte) *ssh.Signature {
	t.Helper()
	return &ssh.Signature{
		Format: key.Type(), Blob: sign(skSigned(application, skFields{Flags: flags, Counter: 9}, data)),
		Rest: ssh.Marshal(skFields{Flags: flags, Counter: 9}),
	}
}

// A security key's signature without touch is good where none is required, and
// nothing else is: every other bit of it counts.
func TestSecurityKeysWithoutTouch(t *testing.T) {
	t.Parallel()
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecPrivate, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ecPrivate.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	parse := func(blob []byte) ssh.PublicKey {
		k, err := ssh.ParsePublicKey(blob)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, tt := range []struct {
		key  ssh.PublicKey
		sign func([]byte) []byte
	}{
		{
			parse(ssh.Marshal(struct{ Name, Key, Application string }{ssh.KeyAlgoSKED25519, string(edPublic), "ssh:"})),
			func(b []byte) []byte { return ed25519.Sign(edPrivate, b) },
		},
		{
			parse(ssh.Marshal(struct{ Name, Curve, Key, Application string }{ssh.KeyAlgoSKECDSA256, "nistp256", string(point), "ssh:"})),
			func(b []byte) []byte {
				digest := sha256.Sum256(b)
				r, s, err := ecdsa.Sign(rand.Reader, ecPrivate, digest[:])
				if err != nil {
					t.Fatal(err)
				}
				return ssh.Marshal(struct{ R, S *big.Int }{r, s})
			},
		},
	} {
		data := []byte("a session")
		for flags, want := range map[byte]bool{0: false, flagUserPresence: false, flagUserVerified: true, flagUserPresence | flagUserVerified: true, 0xfb: false} {
			sig := skSign(t, tt.key, flags, "ssh:", data, tt.sign)
			if got := UserVerified(sig); got != want {
				t.Errorf("%s: flags %x: verified %v", tt.key.Type(), flags, got)
			}
			sig.Format = ssh.KeyAlgoED25519
			if UserVerified(sig) {
				t.Error("another kind of key says that it asked")
			}
		}
		untouched := skSign(t, tt.key, 0, "ssh:", data, tt.sign)
		touched := skSign(t, tt.key, flagUserPresence, "ssh:", data, tt.sign)
		if err := tt.key.Verify(data, untouched); err == nil {
			t.Errorf("%s: upstream takes a signature without touch", tt.key.Type())
		}
		cert := &ssh.Certificate{Key: tt.key}
		for _, k := range []ssh.PublicKey{tt.key, cert} {
			for _, sig := range []*ssh.Signature{untouched, touched} {
				if err := verifyWithoutTouch(k, data, sig); err != nil {
					t.Errorf("%s: %v", k.Type(), err)
				}
			}
		}
		change := func(f func(*ssh.Signature)) *ssh.Signature {
			sig := &ssh.Signature{Format: untouched.Format, Blob: bytes.Clone(untouched.Blob), Rest: bytes.Clone(untouched.Rest)}
			f(sig)
			return sig
		}
		for what, sig := range map[string]*ssh.Signature{
			"touch set afterwards":   change(func(s *ssh.Signature) { s.Rest[0] = flagUserPresence }),
			"another flag":           change(func(s *ssh.Signature) { s.Rest[0] = 4 }),
			"another counter":        change(func(s *ssh.Signature) { s.Rest[4]++ }),
			"no flags":               change(func(s *ssh.Signature) { s.Rest = nil }),
			"more than flags":        change(func(s *ssh.Signature) { s.Rest = append(s.Rest, 0) }),
			"another signature":      change(func(s *ssh.Signature) { s.Blob[len(s.Blob)-1] ^= 1 }),
			"no signature":           change(func(s *ssh.Signature) { s.Blob = nil }),
			"another format":         change(func(s *ssh.Signature) { s.Format = ssh.KeyAlgoED25519 }),
			"for another data":       skSign(t, tt.key, 0, "ssh:", []byte("another"), tt.sign),
			"by another application": skSign(t, tt.key, 0, "ssh:other", data, tt.sign),
		} {
			if err := verifyWithoutTouch(tt.key, data, sig); err == nil {
				t.Errorf("%s: %s is taken", tt.key.Type(), what)
			}
		}
	}
	signer := newHostKey(t)
	sig, err := signer.Sign(rand.Reader, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(verifyWithoutTouch(signer.PublicKey(), []byte("x"), sig)); err != nil {
		t.Errorf("a plain key: %v", err)
	}
	if err := verifyWithoutTouch(signer.PublicKey(), []byte("y"), sig); err == nil {
		t.Error("a plain key's signature of something else is taken")
	}
}

// onlyReader keeps io.Copy to Read.
type onlyReader struct{ io.Reader }
