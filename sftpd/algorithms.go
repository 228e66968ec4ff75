package sftpd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

// defaultVersion follows "SSH-2.0-" in the identification line.
const defaultVersion = "Truckee"

// config waits for what the client says first, and chooses the algorithms.
// The server's own line goes out before: clients, probes and load balancers
// may wait for it. What the client has sent is read again by the SSH layer.
func (c *conn) config() (*sshserver.ServerConfig, error) {
	line := "SSH-2.0-" + defaultVersion
	if v := c.srv.Version; v != "" {
		line = "SSH-2.0-" + v
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || len(line) > maxIdentification-2 {
		return nil, fmt.Errorf("sftpd: version %q: %w", line, kind.Invalid)
	}
	if err := c.nc.announce(line + "\r\n"); err != nil {
		return nil, err
	}
	o, err := c.sniff()
	if err != nil {
		return nil, err
	}
	c.offer = o
	secure := c.on.Profile.algorithms()
	cfg := &sshserver.ServerConfig{
		ServerVersion:           line,
		PublicKeyAuthAlgorithms: secure.PublicKeyAuths,
		Config: ssh.Config{
			KeyExchanges: secure.KeyExchanges,
			MACs:         secure.MACs,
			Ciphers:      ciphers(o, secure.Ciphers, fastAES()),
		},
	}
	for _, k := range c.srv.HostKeys {
		cfg.AddHostKey(c.on.Profile.hostKey(k))
	}
	return cfg, nil
}

// sniff reads ahead what the client sends until its offer is complete. It
// waits for the identification line as long as the handshake may take, and
// for the key exchange message only PeekTimeout more: a client may wait for
// ours.
func (c *conn) sniff() (offer, error) {
	limited := false
	for {
		o := sniff(c.nc.peeked())
		c.spoke = o.hasLine
		if o.hasKexInit || o.unintelligible || len(c.nc.peeked()) >= maxSniff {
			return o, nil
		}
		if o.hasLine && !limited {
			limited = true
			defer c.nc.restoreReadDeadline()
			if err := c.nc.limitRead(limit(c.srv.PeekTimeout, 500*time.Millisecond)); err != nil {
				return o, err
			}
		}
		if err := c.nc.peekMore(); err != nil {
			if limited && isTimeout(err) {
				return o, nil
			}
			return o, err
		}
	}
}

// ciphers chooses what to announce. OpenSSH's client puts chacha20-poly1305
// first, and the client's order decides; where the CPU does AES, GCM is
// several times faster, so that a client that speaks GCM both ways is offered
// nothing else. Everybody else chooses from the whole secure list.
func ciphers(o offer, secure []string, aes bool) []string {
	if !aes || !o.hasKexInit {
		return secure
	}
	var both []string
	for _, c := range []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM} {
		if slices.Contains(o.toServer, c) && slices.Contains(o.toClient, c) {
			both = append(both, c)
		}
	}
	if len(both) == 0 {
		return secure
	}
	return both
}

// fastAES reports whether the CPU has instructions for AES and for GCM's
// multiplication.
func fastAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ ||
		cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		cpu.S390X.HasAES && cpu.S390X.HasAESGCM
}
