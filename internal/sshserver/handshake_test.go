package sshserver

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

func echo(_ *ServerConn, ch ssh.Channel) { _, _ = io.Copy(ch, ch) }

// All that a listener of any profile may offer works with upstream's client.
func TestEveryAlgorithm(t *testing.T) {
	t.Parallel()
	good, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	ciphers := slices.Concat(good.Ciphers, []string{ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC})
	macs := slices.Concat(good.MACs, weak.MACs)
	var configs []ssh.Config
	for _, kex := range slices.Concat(good.KeyExchanges, weak.KeyExchanges) {
		configs = append(configs, ssh.Config{KeyExchanges: []string{kex}, Ciphers: []string{ssh.CipherAES128GCM}})
	}
	for _, cipher := range ciphers {
		if aeadCiphers[cipher] {
			configs = append(configs, ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}, Ciphers: []string{cipher}})
			continue
		}
		for _, mac := range macs {
			configs = append(configs, ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}, Ciphers: []string{cipher}, MACs: []string{mac}})
		}
	}
	for _, config := range configs {
		t.Run(config.KeyExchanges[0]+"/"+config.Ciphers[0]+"/"+slices.Concat(config.MACs, []string{"aead"})[0], func(t *testing.T) {
			t.Parallel()
			cc, sc := trusting(), open(t)
			cc.Config, sc.Config = config, config
			sc.RekeyThreshold = 100 << 10
			client := connect(t, cc, sc, map[string]handler{"echo": echo})
			ch := openChannel(t, client, "echo")
			const n = 160 << 10
			go func() { _ = send(ch, 7, n) }()
			within(t, "echo", func() error { return receive(ch, 7, n) })
		})
	}
}

// Keys are exchanged again while both sides send on several channels, whoever
// asks for it, and while nobody reads one of them.
func TestRekeyAmidTraffic(t *testing.T) {
	t.Parallel()
	const n = 1 << 20
	for _, tt := range []struct {
		name           string
		client, server uint64 // thresholds
		cipher         string
		channels       byte
	}{
		{"client, gcm, one channel", 100 << 10, 0, ssh.CipherAES128GCM, 1},
		{"server, gcm, one channel", 0, 100 << 10, ssh.CipherAES128GCM, 1},
		{"both, gcm, one channel", 110 << 10, 100 << 10, ssh.CipherAES128GCM, 1},
		{"both, gcm, three channels", 110 << 10, 100 << 10, ssh.CipherAES256GCM, 3},
		{"both, chacha20, two channels", 110 << 10, 100 << 10, ssh.CipherChaCha20Poly1305, 2},
		{"server, ctr, two channels", 0, 64 << 10, ssh.CipherAES128CTR, 2},
		{"both as often as can be", 256, 256, ssh.CipherAES128GCM, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := n
			if tt.client == 256 {
				n = 12 << 10
			}
			cc, sc := trusting(), open(t)
			cc.Config = ssh.Config{RekeyThreshold: tt.client, Ciphers: []string{tt.cipher}, KeyExchanges: []string{ssh.KeyExchangeCurve25519}}
			sc.RekeyThreshold = tt.server
			results := make(chan error, 8)
			both := func(ch ssh.Channel, mine, theirs byte) {
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := send(ch, mine, n); err != nil {
						results <- err
					}
				})
				results <- receive(ch, theirs, n)
				wg.Wait()
			}
			var stuck sync.WaitGroup
			stuck.Add(1)
			t.Cleanup(stuck.Done)
			client := connect(t, cc, sc, map[string]handler{
				"both": func(_ *ServerConn, ch ssh.Channel) {
					both(ch, 1, 2)
					// Upstream's client can't take a channel's end while it
					// exchanges keys and sends.
					_, _ = io.Copy(io.Discard, ch)
				},
				"stuck": func(*ServerConn, ssh.Channel) { stuck.Wait() },
			})
			for range tt.channels {
				ch := openChannel(t, client, "both")
				go both(ch, 2, 1)
			}
			if tt.channels > 1 {
				unread := openChannel(t, client, "stuck")
				go func() { _ = send(unread, 3, 3<<20) }() // more than its window
			}
			for range 2 * tt.channels {
				within(t, "traffic", func() error { return <-results })
			}
		})
	}
}

// A ping in the middle of a key exchange, and requests of all kinds while the
// channel's goroutine is busy elsewhere.
func TestOthersAreServedWhileTheHolderIsAway(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	client := connect(t, trusting(), open(t), map[string]handler{
		"away": func(_ *ServerConn, ch ssh.Channel) {
			b := make([]byte, 100)
			for i := range 3 { // the lead is this goroutine's in the end
				if n, err := ch.Read(b); err != nil {
					t.Errorf("read %d: %v", i, err)
				} else if _, err := ch.Write(b[:n]); err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			}
			<-leave
			if _, err := io.ReadFull(ch, b[:5]); err != nil || string(b[:5]) != "later" {
				t.Errorf("afterwards: %q, %v", b[:5], err)
			}
		},
		"echo": echo,
	})
	ch := openChannel(t, client, "away")
	for range 3 {
		within(t, "round trip", func() error {
			if _, err := ch.Write([]byte("x")); err != nil {
				return err
			}
			_, err := io.ReadFull(ch, make([]byte, 1))
			return err
		})
	}
	within(t, "a global request", func() error {
		ok, b, err := client.SendRequest("keepalive@openssh.com", true, []byte("p"))
		if !ok || string(b) != "p" {
			return errors.Join(errOther, err)
		}
		return err
	})
	within(t, "a request of the channel", func() error {
		_, err := ch.SendRequest("window-change", true, nil)
		return err
	})
	within(t, "another channel", func() error {
		other := openChannel(t, client, "echo")
		defer other.Close()
		go func() { _ = send(other, 9, 1<<20) }()
		return receive(other, 9, 1<<20)
	})
	if _, err := ch.Write([]byte("later")); err != nil {
		t.Error(err)
	}
	close(leave)
	within(t, "the end", func() error {
		if _, err := ch.Read(make([]byte, 1)); err != io.EOF {
			return errors.Join(errOther, err)
		}
		return nil
	})
}
