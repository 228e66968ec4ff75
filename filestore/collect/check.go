package collect

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// CheckOptions say what Check looks at.
type CheckOptions struct {
	// Deep reads every block and holds it against its id. Otherwise blocks
	// are only asked for.
	Deep bool

	// Trees are directories and files to begin with, by capabilities of any
	// authority. Where one can read, the report tells names. Roots of the root
	// table that they don't reach are walked by their verify caps, which show no
	// names.
	Trees []NamedTree

	// Only leaves those other roots out.
	Only bool

	// At is the commit as of which the tree is looked at, one that a pin keeps. Zero:
	// the newest.
	At uint64

	// Recount sets the counters of what is charged to the roots of Trees, and to
	// roots within them, to what is there, if nothing is damaged.
	Recount bool
}

// NamedTree is a directory or file to check, and what the report calls it.
type NamedTree struct {
	Name string
	Cap  caps.Cap
}

// CheckReport is what Check found.
type CheckReport struct {
	Directories, Files int64
	Blocks             int64 // chunks, file nodes and frozen nodes, each once
	Bytes              int64 // of those, as stored
	Damage             []Damage
	MoreDamage         int // beyond what Damage lists
	Recounts           []Recount
}

// Recount is a root whose counters were set right.
type Recount struct {
	Root               [32]byte
	Files, Bytes       int64
	WasFiles, WasBytes int64
}

// Whole reports whether nothing was wrong.
func (r CheckReport) Whole() bool { return len(r.Damage) == 0 }

// Damage is one thing that is missing or not what its capability says.
type Damage struct {
	Path string // "name:/path", or the directory's slot id where names can't be read
	What string
}

// maxDamage bounds the list of a report.
const maxDamage = 1000

// Check verifies everything that can be reached: signatures and freshness of
// slots, every node by its id and authentication tag, that each block has a
// live row in the index and is there, and with Deep the bytes of every block.
// Damage is reported, not returned as an error; an error means that the check
// couldn't be carried through.
func (k *Collector) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	view, err := k.env.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return CheckReport{}, fmt.Errorf("check: %w", err)
	}
	defer view.Close()
	c := &checker{env: &k.env, view: view, o: o, r: newReach(&k.env, view), names: map[metastore.SlotID]string{}}
	c.r.damaged, c.r.shared = c.damaged, nil
	c.r.chunk = c.chunk
	if err := c.run(ctx); err != nil {
		return c.report, fmt.Errorf("check: %w", err)
	}
	return c.report, nil
}

type checker struct {
	env    *Env
	view   metastore.View
	o      CheckOptions
	r      *reach
	report CheckReport
	names  map[metastore.SlotID]string // of roots
	told   map[Damage]bool
	counts map[metastore.SlotID]*Recount
	// uploads are those of the buckets that were there when the check began, if it counts.
	uploads []Uploads
	sites   map[blockKey]site // where chunks were met
}

