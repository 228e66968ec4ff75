package accounts

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
)

// keyFile is a file of public keys, one a line, that is read again when it has
// changed. A nil keyFile holds none.
type keyFile struct {
	path         string
	fingerprints bool // lines may be fingerprints, too
	log          *slog.Logger

	mu   sync.Mutex // guards the fields below
	seen version
	keys map[string]bool // SHA256:…
	also *revocations    // of a key revocation list; nil: it is none
}

// openKeyFile reads a file. An empty path is no file.
func openKeyFile(path string, fingerprints bool, log *slog.Logger) (*keyFile, error) {
	if path == "" {
		return nil, nil
	}
	f := &keyFile{path: path, fingerprints: fingerprints, log: log}
	return f, f.read()
}

// read reads the file, whatever was known of it.
func (f *keyFile) read() error {
	b, v, err := readPublic(f.path)
	if err != nil {
		f.seen = version{broken: err.Error()}
		return err
	}
	f.seen = v
	keys := map[string]bool{}
	if bytes.HasPrefix(b, []byte("SSHKRL")) {
		if !f.fingerprints {
			return kind.Errorf(kind.Invalid, "%s is a key revocation list", f.path)
		}
		also, err := parseKRL(b, keys)
		if err != nil {
			return kind.Errorf(kind.Invalid, "%s: %w", f.path, err)
		}
		f.keys, f.also = keys, also
		return nil
	}
	number := 0
	for text := range strings.Lines(string(b)) {
		number++
		if text = strings.TrimSpace(text); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fingerprint, err := f.parse(text)
		if err != nil {
			return kind.Errorf(kind.Invalid, "%s:%d: %w", f.path, number, err)
		}
		keys[fingerprint] = true
	}
	f.keys, f.also = keys, nil
	return nil
}

// parse reads one line.
func (f *keyFile) parse(text string) (fingerprint string, err error) {
	words := strings.Fields(text)
	if f.fingerprints && strings.HasPrefix(words[0], "SHA256:") {
		if len(words[0]) != len("SHA256:")+43 {
			return "", fmt.Errorf("a fingerprint is SHA256: and 43 characters, as ssh-keygen -l prints it")
		}
		return words[0], nil
	}
	if len(words) < 2 {
		return "", fmt.Errorf("a line is KEYTYPE KEY [COMMENT], without options")
	}
	key, err := parseKey(words[0], words[1])
	return key.Fingerprint, err
}

// refresh reads the file if it has changed. While it is wrong, what it said
// before stays in force.
func (f *keyFile) refresh() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := statFile(f.path)
	if err == nil && f.seen.settledAs(now) {
		return
	}
	before := f.seen
	if err := f.read(); err != nil {
		f.seen.fault = err
		if f.seen.digest != before.digest || f.seen.broken != before.broken {
			f.log.Error("file of keys is wrong; what it said before stays in force", "path", f.path, "error", err)
		}
		return
	}
	if f.seen.digest != before.digest {
		f.log.Info("file of keys read again", "path", f.path, "keys", len(f.keys))
	}
}

// has reports whether the key is in the file.
func (f *keyFile) has(wire []byte) bool {
	if f == nil {
		return false
	}
	key, err := ssh.ParsePublicKey(wire)
	return err == nil && f.holds(key)
}

func (f *keyFile) holds(key ssh.PublicKey) bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys[ssh.FingerprintSHA256(key)] || f.also.key(key)
}

// revokes reports whether the file has a certificate: itself, its key or its
// authority.
func (f *keyFile) revokes(c *ssh.Certificate) bool {
	if f == nil {
		return false
	}
	if f.holds(c.Key) || f.holds(c.SignatureKey) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.also.certificate(c)
}

// readPublic reads a file that only its owner, who is this process's user or
// root, can change.
func readPublic(path string) ([]byte, version, error) {
	h, st, err := openFile(path)
	if err != nil {
		return nil, version{}, err
	}
	defer h.Close()
	if st.Mode&0o022 != 0 {
		return nil, version{}, kind.Errorf(kind.Denied, "%s can be changed by others (mode %04o): run chmod go-w on it", path, st.Mode&0o7777)
	}
	st.Mode &^= 0o044 // it is no secret
	st.Mode &^= 0o011
	if err := checkOwner(path, &st); err != nil {
		return nil, version{}, err
	}
	b, err := io.ReadAll(io.LimitReader(h, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = kind.Errorf(kind.TooLarge, "%s: larger than %d MiB", path, maxFile>>20)
	}
	return b, versionFor(&st, b), err
}
