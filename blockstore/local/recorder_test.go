package local

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// openOn opens a store of small segments over a disk, and closes it at the end.
func openOn(t testing.TB, dir string, d disk) *Store {
	t.Helper()
	s, err := open(dir, Options{SegmentSize: minSegment, Log: quiet()}, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// recorder is a disk that knows which writes no flush has followed yet, so that
// a power failure can be played: those may be lost, whole or in pages.
type recorder struct {
	mu       sync.RWMutex // held for reading by each write; for writing while a copy is made
	writing  sync.Mutex   // guards unsynced
	unsynced map[string][][2]int64
}

func newRecorder() *recorder { return &recorder{unsynced: map[string][][2]int64{}} }

func (r *recorder) disk() disk {
	d, system := realDisk(), realDisk()
	d.write = func(f *os.File, b []byte, off int64) error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		r.writing.Lock()
		r.unsynced[f.Name()] = append(r.unsynced[f.Name()], [2]int64{off, int64(len(b))})
		r.writing.Unlock()
		return system.write(f, b, off)
	}
	d.sync = func(f *os.File) error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		r.writing.Lock()
		n := len(r.unsynced[f.Name()])
		r.writing.Unlock()
		err := system.sync(f)
		r.writing.Lock()
		r.unsynced[f.Name()] = r.unsynced[f.Name()][n:]
		r.writing.Unlock()
		return err
	}
	return d
}

// powerLoss copies the store as a disk may hold it after power was lost now: of
// the writes that were not flushed, some pages are there and some aren't, and
// behind each segment's last write may lie anything.
func (r *recorder) powerLoss(t testing.TB, dir string, random *rand.Rand) string {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	copied := t.TempDir()
	copyStore(t, dir, copied)
	for name, ranges := range r.unsynced {
		f, err := os.OpenFile(filepath.Join(copied, segmentDir, filepath.Base(name)), os.O_RDWR, 0)
		if err != nil {
			continue // compacted away since
		}
		for _, at := range ranges {
			for off := at[0]; off < at[0]+at[1] && off >= page; off += page {
				if random.IntN(2) == 0 {
					lost := make([]byte, page)
					if random.IntN(2) == 0 {
						fill(random, lost)
					}
					if _, err := f.WriteAt(lost, off); err != nil {
						t.Error(err)
					}
				}
			}
		}
		f.Close()
	}
	return copied
}

func fill(random *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// copyStore copies the files of a store, lock apart, with their holes.
func copyStore(t testing.TB, from, to string) {
	t.Helper()
	for _, sub := range []string{"", segmentDir, indexDir} {
		if err := os.MkdirAll(filepath.Join(to, sub), 0o700); err != nil {
			t.Fatal(err)
		}
		names, err := os.ReadDir(filepath.Join(from, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !name.IsDir() && name.Name() != "lock" && !strings.HasSuffix(name.Name(), ".tmp") {
				copySparse(t, filepath.Join(from, sub, name.Name()), filepath.Join(to, sub, name.Name()))
			}
		}
	}
}

func copySparse(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if os.IsNotExist(err) {
		return // compacted away
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	info, err := in.Stat()
	if err == nil {
		err = out.Truncate(info.Size())
	}
	for off := int64(0); err == nil; {
		start, serr := in.Seek(off, unix.SEEK_DATA)
		if serr != nil {
			break
		}
		end, serr := in.Seek(start, unix.SEEK_HOLE)
		if serr != nil {
			err = serr
			break
		}
		_, err = io.Copy(io.NewOffsetWriter(out, start), io.NewSectionReader(in, start, end-start))
		off = end
	}
	if err != nil {
		t.Fatal(err)
	}
}

// failing is a disk that fails one call, counted from 1 over writes, flushes,
// holes and allocations together.
type failing struct {
	mu    sync.Mutex // guards the fields below
	calls int
	at    int // 0: none
	times int // this many calls from at on
	err   error
}

func (f *failing) fails() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.at > 0 && f.calls >= f.at && f.calls < f.at+f.times {
		return f.err
	}
	return nil
}

func (f *failing) disk() disk {
	system := realDisk()
	return disk{
		write: func(file *os.File, b []byte, off int64) error {
			if err := f.fails(); err != nil {
				if len(b) > page { // a part gets there
					_ = system.write(file, b[:len(b)/2&^(page-1)], off)
				}
				return err
			}
			return system.write(file, b, off)
		},
		sync: func(file *os.File) error {
			if err := f.fails(); err != nil {
				return err
			}
			return system.sync(file)
		},
		allocate: func(file *os.File, size int64) error {
			if err := f.fails(); err != nil {
				return err
			}
			return system.allocate(file, size)
		},
		punch: func(file *os.File, off, n int64) error {
			if err := f.fails(); err != nil {
				return err
			}
			return system.punch(file, off, n)
		},
		syncDir: func(dir *os.Root) error {
			if err := f.fails(); err != nil {
				return err
			}
			return system.syncDir(dir)
		},
	}
}

func wantKind(t testing.TB, op string, err error, want kind.Kind) {
	t.Helper()
	if kind.Of(err) != want {
		t.Errorf("%s: %v, want kind %v", op, err, want)
	}
}

// segmentPath is where a segment of the store in dir lies.
func segmentPath(dir string, num uint32) string {
	return filepath.Join(dir, segmentDir, segmentName(num))
}