func (c *checker) run(ctx context.Context) error {
	if err := c.prepareRecount(ctx); err != nil {
		return err
	}
	if c.o.At != 0 {
		then, err := recordsAt(ctx, c.view, c.o.At)
		if err != nil {
			return err
		}
		c.r.past, c.r.record = true, then.record
	}
	c.sites, c.told = make(map[blockKey]site), make(map[Damage]bool)
	for _, t := range c.o.Trees {
		if err := c.tree(ctx, t); err != nil {
			return err
		}
	}
	if !c.o.Only {
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
	c.report.Directories, c.report.Files = c.r.directories, c.r.files
	if err := c.index(ctx); err != nil || !c.o.Recount || !c.report.Whole() {
		return err
	}
	return c.recount(ctx)
}

// tree walks what a capability leads to.
func (c *checker) tree(ctx context.Context, t NamedTree) error {
	if read, ok := caps.ReadCap(t.Cap); ok {
		if slot, ok := read.SlotRead(); ok {
			at := c.root(metastore.SlotID(slot.ID()), t.Name)
			if c.o.Recount {
				c.r.counted(at.root, 0, 0) // also if there is nothing
			}
			return c.r.from(ctx, visit{verify: slot.Verify(), read: &slot, at: at})
		}
		if _, ok := read.Literal(); ok {
			c.r.files++
			return nil
		}
	}
	verify, _ := t.Cap.Verify()
	if slot, ok := verify.SlotVerify(); ok {
		return c.r.from(ctx, visit{verify: slot, at: c.root(metastore.SlotID(slot.ID()), t.Name)})
	}
	if frozen, ok := verify.FrozenVerify(); ok {
		return c.r.from(ctx, visit{frozen: &frozen, at: c.root(metastore.SlotID(frozen.Root), t.Name)})
	}
	if file, ok := verify.FileVerify(); ok {
		c.r.files++
		return c.r.refs(ctx, c.root(metastore.SlotID(file.Root), t.Name), filetree.VerifyRefOf(file))
	}
	return fmt.Errorf("%v can't be opened here: %w", t.Cap, kind.Unsupported)
}

// root is where the walk of a named tree begins; its public name stands for it
// in the report.
func (c *checker) root(id metastore.SlotID, name string) site {
	c.names[id] = name
	return site{root: id, slot: id}
}

// rest walks the roots that no named tree is.
func (c *checker) rest(ctx context.Context) error {
	for root, err := range c.view.AllRoots(ctx) {
		if err != nil {
			return err
		}
		if _, done := c.names[root.ID]; done {
			continue
		}
		verify, err := c.env.OpenRoot(root)
		if err != nil {
			if err := c.damaged(site{root: root.ID, slot: root.ID}, "its row in the root table doesn't open under this node's master key"); err != nil {
				return err
			}
			continue
		}
		if err := c.r.from(ctx, visit{verify: verify, at: site{root: root.ID}}); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) damaged(at site, what string) error {
	d := Damage{Path: "directory " + at.slot.String(), What: what}
	if name, named := c.names[at.root]; named && (at.path != "" || at.slot == at.root) {
		d.Path = name + ":" + at.path
		if at.path == "" {
			d.Path += "/"
		}
	}
	switch {
	case c.told[d]: // several links lead there
	case len(c.report.Damage) >= maxDamage:
		c.report.MoreDamage++
	default:
		c.told[d] = true
		c.report.Damage = append(c.report.Damage, d)
	}
	return nil
}

// chunk looks at one chunk: its bytes, or whether it is there. Those in the
// metastore were found with their row.
func (c *checker) chunk(ctx context.Context, at site, ref filetree.VerifyRef) error {
	c.sites[c.r.blockKey(ref.ID)] = at
	size, err := c.look(ctx, ref.ID)
	if err == nil {
		if want := ref.LeastSealedLen(); want > 0 && size < want {
			return c.damaged(at, fmt.Sprintf("block %v has %d bytes instead of %d", ref.ID, size, want))
		}
		c.report.Bytes += size
		return nil
	}
	switch kind.Of(err) {
	case kind.NotExist:
		return c.damaged(at, fmt.Sprintf("block %v is missing", ref.ID))
	case kind.Corrupt:
		return c.damaged(at, fmt.Sprintf("block %v is damaged", ref.ID))
	}
	return err
}

// look returns a block's length, after reading and checking it if Deep.
func (c *checker) look(ctx context.Context, id blockstore.ID) (int64, error) {
	inline, err := c.view.Nodes(ctx, []metastore.ID{metastore.ID(id)})
	if err != nil {
		return 0, err
	}
	if data := inline[0]; data != nil {
		return int64(len(data)), blockstore.CheckID(id, data)
	}
	if !c.o.Deep {
		info, err := c.env.Blocks.Stat(ctx, id)
		return info.Size, err
	}
	data, err := blockstore.Uncached(c.env.Blocks).Get(ctx, id)
	if err != nil {
		return 0, err
	}
	return int64(len(data)), blockstore.CheckID(id, data)
}

// index holds the block index against what was reached: every block that is
// reachable must have a row in state live, or collection could take it away.
func (c *checker) index(ctx context.Context) error {
	missing := c.r.blocks
	c.report.Blocks = int64(len(missing))
	for row, err := range c.view.AllBlocks(ctx) {
		if err != nil {
			return err
		}
		k := c.r.blockKey(row.ID)
		if _, reached := missing[k]; reached && row.State == metastore.BlockLive {
			delete(missing, k)
		}
	}
	for k := range missing {
		if err := c.damaged(c.sites[k], "a block is not live in the block index"); err != nil {
			return err
		}
	}
	return nil
}
