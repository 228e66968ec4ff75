package collect

import (
	"context"
	"errors"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
)

// entry walks what an entry leads to.
func (r *reach) entry(ctx context.Context, at site, e *dirtree.Entry) error {
	switch e.Kind {
	case dirtree.Directory, dirtree.MutableFile:
		read := e.Dir
		r.todo = append(r.todo, visit{verify: read.Verify(), read: &read, at: at})
	case dirtree.FrozenDir:
		frozen := e.Frozen.Verify()
		r.todo = append(r.todo, visit{frozen: &frozen, at: at})
	default:
		r.countFile(at)
	}
	refs := []filetree.VerifyRef{}
	if e.Kind == dirtree.OneChunk || e.Kind == dirtree.TreeFile {
		refs = append(refs, e.File.Verify())
	}
	for _, m := range e.More {
		refs = append(refs, m.Verify())
	}
	return r.refs(ctx, at, refs...)
}

func (r *reach) countFile(at site) {
	if !at.more {
		r.files++
	}
}

// visitor walks a directory by its verify key. Nodes of live slots have no row
// in the block index, those of frozen directories do.
func (r *reach) visitor(ctx context.Context, at site, frozen bool) dirtree.Visitor {
	return dirtree.Visitor{
		Node: func(id [32]byte, _ uint8, _ int) error {
			if frozen {
				r.meet(id, at.no)
			}
			return nil
		},
		Child: func(c dirtree.Child) error {
			switch c.Kind {
			case dirtree.Directory, dirtree.MutableFile:
				r.todo = append(r.todo, visit{verify: c.Slot, at: site{root: at.root, no: at.no}})
			case dirtree.FrozenDir:
				r.todo = append(r.todo, visit{frozen: &c.Frozen, at: at})
			default:
				r.countFile(at)
			}
			return r.refs(ctx, at, append(c.More, c.File)...)
		},
		Fault: func(err *dirtree.NodeError) error {
			if err.Fault == dirtree.WrongKey {
				return nil // a dead reference: formats 11
			}
			return r.damaged(at, "a directory node: "+err.Fault.String())
		},
	}
}

// frozen walks a frozen directory once: it is visited when its root has opened.
func (r *reach) frozen(ctx context.Context, at site, v caps.FrozenVerify) error {
	k := r.key(v.Root, v.Key)
	if r.done(r.nodes, k, at.no) {
		return nil
	}
	_, at.more = r.nodes[k]
	vis := r.visitor(ctx, at, true)
	opened := vis.Node
	vis.Node = func(id [32]byte, level uint8, size int) error {
		if id == v.Root {
			enter(r.nodes, k, at.no)
		}
		return opened(id, level, size)
	}
	return dirtree.WalkFrozen(ctx, v, snapshot.Nodes{View: r.view}, vis)
}

// refs walks file trees.
func (r *reach) refs(ctx context.Context, at site, refs ...filetree.VerifyRef) error {
	for _, ref := range refs {
		if ref.ID.IsZero() {
			continue
		}
		if err := filetree.WalkVerify(ctx, snapshot.Files{Nodes: snapshot.Nodes{View: r.view}, Blocks: r.env.Blocks}, ref, fileVisitor{r, ctx, at}); err != nil {
			return err
		}
	}
	return nil
}

// fileVisitor notes the blocks of one file.
type fileVisitor struct {
	r   *reach
	ctx context.Context
	at  site
}

// Visit implements filetree.Visitor.
func (f fileVisitor) Visit(ref filetree.VerifyRef) (bool, error) {
	if ref.Level != filetree.LevelChunk {
		return !f.r.done(f.r.nodes, f.r.key(ref.ID, ref.Key), f.at.no), nil
	}
	again := f.r.meet(ref.ID, f.at.no)
	if again || f.r.chunk == nil {
		return false, nil
	}
	return false, f.r.chunk(f.ctx, f.at, ref)
}

// Opened implements filetree.Visitor.
func (f fileVisitor) Opened(ref filetree.VerifyRef, _ int64, err error) error {
	if err == nil {
		f.r.meet(ref.ID, f.at.no)
		enter(f.r.nodes, f.r.key(ref.ID, ref.Key), f.at.no)
		return nil
	}
	if wrong := new(filetree.WrongKeyError); errors.As(err, &wrong) {
		return nil // a dead reference: formats 11
	}
	switch k := kind.Of(err); {
	case k == kind.NotExist, k == kind.Corrupt:
		return f.r.damaged(f.at, "a file node is missing or damaged")
	case k == kind.Unavailable && f.r.tolerant:
		return f.r.damaged(f.at, "a file node can't be had now")
	}
	return err
}
