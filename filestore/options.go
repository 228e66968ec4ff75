package filestore

import (
	"context"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Options are what New needs. Blocks and Meta are used, not owned: Close of the
// FS leaves them open. Zero values of the others mean the defaults named.
type Options struct {
	Blocks blockstore.Store
	Meta   metastore.Store

	// Master seals what the metastore keeps for the gateway (formats 9); the
	// same on every gateway of one metastore.
	Master caps.Key

	// SpoolDir is the directory of the encrypted spool file, which has no
	// name in it and dies with the process. Empty: os.TempDir().
	SpoolDir string

	// HighWater remembers the newest record seen of every slot. Nil: one in
	// memory, which forgets at Close.
	HighWater HighWater

	// Log receives warnings and events; never a name, key or capability. Nil: none.
	Log *slog.Logger

	// Gateway is this gateway's id. Zero: a random one.
	Gateway metastore.GatewayID

	// ChunkSize of new files, a power of two from 256 KiB to 4 MiB. Zero: 1 MiB.
	ChunkSize int

	// InlineBlock is the longest sealed block, in bytes, that goes to the
	// metastore instead of the blockstore. Zero: 8 KiB. Negative: none.
	InlineBlock int

	// CacheBytes bounds the cache of decrypted frames, and again that of
	// directory nodes. Zero: 24 MiB.
	CacheBytes int64

	// DraftBytes bounds the dirty bytes that one open file holds in memory,
	// DirtyBytes those of all together; beyond them they go to the spool,
	// which SpoolBytes bounds. Zero: 8 MiB, 16 MiB and 16 GiB.
	DraftBytes int64
	DirtyBytes int64
	SpoolBytes int64

	// FlightBytes bounds the sealed blocks that are on their way to the
	// blockstore. Zero: 8 MiB; one file may use a quarter of it, and at
	// least 6 MiB and two chunks.
	FlightBytes int64

	// Lease is how long a gateway and its drafts are held alive after a
	// heartbeat. Zero: one minute.
	Lease time.Duration

	// Capacity tells the total and the free bytes of the storage, for
	// statvfs. Nil: unlimited, shown as 1 PiB beyond what is used.
	Capacity func(context.Context) (total, free int64, err error)

	// Committed, if set, is told of every transaction of directories: how long
	// it took, how many changes went into it, and the kinds of the errors of its
	// requests that were refused, of which those that lost a race are tried again.
	Committed func(took time.Duration, changes int, refused []kind.Kind)

	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Padding says how far the last chunk of a file is filled up with zeros.
type Padding = filetree.Padding

// The paddings.
const (
	PadNone       = filetree.PadNone
	Pad4096       = filetree.Pad4096       // to a multiple of 4096 bytes
	PadPowerOfTwo = filetree.PadPowerOfTwo // to a power of two
)

// MountOptions say in whose name a root is mounted.
type MountOptions struct {
	// Source is noted in the root table: "account", "cli", "api".
	Source string

	// Dedup has equal chunks that are written through the root stored once, under
	// keys that follow from them and a secret of the root's (formats 6 tells the
	// price). It needs a write capability, else it does nothing.
	Dedup bool

	// Pad fills up the last chunk of each file that is written, so that the
	// lengths of blocks tell less.
	Pad Padding

	// MaxBytes bounds the bytes of all files that were made through the root,
	// each by its size, and MaxFiles their number, with directories and links: a
	// change that would exceed them is NoSpace. Zero: no bound.
	MaxBytes, MaxFiles int64
}
