package sftpd

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	sha1, err := ssh.NewSignerWithAlgorithms(keys().rsa.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	only := func(algorithm string) ssh.Signer {
		s, err := ssh.NewSignerWithAlgorithms(keys().rsa.(ssh.AlgorithmSigner), []string{algorithm})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tt := range map[string]struct {
		user string
		auth ssh.AuthMethod
		ok   bool
	}{
		"right password":          {"alice", ssh.Password("correct horse"), true},
		"wrong password":          {"alice", ssh.Password("battery staple"), false},
		"empty password":          {"alice", ssh.Password(""), false},
		"password of a key-only":  {"carol", ssh.Password(""), false},
		"unknown user":            {"mallory", ssh.Password("correct horse"), false},
		"ed25519":                 {"alice", ssh.PublicKeys(keys().ed25519), true},
		"ecdsa":                   {"alice", ssh.PublicKeys(keys().ecdsa), true},
		"rsa":                     {"alice", ssh.PublicKeys(keys().rsa), true},
		"rsa-sha2-256":            {"alice", ssh.PublicKeys(only(ssh.KeyAlgoRSASHA256)), true},
		"rsa-sha2-512":            {"alice", ssh.PublicKeys(only(ssh.KeyAlgoRSASHA512)), true},
		"rsa with SHA-1":          {"alice", ssh.PublicKeys(sha1), false},
		"unknown key":             {"alice", ssh.PublicKeys(keys().other), false},
		"somebody else's key":     {"bob", ssh.PublicKeys(keys().ed25519), false},
		"unknown key, then known": {"alice", ssh.PublicKeys(keys().other, keys().ed25519), true},
		"key of an unknown user":  {"mallory", ssh.PublicKeys(keys().ed25519), false},
		"keyboard-interactive":    {"alice", ssh.KeyboardInteractive(nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := h.dial(config(tt.user, tt.auth))
			if (err == nil) != tt.ok {
				t.Fatalf("err = %v, want success %t", err, tt.ok)
			}
			if err == nil {
				defer c.Close()
				if _, err := h.sftp(c).Getwd(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, secret := range []string{"correct horse", "battery staple"} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// imposter signs with its own key under somebody else's public key.
type imposter struct {
	ssh.Signer
	claimed ssh.PublicKey
}

func (i imposter) PublicKey() ssh.PublicKey { return i.claimed }

// A key that is offered and not proven is no login.
func TestOfferedKeyIsNoIdentity(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) {
		s.Accounts = book{"shared": {password: "pass word", keys: []ssh.PublicKey{keys().ed25519.PublicKey()}}}
	})
	bad := imposter{keys().other, keys().ed25519.PublicKey()}
	if c, err := h.dial(config("shared", ssh.PublicKeys(bad))); err == nil {
		c.Close()
		t.Fatal("logged in with a key that signed nothing")
	}
}

func TestWrongPasswordsEndTheConnection(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.LoginAttempts = 3 })
	var tries int
	var banner string
	c := config("alice", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		tries++
		return fmt.Sprint("guess ", tries), nil
	}), 50))
	c.BannerCallback = func(msg string) error { banner += msg; return nil }
	if _, err := h.dial(c); err == nil {
		t.Fatal("logged in by guessing")
	}
	if tries != 3 {
		t.Errorf("%d guesses were taken, want 3", tries)
	}
	if !strings.Contains(banner, "Too many") {
		t.Errorf("banner %q", banner)
	}
}

// Agents hold many keys. Offers don't use up the attempts, but are bounded.
func TestOfferedKeysHaveTheirOwnBound(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.LoginAttempts, s.KeyQueries = 2, 10 })
	agent := func(n int, last ssh.Signer) ssh.AuthMethod {
		var all []ssh.Signer
		for range n {
			all = append(all, newKey(t))
		}
		return ssh.PublicKeys(append(all, last)...)
	}
	c, err := h.dial(config("alice", agent(9, keys().ed25519)))
	if err != nil {
		t.Fatalf("the tenth key was not looked at: %v", err)
	}
	c.Close()
	if c, err := h.dial(config("alice", agent(40, keys().ed25519))); err == nil {
		c.Close()
		t.Error("forty keys were looked at")
	}
}

func TestServerProvesItselfWithEachHostKey(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) { s.HostKeys = []ssh.Signer{keys().rsa, keys().ecdsa, keys().ed25519} })
	for _, tt := range []struct {
		algorithm string
		ok        bool
	}{
		{ssh.KeyAlgoED25519, true},
		{ssh.KeyAlgoECDSA256, true},
		{ssh.KeyAlgoRSASHA512, true},
		{ssh.KeyAlgoRSASHA256, true},
		{ssh.KeyAlgoRSA, false},
		{ssh.KeyAlgoECDSA521, false},
	} {
		c := config("alice")
		c.HostKeyAlgorithms = []string{tt.algorithm}
		client, err := h.dial(c)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v, want success %t", tt.algorithm, err, tt.ok)
		}
		if err == nil {
			client.Close()
		}
	}
}

func TestCipherIsChosenByTheOffer(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	for _, tt := range []struct{ offered, want string }{
		{ssh.CipherChaCha20Poly1305 + "," + ssh.CipherAES256CTR, ssh.CipherChaCha20Poly1305},
		{ssh.CipherAES128CTR, ssh.CipherAES128CTR},
		{ssh.CipherChaCha20Poly1305 + "," + ssh.CipherAES128GCM, aesOr(ssh.CipherAES128GCM, ssh.CipherChaCha20Poly1305)},
		{ssh.CipherAES128CTR + "," + ssh.CipherAES256GCM, aesOr(ssh.CipherAES256GCM, ssh.CipherAES128CTR)},
	} {
		c := config("alice")
		c.Ciphers = strings.Split(tt.offered, ",")
		client, err := h.dial(c)
		if err != nil {
			t.Errorf("%s: %v", tt.offered, err)
			continue
		}
		got := client.Conn.(ssh.AlgorithmsConnMetadata).Algorithms()
		if got.Read.Cipher != tt.want || got.Write.Cipher != tt.want {
			t.Errorf("offered %s: got %s and %s, want %s", tt.offered, got.Read.Cipher, got.Write.Cipher, tt.want)
		}
		client.Close()
	}
	for _, c := range []*ssh.ClientConfig{config("alice"), config("alice"), config("alice")} {
		c.Ciphers = []string{ssh.InsecureCipherAES128CBC}
		if client, err := h.dial(c); err == nil {
			client.Close()
			t.Error("CBC was agreed on")
		}
	}
}

func aesOr(gcm, other string) string {
	if fastAES() {
		return gcm
	}
	return other
}
