package accounts

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// S3Keys is what the S3 frontend asks. Implementations are safe for concurrent use.
type S3Keys interface {
	// S3Key gives the account that an access key stands for, already weakened to
	// what the key's line allows, and its secret, which is the caller's own copy.
	// NotExist if nobody has the key, Denied if it is disabled. What the account's
	// Check says is the caller's to observe.
	S3Key(ctx context.Context, accessKeyID string) (Account, []byte, error)
}

var _ S3Keys = (*File)(nil)

// s3KeyWord is the second word of an access key's line.
const s3KeyWord = "s3-key"

// Bounds of access keys, in bytes.
const (
	minS3KeyID, maxS3KeyID   = 3, 128
	minS3Secret, maxS3Secret = 8, 128
)

// s3KeyID is what an access key's name looks like: it stands in signatures' scopes,
// where "/" and "," have a meaning.
var s3KeyID = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// s3Line is what a line of an access key has besides.
type s3Line struct {
	id     string
	secret secret
}

// S3Key describes an access key, without its secret.
type S3Key struct {
	ID       string
	ReadOnly bool
	Disabled bool
	Expires  time.Time // zero: never
}

// NewS3Key draws an access key and its secret.
func NewS3Key() (id, secret string) {
	var a [11]byte
	var b [30]byte
	rand.Read(a[:])
	rand.Read(b[:])
	return "TK" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(a[:]), base64.RawURLEncoding.EncodeToString(b[:])
}

// parseS3Key reads the words between s3-key and the capability. Its errors show none.
func parseS3Key(words []string) (*s3Line, error) {
	if len(words) != 2 {
		return nil, errors.New("an access key's line is NAME s3-key ACCESSKEYID SECRET ROOTCAP (and no password may be s3-key)")
	}
	return newS3Line(words[0], words[1])
}

func newS3Line(id, text string) (*s3Line, error) {
	switch {
	case len(id) < minS3KeyID || len(id) > maxS3KeyID || !s3KeyID.MatchString(id):
		return nil, fmt.Errorf("an access key id has %d to %d letters, digits, '.', '_' and '-'", minS3KeyID, maxS3KeyID)
	case len(text) < minS3Secret || len(text) > maxS3Secret:
		return nil, fmt.Errorf("the secret of an access key has %d to %d bytes", minS3Secret, maxS3Secret)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return nil, errors.New("the secret of an access key is ASCII without white space")
		}
	}
	return &s3Line{id: id, secret: newSecret(text)}, nil
}

func (l *s3Line) text() string { return s3KeyWord + " " + l.id + " " + l.secret.expose() }

// checkS3 refuses options that mean something for other logins only, and the other
// way round.
func (l *line) checkS3() error {
	m := l.limits
	switch {
	case l.s3 == nil && m.disabled:
		return errors.New("option disabled is for access keys (s3-key)")
	case l.s3 == nil:
		return nil
	case m.Limits != (Limits{}):
		return errors.New("sessions, handles and rate are for SSH, and this is an access key")
	case m.authority || m.principals != nil || m.noTouch || m.verify:
		return errors.New("cert-authority, principals, touch and verify are for SSH keys, and this is an access key")
	case m.also != "":
		return errors.New("option also is for SSH, and this is an access key")
	}
	return nil
}

// s3Login is an access key in force.
type s3Login struct {
	name   string
	secret secret
	limits limits
}

// S3Key implements S3Keys.
func (f *File) S3Key(ctx context.Context, accessKeyID string) (Account, []byte, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, nil, fmt.Errorf("accounts: access key: %w: %w", kind.Canceled, err)
	}
	f.glance()
	s := f.current.Load()
	k := s.s3[accessKeyID]
	if k == nil {
		return Account{}, nil, fmt.Errorf("accounts: access key: %w", kind.NotExist)
	}
	if k.limits.disabled {
		return Account{}, nil, kind.Errorf(kind.Denied, "accounts: %q: the access key is disabled", k.name)
	}
	a, err := s.byName[k.name].account(k.name, k.limits)
	if err != nil {
		return Account{}, nil, err
	}
	return a, []byte(k.secret.expose()), nil
}

