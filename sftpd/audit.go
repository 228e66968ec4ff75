package sftpd

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/audit"
)

// recorded is a tree whose operations are recorded, one record each: of a file,
// its whole time from open to close.
type recorded struct {
	tree
	rec audit.Recorder
	who audit.Record // what its records have in common
	uri bool         // the second component of a path may be a capability
}

// recorded gives a channel's tree. request says what speaks there: sftp, scp.
func (c *conn) recorded(t tree, request string) tree {
	if c.srv.Audit == nil {
		return t
	}
	return &recorded{t, c.srv.Audit, c.record(request), c.srv.URI != nil}
}

// refused records that a client was not let in. name is the one that it tried, if
// it came so far. Those who say nothing, or come from a banned place, are only
// counted: whoever wants to could fill the disk.
func (c *conn) refused(name, why string, err error) {
	c.complained = true
	if c.srv.Audit == nil {
		return
	}
	a := c.record("ssh")
	a.Op, a.Account, a.Detail, a.Err = audit.Refused, name, why, err
	if len(name) > maxPenalName {
		a.Account = strings.ToValidUTF8(name[:maxPenalName], "") + "…"
	}
	_ = c.srv.Audit.Record(a)
}

// recordLogin records a login, and says whether the connection may go on.
func (c *conn) recordLogin(client, proof string) error {
	if c.srv.Audit == nil {
		return nil
	}
	if err := c.srv.Audit.Ready(); err != nil {
		return err
	}
	a := c.record("ssh")
	a.Op, a.Detail, a.Took = audit.Login, proof+"; client "+client, time.Since(c.since)
	return c.srv.Audit.Record(a)
}

// recordLogout records the end of a connection that was logged in.
func (c *conn) recordLogout() {
	if c.srv.Audit == nil {
		return
	}
	a := c.record("ssh")
	a.Op, a.Detail, a.Took = audit.Logout, fmt.Sprintf("requests=%d", c.requests.Load()), time.Since(c.since)
	_ = c.srv.Audit.Record(a)
}

// recordCommand records a command that is not SFTP, by its name: in its arguments
// may be anything. What it does to files has records of its own.
func (c *conn) recordCommand(names []string, began time.Time, status uint32) {
	if c.srv.Audit == nil {
		return
	}
	a := c.record(strings.Join(names, " "))
	a.Op, a.Took, a.Detail = audit.Execute, time.Since(began), fmt.Sprintf("status=%d", status)
	if status != exitOK {
		a.Err = audit.Failed
	}
	_ = c.srv.Audit.Record(a)
}

// record begins a record of this connection.
func (c *conn) record(request string) audit.Record {
	return audit.Record{Service: audit.SFTP, Session: c.session, Account: c.account, Remote: c.nc.RemoteAddr().String(), Request: request}
}

// by is the same tree for another request.
func (r *recorded) by(request string) *recorded {
	other := *r
	other.who.Request = request
	return &other
}

// shown is a path as records have it. (What looks like a capability elsewhere
// in it, package audit hides.)
func (r *recorded) shown(p filestore.Path) string {
	if r.uri && len(p) > 1 && p[0] == uriName {
		return "/" + uriName + "/***" + strings.TrimSuffix(p[2:].String(), "/")
	}
	return p.String()
}

// about begins a record about a path.
func (r *recorded) about(op audit.Op, p filestore.Path) audit.Record {
	a := r.who
	a.Op, a.Path = op, r.shown(p)
	return a
}

// do does what a tells of, if it can be recorded, and records it.
func (r *recorded) do(a audit.Record, what func() error) error {
	if err := r.rec.Ready(); err != nil {
		return err
	}
	began := time.Now()
	return r.told(a, began, what())
}

// told records what has come to its end, and gives the error for the client.
func (r *recorded) told(a audit.Record, began time.Time, err error) error {
	a.Took, a.Err = time.Since(began), err
	if rerr := r.rec.Record(a); err == nil {
		return rerr
	}
	return err
}

