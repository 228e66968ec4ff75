package node

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/bundle"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// bundled are the files below BASEDIR that every gateway of one database has.
var bundled = regexp.MustCompile(`^(tahoe\.cfg|private/(master\.key|accounts|removed-roots|storage\.secrets|ssh_host_[a-z0-9]+_key(\.pub)?))$`)

// Bundle collects what another gateway on the same stores needs: the keys, the
// accounts, and tahoe.cfg. left are the files that the configuration names
// elsewhere, which must be brought by hand. Unsupported if the stores can't be
// shared.
func (l Layout) Bundle(c config.Config) (files []bundle.File, left []string, err error) {
	if err := sharable(c); err != nil {
		return nil, nil, err
	}
	names := []string{config.FileName}
	entries, err := os.ReadDir(l.Private())
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		names = append(names, path.Join("private", e.Name()))
	}
	for _, name := range names {
		if !bundled.MatchString(name) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(l.BaseDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		files = append(files, bundle.File{Name: name, Data: b})
	}
	return files, l.elsewhere(c), nil
}

// elsewhere lists files that the configuration names and a bundle doesn't hold.
func (l Layout) elsewhere(c config.Config) (left []string) {
	named := append(slices.Clone(c.SFTPD.HostKeys), c.SFTPD.HostPrivkeyFile, c.SFTPD.HostPubkeyFile, c.SFTPD.AccountsFile, c.Node.SecretsFile, c.Metastore.PasswordFile)
	for _, p := range named {
		rel, err := filepath.Rel(l.BaseDir, string(p))
		if p == "" || err == nil && bundled.MatchString(filepath.ToSlash(rel)) {
			continue
		}
		if there, err := exists(string(p)); err != nil || there {
			left = append(left, string(p))
		}
	}
	return left
}

// sharable refuses stores of one machine.
func sharable(c config.Config) error {
	if db := c.Metastore.DB; db.Engine != config.EnginePostgres {
		return kind.Errorf(kind.Unsupported, "the database %s is this machine's alone, and gateways share one: move it to PostgreSQL by `truckee db copy` first", db)
	}
	if lonely, ok := lonely(c.Blockstore.Tree); ok {
		return kind.Errorf(kind.Unsupported, "the blockstore %s is this machine's alone, and gateways share one: move the blocks by `truckee blockstore copy` first", lonely)
	}
	return nil
}

// lonely finds a part of a blockstore that other machines can't reach.
func lonely(c blockstore.Config) (blockstore.Config, bool) {
	if c.Driver == "local" || c.Driver == "memory" {
		return c, true
	}
	for _, n := range c.Nodes {
		if l, ok := lonely(n); ok {
			return l, true
		}
	}
	return blockstore.Config{}, false
}

// Unbundle puts the files of a bundle into BASEDIR, whose lock the caller holds.
// What is there already must be the same: Exist otherwise, and for a node that
// is complete. Invalid for names that no bundle has.
func (l Layout) Unbundle(files []bundle.File) error {
	if complete, err := l.Complete(); err != nil || complete {
		return errors.Join(err, kind.Errorf(kind.Exist, "%s holds a node already; join with a folder that holds none", l.BaseDir))
	}
	if err := l.makePrivate(); err != nil {
		return err
	}
	key := false
	for _, f := range files {
		if !bundled.MatchString(f.Name) {
			return kind.Errorf(kind.Invalid, "the bundle holds %.60q, which doesn't belong into one", f.Name)
		}
		key = key || strings.HasSuffix(f.Name, "/master.key")
		b, err := os.ReadFile(filepath.Join(l.BaseDir, f.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && !bytes.Equal(b, f.Data) {
			return kind.Errorf(kind.Exist, "%s is there already, and differs from that of the bundle", filepath.Join(l.BaseDir, f.Name))
		}
	}
	if !key {
		return kind.Errorf(kind.Invalid, "the bundle holds no master key")
	}
	for _, f := range files {
		name := filepath.Join(l.BaseDir, f.Name)
		if there, err := exists(name); err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		if err := atomicfile.Write(name, f.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