// OwnerPolicy is how what is written into an account's tree is stored, by whoever
// writes: what all lines of the account say together. The zero Policy for a name
// that nobody has.
func (f *File) OwnerPolicy(name string) Policy {
	f.glance()
	if e := f.current.Load().byName[name]; e != nil {
		return e.policy
	}
	return Policy{}
}

// AddS3Key adds an access key's line, with options as they stand in it. Exist if
// anybody has the key; Conflict if the name has another root.
func (e *Editor) AddS3Key(name, id, secretKey string, root caps.Cap, options ...string) error {
	s3, err := newS3Line(id, secretKey)
	if err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	if i := e.s3Row(id); i >= 0 {
		return kind.Errorf(kind.Exist, "accounts: %q has this access key already", e.doc.rows[i].login.name)
	}
	parsed, err := parseOptions(options, 1)
	if err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	l := line{name: name, s3: s3, root: root, options: options, limits: parsed}
	if err := l.checkLimits(); err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	return e.add(l)
}

// PolicyOptions gives the words of an account's lines that say how what it writes
// is stored, and how much, each option once: the first line's that has it.
func (e *Editor) PolicyOptions(name string) []string {
	var words []string
	for _, r := range e.doc.rows {
		if r.login == nil || r.login.name != name {
			continue
		}
		for _, word := range r.login.options {
			option, _, _ := strings.Cut(word, "=")
			known := slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, option+"=") })
			if !known && slices.Contains([]string{"quota", "files", "dedup", "pad"}, option) {
				words = append(words, word)
			}
		}
	}
	return words
}

// RemoveS3Key removes an access key of an account. NotExist if the account has no
// such key; Denied for its last line, which holds its root.
func (e *Editor) RemoveS3Key(name, id string) error {
	i := e.s3Row(id)
	if i < 0 || e.doc.rows[i].login.name != name {
		return kind.Errorf(kind.NotExist, "accounts: %q has no such access key", name)
	}
	lines := 0
	for _, r := range e.doc.rows {
		if r.login != nil && r.login.name == name {
			lines++
		}
	}
	if lines == 1 {
		return kind.Errorf(kind.Denied, "accounts: it is the last login of %q, whose root would be lost: remove the account instead", name)
	}
	e.doc.rows = slices.Delete(e.doc.rows, i, i+1)
	return nil
}

// DisableS3Key makes an access key of an account count no more, or count again.
// NotExist if the account has no such key.
func (e *Editor) DisableS3Key(name, id string, disabled bool) error {
	i := e.s3Row(id)
	if i < 0 || e.doc.rows[i].login.name != name {
		return kind.Errorf(kind.NotExist, "accounts: %q has no such access key", name)
	}
	l := *e.doc.rows[i].login
	l.options = slices.DeleteFunc(slices.Clone(l.options), func(w string) bool { return strings.HasPrefix(w, "disabled=") })
	if disabled {
		l.options = append(l.options, "disabled=yes")
	}
	l.limits.disabled = disabled
	e.doc.rows[i] = rowOf(l)
	return nil
}

// s3Row is the index of the row of an access key, -1 if there is none.
func (e *Editor) s3Row(id string) int {
	return slices.IndexFunc(e.doc.rows, func(r row) bool { return r.login != nil && r.login.s3 != nil && r.login.s3.id == id })
}

// s3KeysOf lists the access keys of an account, by their ids.
func (s *set) s3KeysOf(e *entry) []S3Key {
	var keys []S3Key
	for _, id := range e.s3 {
		l := s.s3[id].limits
		keys = append(keys, S3Key{ID: id, ReadOnly: l.readOnly, Disabled: l.disabled, Expires: l.expires})
	}
	slices.SortFunc(keys, func(a, b S3Key) int { return strings.Compare(a.ID, b.ID) })
	return keys
}
