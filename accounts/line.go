package accounts

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/caps"
)

// maxName is the longest account name, in bytes.
const maxName = 128

// line is one login: exactly one of key, s3, hash and plain is set.
type line struct {
	name    string
	key     *Key
	s3      *s3Line
	hash    hash   // parsed from secret
	plain   bool   // secret is the password itself
	secret  secret // the second word, unless it is a key type
	root    caps.Cap
	options []string // as written
	limits  limits   // what they say
}

// parseLine reads one line that is neither blank nor a comment. Its errors show
// no word of the line: each may be a secret in the wrong place.
func parseLine(text string) (line, error) {
	if err := checkText(text); err != nil {
		return line{}, err
	}
	words := strings.Fields(text)
	end := len(words)
	for end > 0 && optionForm.MatchString(words[end-1]) {
		end--
	}
	if end < 3 {
		return line{}, errors.New("a line is NAME PASSWORD ROOTCAP or NAME KEYTYPE KEY [COMMENT] ROOTCAP")
	}
	l := line{name: words[0], options: words[end:]}
	if err := CheckName(l.name); err != nil {
		return line{}, err
	}
	if err := l.parseProof(words[1 : end-1]); err != nil {
		return line{}, err
	}
	var err error
	if l.root, err = parseRoot(words[end-1]); err != nil {
		return line{}, fmt.Errorf("word %d: %w", end, err)
	}
	if l.limits, err = parseOptions(l.options, end+1); err != nil {
		return line{}, err
	}
	return l, l.checkLimits()
}

// checkLimits refuses options that make no sense for the line's kind of proof.
func (l *line) checkLimits() error {
	if err := l.checkS3(); err != nil {
		return err
	}
	m := l.limits
	switch {
	case l.key == nil && (m.authority || m.principals != nil || m.noTouch || m.verify):
		return errors.New("cert-authority, principals, touch and verify are for keys, and this is a password")
	case l.key == nil && m.also == ByPassword, l.key != nil && m.also == ByKey:
		return errors.New("option also names the other kind of proof: a key's line says also=password, a password's also=key")
	case m.principals != nil && !m.authority:
		return errors.New("option principals is for cert-authority=yes")
	case (m.noTouch || m.verify) && !m.authority && !l.key.security():
		return errors.New("options touch and verify are for security keys (sk-)")
	}
	return nil
}

// parseProof reads the words between the name and the capability.
func (l *line) parseProof(words []string) error {
	if looksLikeKeyType(words[0]) {
		if len(words) < 2 {
			return errors.New("the public key is missing (and a password may not begin with ssh-, ecdsa- or sk-)")
		}
		key, err := parseKey(words[0], words[1])
		if err != nil {
			return err
		}
		key.Comment = strings.Join(words[2:], " ")
		l.key = &key
		return nil
	}
	if words[0] == s3KeyWord {
		var err error
		l.s3, err = parseS3Key(words[1:])
		return err
	}
	if len(words) != 1 {
		return errors.New("too many words between the name and the root capability: a password has no white space")
	}
	l.secret = newSecret(words[0])
	if len(words[0]) > MaxPassword {
		return fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	if !hashScheme.MatchString(words[0]) {
		l.plain = true
		return nil
	}
	var err error
	l.hash, err = parseHash(words[0])
	return err
}

// CheckName tells what is wrong with an account name: it has 1 to 128 bytes of
// UTF-8 without white space, control characters and ':', and doesn't begin with #.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("an account name has 1 to %d bytes", maxName)
	case strings.HasPrefix(name, "#"):
		return errors.New("an account name doesn't begin with #")
	case strings.ContainsRune(name, ':'):
		return errors.New("an account name holds no ':'")
	case strings.ContainsFunc(name, unicode.IsSpace):
		return errors.New("an account name holds no white space")
	}
	return checkText(name)
}

// checkText refuses what no line may hold.
func checkText(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("not UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return errors.New("a control character")
		}
		if r == '\ufeff' {
			return errors.New("a byte order mark inside the file")
		}
	}
	return nil
}

// parseRoot reads a capability that an account may have as its root. Its errors
// don't show it.
func parseRoot(word string) (caps.Cap, error) {
	c, err := caps.Parse(word)
	if err != nil {
		return nil, fmt.Errorf("the root capability is damaged: %w", err)
	}
	return c, CheckRoot(c)
}

// CheckRoot tells why c can't be the root of an account: it must be a read or
// write capability of a directory. Read-only ones are fine.
func CheckRoot(c caps.Cap) error {
	switch c.(type) {
	case caps.Write, caps.Read:
		if !c.IsDir() {
			return errors.New("the root capability is of a file, not of a directory")
		}
		return nil
	case caps.Verify:
		return errors.New("the root capability only verifies, it can't read")
	}
	return errors.New("there is no root capability here, or one of a kind that this version doesn't know")
}

// isPassword reports whether the line proves its account by a password.
func (l *line) isPassword() bool { return l.key == nil && l.s3 == nil }

// text renders the line in its canonical form: single spaces, no newline. It is
// secret.
func (l line) text() string {
	words := []string{l.name}
	switch {
	case l.key != nil:
		words = append(words, l.key.text())
	case l.s3 != nil:
		words = append(words, l.s3.text())
	default:
		words = append(words, l.secret.expose())
	}
	words = append(words, l.root.Reveal())
	return strings.Join(append(words, l.options...), " ")
}
