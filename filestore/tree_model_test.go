package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// treeModel is what a tree should hold: paths to contents. A directory's
// contents are "/", or "*" if it is frozen; a symbolic link's begin with ">", a
// file's with "=", a mutable file's with "~", a name that all its links have in
// common, and ":".
type treeModel map[string]string

func isDir(c string) bool { return c == "/" || c == "*" }

func (m treeModel) parent(p string) kind.Kind {
	parts := strings.Split(p, "/")
	for i := 1; i < len(parts); i++ {
		switch c := m[strings.Join(parts[:i], "/")]; {
		case c == "":
			return kind.NotExist
		case !isDir(c):
			return kind.NotDir
		}
	}
	return 0
}

// inFrozen tells whether p stands in a frozen directory.
func (m treeModel) inFrozen(p string) bool {
	i := strings.LastIndexByte(p, '/')
	return i >= 0 && m[p[:i]] == "*"
}

// data cuts what is before a file's contents off.
func data(c string) (mark, contents string) {
	if strings.HasPrefix(c, "~") {
		i := strings.IndexByte(c, ':')
		return c[:i+1], c[i+1:]
	}
	return c[:1], c[1:]
}

// normal names mutable files by the order in which they come.
func (m treeModel) normal() treeModel {
	out, names := treeModel{}, map[string]string{}
	for _, p := range slices.Sorted(maps.Keys(m)) {
		mark, contents := data(m[p])
		if mark[0] == '~' {
			if names[mark] == "" {
				names[mark] = fmt.Sprint("~", len(names), ":")
			}
			mark = names[mark]
		}
		out[p] = mark + contents
	}
	return out
}

func (m treeModel) empty(p string) bool {
	for q := range m {
		if strings.HasPrefix(q, p+"/") {
			return false
		}
	}
	return true
}

func (m treeModel) mkdir(p string) kind.Kind { return m.add(p, "/") }

func (m treeModel) add(p, c string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	if m[p] != "" {
		return kind.Exist
	}
	if m.inFrozen(p) {
		return kind.ReadOnly
	}
	m[p] = c
	return 0
}

func (m treeModel) rmdir(p string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	switch {
	case m[p] == "":
		return kind.NotExist
	case m.inFrozen(p):
		return kind.ReadOnly
	case !isDir(m[p]):
		return kind.NotDir
	case !m.empty(p):
		return kind.NotEmpty
	}
	delete(m, p)
	return 0
}

func (m treeModel) remove(p string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	switch {
	case m[p] == "":
		return kind.NotExist
	case m.inFrozen(p):
		return kind.ReadOnly
	case isDir(m[p]):
		return kind.IsDir
	}
	delete(m, p)
	return 0
}

func (m treeModel) unlink(p string) kind.Kind {
	switch c := m[p]; {
	case m.parent(p) != 0, c == "", m.inFrozen(p), !isDir(c):
		return m.remove(p)
	case c == "/":
		return m.rmdir(p)
	}
	for q := range m {
		if q == p || strings.HasPrefix(q, p+"/") {
			delete(m, q)
		}
	}
	return 0
}

// putMutable makes or replaces a mutable file, which is called by name if it is new.
func (m treeModel) putMutable(p, name, contents string) kind.Kind {
	switch c := m[p]; {
	case m.parent(p) == 0 && c == "" && !m.inFrozen(p):
		m[p] = "~" + name + ":"
	case m.parent(p) == 0 && c != "" && !isDir(c) && c[0] != '~':
		return kind.Exist
	}
	return m.write(p, true, func(string) string { return contents })
}

// link gives what is at p another name; a file is copied by that.
func (m treeModel) link(p, q string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	switch {
	case m[p] == "":
		return kind.NotExist
	case isDir(m[p]):
		return kind.Denied
	case m.inFrozen(p):
		return kind.ReadOnly
	}
	return m.add(q, m[p])
}

func (m treeModel) freeze(p, q string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	switch {
	case m[p] == "":
		return kind.NotExist
	case !isDir(m[p]):
		return kind.NotDir
	}
	copied := treeModel{q: "*"}
	for r, c := range m {
		rest, below := strings.CutPrefix(r, p+"/")
		if !below {
			continue
		}
		if mark, contents := data(c); isDir(c) {
			copied[q+"/"+rest] = "*"
		} else if mark[0] == '~' {
			copied[q+"/"+rest] = "=" + contents
		} else {
			copied[q+"/"+rest] = c
		}
	}
	if k := m.add(q, "*"); k != 0 {
		return k
	}
	maps.Copy(m, copied)
	return 0
}

