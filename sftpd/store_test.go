package sftpd

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/local"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// newStore makes a filestore on drivers in memory.
func newStore(tb testing.TB) *filestore.FS {
	return openStore(tb, blockmemory.New(), metamemory.New())
}

// newLocalStore makes a filestore on this machine's disk.
func newLocalStore(tb testing.TB) *filestore.FS {
	dir := tb.TempDir()
	blocks, err := local.Open(filepath.Join(dir, "blocks"), local.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { blocks.Close() })
	meta, err := sqlite.Open(filepath.Join(dir, "db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { meta.Close() })
	return openStore(tb, blocks, meta)
}

func openStore(tb testing.TB, b blockstore.Store, m metastore.Store) *filestore.FS {
	tb.Helper()
	var master [32]byte
	rand.Read(master[:])
	fs, err := filestore.New(tb.Context(), filestore.Options{
		Blocks: b, Meta: m, Master: caps.KeyOf(master), SpoolDir: tb.TempDir(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { fs.Close() })
	return fs
}

// newTree mounts a new root of fs.
func newTree(tb testing.TB, fs *filestore.FS) tree { return newTreeOf(tb, fs, false) }

// newTreeOf mounts a new root of fs, by its read capability if readOnly.
func newTreeOf(tb testing.TB, fs *filestore.FS, readOnly bool) tree {
	tb.Helper()
	write, err := fs.CreateRoot(tb.Context(), "test")
	if err != nil {
		tb.Fatal(err)
	}
	var root caps.Cap = write
	if readOnly {
		root = write.Read()
	}
	t, err := fs.Mount(tb.Context(), root, filestore.MountOptions{Source: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	return mounted{t}
}
