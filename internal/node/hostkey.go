package node

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// hostKeyTypes are the host keys that a new node makes, in the order in which
// clients are offered them.
var hostKeyTypes = []struct {
	name string
	make func() (crypto.PrivateKey, error)
}{
	{"ed25519", func() (crypto.PrivateKey, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}},
	{"ecdsa", func() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"rsa", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
}

func (l Layout) hostKey(name string) string {
	return filepath.Join(l.Private(), "ssh_host_"+name+"_key")
}

// namesHostKeys reports whether the configuration says which host keys to use.
func namesHostKeys(c config.SFTPD) bool { return len(c.HostKeys) > 0 || c.HostPrivkeyFile != "" }

// makeHostKeys makes those of the node's own host keys that are missing.
func (l Layout) makeHostKeys() error {
	for _, t := range hostKeyTypes {
		path := l.hostKey(t.name)
		ok, err := exists(path)
		if err != nil {
			return err
		}
		if !ok {
			if err := newHostKey(path, t.make); err != nil {
				return err
			}
		}
	}
	return nil
}

// newHostKey writes the public key first, so that the private one is never
// there without it.
func newHostKey(path string, generate func() (crypto.PrivateKey, error)) error {
	key, err := generate()
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "truckee")
	if err != nil {
		return err
	}
	public := append(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey())), " truckee\n"...)
	if err := atomicfile.Write(path+".pub", public, 0o644); err != nil {
		return err
	}
	return atomicfile.Write(path, pem.EncodeToMemory(block), 0o600, atomicfile.MustBeNew())
}

// loadHostKeys reads the host keys: those that the configuration names, else
// the node's own.
func (l Layout) loadHostKeys(c config.SFTPD) ([]ssh.Signer, error) {
	var paths []string
	for _, p := range c.HostKeys {
		paths = append(paths, string(p))
	}
	if c.HostPrivkeyFile != "" {
		paths = append(paths, string(c.HostPrivkeyFile))
	}
	own := len(paths) == 0
	if own {
		for _, t := range hostKeyTypes {
			paths = append(paths, l.hostKey(t.name))
		}
	}
	var signers []ssh.Signer
	for _, path := range paths {
		s, err := loadHostKey(path)
		if own && errors.Is(err, fs.ErrNotExist) {
			return nil, kind.Errorf(kind.NotExist, "host key %s is missing: restore it, or have `truckee init` make a new one, which clients will warn about", path)
		}
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	if c.HostPubkeyFile != "" {
		if err := checkPublic(string(c.HostPubkeyFile), signers[len(signers)-1]); err != nil {
			return nil, err
		}
	}
	return signers, nil
}

func loadHostKey(path string) (ssh.Signer, error) {
	if err := checkSecret(path); err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	s, err := ssh.ParsePrivateKey(b)
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		return nil, kind.Errorf(kind.Unsupported, "host key %s has a passphrase, and nobody is there to type it: remove it with ssh-keygen -p -f %s", path, path)
	}
	if err != nil {
		// The library's text is left out: it may quote what it read.
		return nil, kind.Errorf(kind.Invalid, "host key %s is no OpenSSH or PEM private key, or is damaged", path)
	}
	if s.PublicKey().Type() == "ssh-dss" {
		return nil, kind.Errorf(kind.Invalid, "host key %s is a DSA key, which is broken and not accepted", path)
	}
	return s, nil
}

// checkPublic sees that the public key file belongs to the host key.
func checkPublic(path string, signer ssh.Signer) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("host_pubkey_file: %w", err)
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return kind.Errorf(kind.Invalid, "host_pubkey_file %s is no public key", path)
	}
	if !bytes.Equal(pub.Marshal(), signer.PublicKey().Marshal()) {
		return kind.Errorf(kind.Invalid, "host_pubkey_file %s does not belong to host_privkey_file", path)
	}
	return nil
}
