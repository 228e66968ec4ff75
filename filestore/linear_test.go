package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// nameOp is one operation on a name, and nameResult what came of it.
type nameOp struct {
	what string // "put", "create", "append", "get", "remove", "move"
	name string
	data string // what is written; of a move, the other name
}

type nameResult struct {
	data    string
	kind    kind.Kind
	unknown bool // it may have happened or not, now or later
}

// names is what a directory of files holds; absent names are missing.
type names [2]string

func nameIndex(name string) int { return int(name[0] - 'a') }

// present marks a name that is there, so that an empty file isn't no file.
const present = "="

// applyName tells what an operation does to a directory, and what it answers.
func applyName(s names, op nameOp) (names, nameResult) {
	i := nameIndex(op.name)
	there := s[i] != ""
	switch op.what {
	case "put":
		s[i] = present + op.data
	case "create":
		if there {
			return s, nameResult{kind: kind.Exist}
		}
		s[i] = present + op.data
	case "append":
		if !there {
			return s, nameResult{kind: kind.NotExist}
		}
		s[i] += op.data
	case "get":
		if !there {
			return s, nameResult{kind: kind.NotExist}
		}
		return s, nameResult{data: s[i][1:]}
	case "remove":
		if !there {
			return s, nameResult{kind: kind.NotExist}
		}
		s[i] = ""
	case "move":
		if !there {
			return s, nameResult{kind: kind.NotExist}
		}
		s[i], s[nameIndex(op.data)] = "", s[i]
	}
	return s, nameResult{}
}

// directoryModel is a directory of files for the linearizability checker.
func directoryModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{names{}} },
		Step: func(state, input, output any) []any {
			next, want := applyName(state.(names), input.(nameOp))
			got := output.(nameResult)
			switch {
			case got.unknown:
				return []any{state, next}
			case got != want:
				return nil
			}
			return []any{next}
		},
		Equal:             func(a, b any) bool { return a.(names) == b.(names) },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
	}
	return m.ToModel()
}

// history collects the operations of several clients.
type history struct {
	mu  gosync.Mutex
	now atomic.Int64
	ops []porcupine.Operation
}

// run does one operation and notes it.
func (h *history) run(client int, op nameOp, do func(nameOp) (string, error)) {
	call := h.now.Add(1)
	data, err := do(op)
	res := nameResult{data: data, kind: kind.Of(err)}
	end := h.now.Add(1)
	switch res.kind {
	case kind.Unavailable, kind.Conflict, kind.Other:
		res, end = nameResult{unknown: true}, 1<<60
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: op, Call: call, Output: res, Return: end})
}

func (h *history) check(t *testing.T) {
	t.Helper()
	known := 0
	for _, op := range h.ops {
		if !op.Output.(nameResult).unknown {
			known++
		}
	}
	if known < len(h.ops)*3/4 {
		t.Errorf("only %d of %d operations have a known outcome", known, len(h.ops))
	}
	switch porcupine.CheckOperationsTimeout(directoryModel(), h.ops, time.Minute) {
	case porcupine.Illegal:
		for _, op := range h.ops {
			t.Logf("client %d, %d-%d: %+v: %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
		}
		t.Error("no order of the operations explains what they answered")
	case porcupine.Unknown:
		t.Error("the history is too long to be checked")
	}
}

// TestDirectChangesAreLinearizable has one client on each of several gateways
// create, overwrite, append to, read and remove the same names, by a metastore
// that loses races and replies. What they saw and did must be explained by some
// order of the operations, each at one moment between its begin and its end.
func TestDirectChangesAreLinearizable(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(4) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			var h history
			var wg gosync.WaitGroup
			for client, tr := range faultyGateways(t, 3, sd) {
				rng := rand.New(rand.NewPCG(sd, uint64(client)))
				wg.Go(func() {
					for i := range 25 {
						op := nameOp{what: [...]string{"put", "create", "append", "append", "append", "get", "get", "remove"}[rng.IntN(8)]}
						op.name = string(rune('a' + rng.IntN(2)))
						switch op.what {
						case "put", "create", "append":
							op.data = fmt.Sprintf("%d-%d ", client, i)
						}
						h.run(client, op, func(op nameOp) (string, error) { return direct(t.Context(), tr.Tree, op) })
					}
				})
			}
			wg.Wait()
			h.check(t)
		})
	}
}

