package accounts

import (
	"crypto/sha256"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// version identifies the contents of the file.
type version struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
	read         time.Time // when it was read
	digest       [sha256.Size]byte
	broken       string // it couldn't be read, for this reason
	fault        error  // it could be read, and was wrong
}

// racy is how long after its last change a file may change again without
// another time stamp or size.
const racy = 2 * time.Second

// settledAs reports whether the file is for certain still what was read.
func (v version) settledAs(now version) bool {
	return v.broken == "" && v.dev == now.dev && v.ino == now.ino && v.size == now.size &&
		v.mtime == now.mtime && v.ctime == now.ctime &&
		v.read.Sub(time.Unix(v.ctime.Unix())).Abs() > racy
}

func versionOf(st *unix.Stat_t) version {
	return version{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// versionFor is the version of a file that was read now.
func versionFor(st *unix.Stat_t, b []byte) version {
	v := versionOf(st)
	v.read, v.digest = time.Now(), sha256.Sum256(b)
	return v
}

func statFile(path string) (version, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return version{}, err
	}
	return versionOf(&st), nil
}

// readFile reads the file if only its owner, who is this process's user or
// root, can read and change it.
func readFile(path string) ([]byte, version, error) {
	h, st, err := openFile(path)
	if err != nil {
		return nil, version{}, err
	}
	defer h.Close()
	if err := checkOwner(path, &st); err != nil {
		return nil, version{}, err
	}
	b, err := io.ReadAll(io.LimitReader(h, maxFile+1))
	if err != nil {
		return nil, version{}, err
	}
	return b, versionFor(&st, b), nil
}

// openFile opens a file, and looks at the one that it opened.
func openFile(path string) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	// O_NONBLOCK: a FIFO in the file's place must not hold up every login.
	h, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, st, err
	}
	if err := unix.Fstat(int(h.Fd()), &st); err != nil {
		h.Close()
		return nil, st, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return h, st, nil
}

// checkOwner refuses a file that others can read or change.
func checkOwner(path string, st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return kind.Errorf(kind.Invalid, "%s is no regular file", path)
	case st.Mode&0o077 != 0:
		return kind.Errorf(kind.Denied, "%s can be read or changed by others (mode %04o): run chmod 600 on it", path, st.Mode&0o7777)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return kind.Errorf(kind.Denied, "%s belongs to user %d, not to the gateway's user %d", path, st.Uid, os.Geteuid())
	}
	return nil
}
