package filestore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
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
	fs   *FS
	view metastore.View
	salt [32]byte     // of the sets' keys, so that nobody can make two of them meet
	seed maphash.Seed // likewise, for the blocks

	slots  map[short]rootNo    // directories and mutable files, whose contents change
	nodes  map[short]rootNo    // file nodes and frozen directories, which don't
	blocks map[blockKey]rootNo // what has a row in the block index
	roots  []slotID            // by their number
	number map[slotID]rootNo
	passed map[rootNo]bool // roots that lead to what two had led to before: it wasn't walked again
	shared map[slotID]bool // slots that a root leads to which isn't their owner; nil: nobody asks

	// record finds the record of a slot that the walk uses: the current one, or
	// for a pin the one of then.
	record func(ctx context.Context, id slotID) (metastore.Record, error)
	// past: records are those of a pin, older than the high-water marks, as they should be.
	past bool

	// tolerant: what the blockstore can't give now is damage, not an error.
	tolerant bool

	// damaged is told of what can't be used, and decides whether the walk goes on.
	damaged func(at site, what string) error
	// counted, if set, is told of what each entry that is read by name is charged
	// with, and to whom; isRoot tells the roots.
	counted func(root slotID, files, bytes int64)
	isRoot  map[slotID]bool

	// chunk, if set, is told of each chunk when it is met first.
	chunk func(ctx context.Context, at site, ref filetree.VerifyRef) error

	directories, files int64
	todo               []visit
}

// short stands for an id and a verify key in a set: 16 bytes, so that a set of
// millions stays small, and too many for two to meet by chance.
type short [16]byte

// blockKey stands for a block's id. Two of many millions may meet by chance; then
// one that nothing leads to stays until the next walk, which has another seed.
type blockKey uint64

// rootNo is the number of the root that led to something; several gives sharedBy.
type rootNo uint32

const sharedBy rootNo = 0

// site says where in a tree something was met.
type site struct {
	root slotID // of the root that led here
	no   rootNo // its number; zero if roots needn't be told apart
	more bool   // it was met before, from another root
	paid slotID // the nearest root above, which entries are charged to
	slot slotID // the directory
	path string // if the walk can read names
}

// visit is a slot or a frozen directory that is still to be walked. Directories
// in one another wait in a list, not on the stack, which their depth would exhaust.
type visit struct {
	verify caps.SlotVerify
	read   *caps.SlotRead // set: names can be read
	at     site
	frozen *caps.FrozenVerify // set: it is this, and no slot
}

func newReach(fs *FS, view metastore.View) *reach {
	r := &reach{
		fs: fs, view: view, seed: maphash.MakeSeed(), roots: []slotID{{}}, number: make(map[slotID]rootNo), shared: make(map[slotID]bool),
		passed: make(map[rootNo]bool),
		slots:  make(map[short]rootNo), nodes: make(map[short]rootNo), blocks: make(map[blockKey]rootNo),
	}
	rand.Read(r.salt[:])
	r.record = r.current
	return r
}

// root begins the walk from another root.
func (r *reach) root(id slotID) site {
	no, known := r.number[id]
	if !known {
		no = rootNo(len(r.roots))
		r.roots, r.number[id] = append(r.roots, id), no
	}
	return site{root: id, no: no}
}

func (r *reach) current(ctx context.Context, id slotID) (metastore.Record, error) {
	recs, err := r.view.Slots(ctx, []slotID{id})
	if err != nil {
		return metastore.Record{}, err
	}
	return recs[0], nil
}

// key is what a set holds of an id and a verify key.
func (r *reach) key(id [32]byte, verify caps.Key) short {
	h := sha256.New()
	h.Write(r.salt[:])
	h.Write(id[:])
	if raw := verify.Raw(); raw != nil {
		h.Write(raw[:])
	}
	return short(h.Sum(nil)[:16])
}

