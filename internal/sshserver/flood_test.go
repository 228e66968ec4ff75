package sshserver

import (
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