// direct does an operation on the name itself.
func direct(ctx context.Context, t *filestore.Tree, op nameOp) (string, error) {
	write := func(o filestore.OpenOptions) error {
		o.Write = true
		f, err := t.Open(ctx, path(op.name), o)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(ctx, []byte(op.data), 0); err != nil {
			f.Discard()
			return err
		}
		for range rand.IntN(40) {
			runtime.Gosched() // others go on meanwhile
		}
		return f.Close(ctx)
	}
	switch op.what {
	case "put":
		return "", write(filestore.OpenOptions{Create: true, Truncate: true})
	case "create":
		return "", write(filestore.OpenOptions{Create: true, Exclusive: true})
	case "append":
		return "", write(filestore.OpenOptions{Append: true})
	case "remove":
		return "", t.Remove(ctx, path(op.name))
	}
	data, err := slurp(ctx, t, path(op.name))
	return string(data), err
}

// TestWholeChangesAreLinearizable is the same with several clients on each
// gateway, that make a file under a name of their own first and rename or link
// it to where it belongs, as programs do that want files whole; and that move
// files from one name to another.
func TestWholeChangesAreLinearizable(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(4) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			trees := faultyGateways(t, 3, sd)
			var h history
			var wg gosync.WaitGroup
			for client := range 2 * len(trees) {
				tr := trees[client%len(trees)]
				rng := rand.New(rand.NewPCG(sd, uint64(client)))
				wg.Go(func() {
					for i := range 15 {
						op := nameOp{what: [...]string{"put", "put", "create", "get", "get", "remove", "move"}[rng.IntN(7)]}
						op.name = string(rune('a' + rng.IntN(2)))
						op.data = fmt.Sprintf("%d-%d ", client, i)
						if op.what == "move" {
							op.data = string('a' + 'b' - op.name[0])
						}
						h.run(client, op, func(op nameOp) (string, error) { return wholly(t.Context(), tr.Tree, client, op) })
					}
				})
			}
			wg.Wait()
			h.check(t)
		})
	}
}

// wholly does an operation in such a way that others see it at once or not.
func wholly(ctx context.Context, t *filestore.Tree, client int, op nameOp) (string, error) {
	temporary := path(fmt.Sprint("temporary ", client))
	switch op.what {
	case "put", "create":
		if err := put(ctx, t, temporary, []byte(op.data)); err != nil {
			return "", errNotBegun(err)
		}
		if op.what == "put" {
			return "", t.Rename(ctx, temporary, path(op.name), filestore.Replace)
		}
		return "", t.Link(ctx, temporary, path(op.name))
	case "move":
		return "", t.Rename(ctx, path(op.name), path(op.data), filestore.Replace)
	}
	return direct(ctx, t, op)
}

// errNotBegun hides the kind of an error: what came of the operation is open.
func errNotBegun(err error) error { return errors.New(err.Error()) }

// faultyGateways opens gateways on one storage whose metastore, as each of them
// sees it, loses races, retries, and loses calls and replies.
func faultyGateways(t *testing.T, n int, sd uint64) []tree {
	t.Helper()
	s := newStorage(t)
	_, root := newTree(t, s.gateway())
	return faultyGatewaysOn(t, s, root, n, sd)
}

func faultyGatewaysOn(t *testing.T, s *storage, root caps.Cap, n int, sd uint64) []tree {
	t.Helper()
	var trees []tree
	for i := range n {
		f := metastoretest.NewFaulty(shared{s.meta}, sd*100+uint64(i))
		fs := s.open(func(o *filestore.Options) { o.Meta, o.ChunkSize = f, 256<<10 })
		trees = append(trees, deduping(t, fs, root))
		for _, fault := range []metastoretest.Fault{metastoretest.LoseRace, metastoretest.Retry, metastoretest.LostReply, metastoretest.LostCall} {
			f.Set(fault, 4)
		}
	}
	return trees
}
