package accounts

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/nearest"
)

// Key is a public key that proves an account.
type Key struct {
	Type        string // as in the line: ssh-ed25519, …
	Fingerprint string // SHA256:…, as ssh-keygen -l prints it
	Comment     string
	wire        []byte
}

// security reports whether it is in a security key.
func (k *Key) security() bool { return strings.HasPrefix(k.Type, "sk-") }

// keyTypes are OpenSSH's plain key types but DSA.
var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoRSA,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
}

// minRSABits is what an RSA key must have to count as unbroken. An upper bound,
// so that one signature can't cost any amount of our time, is ssh.ParsePublicKey's.
const minRSABits = 2048

// looksLikeKeyType reports whether word can only be a key type: no password may
// begin like one.
func looksLikeKeyType(word string) bool {
	return strings.HasPrefix(word, "ssh-") || strings.HasPrefix(word, "ecdsa-") || strings.HasPrefix(word, "sk-")
}

// parseKey reads a key type and a base64 key. Its errors show neither word: what
// looks like a key type may be somebody's password.
func parseKey(keyType, text string) (Key, error) {
	switch {
	case keyType == "ssh-dss" || keyType == "ssh-dsa":
		return Key{}, errors.New("DSA keys are broken and not accepted; use ssh-ed25519")
	case strings.Contains(keyType, "-cert-v0"):
		return Key{}, errors.New("certificates are not accepted; give the plain public key")
	case !slices.Contains(keyTypes, keyType):
		if near, ok := nearest.Word(keyType, keyTypes); ok {
			return Key{}, fmt.Errorf("unknown key type; did you mean %s?", near)
		}
		return Key{}, errors.New("unknown key type (and a password may not begin with ssh-, ecdsa- or sk-)")
	}
	wire, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return Key{}, errors.New("the public key is not base64")
	}
	return keyFromWire(keyType, wire)
}

// keyFromWire checks a key in wire format.
func keyFromWire(keyType string, wire []byte) (Key, error) {
	parsed, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return Key{}, errors.New("the public key is damaged, cut short or too large")
	}
	if parsed.Type() != keyType {
		return Key{}, errors.New("the public key is not of the type that the line says")
	}
	if !bytes.Equal(parsed.Marshal(), wire) {
		return Key{}, errors.New("the public key is not in its one canonical form")
	}
	if err := checkRSA(parsed); err != nil {
		return Key{}, err
	}
	return Key{Type: keyType, Fingerprint: ssh.FingerprintSHA256(parsed), wire: wire}, nil
}

func checkRSA(key ssh.PublicKey) error {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	pub, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if bits := pub.N.BitLen(); bits < minRSABits {
		return fmt.Errorf("the RSA key has %d bits; at least %d are accepted", bits, minRSABits)
	}
	return nil
}

// ParseKeyFile reads the first key of a public key file (id_ed25519.pub) or of
// authorized_keys, and its options in the words of an accounts line. An option
// that can't be taken over is an error that names it. The comment is kept as far
// as it can stand in an accounts line.
func ParseKeyFile(b []byte) (key Key, options []string, err error) {
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) >= 2 && strings.HasPrefix(words[0], "-----BEGIN") {
			return Key{}, nil, errors.New("this is a private key; give the public key file, which ends in .pub")
		}
		if !looksLikeKeyType(words[0]) {
			var rest string
			if options, rest, err = parseAuthorized(strings.TrimSpace(line)); err != nil {
				return Key{}, nil, err
			}
			words = strings.Fields(rest)
		}
		if len(words) < 2 || !looksLikeKeyType(words[0]) {
			return Key{}, nil, errors.New("not a public key line: KEYTYPE KEY [COMMENT]")
		}
		if key, err = parseKey(words[0], words[1]); err != nil {
			return Key{}, nil, err
		}
		key.Comment = cleanComment(words[2:])
		return key, options, nil
	}
	return Key{}, nil, errors.New("there is no key in the file")
}

// cleanComment joins the words of a comment that can't be taken for a capability.
func cleanComment(words []string) string {
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool {
		return strings.Contains(w, "URI:") || checkText(w) != nil
	})
	return strings.Join(kept, " ")
}

// text is the key as it stands in a line.
func (k Key) text() string {
	s := k.Type + " " + base64.StdEncoding.EncodeToString(k.wire)
	if k.Comment != "" {
		s += " " + k.Comment
	}
	return s
}
