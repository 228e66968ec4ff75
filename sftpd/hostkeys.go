package sftpd

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

// Host keys are told to clients after the login, so that those that keep a list
// (OpenSSH's UpdateHostKeys) know all of them before one is replaced (OpenSSH's
// PROTOCOL, section 2.5).
const (
	hostKeysTold   = "hostkeys-00@openssh.com"
	hostKeysProven = "hostkeys-prove-00@openssh.com"
)

// maxProofs bounds how often a connection may have keys proven: a signature is
// the dearest thing that a small packet can ask for.
const maxProofs = 8

// global answers a connection's global requests.
type global struct {
	c      *conn
	sc     sshserver.Conn
	proofs int
}

// tell sends the public host keys.
func (g *global) tell() {
	if g.c.quirks.noHostKeys {
		return
	}
	var all []byte
	for _, k := range g.c.srv.HostKeys {
		all = append(all, ssh.Marshal(struct{ Key []byte }{k.PublicKey().Marshal()})...)
	}
	_, _, _ = g.sc.SendRequest(hostKeysTold, false, all)
}

// answer refuses every request but one for proofs. For keepalive@openssh.com
// any answer is the sign of life that the client waits for.
func (g *global) answer(requests <-chan *sshserver.Request) {
	for r := range requests {
		if r.Type != hostKeysProven || g.proofs >= maxProofs {
			_ = r.Reply(false, nil)
			continue
		}
		g.proofs++
		proofs, err := g.prove(r.Payload)
		if err != nil {
			g.c.log.Debug("sftp host keys not proven", "error", err)
		}
		_ = r.Reply(err == nil, proofs)
	}
}

// prove signs, by each of the keys that the client names, that it is this
// session's server's.
func (g *global) prove(named []byte) (proofs []byte, err error) {
	for n := 0; len(named) > 0; n++ {
		var next struct {
			Key  []byte
			Rest []byte `ssh:"rest"`
		}
		if err := ssh.Unmarshal(named, &next); err != nil || n >= len(g.c.srv.HostKeys) {
			return nil, fmt.Errorf("keys to prove: %w", kind.Invalid)
		}
		key := g.hostKey(next.Key)
		if key == nil {
			return nil, fmt.Errorf("a key of another: %w", kind.NotExist)
		}
		statement := ssh.Marshal(struct {
			Name    string
			Session []byte
			Key     []byte
		}{hostKeysProven, g.sc.SessionID(), next.Key})
		sig, err := g.sign(key, statement)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(sig)})...)
		named = next.Rest
	}
	return proofs, nil
}

func (g *global) hostKey(blob []byte) ssh.Signer {
	for _, k := range g.c.srv.HostKeys {
		if bytes.Equal(k.PublicKey().Marshal(), blob) {
			return k
		}
	}
	return nil
}

// sign signs as the key exchange did, if that was by RSA, as OpenSSH's client
// demands; by RSA and SHA-512 if it was by another type.
func (g *global) sign(k ssh.Signer, b []byte) (*ssh.Signature, error) {
	as, ok := k.(ssh.AlgorithmSigner)
	if !ok || k.PublicKey().Type() != ssh.KeyAlgoRSA {
		return k.Sign(rand.Reader, b)
	}
	algorithm := ssh.KeyAlgoRSASHA512
	if g.sc.Algorithms().HostKey == ssh.KeyAlgoRSASHA256 {
		algorithm = ssh.KeyAlgoRSASHA256
	}
	return as.SignWithAlgorithm(rand.Reader, b, algorithm)
}
