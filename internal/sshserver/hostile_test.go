package sshserver

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// script is a connection on which the client has said all that it will say.
type script struct {
	io.Reader
	mu     sync.Mutex
	sent   int
	closed bool
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	s.sent += len(p)
	return len(p), nil
}

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// framed is a packet before any key exchange.
func framed(payload []byte) []byte {
	out := &output{dst: io.Discard}
	c := &streamPacketCipher{cipher: noneCipher{}}
	if err := c.writeCipherPacket(0, out, bytes.NewReader(make([]byte, 64)), bytes.Clone(payload)); err != nil {
		panic(err)
	}
	return out.b
}

// exchanged is a transport whose first key exchange is done, and that isn't encrypted.
func exchanged(nc io.ReadWriteCloser, sc *ServerConfig) *handshakeTransport {
	setDefaults(&sc.Config)
	t := &handshakeTransport{
		conn: newTransport(nc, rand.Reader), config: &sc.Config, hostKeys: sc.hostKeys, started: true, sessionID: []byte{1},
		requestKex: make(chan struct{}, 1), startKex: make(chan *pendingKex), kexLoopDone: make(chan struct{}),
	}
	t.conn.setInitialKEXDone()
	t.writeCond = sync.NewCond(&t.mu)
	t.initKexTimer()
	t.resetReadThresholds()
	t.resetWriteThresholds()
	go t.kexLoop()
	return t
}

// established is a mux over such a one.
func established(nc io.ReadWriteCloser, sc *ServerConfig) *mux { return newMux(exchanged(nc, sc)) }

// serveAll echoes on every channel, and answers every request, until m ends.
func serveAll(m *mux) {
	go func() {
		for r := range m.incomingRequests {
			_ = r.Reply(true, nil)
		}
	}()
	var wg sync.WaitGroup
	for nch := range m.incomingChannels {
		ch, requests, err := nch.Accept()
		if err != nil {
			continue
		}
		wg.Go(func() {
			for r := range requests {
				_ = r.Reply(true, nil)
			}
		})
		wg.Go(func() { _, _ = io.Copy(ch, ch) })
	}
	wg.Wait()
	_ = m.Wait()
}

func message(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		}
	}
	return b
}

// Whatever a client that has logged in sends, the connection ends when it does,
// and holds no goroutine.
func FuzzMessages(f *testing.F) {
	seed := func(packets ...[]byte) {
		var b []byte
		for _, p := range packets {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
		}
		f.Add(b)
	}
	openIt := message(msgChannelOpen, "session", uint32(5), uint32(1<<20), uint32(1<<15))
	seed(openIt, message(msgChannelData, uint32(0), "hello"), message(msgChannelData, uint32(0), "again"))
	seed(openIt, openIt, message(msgChannelData, uint32(1), "hello"), message(msgChannelClose, uint32(1)), message(msgChannelData, uint32(0), "x"))
	seed(openIt, message(msgChannelWindowAdjust, uint32(0), uint32(1<<31)), message(msgChannelWindowAdjust, uint32(0), uint32(1<<31)))
	seed(openIt, message(msgChannelExtendedData, uint32(0), uint32(1), "err"), message(msgChannelEOF, uint32(0)))
	seed(openIt, message(msgChannelRequest, uint32(0), "env", 1), message(msgChannelRequest, uint32(9), "env", 1))
	seed(message(msgGlobalRequest, "keepalive@openssh.com", 1), message(msgPing, "ping"), message(msgPing, "ping")[:3])
	seed(openIt, message(msgChannelOpenConfirm, uint32(0), uint32(0), uint32(0), uint32(0)))
	seed(message(msgDisconnect, uint32(11), "bye", ""))
	seed(message(msgNewKeys))
	seed(append([]byte{msgKexInit}, make([]byte, 16+40+5)...))
	config := open(f)
	f.Fuzz(func(t *testing.T, packets []byte) {
		var wire []byte
		for len(packets) >= 2 {
			n := int(binary.BigEndian.Uint16(packets))
			packets = packets[2:]
			n = min(n, len(packets))
			if n > 0 {
				wire = append(wire, framed(packets[:n])...)
			}
			packets = packets[n:]
		}
		sc := *config
		m := established(&script{Reader: bytes.NewReader(wire)}, &sc)
		serveAll(m)
		<-m.conn.kexLoopDone
	})
}

