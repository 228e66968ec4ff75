package accounts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/kind"
)

// header begins a file that Edit makes.
const header = "# Accounts, one login a line:\n" +
	"#   NAME PASSWORD ROOTCAP [OPTION=VALUE ...]\n" +
	"#   NAME KEYTYPE KEY [COMMENT] ROOTCAP [OPTION=VALUE ...]\n" +
	"#   NAME s3-key ACCESSKEYID SECRET ROOTCAP [OPTION=VALUE ...]\n" +
	"# Whoever reads this file can read the files: keep it secret, and back it up.\n"

// Editor changes an accounts file, see Edit.
type Editor struct{ doc *document }

// Edit reads the accounts file at path, or begins a new one, has change change
// it, and puts the result in its place: at once and durably, with mode 0600 and
// the owner that it had. Lines that change doesn't touch stay byte for byte.
// An error of change leaves the file; Invalid if the file is wrong already;
// Conflict if somebody else changed it meanwhile.
func Edit(path string, change func(*Editor) error) error {
	path, err := followLinks(path)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	b, before, err := readFile(path)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent {
		return fmt.Errorf("accounts: %w", err)
	}
	if absent {
		b = []byte(header)
	}
	doc, err := parseDocument(path, b)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	if err := change(&Editor{doc}); err != nil {
		return err
	}
	after := doc.bytes()
	if bytes.Equal(after, b) && !absent {
		return nil
	}
	// What was made must read back, or every login would be locked out.
	if _, err := parseDocument(path, after); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	if absent {
		err = atomicfile.Write(path, after, 0o600, atomicfile.MustBeNew())
	} else {
		err = replace(path, after, before)
	}
	if errors.Is(err, fs.ErrExist) {
		err = kind.Errorf(kind.Conflict, "%s: somebody else made it meanwhile", path)
	}
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	return nil
}

// replace writes the file unless it is no longer what was read.
func replace(path string, after []byte, before version) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	opts := []atomicfile.Option{atomicfile.Before(func() error {
		_, now, err := readFile(path)
		if err != nil {
			return err
		}
		if now.digest != before.digest {
			return kind.Errorf(kind.Conflict, "somebody else changed it meanwhile")
		}
		return nil
	})}
	if int(st.Uid) != os.Geteuid() {
		opts = append(opts, atomicfile.Owner(int(st.Uid), int(st.Gid)))
	}
	return atomicfile.Write(path, after, 0o600, opts...)
}

// followLinks returns the file that path leads to, which need not exist.
func followLinks(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// Root returns the root capability of name.
func (e *Editor) Root(name string) (caps.Cap, bool) {
	i := e.last(name)
	if i < 0 {
		return nil, false
	}
	return e.doc.rows[i].login.root, true
}

// AddPassword adds a password line; hash is what HashPassword returns. Exist if
// the name has a password; Conflict if it has another root.
func (e *Editor) AddPassword(name, hash string, root caps.Cap) error {
	parsed, err := parseHash(hash)
	if err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	if e.passwordRow(name) >= 0 {
		return kind.Errorf(kind.Exist, "accounts: %q has a password already", name)
	}
	return e.add(line{name: name, hash: parsed, secret: newSecret(hash), root: root})
}

// AddKey adds a public key line with options as they stand in it. Exist if the
// name has this key; Conflict if it has another root.
func (e *Editor) AddKey(name string, key Key, root caps.Cap, options ...string) error {
	for _, r := range e.doc.rows {
		if l := r.login; l != nil && l.name == name && l.key != nil && bytes.Equal(l.key.wire, key.wire) {
			return kind.Errorf(kind.Exist, "accounts: %q has the key %s already", name, key.Fingerprint)
		}
	}
	parsed, err := parseOptions(options, 1)
	if err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	l := line{name: name, key: &key, root: root, options: options, limits: parsed}
	if err := l.checkLimits(); err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	return e.add(l)
}

// SetPassword replaces the password of name, or gives it one beside its keys.
// NotExist if no line has the name.
func (e *Editor) SetPassword(name, hash string) error {
	root, ok := e.Root(name)
	if !ok {
		return kind.Errorf(kind.NotExist, "accounts: no account %q", name)
	}
	i := e.passwordRow(name)
	if i < 0 {
		return e.AddPassword(name, hash, root)
	}
	parsed, err := parseHash(hash)
	if err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	l := *e.doc.rows[i].login
	l.hash, l.plain, l.secret = parsed, false, newSecret(hash)
	e.doc.rows[i] = rowOf(l)
	return nil
}

// Remove removes every line of name and returns how many there were: none is NotExist.
func (e *Editor) Remove(name string) (int, error) {
	before := len(e.doc.rows)
	e.doc.rows = slices.DeleteFunc(e.doc.rows, func(r row) bool { return r.login != nil && r.login.name == name })
	n := before - len(e.doc.rows)
	if n == 0 {
		return 0, kind.Errorf(kind.NotExist, "accounts: no account %q", name)
	}
	return n, nil
}

// add puts l after the last line of its name, else at the end.
func (e *Editor) add(l line) error {
	if err := CheckName(l.name); err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	if err := CheckRoot(l.root); err != nil {
		return kind.Errorf(kind.Invalid, "accounts: %w", err)
	}
	at := len(e.doc.rows)
	if i := e.last(l.name); i >= 0 {
		if !caps.Equal(e.doc.rows[i].login.root, l.root) {
			return kind.Errorf(kind.Conflict, "accounts: %q has another root capability", l.name)
		}
		at = i + 1
	}
	e.endLastLine()
	e.doc.rows = slices.Insert(e.doc.rows, at, rowOf(l))
	return nil
}

// endLastLine ends a last line that the file left open.
func (e *Editor) endLastLine() {
	n := len(e.doc.rows)
	if n == 0 {
		return
	}
	if text := e.doc.rows[n-1].text.expose(); !strings.HasSuffix(text, "\n") {
		e.doc.rows[n-1].text = newSecret(text + "\n")
	}
}

func rowOf(l line) row { return row{text: newSecret(l.text() + "\n"), login: &l} }

// last is the index of the last row of name, -1 if there is none.
func (e *Editor) last(name string) int {
	for i, r := range slices.Backward(e.doc.rows) {
		if r.login != nil && r.login.name == name {
			return i
		}
	}
	return -1
}

// passwordRow is the index of the password row of name, -1 if there is none.
func (e *Editor) passwordRow(name string) int {
	return slices.IndexFunc(e.doc.rows, func(r row) bool {
		return r.login != nil && r.login.name == name && r.login.isPassword()
	})
}
