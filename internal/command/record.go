package command

import (
	"context"
	"time"

	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/node"
)

// carryOut carries out an operation and records it.
func carryOut(ctx context.Context, o Operation, n *node.Node, s control.Streams) error {
	rec := n.Recorder()
	if err := rec.Ready(); err != nil && !looks(o) { // the way out must stay open
		return err
	}
	began := time.Now()
	err := o.run(ctx, n, s)
	a := audit.Record{Service: audit.Control, Op: audit.Execute, Request: o.name(), Took: time.Since(began), Err: err}
	if looks(o) {
		a.Op = audit.List
	}
	if on, ok := o.(interface{ subject() (account, path string) }); ok {
		a.Account, a.Path = on.subject()
	}
	if rerr := rec.Record(a); err == nil && !looks(o) {
		return rerr
	}
	return err
}

// looks reports whether an operation changes nothing and shows no files.
func looks(o Operation) bool {
	switch o.(type) {
	case *Status, *AccountList, *S3KeyList, *BlockstoreStatus, *BackupList, *RootList:
		return true
	}
	return false
}

// The subject of an operation is the account and path that it is about, for
// records.
func (t Target) subject() (account, path string) { return t.Account, t.path().String() }

func (o *AccountAdd) subject() (account, path string)      { return o.Name, "" }
func (o *AccountRemove) subject() (account, path string)   { return o.Name, "" }
func (o *S3KeyAdd) subject() (account, path string)        { return o.Name, "" }
func (o *S3KeyList) subject() (account, path string)       { return o.Name, "" }
func (o *S3KeyRemove) subject() (account, path string)     { return o.Name, "" }
func (o *S3KeyDisable) subject() (account, path string)    { return o.Name, "" }
func (o *AccountPassword) subject() (account, path string) { return o.Name, "" }
