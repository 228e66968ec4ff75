package accounts

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of OpenFile. The zero value logs nowhere and warns of no root.
type Options struct {
	Log *slog.Logger

	// CanOpen tells whether this build can open a root of this form; accounts
	// whose root it can't open are warned about. Nil: it can open all.
	CanOpen func(caps.Cap) bool

	// UserCAKeys names a file of public keys, one a line: certificates that they
	// signed prove the account that a principal names. Empty: none.
	UserCAKeys string

	// RevokedKeys names a file of what proves nobody any more: public keys, of
	// users and authorities, or their fingerprints (SHA256:…), one a line.
	// Empty: none.
	RevokedKeys string
}

// File is an Authenticator over an accounts file, and the files of authorities
// and revoked keys beside it. It reads each again when it has changed: looked at
// with every login, for access keys at most every 5 ms, and by Watch. A large file is read in the background, so
// that no login waits for it.
type File struct {
	path string
	opts Options
	key  []byte // of this process: plain passwords are compared under it
	gate *gate

	current atomic.Pointer[set]
	opened  time.Time
	glanced atomic.Int64 // when glance looked last, in ns since opened; zero: never
	cas     *keyFile
	revoked *keyFile
	now     func() time.Time

	reading sync.Mutex // held while the file is read and parsed; before mu
	mu      sync.Mutex // guards the fields below
	seen    version    // what the last look found, good or wrong
	behind  bool       // a goroutine is at reading it
}

// large is the size in bytes beyond which logins don't wait for the reading of
// the file: half a second, at most, on a small machine.
const large = 1 << 20

// OpenFile reads the accounts file at path. Errors name the file and line:
// NotExist; Denied if others than the owner can read it; Invalid for a mistake in it.
func OpenFile(path string, o Options) (*File, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &File{path: path, opts: o, key: make([]byte, 32), gate: newGate(), now: time.Now, opened: time.Now()}
	if _, err := rand.Read(f.key); err != nil {
		return nil, err
	}
	b, v, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	d, err := parseDocument(path, b)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	f.seen = v
	if f.cas, err = openKeyFile(o.UserCAKeys, false, o.Log); err != nil {
		return nil, fmt.Errorf("accounts: user CA keys: %w", err)
	}
	if f.revoked, err = openKeyFile(o.RevokedKeys, true, o.Log); err != nil {
		return nil, fmt.Errorf("accounts: revoked keys: %w", err)
	}
	f.use(d)
	return f, nil
}

// Authenticate implements Authenticator.
func (f *File) Authenticate(ctx context.Context, name string, c Credential) (Account, error) {
	f.Refresh()
	s := f.current.Load()
	switch c := c.(type) {
	case Password:
		return s.byPassword(ctx, f.gate, f.key, name, c)
	case PublicKey:
		if f.revoked.has(c) {
			return Account{}, errRevoked
		}
		return s.byKey(name, c)
	case Certificate:
		return f.byCertificate(s, name, c)
	}
	return Account{}, kind.Errorf(kind.Unsupported, "accounts: credential of type %T", c)
}

// Refresh looks whether the files have changed since they were read last, and
// if so reads them; a large accounts file in the background. A file that is
// wrong or gone is logged once per change and leaves what it said before.
func (f *File) Refresh() {
	f.cas.refresh()
	f.revoked.refresh()
	now, err := statFile(f.path)
	f.mu.Lock()
	settled := err == nil && f.seen.settledAs(now)
	behind := !settled && now.size > large
	if behind && !f.behind {
		f.behind = true
		go func() {
			f.Reload()
			f.mu.Lock()
			defer f.mu.Unlock()
			f.behind = false
		}()
	}
	f.mu.Unlock()
	if !settled && !behind {
		f.Reload()
	}
}

// glanceEvery is how often questions that come thousands of times a second look.
const glanceEvery = 5 * time.Millisecond

// glance is Refresh, if the last glance is a while ago.
func (f *File) glance() {
	now, last := int64(time.Since(f.opened))+1, f.glanced.Load()
	if last != 0 && now-last < int64(glanceEvery) || !f.glanced.CompareAndSwap(last, now) {
		return
	}
	f.Refresh()
}

// Reload reads the accounts file if it has changed, and returns when that is in
// force, however large it is. Errors are as of OpenFile; what was in force then
// stays.
func (f *File) Reload() error {
	f.cas.refresh()
	f.revoked.refresh()
	f.reading.Lock()
	defer f.reading.Unlock()
	f.mu.Lock()
	seen := f.seen
	f.mu.Unlock()
	if now, err := statFile(f.path); err == nil && seen.settledAs(now) {
		return seen.fault
	}
	b, v, err := readFile(f.path)
	if err != nil {
		f.complain(version{broken: err.Error()}, err)
		return err
	}
	if v.digest == seen.digest && seen.broken == "" {
		v.fault = seen.fault
		f.saw(v) // touched, or read again because it had just been written
		return v.fault
	}
	d, err := parseDocument(f.path, b)
	if err != nil {
		v.fault = err
		f.complain(v, err)
		return err
	}
	f.saw(v)
	f.use(d)
	f.opts.Log.Info("accounts file read again", "path", f.path, "accounts", len(f.current.Load().names))
	return nil
}

// saw remembers what the last look found.
func (f *File) saw(v version) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = v
}

// complain logs a wrong version of the file once.
func (f *File) complain(v version, err error) {
	f.mu.Lock()
	again := v.broken != "" && v.broken == f.seen.broken
	f.seen = v
	f.mu.Unlock()
	if again {
		return
	}
	f.opts.Log.Error("accounts file is wrong; the accounts read before stay in force", "path", f.path, "error", err)
}

// Watch calls Refresh at every tick until ctx ends, so that mistakes are logged
// when they are made, not at the next login.
func (f *File) Watch(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			f.Refresh()
		}
	}
}

// use puts a good document in force and warns about what is unwise in it.
func (f *File) use(d *document) {
	s := newSet(d, f.key)
	f.current.Store(s)
	if len(s.names) == 0 {
		f.opts.Log.Warn("accounts file holds no account: nobody can log in", "path", f.path)
	}
	var plain []string
	for _, name := range s.names {
		e := s.byName[name]
		if e.password != nil && e.password.scheme == "plain" {
			plain = append(plain, name)
		}
		if f.opts.CanOpen != nil && !f.opts.CanOpen(e.root) {
			f.opts.Log.Warn("this version can't open the account's root yet: its logins will be refused",
				"account", name, "root", e.root)
		}
	}
	if len(plain) > 0 {
		f.opts.Log.Warn("accounts file holds passwords as plain text; `truckee account passwd NAME` stores a hash instead",
			"path", f.path, "accounts", len(plain), "account", plain[0])
	}
}
