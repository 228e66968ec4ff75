package filestore

import (
	"sync"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// fileKey names an open file: who has the directory may share it, and nobody
// else, whatever file ids they make up. A mutable file stands for its own
// directory, with the zero id.
type fileKey struct {
	dir slotID
	id  FileID
}

// spot is where a file stands. dir is zero as long as nobody opened it through
// a tree that may write; for a mutable file it is the file's own slot.
type spot struct {
	dir     caps.SlotWrite
	name    string
	version uint64 // of the directory's slot in which it stood there; 0: not known
	bucket  slotID // that the directory is below; zero: none is known
}

// registry knows every open file of this node, across all sessions, and the
// names that files being created will have (formats 8).
type registry struct {
	mu      sync.Mutex // guards everything below, and the fields of openFile that say so
	dirs    map[slotID]*dirFiles
	links   map[fileKey]*openLink // entries that mutable files were opened by
	readers map[*reader]bool
	files   map[*openFile]bool // every open file, also those that have no name any more
	seq     uint64             // a commit that is at most the newest
}

// dirFiles are the open files of one directory.
type dirFiles struct {
	byID    map[FileID]*openFile
	pending map[string]*openFile // not committed yet, by name
}

// reader holds the nodes of the versions that it reads: a listing under way.
type reader struct{ seq uint64 }

func newRegistry() *registry {
	return &registry{dirs: make(map[slotID]*dirFiles), links: make(map[fileKey]*openLink), readers: make(map[*reader]bool), files: make(map[*openFile]bool)}
}

func (r *registry) dirOf(id slotID) *dirFiles {
	d := r.dirs[id]
	if d == nil {
		d = &dirFiles{byID: make(map[FileID]*openFile), pending: make(map[string]*openFile)}
		r.dirs[id] = d
	}
	return d
}

// tidy forgets a directory without open files.
func (r *registry) tidy(id slotID) {
	if d := r.dirs[id]; d != nil && len(d.byID) == 0 && len(d.pending) == 0 {
		delete(r.dirs, id)
	}
}

// pending returns the file that is being created under a name, or nil.
func (r *registry) pending(dir slotID, name string) *openFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.dirs[dir]; d != nil {
		return d.pending[name]
	}
	return nil
}

// anyPending reports whether a file is being created in a directory.
func (r *registry) anyPending(dir slotID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dirs[dir]
	return d != nil && len(d.pending) > 0
}

// file returns the open file, or nil.
func (r *registry) file(k fileKey) *openFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.dirs[k.dir]; d != nil {
		return d.byID[k.id]
	}
	return nil
}

// in returns the open files of a directory, committed ones by their id and
// others by their name. It is called with mu held.
func (r *registry) in(dir slotID) (byID map[FileID]*openFile, pending map[string]*openFile) {
	d := r.dirs[dir]
	if d == nil {
		return nil, nil
	}
	byID, pending = make(map[FileID]*openFile, len(d.byID)), make(map[string]*openFile, len(d.pending))
	for id, f := range d.byID {
		byID[id] = f
	}
	for name, f := range d.pending {
		pending[name] = f
	}
	return byID, pending
}

// dropPending takes the name of a file that is being created away, for good:
// its handles go on, and nothing of it will be committed.
func (r *registry) dropPending(dir slotID, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dirs[dir]
	if d == nil || d.pending[name] == nil {
		return false
	}
	r.drop(d.pending[name])
	return true
}

// drop makes a file that is being created one without a name. It is called with
// mu held.
func (r *registry) drop(f *openFile) {
	if f.pending {
		f.gone, f.pending = true, false
		r.forget(f)
	}
}

// removed notes that a committed file is gone. It is called with mu held.
func (r *registry) removed(k fileKey) {
	if l := r.links[k]; l != nil {
		l.gone = true
		delete(r.links, k)
	}
	if d := r.dirs[k.dir]; d != nil {
		if f := d.byID[k.id]; f != nil {
			f.gone = true
			r.forget(f)
		}
	}
}