// done reports whether nothing new comes of a visit from a root.
func (r *reach) done(set map[short]rootNo, k short, no rootNo) bool {
	by, again := set[k]
	if again && by == sharedBy {
		r.passed[no] = true
	}
	return again && (by == no || by == sharedBy)
}

// enter notes a visit.
func enter(set map[short]rootNo, k short, no rootNo) {
	if by, again := set[k]; again && by != no {
		no = sharedBy
	}
	set[k] = no
}

func (r *reach) blockKey(id [32]byte) blockKey { return blockKey(maphash.Bytes(r.seed, id[:])) }

// meet notes a block, and reports whether that was met before.
func (r *reach) meet(id [32]byte, no rootNo) (again bool) {
	k := r.blockKey(id)
	by, again := r.blocks[k]
	if again && by != no {
		no = sharedBy
	}
	if !again || by != no {
		r.blocks[k] = no
	}
	return again
}

// reached reports whether the walk has met a block, and whether from another root
// than its owner.
func (r *reach) reached(id metastore.ID, owner slotID) (reached, shared bool) {
	no, reached := r.blocks[r.blockKey(id)]
	return reached, reached && r.foreign(no, owner)
}

// foreign reports whether another root than the owner leads to something.
func (r *reach) foreign(no rootNo, owner slotID) bool {
	return owner != slotID{} && (no == sharedBy || r.roots[no] != owner)
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

func markOf(p dirtree.PublicState) Mark { return Mark{Epoch: p.Epoch, Version: p.Version} }

// overtaken reports whether a slot is older in the walk's transaction than its
// mark only because it was changed since that began: the current record is as
// new as the mark.
func (r *reach) overtaken(ctx context.Context, id slotID, m Mark) bool {
	if r.fs.o.Meta == nil {
		return false
	}
	recs, err := r.fs.o.Meta.Slots(ctx, []slotID{id})
	if err != nil || recs[0].Bytes == nil {
		return false
	}
	p, err := dirtree.VerifySlot(id, recs[0].Bytes)
	return err == nil && !markOf(p).Before(m)
}

// slot walks one directory or mutable file.
func (r *reach) slot(ctx context.Context, v visit) error {
	id := slotID(v.verify.ID())
	v.at.slot = id
	k := r.key(id, v.verify.VerifyKey())
	if r.done(r.slots, k, v.at.no) {
		return nil
	}
	rec, err := r.record(ctx, id)
	if err != nil {
		return fmt.Errorf("walk: slot %v: %w", id, err)
	}
	if rec.Bytes == nil {
		return r.damaged(v.at, "the slot is missing")
	}
	p, err := dirtree.VerifySlot(id, rec.Bytes)
	if err != nil {
		return r.damaged(v.at, "the slot's record is damaged or forged")
	}
	if p.Type != v.verify.Type() {
		return r.damaged(v.at, "a link says that the slot is of another type than it is")
	}
	if m, seen := r.fs.water.Mark(id); seen && !r.past && markOf(p).Before(m) && !r.overtaken(ctx, id, m) {
		return r.damaged(v.at, "the slot's record is older than one seen before")
	}
	if p.Tombstone {
		return nil // removed through its home; this link is a dead one
	}
	_, v.at.more = r.slots[k]
	enter(r.slots, k, v.at.no)
	if r.shared != nil && r.foreign(v.at.no, rec.Owner) {
		r.shared[id] = true
	}
	if !v.at.more && p.Type == caps.SlotDirectory {
		r.directories++
	}
	if r.isRoot[id] {
		v.at.paid = id
	}
	if err := r.countMutable(v, rec); err != nil {
		return err
	}
	for _, root := range []dirtree.Root{p.Root, p.History} {
		if v.read != nil && p.Type == caps.SlotDirectory {
			err = r.readable(ctx, v, root, root == p.History)
		} else {
			err = dirtree.WalkVerify(ctx, v.verify, root, viewNodes{r.view}, r.visitor(ctx, v.at, false))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readable walks a directory, or its history, by its read key, so that damage can be
// told by path.
func (r *reach) readable(ctx context.Context, v visit, root dirtree.Root, history bool) error {
	open := dirtree.Open
	if history {
		open = dirtree.OpenHistory
	}
	dir := open(dirtree.Keys{Read: *v.read}, root, viewNodes{r.view}, r.fs.nodeCache)
	for e, err := range dir.Scan(ctx, "") {
		if err != nil {
			if fault := new(dirtree.NodeError); errors.As(err, &fault) {
				return r.damaged(v.at, "the directory: "+fault.Fault.String())
			}
			return fmt.Errorf("walk: %w", err)
		}
		at := v.at
		at.path += "/" + shownName(e)
		if err := e.Check(); err != nil {
			if err := r.damaged(at, "the entry contradicts itself"); err != nil {
				return err
			}
			continue
		}
		if r.counted != nil && !at.more {
			r.counted(at.paid, 1, chargeOf(e))
		}
		if err := r.entry(ctx, at, e); err != nil {
			return err
		}
	}
	return nil
}

// shownName is what a report calls an entry: of one in a history, its key and version.
func shownName(e *dirtree.Entry) string {
	sortKey, _, _, past := dirtree.ParseHistoryKey(e.Name)
	switch {
	case !past:
		return e.Name
	case e.Kind.IsDir():
		return strings.TrimSuffix(sortKey, "/")
	}
	return sortKey + "?versionId=" + versionOf(e).String()
}

// chargeOf is what an entry is charged with.
func chargeOf(e *dirtree.Entry) int64 {
	if isFile(e.Kind) {
		return int64(e.Size)
	}
	return 0
}

// countMutable counts the bytes of a mutable file, which its own record tells.
func (r *reach) countMutable(v visit, rec metastore.Record) error {
	if r.counted == nil || v.at.more || v.read == nil || v.verify.Type() != caps.SlotFile {
		return nil
	}
	st, err := dirtree.OpenSlot(*v.read, rec.Bytes)
	if err != nil {
		return r.damaged(v.at, "the slot's record contradicts its read key")
	}
	r.counted(v.at.paid, 0, int64(st.Bytes))
	return nil
}

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
	return dirtree.WalkFrozen(ctx, v, viewNodes{r.view}, vis)
}

// refs walks file trees.
func (r *reach) refs(ctx context.Context, at site, refs ...filetree.VerifyRef) error {
	for _, ref := range refs {
		if ref.ID.IsZero() {
			continue
		}
		if err := filetree.WalkVerify(ctx, viewBlocks{viewNodes{r.view}, r.fs}, ref, fileVisitor{r, ctx, at}); err != nil {
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

// viewNodes reads nodes in the walk's transaction.
type viewNodes struct{ view metastore.View }

// Node implements dirtree.NodeSource.
func (s viewNodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := s.view.Nodes(ctx, []metastore.ID{id})
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	if data[0] == nil {
		return nil, fmt.Errorf("node %x: %w", id, kind.NotExist)
	}
	return data[0], nil
}

// viewBlocks is viewNodes for file trees; a walk by verify keys reads no chunk.
type viewBlocks struct {
	viewNodes
	fs *FS
}

// Node implements filetree.Source. A long stream's nodes may lie in the
// blockstore.
func (s viewBlocks) Node(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := s.viewNodes.Node(ctx, id)
	if kind.Of(err) != kind.NotExist || s.fs.o.Blocks == nil {
		return data, err
	}
	data, err = retry.Value(ctx, func() ([]byte, error) { return s.fs.o.Blocks.Get(ctx, id) })
	if err != nil {
		return nil, fmt.Errorf("read a node: %w", err)
	}
	return data, nil
}

// ChunkRange implements filetree.Source.
func (s viewBlocks) ChunkRange(context.Context, blockstore.ID, int64, int64, int64) ([]byte, error) {
	return nil, fmt.Errorf("a walk by verify keys reads no chunk: %w", kind.Unsupported)
}
