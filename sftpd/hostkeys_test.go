package sftpd

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A client is told all host keys, and may have each proven, for which its
// connection's own key exchange decides how RSA signs.
func TestHostKeysAreToldAndProven(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			all := []ssh.Signer{keys().ed25519, keys().rsa, keys().ecdsa}
			h := serve(t, func(s *Server) { s.HostKeys = all })
			nc, err := h.listen.dial()
			if err != nil {
				t.Fatal(err)
			}
			cfg := config("alice")
			cfg.HostKeyAlgorithms = []string{algorithm}
			sc, chans, reqs, err := ssh.NewClientConn(nc, "pipe", cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer sc.Close()
			go func() {
				for c := range chans {
					_ = c.Reject(ssh.Prohibited, "")
				}
			}()
			told := <-reqs
			go ssh.DiscardRequests(reqs)
			var want []byte
			for _, k := range all {
				want = append(want, ssh.Marshal(struct{ Key []byte }{k.PublicKey().Marshal()})...)
			}
			if told.Type != hostKeysTold || told.WantReply || !bytes.Equal(told.Payload, want) {
				t.Fatalf("told %s, %d bytes", told.Type, len(told.Payload))
			}
			ok, proofs, err := sc.SendRequest(hostKeysProven, true, want)
			if !ok || err != nil {
				t.Fatalf("proofs: %t, %v", ok, err)
			}
			for _, k := range all {
				var next struct {
					Signature []byte
					Rest      []byte `ssh:"rest"`
				}
				var sig ssh.Signature
				if err := ssh.Unmarshal(proofs, &next); err != nil {
					t.Fatal(err)
				}
				if err := ssh.Unmarshal(next.Signature, &sig); err != nil {
					t.Fatal(err)
				}
				proofs = next.Rest
				signed := ssh.Marshal(struct {
					Name         string
					Session, Key []byte
				}{hostKeysProven, sc.SessionID(), k.PublicKey().Marshal()})
				if err := k.PublicKey().Verify(signed, &sig); err != nil {
					t.Errorf("%s: %v", k.PublicKey().Type(), err)
				}
				if strings.HasPrefix(algorithm, "rsa") && k.PublicKey().Type() == ssh.KeyAlgoRSA && sig.Format != algorithm {
					t.Errorf("RSA proof by %s, want %s", sig.Format, algorithm)
				}
			}
			if len(proofs) != 0 {
				t.Errorf("%d bytes more", len(proofs))
			}
		})
	}
}

func TestOtherKeysAreNotProven(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	one := ssh.Marshal(struct{ Key []byte }{keys().ed25519.PublicKey().Marshal()})
	for name, payload := range map[string][]byte{
		"another's": ssh.Marshal(struct{ Key []byte }{keys().other.PublicKey().Marshal()}),
		"twice":     append(append([]byte(nil), one...), one...),
		"cut":       one[:len(one)-1],
	} {
		if ok, _, err := c.SendRequest(hostKeysProven, true, payload); ok || err != nil {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
	}
	proven := 0
	for range 2 * maxProofs {
		if ok, _, err := c.SendRequest(hostKeysProven, true, one); err != nil {
			t.Fatal(err)
		} else if ok {
			proven++
		}
	}
	if proven != maxProofs-3 {
		t.Errorf("%d proofs", proven)
	}
}