// moved notes where a file stands now. It is called with mu held.
func (r *registry) moved(k fileKey, to spot) {
	if l := r.links[k]; l != nil {
		r.moveLink(l, to)
	}
	d := r.dirs[k.dir]
	if d == nil || d.byID[k.id] == nil {
		return
	}
	r.place(d.byID[k.id], to)
}

// place notes where a file stands now. If another open file is known there under
// the same id, since somebody has opened it where another gateway had put it, the
// two go on as those of two gateways would. It is called with mu held.
func (r *registry) place(f *openFile, to spot) {
	r.forget(f)
	f.key.dir, f.at = slotID(to.dir.ID()), to
	if d := r.dirOf(f.key.dir); d.byID[f.key.id] == nil {
		d.byID[f.key.id] = f
	}
}

// forget takes a file out of the maps. It is called with mu held.
func (r *registry) forget(f *openFile) {
	d := r.dirs[f.key.dir]
	if d == nil {
		return
	}
	if d.byID[f.key.id] == f {
		delete(d.byID, f.key.id)
	}
	if d.pending[f.at.name] == f {
		delete(d.pending, f.at.name)
	}
	r.tidy(f.key.dir)
}

// reading notes that a version is being read, until the result is called.
func (r *registry) reading() (done func()) {
	rd := r.begin()
	return func() { r.end(rd) }
}

// begin notes that a version is being read, until end.
func (r *registry) begin() *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	rd := &reader{r.seq}
	r.readers[rd] = true
	return rd
}

func (r *registry) end(rd *reader) {
	r.mu.Lock()
	delete(r.readers, rd)
	r.mu.Unlock()
}

// hold notes that f reads a version that is current at the commit seq or later.
// It is called with mu held.
func (r *registry) hold(f *openFile, seq uint64) {
	f.reader = &reader{seq}
	r.readers[f.reader] = true
	r.files[f] = true
}

// leave ends hold. It is called with mu held.
func (r *registry) leave(f *openFile) {
	delete(r.readers, f.reader)
	delete(r.files, f)
}

// found makes a file that was being created here known by the id that its entry
// has now. Where that entry was there already, by another gateway, and is open
// here, both become one: who may write shares one draft (formats 8), and handles
// that only read keep the version that they opened. It is called with mu held,
// and while f's commit holds f's own lock.
func (r *registry) found(f *openFile, key fileKey, at spot, entry *dirtree.Entry) {
	r.forget(f)
	f.pending, f.key, f.at = false, key, at
	other := r.dirOf(key.dir).byID[key.id]
	if other != nil && other.writers > 0 {
		other.handles += f.handles
		other.writers += f.writers
		f.handles, f.writers = 0, 0
		if !other.dirty.Load() {
			other.seen = identityOf(entry)
			other.newer.Store(entry)
		}
		r.leave(f)
		f.into.Store(other)
		return
	}
	r.dirOf(key.dir).byID[key.id] = f
}

// newest is a commit that is at most the newest.
func (r *registry) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// readsFrom notes that f reads what a commit after seq has made, so that a
// handle that stays open for long and commits now and then keeps nothing from
// being reaped that was replaced before.
func (r *registry) readsFrom(f *openFile, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.reader.seq = max(f.reader.seq, seq)
}

// oldest is the oldest commit that something open reads, 0 if nothing is.
func (r *registry) oldest(now uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.readers) == 0 {
		return 0
	}
	oldest := now
	for rd := range r.readers {
		oldest = min(oldest, rd.seq)
	}
	return max(oldest, 1)
}

func (r *registry) setSeq(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq = max(r.seq, seq)
}

// failAll makes every handle that is open now answer err, and drops what is
// not committed; it returns how many files those were. Files that are opened
// from now on are others.
func (r *registry) failAll(err error) int {
	r.mu.Lock()
	files := make([]*openFile, 0, len(r.files))
	for f := range r.files {
		files = append(files, f)
		f.fail(err)
		f.gone, f.pending = f.gone || f.pending, false
		r.forget(f)
	}
	r.mu.Unlock()
	for _, f := range files {
		f.dispose()
	}
	return len(files)
}