func (r *recorded) Mkdir(ctx context.Context, p filestore.Path, a filestore.Attr) error {
	return r.do(r.about(audit.Mkdir, p), func() error { return r.tree.Mkdir(ctx, p, a) })
}

func (r *recorded) Rmdir(ctx context.Context, p filestore.Path) error {
	return r.do(r.about(audit.Rmdir, p), func() error { return r.tree.Rmdir(ctx, p) })
}

func (r *recorded) Remove(ctx context.Context, p filestore.Path) error {
	return r.do(r.about(audit.Remove, p), func() error { return r.tree.Remove(ctx, p) })
}

func (r *recorded) Rename(ctx context.Context, from, to filestore.Path, m filestore.RenameMode) error {
	a := r.about(audit.Rename, from)
	a.Target = r.shown(to)
	return r.do(a, func() error { return r.tree.Rename(ctx, from, to, m) })
}

func (r *recorded) Link(ctx context.Context, from, to filestore.Path) error {
	a := r.about(audit.Link, from)
	a.Target = r.shown(to)
	return r.do(a, func() error { return r.tree.Link(ctx, from, to) })
}

func (r *recorded) Symlink(ctx context.Context, p filestore.Path, target string, attr filestore.Attr) error {
	a := r.about(audit.Symlink, p)
	a.Target = target
	return r.do(a, func() error { return r.tree.Symlink(ctx, p, target, attr) })
}

func (r *recorded) SetAttr(ctx context.Context, p filestore.Path, attr filestore.Attr, follow bool) error {
	a := r.about(audit.Setattr, p)
	a.Detail = attrText(attr)
	return r.do(a, func() error { return r.tree.SetAttr(ctx, p, attr, follow) })
}

func (r *recorded) Diminish(ctx context.Context, p filestore.Path) error {
	a := r.about(audit.Setattr, p)
	a.Detail = "diminish"
	return r.do(a, func() error { return r.tree.Diminish(ctx, p) })
}

// List is recorded when the listing ends, with the number of its entries.
func (r *recorded) List(ctx context.Context, p filestore.Path) iter.Seq2[filestore.Info, error] {
	return func(yield func(filestore.Info, error) bool) {
		if err := r.rec.Ready(); err != nil {
			yield(filestore.Info{}, err)
			return
		}
		a, began, count := r.about(audit.List, p), time.Now(), 0
		var failed error
		more := true
		for i, err := range r.tree.List(ctx, p) {
			if err != nil {
				failed = err
			} else {
				count++
			}
			if more = yield(i, err); !more {
				break
			}
		}
		a.Detail = fmt.Sprintf("entries=%d", count)
		if err := r.told(a, began, failed); more && err != nil && failed == nil {
			yield(filestore.Info{}, err)
		}
	}
}

// copying is n bytes from off on of a file that went to another, there from at on.
type copying struct {
	from, to   filestore.Path
	off, at, n int64
}

// copied records what was copied within the server.
func copied(t tree, c copying, began time.Time, err error) error {
	r, ok := t.(*recorded)
	if !ok {
		return err
	}
	a := r.about(audit.Copy, c.from)
	a.Target, a.Read, a.Written = r.shown(c.to), c.n, c.n
	if c.n > 0 {
		a.From, a.To = c.at, c.at+c.n
	}
	a.Detail = fmt.Sprintf("from offset %d", c.off)
	return r.told(a, began, err)
}

// attrText tells which attributes are set, and to what.
func attrText(a filestore.Attr) string {
	var words []string
	add := func(m filestore.AttrMask, format string, v any) {
		if a.Has(m) {
			words = append(words, fmt.Sprintf(format, v))
		}
	}
	add(filestore.AttrSize, "size=%d", a.Size)
	add(filestore.AttrMode, "mode=%04o", a.Mode)
	add(filestore.AttrUID, "uid=%d", a.UID)
	add(filestore.AttrGID, "gid=%d", a.GID)
	add(filestore.AttrAtime, "atime=%s", a.Atime.UTC().Format(time.RFC3339))
	add(filestore.AttrMtime, "mtime=%s", a.Mtime.UTC().Format(time.RFC3339))
	return strings.Join(words, " ")
}
