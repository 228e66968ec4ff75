package main

import (
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives a directory to whom another file belongs.
func sameOwner(dir string, as fs.FileInfo) error {
	st, ok := as.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(dir, int(st.Uid), int(st.Gid))
}
