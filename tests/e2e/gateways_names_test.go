package e2e

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	sftpclient "github.com/pkg/sftp"

	"github.com/truckee-fs/truckee/internal/kind"
)

// nameOp is what a client does to a name that all clients use. A group is one
// name in either of two directories: places 0 and 1.
type nameOp struct {
	what  string // "put", "create", "complete" an upload that creates, "replace", "move" to the other place, "get", "remove"
	group int
	place int
	data  string // what is put
	old   string // what is replaced,
	tag   string // and its ETag
	dir   string // where the places are
}

// in is the operation in a directory.
func (op nameOp) in(dir string) nameOp {
	op.dir = dir + "/"
	return op
}

// nameResult is what came of it.
type nameResult struct {
	data string
	fate fate
}

// fate is what an answer says of an operation.
type fate string

const (
	done    fate = "done"
	absent  fate = "absent"
	exists  fate = "exists"
	unknown fate = "unknown" // it may have happened, or may yet
)

// fateOf reads a client's error.
func fateOf(err error) fate {
	switch {
	case err == nil:
		return done
	case errors.Is(err, fs.ErrNotExist):
		return absent
	case errors.Is(err, fs.ErrExist), strings.Contains(err.Error(), kind.Exist.Error()): // SFTP has no number for it
		return exists
	}
	return unknown
}

// pair is what a group's two places hold; a present file has a "=" before it.
type pair [2]string

// apply tells what an operation makes of a group, and what it answers.
func (op nameOp) apply(s pair) (pair, nameResult) {
	there, creates := s[op.place] != "", op.what == "create" || op.what == "complete"
	switch {
	case op.what == "put", creates && !there, op.what == "replace" && s[op.place] == "="+op.old:
		s[op.place] = "=" + op.data
	case creates, op.what == "replace" && there:
		return s, nameResult{fate: exists}
	case !there:
		return s, nameResult{fate: absent}
	case op.what == "get":
		return s, nameResult{s[op.place][1:], done}
	case op.what == "remove":
		s[op.place] = ""
	case op.what == "move":
		s[op.place], s[1-op.place] = "", s[op.place]
	}
	return s, nameResult{fate: done}
}

// names collects what clients did to the shared names.
type names struct {
	now atomic.Int64
	mu  sync.Mutex // guards ops
	ops []porcupine.Operation
}

// do runs an operation and notes it. An unknown outcome has no end: it may
// happen at any time from its begin on.
func (h *names) do(client int, op nameOp, run func() (string, error)) fate {
	call := h.now.Add(1)
	data, err := run()
	res, end := nameResult{data, fateOf(err)}, h.now.Add(1)
	if res.fate == unknown {
		if op.what == "get" {
			return unknown // it changes nothing, and says nothing
		}
		res.data, end = "", 1<<60
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: op, Call: call, Output: res, Return: end})
	return res.fate
}

// groupModel is a group on one disk, for the linearizability checker.
func groupModel() porcupine.Model {
	return (&porcupine.NondeterministicModel{
		Init: func() []any { return []any{pair{}} },
		Step: func(state, input, output any) []any {
			next, want := input.(nameOp).apply(state.(pair))
			switch got := output.(nameResult); got.fate {
			case unknown:
				return []any{state, next}
			case want.fate:
				if got == want {
					return []any{next}
				}
			}
			return nil
		},
		Equal: func(a, b any) bool { return a.(pair) == b.(pair) },
	}).ToModel()
}

// check holds each group's history against what one disk would have done.
func (h *names) check(t *testing.T) {
	t.Helper()
	groups, open := map[int][]porcupine.Operation{}, 0
	for _, op := range h.ops {
		groups[op.Input.(nameOp).group] = append(groups[op.Input.(nameOp).group], op)
		if op.Output.(nameResult).fate == unknown {
			open++
		}
	}
	model := groupModel()
	for group, ops := range groups {
		switch porcupine.CheckOperationsTimeout(model, ops, time.Minute) {
		case porcupine.Illegal:
			for _, op := range ops[max(0, len(ops)-200):] {
				t.Logf("client %d, %d-%d: %+v: %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
			}
			t.Errorf("name %d: no order of its %d operations explains what they answered", group, len(ops))
		case porcupine.Unknown:
			t.Errorf("name %d: a history of %d operations is too long to be checked", group, len(ops))
		}
	}
	t.Logf("%d operations on %d shared names, of which %d with unknown outcome", len(h.ops), len(groups), open)
}

// path of an operation's name, in its own place or in the other one.
func (op nameOp) path(place int) string {
	return fmt.Sprintf("%s%s/hot-%d", op.dir, sharedDirs[place], op.group)
}

var sharedDirs = [2]string{"left", "right"}

// randomNameOp draws one; data must be unique.
func randomNameOp(rng *rand.Rand, groups int, data string) nameOp {
	what := [...]string{"put", "put", "create", "create", "move", "get", "get", "remove"}[rng.IntN(8)]
	return nameOp{what: what, group: rng.IntN(groups), place: rng.IntN(2), data: data}
}

// run does the operation in one step that others see. What is put was stored
// under a name of its own before, as programs do that want their files whole.
func (op nameOp) run(c *sftpclient.Client, temporary string) (string, error) {
	path := op.path(op.place)
	switch op.what {
	case "put", "create":
		if op.what == "put" {
			return "", c.PosixRename(temporary, path)
		}
		return "", c.Rename(temporary, path)
	case "move":
		return "", c.PosixRename(path, op.path(1-op.place))
	case "remove":
		return "", c.Remove(path)
	}
	f, err := c.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}