// write changes a file's contents, which f computes from the old ones.
func (m treeModel) write(p string, create bool, f func(string) string) kind.Kind {
	if k := m.parent(p); k != 0 {
		return k
	}
	c := m[p]
	switch {
	case c == "" && !create:
		return kind.NotExist
	case isDir(c):
		return kind.IsDir
	case m.inFrozen(p):
		return kind.ReadOnly
	case c == "":
		c = "="
	}
	mark, contents := data(c)
	m[p] = mark + f(contents)
	for q, old := range m {
		if strings.HasPrefix(old, mark) && mark[0] == '~' {
			m[q] = m[p]
		}
	}
	return 0
}

func (m treeModel) rename(from, to string, replace bool) kind.Kind {
	if k := m.parent(from); k != 0 {
		return k
	}
	if m[from] == "" {
		return kind.NotExist
	}
	if k := m.parent(to); k != 0 {
		return k
	}
	if m.inFrozen(from) || m.inFrozen(to) {
		return kind.ReadOnly
	}
	src, dst := m[from], m[to]
	switch {
	case from == to && replace:
		return 0
	case dst != "" && !replace:
		// A directory that would come below itself is refused as that first.
		if src == "/" && strings.HasPrefix(to, from+"/") {
			return kind.Invalid
		}
		return kind.Exist
	case src == "/" && strings.HasPrefix(to, from+"/"):
		return kind.Invalid
	case dst != "" && isDir(src) && !isDir(dst):
		return kind.NotDir
	case isDir(dst) && !isDir(src):
		return kind.IsDir
	case isDir(dst) && !m.empty(to):
		return kind.NotEmpty
	}
	moved := treeModel{}
	for p, c := range m {
		if p == from || strings.HasPrefix(p, from+"/") {
			moved[to+p[len(from):]] = c
			delete(m, p)
		}
	}
	delete(m, to)
	maps.Copy(m, moved)
	return 0
}

// dump reads a whole tree.
func dump(ctx context.Context, t *filestore.Tree) (treeModel, error) {
	m := treeModel{}
	err := dumpDir(ctx, t, m, nil)
	return m.normal(), err
}

func dumpDir(ctx context.Context, t *filestore.Tree, m treeModel, p filestore.Path) error {
	for i, err := range t.List(ctx, p) {
		if err != nil {
			return err
		}
		q := append(slices.Clone(p), i.Name)
		key := strings.Join(q, "/")
		switch i.Kind {
		case filestore.KindDir:
			m[key] = "/"
			if i.Frozen {
				m[key] = "*"
			}
			if err := dumpDir(ctx, t, m, q); err != nil {
				return err
			}
		case filestore.KindSymlink:
			m[key] = ">" + i.Target
		default:
			data, err := slurp(ctx, t, q)
			if err != nil {
				return err
			}
			if int64(len(data)) != i.Size {
				return fmt.Errorf("%s lists %d bytes and has %d", key, i.Size, len(data))
			}
			m[key] = "=" + string(data)
			if i.Mutable {
				m[key] = fmt.Sprintf("~%x:%s", i.FileID, data)
			}
		}
	}
	return nil
}

func slurp(ctx context.Context, t *filestore.Tree, p filestore.Path) ([]byte, error) {
	f, err := t.Open(ctx, p, forReading)
	if err != nil {
		return nil, err
	}
	defer f.Discard()
	i, err := f.Stat(ctx)
	if err != nil {
		return nil, err
	}
	data := make([]byte, i.Size)
	if i.Size == 0 {
		return data, nil
	}
	n, err := f.ReadAt(ctx, data, 0)
	if n == len(data) {
		err = nil
	}
	return data[:n], err
}

// TestTreesOfSeveralGatewaysAgainstAMap does random operations through three
// gateways on one metastore, one after the other, and compares the tree with a
// map after each. With faults, an operation that says it failed may have done
// its work or not; nothing else is allowed.
func TestTreesOfSeveralGatewaysAgainstAMap(t *testing.T) {
	t.Parallel()
	faults := map[string][]metastoretest.Fault{
		"sound":   nil,
		"races":   {metastoretest.LoseRace, metastoretest.Retry},
		"replies": {metastoretest.LostReply, metastoretest.LostCall, metastoretest.LoseRace, metastoretest.Retry},
		"stale":   {metastoretest.StaleSlot, metastoretest.ForkedSlot, metastoretest.DropSlot},
		"nodes":   {metastoretest.DropNode, metastoretest.FlipNode, metastoretest.SwapNode, metastoretest.FailRead},
		"all":     metastoretest.Faults(),
	}
	for name, set := range faults {
		for _, sd := range seeds(1) {
			t.Run(fmt.Sprint(name, "/seed=", sd), func(t *testing.T) {
				t.Parallel()
				newTreeRun(t, sd, set).run(120)
			})
		}
	}
}

