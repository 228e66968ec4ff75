package filestore

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
)

// group is what becomes one request: all of it wins or loses.
type group struct {
	works  []*work
	ops    []*op
	failed []failure // answered with their error once what they saw is durable
	dirty  bool
	closed bool // takes no further operation
	void   bool // an operation failed half way: nothing of it may be committed

	nodes []metastore.NewNode
	live  []metastore.BlockRow
	links []metastore.ID
	dead  []metastore.ID // nodes of directories that end with all that is in them
	draft metastore.DraftID

	rootState map[slotID]bool
	roots     []metastore.Root
	sealed    []metastore.SealedChange
	dirMove   bool
	checks    []func(ctx context.Context, r metastore.Reader) error

	checkFailed bool // the request's error came from a check
}

type failure struct {
	op  *op
	err error
}

// all lists the operations of g, the failed ones included.
func (g *group) all() []*op {
	ops := slices.Clone(g.ops)
	for _, f := range g.failed {
		ops = append(ops, f.op)
	}
	return ops
}

// finish answers all operations: err, or for those that failed on what has
// become durable now their own error.
func (g *group) finish(err error) {
	for _, o := range g.ops {
		o.finish(err)
	}
	for _, f := range g.failed {
		if err == nil {
			f.op.finish(f.err)
		} else {
			f.op.finish(err)
		}
	}
}

// attempt lists the newest records that were sealed for g.
func (g *group) attempt() attempt {
	var a attempt
	for _, w := range g.works {
		a = append(a, w.marks()...)
	}
	return a
}

// absorb takes over everything that h holds.
func (g *group) absorb(h *group) {
	for _, w := range h.works {
		w.group = g
	}
	g.works = append(g.works, h.works...)
	g.ops = append(g.ops, h.ops...)
	g.failed = append(g.failed, h.failed...)
	g.nodes = append(g.nodes, h.nodes...)
	g.live = append(g.live, h.live...)
	g.links = append(g.links, h.links...)
	g.dead = append(g.dead, h.dead...)
	g.checks = append(g.checks, h.checks...)
	g.roots = append(g.roots, h.roots...)
	g.sealed = append(g.sealed, h.sealed...)
	for id, is := range h.rootState {
		g.requireRoot(id, is)
	}
	g.dirty = g.dirty || h.dirty
	g.dirMove = g.dirMove || h.dirMove
	if g.draft == (metastore.DraftID{}) {
		g.draft = h.draft
	}
	*h = group{void: true}
}

func (g *group) requireRoot(id slotID, is bool) {
	if g.rootState == nil {
		g.rootState = make(map[slotID]bool)
	}
	g.rootState[id] = is
}

// requests seals the working copies and makes the requests of the round.
func (b *batch) requests(ctx context.Context) ([]*group, []*metastore.Request) {
	var groups []*group
	var reqs []*metastore.Request
	seen := make(map[*group]bool)
	for _, w := range b.works {
		g := w.group
		if seen[g] {
			continue
		}
		seen[g] = true
		if g.void || !g.dirty {
			continue
		}
		req, err := g.request(ctx)
		if err != nil {
			g.finish(err)
			continue
		}
		groups, reqs = append(groups, g), append(reqs, req)
	}
	return groups, reqs
}

func (g *group) request(ctx context.Context) (*metastore.Request, error) {
	req := &metastore.Request{
		Nodes: g.nodes, Live: g.live, Links: g.links, Dead: g.dead, Draft: g.draft,
		RootState: g.rootState, Roots: g.roots, Sealed: g.sealed, DirMove: g.dirMove,
	}
	if len(g.checks) > 0 {
		req.Check = g.check
	}
	for _, w := range g.works {
		if !w.changed {
			continue
		}
		if err := w.addTo(ctx, req); err != nil {
			return nil, err
		}
	}
	g.attribute(req)
	return req, nil
}

func (g *group) check(ctx context.Context, r metastore.Reader) error {
	g.checkFailed = false
	for _, check := range g.checks {
		if err := check(ctx, r); err != nil {
			g.checkFailed = true
			return err
		}
	}
	return nil
}
