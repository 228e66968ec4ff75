// Package posix checks what POSIX says of files and directories, and with which
// errno, on any directory: a local one, which proves the checks, and mounts
// (tests/e2e). The checks know nothing of what serves the directory.
//
// Sources: IEEE Std 1003.1 (open, rename, unlink, rmdir, mkdir, ftruncate,
// symlink, link, chmod, futimens, readdir, fstatvfs), and where it leaves a
// choice, what Linux's own file systems do.
package posix