// treeRun is one run of the model test.
type treeRun struct {
	t        *testing.T
	rng      *rand.Rand
	observer tree
	trees    []*filestore.Tree
	meta     []*metastoretest.Faulty
	store    *storage
	root     caps.Write
	model    treeModel
	log      []string
}

func newTreeRun(t *testing.T, sd uint64, faults []metastoretest.Fault) *treeRun {
	s := newStorage(t)
	r := &treeRun{t: t, rng: rand.New(rand.NewPCG(sd, 7)), store: s, model: treeModel{}}
	r.observer, r.root = newTree(t, s.gateway())
	for i := range 3 {
		f := metastoretest.NewFaulty(shared{s.meta}, sd+uint64(i))
		fs := s.open(func(o *filestore.Options) { o.Meta, o.ChunkSize = f, 256<<10 })
		r.trees = append(r.trees, mount(t, fs, r.root).Tree)
		r.meta = append(r.meta, f)
	}
	for _, f := range r.meta {
		for _, fault := range faults {
			f.Set(fault, 3)
		}
	}
	return r
}

func (r *treeRun) run(steps int) {
	for range steps {
		r.step()
	}
}

func (r *treeRun) path() string {
	names := [...]string{"a", "b", "c"}
	p := names[r.rng.IntN(3)]
	for range r.rng.IntN(3) {
		p += "/" + names[r.rng.IntN(3)]
	}
	return p
}

// step does one operation, in the model and for real.
func (r *treeRun) step() {
	r.t.Helper()
	tree := r.trees[r.rng.IntN(len(r.trees))]
	after := maps.Clone(r.model)
	what, want, got := r.operation(tree, after)
	after = after.normal()
	r.log = append(r.log, fmt.Sprintf("%s: %v", what, got))
	now := r.look()
	switch k := kind.Of(got); {
	case k == want && want == 0:
		r.expect(now, after)
	case k == want:
		r.expect(now, r.model)
		return
	case k == kind.Unavailable || k == kind.Corrupt || k == kind.Conflict:
		if r.sound() {
			r.t.Fatalf("%s: %v, although nothing failed, after\n%s", what, got, strings.Join(r.log, "\n"))
		}
		if maps.Equal(now, r.model) {
			return
		}
		r.expect(now, after)
	case k != 0 && r.met(metastoretest.StaleSlot) && maps.Equal(now, r.model):
		// A gateway that never saw the newer record can't know better. It must
		// not change anything on that ground.
		return
	default:
		r.t.Fatalf("%s: %v (%v), want %v, after\n%s", what, got, k, want, strings.Join(r.log, "\n"))
	}
	r.model = after
}

func (r *treeRun) sound() bool {
	return !slices.ContainsFunc(metastoretest.Faults(), r.met)
}

func (r *treeRun) met(fault metastoretest.Fault) bool {
	return slices.ContainsFunc(r.meta, func(f *metastoretest.Faulty) bool { return f.Met(fault) > 0 })
}

// look reads the tree through a gateway of its own without faults.
func (r *treeRun) look() treeModel {
	r.t.Helper()
	now, err := dump(r.t.Context(), r.observer.Tree)
	if err != nil {
		r.t.Fatalf("read the tree: %v, after\n%s", err, strings.Join(r.log, "\n"))
	}
	return now
}

func (r *treeRun) expect(got, want treeModel) {
	r.t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] != want[p] {
			r.t.Errorf("%s is %s, want %s", p, sketch([]byte(got[p])), sketch([]byte(want[p])))
		}
	}
	for p := range got {
		if want[p] == "" {
			r.t.Errorf("%s should not be there", p)
		}
	}
	r.t.Fatalf("after\n%s", strings.Join(r.log, "\n"))
}

