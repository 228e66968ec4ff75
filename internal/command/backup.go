package command

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/dump"
)

// Backup writes the metastore to standard output (package dump), as of one
// commit, and holds what that commit leads to from collection until the hold is
// released.
type Backup struct {
	Name    Bytes         // as BackupList shows it: the file
	Keep    time.Duration // how long the hold lasts at most; 0: until it is released
	Program string        // who writes it, for people
}

func (*Backup) name() string { return "backup" }

func (o *Backup) run(ctx context.Context, n *node.Node, s control.Streams) (err error) {
	exporter, err := metastore.AsExporter(n.Meta)
	if err != nil {
		return err
	}
	rows, h, err := o.begin(ctx, n.Meta, exporter)
	if err != nil {
		return err
	}
	sum, err := dump.Write(s.Out, dump.About{Created: h.made, Program: o.Program}, rows)
	if err != nil {
		// What isn't whole needs nothing, even if the client is gone.
		if unpinErr := h.release(context.WithoutCancel(ctx), n.Meta); unpinErr != nil && kind.Of(unpinErr) != kind.NotExist {
			return fmt.Errorf("%w (and its hold stays: %w)", err, unpinErr)
		}
		return err
	}
	_, err = fmt.Fprintf(s.Err, "backup %s: %d rows, %d bytes, as of commit %d\ncollection keeps what it needs until %s\n",
		h.id, sum.Rows, sum.Bytes, h.seq, h.end())
	return err
}

// hold is a pin that a backup left.
type hold struct {
	id    string
	seq   uint64
	made  time.Time
	until time.Time
	name  string
}

// forever is as long as a pin of an unlimited hold lasts: until it is released.
const forever = 100 * 365 * 24 * time.Hour

// endless: it lasts until it is released.
func (h hold) endless() bool { return h.until.Sub(h.made) > forever/2 }

// end tells when a hold ends.
func (h hold) end() string {
	if h.endless() {
		return "`truckee backup release " + h.id + "`"
	}
	return h.until.UTC().Format(time.RFC3339)
}

// holdWord begins a pin's reason.
const holdWord = "backup"

func (h hold) why() string {
	return fmt.Sprintf("%s %s %s %q", holdWord, h.id, h.made.UTC().Format(time.RFC3339Nano), h.name)
}

// parseHold reads a pin's reason; false if it is another's.
func parseHold(p metastore.Pin) (hold, bool) {
	parts := strings.SplitN(p.Why, " ", 4)
	if len(parts) != 4 || parts[0] != holdWord {
		return hold{}, false
	}
	made, err := time.Parse(time.RFC3339Nano, parts[2])
	if err != nil {
		return hold{}, false
	}
	name, err := strconv.Unquote(parts[3])
	if err != nil {
		return hold{}, false
	}
	return hold{id: parts[1], seq: p.Seq, made: made, until: p.Until, name: name}, true
}

// attempts is how often a collection may come between the beginning of an export
// and its pin.
const attempts = 10

// begin starts an export and pins the commit that it shows.
func (o *Backup) begin(ctx context.Context, meta metastore.Store, e metastore.Exporter) (iter.Seq2[metastore.Row, error], hold, error) {
	h := hold{id: newHoldID(), name: string(o.Name)}
	var err error
	if h.made, err = databaseTime(ctx, meta); err != nil {
		return nil, hold{}, err
	}
	h.until = h.made.Add(forever)
	if o.Keep > 0 {
		h.until = h.made.Add(o.Keep)
	}
	var last error
	for range attempts {
		if err := apart(ctx, meta); err != nil {
			return nil, hold{}, err
		}
		next, stop := iter.Pull2(e.Export(ctx))
		row, err, _ := next()
		if m, ok := row.(metastore.Meta); ok && err == nil {
			h.seq = m.Seq
			err = h.pin(ctx, meta)
		} else if err == nil {
			err = kind.Errorf(kind.Corrupt, "the export doesn't begin as it should")
		}
		if err == nil {
			return resume(row, next, stop), h, nil
		}
		stop()
		if last = err; kind.Of(err) != kind.Conflict {
			break
		}
	}
	return nil, hold{}, last
}

