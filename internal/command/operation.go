package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// Operation is one thing to be done on a node. Its exported fields are its
// arguments.
type Operation interface {
	name() string // under which it travels
	run(ctx context.Context, n *node.Node, s control.Streams) error
}

// operations lists every operation.
func operations() []Operation {
	return []Operation{
		&AccountAdd{}, &AccountList{}, &AccountRemove{}, &AccountPassword{},
		&S3KeyAdd{}, &S3KeyList{}, &S3KeyRemove{}, &S3KeyDisable{},
		&CapNew{}, &CapOf{}, &CapLink{}, &CapFreeze{},
		&List{}, &Cat{}, &Put{}, &Remove{}, &Mkdir{}, &Link{}, &Usage{}, &Diminish{},
		&Status{}, &Check{}, &Collect{}, &AcceptRollback{},
		&BlockstoreTest{}, &BlockstoreStatus{}, &BlockstoreScrub{}, &BlockstoreRebuild{}, &BlockstoreCopy{},
		&Backup{}, &BackupList{}, &BackupRelease{}, &BackupReplaced{}, &RootList{}, &RootForget{},
	}
}

// Exit statuses of a command.
const (
	StatusOK          = 0
	StatusFailure     = 1
	StatusUsage       = 2
	StatusDamage      = 3 // something stored is damaged or missing
	StatusInterrupted = 130
)

// ErrDamage is the error of an operation that has reported damage already.
var ErrDamage = fmt.Errorf("damage was found: %w", kind.Corrupt)

// Secret is an argument that must not be shown: a password or capability. It
// prints as "secret(…)"; JSON has it, since it travels to the node.
type Secret string

// Format prints every verb without the text.
func (Secret) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("secret(…)")) }

// LogValue keeps the text out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("secret(…)") }

// request packs an operation for the way to a running node.
func request(o Operation) (control.Request, error) {
	args, err := json.Marshal(o)
	if err != nil {
		return control.Request{}, err
	}
	return control.Request{Op: o.name(), Args: args}, nil
}

// unpack finds the operation of a request. Its errors don't show the arguments.
func unpack(r control.Request) (Operation, error) {
	for _, prototype := range operations() {
		if prototype.name() != r.Op {
			continue
		}
		o := reflect.New(reflect.TypeOf(prototype).Elem()).Interface().(Operation)
		d := json.NewDecoder(bytes.NewReader(r.Args))
		d.DisallowUnknownFields()
		if d.Decode(o) != nil || d.More() {
			return nil, kind.Errorf(kind.Invalid, "%s: arguments that this version doesn't know; use the same truckee as the running node", r.Op)
		}
		return o, nil
	}
	return nil, kind.Errorf(kind.Unsupported, "%.40q is not known to the running node; use the same truckee", r.Op)
}

// Handler carries out the requests that reach a running node.
func Handler(n *node.Node) control.Handler {
	return func(ctx context.Context, r control.Request, s control.Streams) control.Outcome {
		o, err := unpack(r)
		if err != nil {
			return outcome(err)
		}
		return outcome(carryOut(ctx, o, n, s))
	}
}

// outcome makes an exit status and a sentence of an error.
func outcome(err error) control.Outcome {
	switch {
	case err == nil:
		return control.Outcome{Status: StatusOK}
	case errors.Is(err, ErrDamage):
		return control.Outcome{Status: StatusDamage}
	}
	out := control.Outcome{Status: StatusFailure, Message: err.Error()}
	switch kind.Of(err) {
	case kind.Corrupt:
		out.Status = StatusDamage
	case kind.Canceled:
		out.Status = StatusInterrupted
	}
	return out
}