// Whatever comes before a login, the server refuses it in the end.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n"))
	f.Add(append([]byte("SSH-2.0-x\r\n"), framed(message(msgIgnore, "x"))...))
	init := &kexInitMsg{
		KexAlgos: []string{ssh.KeyExchangeCurve25519, kexStrictClient, "ext-info-c"}, ServerHostKeyAlgos: []string{ssh.KeyAlgoED25519},
		CiphersClientServer: []string{ssh.CipherAES128GCM}, CiphersServerClient: []string{ssh.CipherAES128CTR},
		MACsClientServer: []string{ssh.HMACSHA256}, MACsServerClient: []string{ssh.HMACSHA256},
		CompressionClientServer: []string{"none"}, CompressionServerClient: []string{"none"},
	}
	for _, kex := range []string{ssh.KeyExchangeCurve25519, ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDHGEXSHA256} {
		init.KexAlgos[0] = kex
		hello := append([]byte("SSH-2.0-x\r\n"), framed(ssh.Marshal(init))...)
		f.Add(append(bytes.Clone(hello), framed(message(msgKexECDHInit, string(make([]byte, 32))))...))
		f.Add(append(bytes.Clone(hello), framed(message(msgKexECDHInit, string(bytes.Repeat([]byte{9}, 32))))...))
		f.Add(append(bytes.Clone(hello), framed(message(34, uint32(2048), uint32(2048), uint32(4096)))...))
		f.Add(append(bytes.Clone(hello), framed(message(msgNewKeys))...))
	}
	config := open(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &script{Reader: bytes.NewReader(b)}
		if _, _, _, err := NewServerConn(s, config); err == nil {
			t.Error("logged in")
		}
		if _, err := s.Write(nil); err == nil {
			t.Error("the connection is still open")
		}
	})
}

// Every cipher refuses what it hasn't sealed, takes no more memory than comes,
// and shows nothing of it.
func FuzzCiphers(f *testing.F) {
	f.Add([]byte{0, 0, 0, 12, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, uint32(3))
	f.Add(bytes.Repeat([]byte{0xff}, 100), uint32(0))
	f.Add([]byte{0, 4, 0, 0}, uint32(1<<31))
	f.Fuzz(func(t *testing.T, b []byte, seq uint32) {
		for name, mode := range cipherModes {
			for mac := range macModes {
				c, err := mode.create(make([]byte, mode.keySize), make([]byte, mode.ivSize), make([]byte, macModes[mac].keySize), ssh.DirectionAlgorithms{Cipher: name, MAC: mac})
				if err != nil {
					t.Fatal(err)
				}
				in := &input{src: bytes.NewReader(b)}
				if p, err := c.readCipherPacket(seq, in); err == nil {
					t.Fatalf("%s, %s: a forged packet of %d bytes was taken", name, mac, len(p))
				}
				if len(in.buf) > 2*len(b)+2*firstInput {
					t.Errorf("%s: %d bytes of memory for %d", name, len(in.buf), len(b))
				}
				if aeadCiphers[name] {
					break
				}
			}
		}
	})
}

// What one side seals the other opens, whatever the size, and packets that were
// cut, changed, repeated or reordered are refused.
func TestCiphersSealAndOpen(t *testing.T) {
	t.Parallel()
	for name, mode := range cipherModes {
		for mac := range macModes {
			algs := ssh.DirectionAlgorithms{Cipher: name, MAC: mac}
			create := func() packetCipher {
				c, err := mode.create(bytes.Repeat([]byte{1}, mode.keySize), bytes.Repeat([]byte{2}, mode.ivSize), bytes.Repeat([]byte{3}, macModes[mac].keySize), algs)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			seal := func(sizes ...int) (wire []byte, ends []int) {
				s := connectionState{packetCipher: create()}
				out := &output{dst: io.Discard}
				for i, n := range sizes {
					p := bytes.Repeat([]byte{byte(100 + i)}, n)
					if err := s.writePacket(out, rand.Reader, p[:n/3], p[n/3:], false); err != nil {
						t.Fatal(err)
					}
					ends = append(ends, len(out.b))
				}
				return out.b, ends
			}
			read := func(wire []byte) (sizes []int, err error) {
				s := connectionState{packetCipher: create()}
				in := &input{src: &trickle{bytes.NewReader(wire)}}
				for {
					p, err := s.readPacket(in, false)
					if err != nil {
						return sizes, err
					}
					if want := bytes.Repeat([]byte{byte(100 + len(sizes))}, len(p)); !bytes.Equal(p, want) {
						return sizes, errOther
					}
					sizes = append(sizes, len(p))
				}
			}
			want := []int{1, 2, 15, 16, 17, 1000, 9000, 5, 100}
			if aeadCiphers[name] {
				want[6] = maxPacket - 40
			}
			wire, ends := seal(want...)
			if got, err := read(wire); err != io.EOF || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v: read %v, %v", algs, got, err)
			}
			two, ends2 := seal(200, 300)
			for _, bad := range []struct {
				how  string
				wire []byte
				most int
			}{
				{"cut", wire[:ends[3]-1], 3},
				{"changed at its end", flip(wire, ends[3]-1), 3},
				{"changed at its begin", flip(wire, ends[2]+6), 3},
				{"repeated", append(bytes.Clone(two[:ends2[0]]), two[:ends2[0]]...), 1},
				{"in another order", append(bytes.Clone(two[ends2[0]:]), two[:ends2[0]]...), 0},
			} {
				if got, err := read(bad.wire); err == io.EOF || errors.Is(err, errOther) || len(got) > bad.most {
					t.Errorf("%v: a packet that was %s: %v, %v", algs, bad.how, got, err)
				}
			}
			if aeadCiphers[name] {
				break
			}
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// trickle gives a few bytes, or many, at a time.
type trickle struct{ *bytes.Reader }

func (r *trickle) Read(p []byte) (int, error) {
	return r.Reader.Read(p[:min(len(p), 1+r.Len()%5000)])
}
