package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Restore fills the empty database of the node in BASEDIR, whose lock the caller
// holds, and opens the node. private/ must be there, from a backup or from
// another gateway; a node that isn't complete yet is completed. A database that
// holds those rows already is taken as it is: what was cut short behind the import
// goes on. NotExist if private/ isn't there, Conflict if the database holds
// something else, Denied if the rows were sealed under another master key; then
// nothing was changed.
func Restore(ctx context.Context, o Options, rows iter.Seq2[metastore.Row, error]) (*Node, error) {
	n := newNode(o)
	if err := n.restore(ctx, o, rows); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) restore(ctx context.Context, o Options, rows iter.Seq2[metastore.Row, error]) error {
	for _, path := range []string{n.masterKey(), string(n.Config.SFTPD.AccountsFile)} {
		if ok, err := exists(path); err != nil || !ok {
			return errors.Join(err, kind.Errorf(kind.NotExist, "%s is missing: put the folder private back first, from its backup or by `truckee init --join`", path))
		}
	}
	if tree := n.Config.Blockstore.Tree; tree.Driver == "local" {
		if ok, err := exists(tree.Fields["dir"]); err != nil || !ok {
			return errors.Join(err, kind.Errorf(kind.NotExist, "%s is missing: put the blocks back first", tree.Fields["dir"]))
		}
	}
	if err := n.fillMeta(ctx, o, rows); err != nil {
		return err
	}
	o.BlocksLost = true // which are missing it says, and with none of them it has to go on, too
	if err := n.openStores(ctx, o); err != nil {
		return err
	}
	if err := n.keep(); err != nil {
		return err
	}
	if err := n.openFilestore(ctx); err != nil {
		return err
	}
	if err := n.openAccounts(); err != nil {
		return err
	}
	complete, err := n.Complete()
	if err != nil || complete {
		return err
	}
	if err := n.MakeHostKeys(); err != nil {
		return err
	}
	return n.writeGateway(n.gateway)
}

// fillMeta imports rows into the empty database.
func (n *Node) fillMeta(ctx context.Context, o Options, rows iter.Seq2[metastore.Row, error]) error {
	master, err := n.readMasterKey()
	if err != nil {
		return err
	}
	drop, err := newFile(n.Config.Metastore.DB)
	if err != nil {
		return err
	}
	meta, err := openNewMeta(ctx, o.Drivers, n.Config.Metastore, n.log)
	if err != nil {
		return err
	}
	importer, err := metastore.AsExporter(meta)
	if err == nil {
		err = n.importOnce(ctx, importer, checkMaster(rows, func(r metastore.Root) bool { return filestore.OpensRoot(master, r) }))
	}
	if err = errors.Join(err, meta.Close()); err != nil {
		drop()
	}
	return err
}

// importOnce imports rows, unless the database holds them since an attempt that
// didn't come to its end.
func (n *Node) importOnce(ctx context.Context, to metastore.Exporter, rows iter.Seq2[metastore.Row, error]) error {
	begun := false
	err := to.Import(ctx, func(yield func(metastore.Row, error) bool) {
		begun = true
		rows(yield)
	})
	if kind.Of(err) != kind.Conflict || begun {
		return err
	}
	err = fmt.Errorf("%s is not empty: restore into an empty database, or move this one away: %w", n.Config.Metastore.DB.Place(), err)
	same, compareErr := sameTrees(to.Export(ctx), rows)
	if compareErr != nil {
		return errors.Join(err, compareErr)
	}
	if !same {
		return err
	}
	n.log.Info("the database holds this backup already: an earlier restore was cut short, and goes on")
	return nil
}

// newFile gives the function that takes away a database file that is made from
// now on, and nothing if it is there already. An empty one would hide the loss.
func newFile(db config.Database) (drop func(), err error) {
	there, err := exists(string(db.File))
	if err != nil || there || db.Engine != config.EngineSQLite {
		return func() {}, err
	}
	return func() {
		for _, end := range []string{"", "-wal", "-shm", ".lock", ".reserve"} {
			_ = os.Remove(string(db.File) + end)
		}
	}, nil
}

// checkMaster ends rows with an error at the first root that the master key
// doesn't open.
func checkMaster(rows iter.Seq2[metastore.Row, error], opens func(metastore.Root) bool) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for row, err := range rows {
			if root, ok := row.(metastore.Root); ok && err == nil && !opens(root) {
				yield(nil, kind.Errorf(kind.Denied, "the backup is of a node with another master key than that in private: put back the one that belongs to it"))
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// openNewMeta opens a database, and makes its tables if it has none.
func openNewMeta(ctx context.Context, d Drivers, c config.Metastore, log *slog.Logger) (metastore.Store, error) {
	if c.DB.Engine == config.EngineSQLite {
		if err := makeDir(filepath.Dir(string(c.DB.File))); err != nil {
			return nil, err
		}
	}
	if d.PrepareMeta != nil {
		if err := RetryDatabase(ctx, c, log, func() error { return d.PrepareMeta(ctx, c, log) }); err != nil {
			return nil, err
		}
	}
	return openMeta(ctx, d, c, log)
}

// CopyDatabase copies the database of the node in BASEDIR, whose lock the caller
// holds, to an empty one, and has tahoe.cfg name that one. Conflict if the other
// is not empty, if somebody else wrote to this one meanwhile, or if blocks lie in
// the one that is to be left.
func CopyDatabase(ctx context.Context, o Options, to config.Database) (err error) {
	n := newNode(o)
	if err := n.checkWhole(); err != nil {
		return err
	}
	if n.Config.Blockstore.Tree.NeedsDatabase() {
		return kind.Errorf(kind.Conflict, "blocks lie in the database that is to be left, %s: move them first by `truckee blockstore copy`, or name it in tahoe.cfg as the url of that blockstore", n.Config.Metastore.DB)
	}
	from, err := openMeta(ctx, o.Drivers, n.Config.Metastore, n.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	exporter, err := metastore.AsExporter(from)
	if err != nil {
		return err
	}
	drop, err := newFile(to)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			drop()
		}
	}()
	c := n.Config.Metastore
	c.DB = to
	other, err := openNewMeta(ctx, o.Drivers, c, n.log)
	if err != nil {
		return fmt.Errorf("the database to copy to: %w", err)
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	importer, err := metastore.AsExporter(other)
	if err != nil {
		return err
	}
	var copied uint64
	err = importer.Import(ctx, noteSeq(exporter.Export(ctx), &copied))
	if kind.Of(err) == kind.Conflict {
		return fmt.Errorf("%s is not empty: copy to an empty database: %w", to.Place(), err)
	}
	if err != nil {
		return err
	}
	now, err := from.Seq(ctx)
	if err == nil && now != copied {
		err = kind.Errorf(kind.Conflict, "another gateway has changed %s while it was copied: stop all gateways, empty %s, and copy again", c.DB.Place(), to.Place())
	}
	if err != nil {
		return err
	}
	return config.KeepDatabase(n.BaseDir, n.Config, to)
}

// noteSeq notes the commit that an export shows.
func noteSeq(rows iter.Seq2[metastore.Row, error], seq *uint64) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for row, err := range rows {
			if m, ok := row.(metastore.Meta); ok {
				*seq = m.Seq
			}
			if !yield(row, err) {
				return
			}
		}
	}
}
