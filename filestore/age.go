package filestore

import (
	"encoding/binary"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// A file's mtime is whatever its client says by SFTP. What ends objects by their age
// must not believe that: a file that is copied in with a time of years ago would go
// within the hour, and by such a time over it the version that it replaces, too. So an
// entry keeps beside a client's time when its contents came, and a version that is
// current no longer since when, both by the gateways' clocks.

// timeAttr is an attribute whose value is a time: i64 unix nanoseconds.
func timeAttr(t dirtree.AttrType, ns int64) dirtree.Attr {
	return dirtree.Attr{Type: t, Value: binary.BigEndian.AppendUint64(nil, uint64(ns))}
}

// timeOf reads an attribute that timeAttr has made.
func timeOf(e *dirtree.Entry, t dirtree.AttrType) (int64, bool) {
	v, ok := e.Attr(t)
	if !ok || len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}

// placed is when e's contents came.
func placed(e *dirtree.Entry) int64 {
	if ns, ok := timeOf(e, dirtree.AttrPlaced); ok {
		return ns
	}
	return e.Mtime
}

// aging fills in the times of o by which its age counts.
func (o *Object) aging(e *dirtree.Entry) {
	if _, ok := timeOf(e, dirtree.AttrPlaced); ok {
		o.Placed = time.Unix(0, placed(e)).UTC()
	}
	if ns, ok := timeOf(e, dirtree.AttrSuperseded); ok {
		o.Superseded = time.Unix(0, ns).UTC()
	}
}

// retimed is e with the attributes in a, of which the mtime is a client's.
func (a Attr) retimed(e *dirtree.Entry) dirtree.Entry {
	c := a.of(*e)
	if a.Has(AttrMtime) && c.Mtime != e.Mtime {
		c.Attrs = dirtree.WithAttr(c.Attrs, timeAttr(dirtree.AttrPlaced, placed(e)))
	}
	return c
}

// replaced notes that the contents of e came now; its mtime is a client's or not.
func replaced(e *dirtree.Entry, now time.Time, clients bool) {
	if clients {
		e.Attrs = dirtree.WithAttr(e.Attrs, timeAttr(dirtree.AttrPlaced, now.UnixNano()))
		return
	}
	if _, ok := e.Attr(dirtree.AttrPlaced); ok {
		e.Attrs = dirtree.WithoutAttr(e.Attrs, dirtree.AttrPlaced)
	}
}
