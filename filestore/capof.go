package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// CapOf gives the capability of what stands at p: of a file or directory, at
// the authority asked for, or at read authority if it never changes. ReadOnly if
// the authority at hand is less, Invalid where there is no such capability.
func (t *Tree) CapOf(ctx context.Context, p Path, a caps.Authority) (caps.Cap, error) {
	pl, err := t.resolve(ctx, p, wantDir)
	switch {
	case err != nil:
		return nil, wrap("cap", err)
	case pl.node != nil:
		return atMost(capOfNode(pl.node), a)
	case pl.file != nil:
		return nil, wrap("cap", fmt.Errorf("the file is still being created: %w", kind.Unavailable))
	case pl.entry == nil:
		return nil, wrap("cap", kind.NotExist)
	}
	return capOfEntry(pl.entry, a)
}

func capOfNode(n *node) caps.Cap {
	switch {
	case n.v == nil:
		return caps.OfFrozenRead(n.frozen.read)
	case n.write != nil:
		return caps.OfSlotWrite(*n.write)
	}
	return caps.OfSlotRead(n.v.read)
}

func capOfEntry(e *dirtree.Entry, a caps.Authority) (caps.Cap, error) {
	switch e.Kind {
	case dirtree.EmptyFile, dirtree.Inline:
		c, err := caps.OfLiteral(e.Data)
		if err != nil {
			return nil, wrap("cap", err)
		}
		return atMost(c, a)
	case dirtree.OneChunk, dirtree.TreeFile:
		return atMost(caps.OfFileRead(e.File.FileRead()), a)
	case dirtree.MutableFile:
		if e.DirWrite != nil {
			return atMost(caps.OfSlotWrite(*e.DirWrite), a)
		}
		return atMost(caps.OfSlotRead(e.Dir), a)
	case dirtree.FrozenDir:
		return atMost(caps.OfFrozenRead(e.Frozen), a)
	case dirtree.Foreign:
		if e.Foreign.Write != nil && a == caps.AuthorityWrite {
			return e.Foreign.Write, nil
		}
		return atMost(e.Foreign.Read, a)
	}
	return nil, wrap("cap", fmt.Errorf("a symbolic link has no capability: %w", kind.Invalid))
}

func atMost(c caps.Cap, a caps.Authority) (caps.Cap, error) {
	if a == caps.AuthorityWrite && c.Authority() != caps.AuthorityWrite && c.Form() == caps.FormSlot {
		return nil, wrap("cap", fmt.Errorf("only a read capability is at hand: %w", kind.ReadOnly))
	}
	weak, ok := caps.AtMost(c, a)
	if !ok {
		return nil, wrap("cap", fmt.Errorf("no capability of that authority: %w", kind.Invalid))
	}
	return weak, nil
}
