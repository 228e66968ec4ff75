package audit

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Service is the frontend that an operation came by.
type Service string

// The frontends.
const (
	SFTP Service = "sftp" // scp and commands by SSH, too
	S3   Service = "s3"

	// Control are the commands of whoever runs the node: truckee account, fs, gc.
	Control Service = "control"
)

// Op is what was done.
type Op string

// The operations. An operation that has no word of its own here takes the one
// nearest in meaning; Record.Request has the protocol's own.
const (
	Login     Op = "login"     // a client proved an account
	Logout    Op = "logout"    // its connection ended
	Refused   Op = "refused"   // a client was not let in; Detail says why
	Read      Op = "read"      // a file was open for reading, from OPEN to CLOSE; or an object got
	Write     Op = "write"     // a file was open for writing, or an object put
	List      Op = "list"      // a directory or bucket was listed
	Mkdir     Op = "mkdir"     // a directory or bucket was made
	Rmdir     Op = "rmdir"     // one was removed
	Remove    Op = "remove"    // a file, link or object (version) was removed
	Rename    Op = "rename"    // Path became Target
	Setattr   Op = "setattr"   // attributes, metadata, tags, retention
	Symlink   Op = "symlink"   // Path leads to Target from now on
	Link      Op = "link"      // Target is a second name of what stands at Path
	Copy      Op = "copy"      // Target has got bytes of Path, within the server
	Execute   Op = "exec"      // a command: by SSH, if it is not SFTP; or the node's own
	Configure Op = "configure" // a bucket's policy, lifecycle, versioning and so on
)

// Ops lists every operation, for tables that must be complete.
func Ops() []Op {
	return []Op{Login, Logout, Refused, Read, Write, List, Mkdir, Rmdir, Remove, Rename, Setattr, Symlink, Link, Copy, Execute, Configure}
}

// Record is one operation, told at its end. What is not known, or means nothing
// for the operation, is left zero.
type Record struct {
	Service Service
	Session string // of an SFTP connection; of S3, the request's id
	Account string // empty: nobody, as for what anybody may read; of Refused, the name that was tried
	Remote  string // address and port of the client
	Op      Op
	Request string // the protocol's own word for it: PutObject, scp -t

	Path   string // absolute in the account's tree, as /a/b; a capability in it is masked by who fills it in
	Target string // see the operations
	Object string // the file's id, as lower-case hex: it stays the same when the file is renamed

	Read    int64  // bytes of the file that went to the client, or were hashed or copied for it
	Written int64  // that came from it
	From    int64  // the least offset touched
	To      int64  // the end of the greatest range touched; From and To are 0 where nothing was
	Size    int64  // of the file afterwards
	Digest  string // of what was written, if that is the whole file (or object, or part); not told of what failed

	Took   time.Duration
	Err    error  // nil: it was done. Only the kind is recorded
	Detail string // a few words more: how a login was proved, why a client was refused
}

// Dropped is the outcome of what ended because the connection did, before the
// client had said that it was done: what was written since the last commit is
// not kept. (In Record.Err.)
const Dropped = dropped("connection ended before the file was closed")

// Failed is the outcome of what ended in an error that has no kind, such as a
// command's exit status. (In Record.Err.)
const Failed = failed("it failed, as the client was told")

type (
	dropped string
	failed  string
)

func (d dropped) Error() string { return string(d) }
func (f failed) Error() string  { return string(f) }

// Outcome is the word for err: "ok", "dropped", or the kind of the error.
func Outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, Dropped):
		return "dropped"
	case errors.Is(err, Failed):
		return "failed"
	}
	return kind.Of(err).Word()
}

// Recorder takes records. It is safe for concurrent use.
type Recorder interface {
	// Ready is asked before an operation begins. Its error, of kind Unavailable,
	// means that records are required and can't be kept just now: the operation
	// must be refused with it.
	Ready() error
	// Record keeps r; it takes what it needs before it returns. Where records are
	// required it returns when r is durable, which the answer to the client has
	// to wait for, and its error, of kind Unavailable, goes to the client: what
	// was done is done, but nobody may be told so. Elsewhere it never waits and
	// never fails.
	Record(r Record) error
}

// Digests reports whether records of writes shall have a Digest.
func Digests(r Recorder) bool {
	d, ok := r.(interface{ Digests() bool })
	return ok && d.Digests()
}

// Digest is the text of a SHA-256.
func Digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// Nothing is the Recorder that keeps no records.
type Nothing struct{}

// Ready implements Recorder.
func (Nothing) Ready() error { return nil }

// Record implements Recorder.
func (Nothing) Record(Record) error { return nil }
