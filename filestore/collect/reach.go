package collect

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/metastore"
)

// reach walks everything that can be reached from roots, in one read
// transaction, by verify keys. Check and Collect are built on it.
//
// What was visited is keyed by (id, verify key), entered after a successful
// open (formats 11): a lying entry that gives a wrong key for somebody's node
// must not hide that node from whoever has the right one.
//
// With everything that it meets it notes from which root that was. What a second
// root leads to, too, is walked once more, and noted as shared: no matter how many
// roots there are, nothing is walked more than twice.
//
// Memory: about 20 bytes a block, 30 a directory, file node or frozen directory
// (TestMemoryOfAMark holds that), and 170 for each directory that waits.
type reach struct {
	env  *Env
	view metastore.View
	salt [32]byte     // of the sets' keys, so that nobody can make two of them meet
	seed maphash.Seed // likewise, for the blocks

	slots  map[short]rootNo    // directories and mutable files, whose contents change
	nodes  map[short]rootNo    // file nodes and frozen directories, which don't
	blocks map[blockKey]rootNo // what has a row in the block index
	roots  []metastore.SlotID  // by their number
	number map[metastore.SlotID]rootNo
	passed map[rootNo]bool           // roots that lead to what two had led to before: it wasn't walked again
	shared map[metastore.SlotID]bool // slots that a root leads to which isn't their owner; nil: nobody asks

	// record finds the record of a slot that the walk uses: the current one, or
	// for a pin the one of then.
	record func(ctx context.Context, id metastore.SlotID) (metastore.Record, error)
	// past: records are those of a pin, older than the high-water marks, as they should be.
	past bool

	// tolerant: what the blockstore can't give now is damage, not an error.
	tolerant bool

	// damaged is told of what can't be used, and decides whether the walk goes on.
	damaged func(at site, what string) error
	// counted, if set, is told of what each entry that is read by name is charged
	// with, and to whom; isRoot tells the roots.
	counted func(root metastore.SlotID, files, bytes int64)
	isRoot  map[metastore.SlotID]bool

	// chunk, if set, is told of each chunk when it is met first.
	chunk func(ctx context.Context, at site, ref filetree.VerifyRef) error

	directories, files int64
	todo               []visit
}

// site says where in a tree something was met.
type site struct {
	root metastore.SlotID // of the root that led here
	no   rootNo           // its number; zero if roots needn't be told apart
	more bool             // it was met before, from another root
	paid metastore.SlotID // the nearest root above, which entries are charged to
	slot metastore.SlotID // the directory
	path string           // if the walk can read names
}

// visit is a slot or a frozen directory that is still to be walked. Directories
// in one another wait in a list, not on the stack, which their depth would exhaust.
type visit struct {
	verify caps.SlotVerify
	read   *caps.SlotRead // set: names can be read
	at     site
	frozen *caps.FrozenVerify // set: it is this, and no slot
}

func newReach(env *Env, view metastore.View) *reach {
	r := &reach{
		env: env, view: view, seed: maphash.MakeSeed(), roots: []metastore.SlotID{{}}, number: make(map[metastore.SlotID]rootNo), shared: make(map[metastore.SlotID]bool),
		passed: make(map[rootNo]bool),
		slots:  make(map[short]rootNo), nodes: make(map[short]rootNo), blocks: make(map[blockKey]rootNo),
	}
	rand.Read(r.salt[:])
	r.record = r.current
	return r
}

// from walks a root and everything below it.
func (r *reach) from(ctx context.Context, v visit) error {
	r.todo = append(r.todo, v)
	for len(r.todo) > 0 {
		v := r.todo[len(r.todo)-1]
		r.todo = r.todo[:len(r.todo)-1]
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("walk: %w", err)
		}
		var err error
		if v.frozen != nil {
			err = r.frozen(ctx, v.at, *v.frozen)
		} else {
			err = r.slot(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
