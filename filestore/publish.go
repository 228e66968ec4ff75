package filestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// maxRebases bounds how often a commit starts over because another gateway has
// changed the same file meanwhile.
const maxRebases = 10

// otherBase is the answer of an attempt that found other contents in the entry
// than those that the draft was made over.
type otherBase struct{ entry *dirtree.Entry }

func (*otherBase) Error() string { return "another gateway has changed the file" }

// Unwrap gives kind.Conflict.
func (*otherBase) Unwrap() error { return kind.Conflict }

// save is commit of f, or of what has taken its place.
func (f *openFile) save(ctx context.Context) error {
	for {
		err := f.commit(ctx)
		if err != errMerged {
			return err
		}
		f = f.into.Load()
	}
}

// commit publishes what was written and set since the last commit. When it
// returns nil that is durable, or the file was removed; errMerged if another
// open file has taken f's place.
func (f *openFile) commit(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failed(); err != nil {
		return err
	}
	if f.into.Load() != nil {
		return errMerged
	}
	linkAll := false
	for range maxRebases {
		if f.draft == nil && f.attrs.Load() == nil && !f.isPending() {
			return nil
		}
		err := f.publish(ctx, linkAll)
		if errors.Is(err, errVanished) {
			if err := f.follow(ctx); err != nil {
				return err
			}
			continue
		}
		var other *otherBase
		if !errors.As(err, &other) {
			if errors.Is(err, kind.Conflict) && f.draft.mustUnshare() {
				continue
			}
			return err
		}
		if f.replaces {
			linkAll = true
			continue
		}
		if err := f.rebase(ctx, other.entry); err != nil {
			return err
		}
	}
	return fmt.Errorf("commit a file: %w", kind.Conflict)
}

func (f *openFile) isPending() bool {
	f.fs.open.mu.Lock()
	defer f.fs.open.mu.Unlock()
	return f.pending
}

// publish makes one attempt at a commit. It is called with mu held.
func (f *openFile) publish(ctx context.Context, linkAll bool) error {
	c, err := f.prepare(ctx, linkAll)
	if err != nil {
		return err
	}
	p := &publication{f: f, contents: c, linkAll: linkAll}
	if a := f.attrs.Load(); a != nil {
		p.attrs = *a
	}
	p.timed = p.attrs.Has(AttrMtime)
	if c != nil && !p.timed {
		p.attrs = p.attrs.with(Attr{Set: AttrMtime, Mtime: time.Unix(0, f.mtime.Load())})
	}
	since := f.fs.open.newest()
	if err := f.do(ctx, &op{apply: p.apply, won: p.won}); err != nil {
		return err
	}
	if p.gone {
		return nil // POSIX: the handles go on with what has no name any more
	}
	entry := p.entry
	f.setBase(&entry)
	f.fs.open.readsFrom(f, since)
	f.exclusive, f.replaces = false, false
	f.attrs.Store(nil)
	f.dirty.Store(false)
	clear(f.authors)
	if f.draft != nil {
		f.draft.drop()
		f.draft = nil
	}
	return nil
}

// prepare makes the contents to publish; nil if only attributes have changed.
func (f *openFile) prepare(ctx context.Context, linkAll bool) (*contents, error) {
	if f.draft == nil && f.isPending() {
		return &contents{kind: dirtree.EmptyFile}, nil
	}
	if f.draft == nil {
		return nil, nil
	}
	c, err := f.draft.contents(ctx)
	if err != nil || !linkAll {
		return c, err
	}
	if f.draft.lease == nil {
		f.draft.lease = f.fs.writer.acquire()
	}
	return c, c.linkAll(ctx, f.fs, f.draft.lease)
}

// publication is the commit of one file's draft.
type publication struct {
	f        *openFile
	contents *contents // nil: attributes only
	linkAll  bool      // the contents replace whatever is there
	attrs    Attr
	timed    bool // attrs has a time of the client's

	// Of the last attempt.
	entry dirtree.Entry
	link  dirtree.Entry // of a mutable file that is created: what leads to it
	gone  bool
	key   fileKey
	at    spot
	in    *work
}

// apply finds the file by its id, wherever it is now, and gives its entry the
// new contents (formats 8).
func (p *publication) apply(ctx context.Context, b *batch) error {
	w, e, pending, err := b.locate(ctx, p.f)
	if err != nil {
		return err
	}
	p.gone = e == nil && !pending
	switch {
	case p.gone:
		return nil
	case pending && p.f.newSlot != nil:
		return p.createMutable(ctx, b, w)
	case pending:
		p.entry, err = p.create(ctx, b, w)
		if err != nil {
			return err
		}
	default:
		if p.contents != nil && !p.linkAll && identityOf(e) != identityOf(&p.f.entry) {
			return &otherBase{e}
		}
		p.entry = *e
	}
	if p.contents != nil {
		if err := b.bring(p.contents); err != nil {
			return err
		}
		p.contents.put(&p.entry)
		contentsChanged(&p.entry)
	}
	switch {
	case p.f.mutable:
		p.entry = p.attrs.of(p.entry)
		w.next.Mtime = p.entry.Mtime
	case p.contents == nil:
		p.entry = p.attrs.retimed(&p.entry)
	default:
		p.entry = p.attrs.of(p.entry)
		replaced(&p.entry, b.fs.now(), p.timed)
	}
	p.in = w
	p.key, p.at = fileKey{w.id(), p.entry.FileID}, w.spot(p.entry.Name)
	if p.f.mutable {
		p.key.id = FileID{}
	}
	if p.contents == nil {
		if err := w.mayReplace(&p.entry, false); err != nil {
			return err
		}
	}
	if p.contents == nil || p.f.mutable {
		return w.put(ctx, &p.entry)
	}
	_, err = w.supersede(ctx, asNew(&p.entry))
	return err
}

// create gives the entry of a file that isn't in the directory yet. A name that
// has appeared meanwhile fails it if it is exclusive; else it takes over that
// entry's file id (formats 8).
func (p *publication) create(ctx context.Context, b *batch, w *work) (dirtree.Entry, error) {
	e, err := lookup(ctx, w, p.f.entry.Name)
	if e != nil && implicit(e) && !p.f.exclusive {
		// Made for objects below the name meanwhile: both go on beside each other.
		e, err = get(ctx, w, p.f.entry.Name)
	}
	switch {
	case err != nil:
		return dirtree.Entry{}, err
	case e == nil:
		w.namesChanged()
		return p.f.entry, nil
	case p.f.exclusive, !e.Kind.IsFile():
		return dirtree.Entry{}, kind.Exist
	}
	return *e, nil
}

// won makes the committed file known in place of the one being created.
func (p *publication) won() {
	if p.gone {
		return
	}
	f, r := p.f, p.f.fs.open
	if f.gone {
		return
	}
	f.seen = identityOf(&p.entry)
	p.at.version = p.in.sealedVersion()
	if !f.pending {
		if f.key == p.key {
			f.at = p.at
		}
		return
	}
	if l := r.links[f.key]; l != nil && f.mutable {
		link := p.link
		l.shown.Store(&link)
	}
	entry := p.entry
	r.found(f, p.key, p.at, &entry)
}
