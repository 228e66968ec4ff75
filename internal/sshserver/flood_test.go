package sshserver

import (
	"bytes"
	"crypto/rand"
	"io"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// serveFew echoes on so many channels and refuses the others, as sftpd does, and
// answers every request, until m ends.
func serveFew(m *mux, most int) {
	var wg sync.WaitGroup
	answer := func(requests <-chan *Request) {
		for r := range requests {
			_ = r.Reply(true, nil)
		}
	}
	wg.Go(func() { answer(m.incomingRequests) })
	for nch := range m.incomingChannels {
		if most--; most < 0 {
			_ = nch.Reject(ssh.ResourceShortage, "too many")
			continue
		}
		ch, requests, err := nch.Accept()
		if err != nil {
			continue
		}
		wg.Go(func() { answer(requests) })
		wg.Go(func() { _, _ = io.Copy(ch, onlyReader{ch}) })
	}
	wg.Wait()
	_ = m.Wait()
}

// A client that doesn't answer our key exchange, and goes on to ask instead,
// neither stops the reader nor fills the memory: its connection ends.
func TestFloodsDuringOurKeyExchange(t *testing.T) {
	t.Parallel()
	openIt := message(msgChannelOpen, "session", uint32(5), uint32(1<<20), uint32(1<<15))
	for name, asks := range map[string][][]byte{
		"requests of a channel":       {message(msgChannelRequest, uint32(0), "env", 1)},
		"requests of no channel":      {message(msgChannelRequest, uint32(77), "env", 1)},
		"global requests":             {message(msgGlobalRequest, "x", 1)},
		"pings":                       {message(msgPing, "")},
		"channels":                    {openIt},
		"channels of absurd packets":  {message(msgChannelOpen, "session", uint32(5), uint32(1), uint32(1))},
		"all kinds, and data as well": {message(msgChannelRequest, uint32(0), "env", 1), message(msgGlobalRequest, "x", 1), openIt, message(msgPing, "p"), message(msgChannelData, uint32(0), "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := pair(t)
			m := established(far, open(t))
			served := make(chan struct{})
			go func() { serveFew(m, 4); close(served) }()
			client := newTransport(near, rand.Reader)
			if err := client.writePacket(append([]byte{}, openIt...)); err != nil {
				t.Fatal(err)
			}
			if p, err := client.readPacket(); err != nil || p[0] != msgChannelOpenConfirm {
				t.Fatal(p, err)
			}
			m.conn.requestKeyExchange()
			for {
				p, err := client.readPacket()
				if err != nil {
					t.Fatal(err)
				}
				if p[0] == msgKexInit {
					break
				}
			}
			go func() { _, _ = io.Copy(io.Discard, near) }()
			var flood []byte
			for range 100 {
				for _, p := range asks {
					flood = append(flood, framed(p)...)
				}
			}
			within(t, "the end", func() error {
				for {
					if _, err := near.Write(flood); err != nil {
						break
					}
				}
				<-served
				<-m.conn.kexLoopDone
				return nil
			})
			m.conn.mu.Lock()
			defer m.conn.mu.Unlock()
			if n := len(m.conn.pendingPackets); n > 1<<16 {
				t.Errorf("%d answers were waiting", n)
			}
		})
	}
}

// A receive buffer that was large once is given up when little comes, and what
// comes by then is read nonetheless.
func TestReceiveBuffersShrink(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	in := &input{src: r}
	go func() {
		big := make([]byte, 4*maxInput)
		_, _ = io.ReadFull(stream(5), big)
		_, _ = w.Write(big)
		small := make([]byte, 3*calmDown)
		_, _ = io.ReadFull(stream(6), small)
		for i := range small {
			_, _ = w.Write(small[i : i+1])
		}
	}()
	same := func(seed byte, n, by int) {
		want := make([]byte, n)
		_, _ = io.ReadFull(stream(seed), want)
		for ; len(want) > 0; want = want[by:] {
			p, err := in.peek(by)
			if err != nil || !bytes.Equal(p, want[:by]) {
				t.Fatalf("%d bytes before the end: other ones, %v", len(want), err)
			}
			in.skip(by)
		}
	}
	same(5, 4*maxInput, maxInput/2)
	if len(in.buf) < maxInput {
		t.Errorf("a buffer of %d bytes for much", len(in.buf))
	}
	same(6, 3*calmDown, 3)
	if len(in.buf) != firstInput {
		t.Errorf("a buffer of %d bytes for little", len(in.buf))
	}
}

// A callback that panics, which sftpd survives, leaves no goroutine.
func TestCallbacksThatPanic(t *testing.T) {
	config := open(t)
	config.NoClientAuthCallback = func(ssh.ConnMetadata) (*ssh.Permissions, error) { panic("a bug") }
	near, far := pair(t)
	ended := make(chan any, 1)
	go func() {
		defer func() {
			v := recover()
			far.Close()
			ended <- v
		}()
		_, _, _, _ = NewServerConn(far, config)
	}()
	if _, _, _, err := ssh.NewClientConn(near, "", trusting()); err == nil {
		t.Error("logged in")
	}
	if v := <-ended; v != "a bug" {
		t.Errorf("recovered from %v", v)
	}
	eventually(t, "no goroutine is left", func() bool { return ours() == 0 })
}

// A key exchange, or anything else that isn't handed out, behind the end of a
// request doesn't keep the request back: the client waits for its answer.
func TestKeyExchangesBehindARequest(t *testing.T) {
	t.Parallel()
	cc := trusting()
	cc.Config = ssh.Config{RekeyThreshold: 64 << 10, Ciphers: []string{ssh.CipherAES128GCM}, KeyExchanges: []string{ssh.KeyExchangeCurve25519}}
	client := connect(t, cc, open(t), map[string]handler{"echo": func(_ *ServerConn, ch ssh.Channel) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{ch}, onlyReader{ch}, make([]byte, 128<<10))
	}})
	ch := openChannel(t, client, "echo")
	within(t, "requests and answers", func() error {
		b := make([]byte, 33000)
		for range 150 {
			if _, err := ch.Write(b); err != nil {
				return err
			}
			if _, err := io.ReadFull(ch, b); err != nil {
				return err
			}
		}
		return nil
	})
}
