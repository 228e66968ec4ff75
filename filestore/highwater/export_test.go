package highwater

import (
	"log/slog"
	"os"
)

// Faults are errors that the file system answers with, and how many bytes of a
// failing write arrive.
type Faults struct {
	Write, Sync, Rename, SyncDir error
	Arrive                       int
}

// OpenFaulty is Open on a disk that fails as faults say at the time.
func OpenFaulty(path string, log *slog.Logger, faults *Faults) (*File, error) {
	real := system()
	return openOn(disk{
		writeAt: func(f *os.File, b []byte, off int64) (int, error) {
			if faults.Write == nil {
				return real.writeAt(f, b, off)
			}
			n, _ := real.writeAt(f, b[:min(faults.Arrive, len(b))], off)
			return n, faults.Write
		},
		sync: func(f *os.File) error {
			if faults.Sync != nil {
				return faults.Sync
			}
			return real.sync(f)
		},
		rename: func(from, to string) error {
			if faults.Rename != nil {
				return faults.Rename
			}
			return real.rename(from, to)
		},
		syncDir: func(dir string) error {
			if faults.SyncDir != nil {
				return faults.SyncDir
			}
			return real.syncDir(dir)
		},
	}, path, log)
}

// FlushOnlyWhenAsked ends the flusher, so that a test decides when it flushes.
func (f *File) FlushOnlyWhenAsked() {
	f.stopFlusher()
}