// operation does one thing to the model m and to the tree.
func (r *treeRun) operation(t *filestore.Tree, m treeModel) (what string, want kind.Kind, got error) {
	ctx, p := r.t.Context(), r.path()
	switch r.rng.IntN(18) {
	case 0, 1:
		return "mkdir " + p, m.mkdir(p), t.Mkdir(ctx, path(p), filestore.Attr{})
	case 2:
		return "rmdir " + p, m.rmdir(p), t.Rmdir(ctx, path(p))
	case 3:
		return "remove " + p, m.remove(p), t.Remove(ctx, path(p))
	case 4, 5:
		q, replace := r.path(), r.rng.IntN(3) > 0
		mode := filestore.NoReplace
		if replace {
			mode = filestore.Replace
		}
		return fmt.Sprint("rename ", p, " ", q, " ", replace), m.rename(p, q, replace), t.Rename(ctx, path(p), path(q), mode)
	case 6:
		data := r.data()
		want := m.write(p, true, func(string) string { return string(data) })
		return fmt.Sprint("put ", p, " ", len(data)), want, r.write(t, p, toReplace, func(f *filestore.File) error {
			_, err := f.WriteAt(ctx, data, 0)
			return err
		})
	case 7:
		data := r.data()
		want := m.write(p, false, func(old string) string { return old + string(data) })
		return fmt.Sprint("append ", p, " ", len(data)), want, r.write(t, p, filestore.OpenOptions{Write: true, Append: true}, func(f *filestore.File) error {
			_, err := f.WriteAt(ctx, data, 0)
			return err
		})
	case 8, 9:
		data, off := r.data(), r.rng.Int64N(200_000)
		want := m.write(p, false, func(old string) string { return patch(old, data, off) })
		return fmt.Sprint("patch ", p, " ", off, " ", len(data)), want, r.write(t, p, forWriting, func(f *filestore.File) error {
			_, err := f.WriteAt(ctx, data, off)
			return err
		})
	case 10:
		n := r.rng.Int64N(300_000)
		want := m.write(p, false, func(old string) string { return (old + strings.Repeat("\x00", max(0, int(n)-len(old))))[:n] })
		return fmt.Sprint("size ", p, " ", n), want, t.SetAttr(ctx, path(p), filestore.Attr{Set: filestore.AttrSize, Size: n}, true)
	case 11, 12:
		data := r.data()
		return fmt.Sprint("put mutable ", p, " ", len(data)), m.putMutable(p, "new", string(data)), r.write(t, p, toCreateMutable, func(f *filestore.File) error {
			_, err := f.WriteAt(ctx, data, 0)
			return err
		})
	case 13:
		q := r.path()
		return fmt.Sprint("link ", p, " ", q), m.link(p, q), t.Link(ctx, path(p), path(q))
	case 14:
		q := r.path()
		_, err := t.Freeze(ctx, path(p), t, path(q))
		return fmt.Sprint("freeze ", p, " ", q), m.freeze(p, q), err
	case 15:
		return "unlink " + p, m.unlink(p), t.Unlink(ctx, path(p))
	case 16:
		if q := r.path(); m[p] != "" && !isDir(m[p]) {
			return fmt.Sprint("link the capability of ", p, " ", q), m.add(q, m[p]), r.linkCap(t, p, q)
		}
	}
	// Links have names of their own, so that no path leads through one.
	l := p[:len(p)-1] + "link" + p[len(p)-1:]
	return "symlink " + l, m.add(l, ">nowhere"), t.Symlink(ctx, path(l), "nowhere", filestore.Attr{})
}

// linkCap links by its capability what is at p.
func (r *treeRun) linkCap(t *filestore.Tree, p, q string) error {
	c, err := t.CapOf(r.t.Context(), path(p), caps.AuthorityWrite)
	if err != nil {
		return err
	}
	return t.LinkCap(r.t.Context(), path(q), linkTo(r.t, c.Reveal(), ""))
}

func (r *treeRun) data() []byte {
	n := [...]int{1, 40, 3000, 20_000, 300_000}[r.rng.IntN(5)]
	return random(1+r.rng.IntN(n), byte(r.rng.Uint32()))
}

func (r *treeRun) write(t *filestore.Tree, p string, o filestore.OpenOptions, do func(*filestore.File) error) error {
	f, err := t.Open(r.t.Context(), path(p), o)
	if err != nil {
		return err
	}
	if err := do(f); err != nil {
		f.Discard()
		return err
	}
	return f.Close(r.t.Context())
}

func patch(old string, data []byte, off int64) string {
	b := append([]byte(old), make([]byte, max(0, int(off)+len(data)-len(old)))...)
	copy(b[off:], data)
	return string(bytes.Clone(b))
}