// databaseTime is by which a hold ends, whatever this gateway's clock says.
func databaseTime(ctx context.Context, meta metastore.Store) (time.Time, error) {
	v, err := meta.Collector().Snapshot(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return v.Time(), v.Close()
}

// pin pins the hold's commit. Conflict if it can't be pinned any more, or if it is
// held by another backup that began at the same time.
func (h hold) pin(ctx context.Context, meta metastore.Store) error {
	all, err := holds(ctx, meta)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.seq == h.seq {
			return kind.Errorf(kind.Conflict, "commit %d is held by backup %s", h.seq, other.id)
		}
	}
	if err := meta.Collector().PinAt(ctx, h.seq, h.until, h.why()); err != nil {
		return err
	}
	if all, err = holds(ctx, meta); err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(other hold) bool { return other.id == h.id }) {
		return kind.Errorf(kind.Conflict, "another backup began at the same time")
	}
	return nil
}

// release takes the hold away, and never that of another backup: NotExist if it
// isn't held.
func (h hold) release(ctx context.Context, meta metastore.Store) error {
	all, err := holds(ctx, meta)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(other hold) bool { return other.id == h.id }) {
		return kind.Errorf(kind.NotExist, "backup %s is not held", h.id)
	}
	return meta.Collector().Unpin(ctx, h.seq)
}

// resume yields the row that was taken already, and the others.
func resume(first metastore.Row, next func() (metastore.Row, error, bool), stop func()) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		defer stop()
		for row, err, ok := first, error(nil), true; ok && yield(row, err) && err == nil; {
			row, err, ok = next()
		}
	}
}

// apart sees that the newest commit is not held by another backup: two holds of
// one commit couldn't be told apart.
func apart(ctx context.Context, meta metastore.Store) error {
	v, err := meta.Collector().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	pins, err := v.Pins(ctx)
	if err != nil || len(pins) == 0 || pins[len(pins)-1].Seq != v.Seq() {
		return err
	}
	for root, err := range v.AllRoots(ctx) {
		if err != nil {
			return err
		}
		// A commit that changes nothing but when this root was seen.
		return meta.Commit(ctx, &metastore.Request{Roots: []metastore.Root{root}})[0]
	}
	return nil
}

func newHoldID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// holds lists the backups that collection respects.
func holds(ctx context.Context, meta metastore.Store) ([]hold, error) {
	v, err := meta.Collector().Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	pins, err := v.Pins(ctx)
	if err != nil {
		return nil, err
	}
	var all []hold
	for _, p := range pins {
		if h, ok := parseHold(p); ok {
			all = append(all, h)
		}
	}
	return all, nil
}

// BackupList lists the backups that collection respects.
type BackupList struct{}

func (*BackupList) name() string { return "backup.list" }

func (*BackupList) run(ctx context.Context, n *node.Node, s control.Streams) error {
	all, err := holds(ctx, n.Meta)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, h := range all {
		until := "until released"
		if !h.endless() {
			until = "until " + h.until.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\tcommit %d\t%s\t%s\n", h.id, h.made.UTC().Format(time.RFC3339), h.seq, until, Printable(h.name))
	}
	return w.Flush()
}

// BackupRelease lets collection take what only a backup needs.
type BackupRelease struct{ ID string }

func (*BackupRelease) name() string { return "backup.release" }

func (o *BackupRelease) run(ctx context.Context, n *node.Node, s control.Streams) error {
	all, err := holds(ctx, n.Meta)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.id != o.ID {
			continue
		}
		if err := n.Meta.Collector().Unpin(ctx, h.seq); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.Out, "backup %s of %s is released: blocks that only it needs will be collected\n", h.id, h.made.UTC().Format(time.RFC3339))
		return err
	}
	return kind.Errorf(kind.NotExist, "no backup %.40q is held; `truckee backup list` lists them", o.ID)
}
