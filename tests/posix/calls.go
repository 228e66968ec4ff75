//go:build linux

package posix

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The calls by their words, on paths below the check's directory. Paths are
// joined by hand: filepath.Join would take trailing slashes and dots away.

func mkdir(path string) func(string) error {
	return func(dir string) error { return unix.Mkdir(dir+"/"+path, 0o755) }
}

func rmdir(path string) func(string) error {
	return func(dir string) error { return unix.Rmdir(dir + "/" + path) }
}

func unlink(path string) func(string) error {
	return func(dir string) error { return unix.Unlink(dir + "/" + path) }
}

func rename(from, to string) func(string) error {
	return func(dir string) error { return unix.Rename(dir+"/"+from, dir+"/"+to) }
}

func link(from, to string) func(string) error {
	return func(dir string) error { return unix.Link(dir+"/"+from, dir+"/"+to) }
}

func symlink(target, path string) func(string) error {
	return func(dir string) error { return unix.Symlink(target, dir+"/"+path) }
}

func truncate(path string, size int64) func(string) error {
	return func(dir string) error { return unix.Truncate(dir+"/"+path, size) }
}

// open opens, writes text unless it is empty, and closes.
func open(path string, flags int, text string) func(string) error {
	return func(dir string) error {
		fd, err := unix.Open(dir+"/"+path, flags, 0o644)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), path)
		_, err = f.WriteString(text)
		if text == "" {
			err = nil
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	}
}

const (
	creat = unix.O_CREAT | unix.O_WRONLY
	excl  = creat | unix.O_EXCL
)

var (
	long    = strings.Repeat("n", 255)
	tooLong = strings.Repeat("n", 256)
)

func mkdirCalls() []call {
	return []call{
		{name: "mkdir/makes", do: mkdir("d"), after: "d/"},
		{name: "mkdir/trailing slash", do: mkdir("d/"), after: "d/"},
		{name: "mkdir/exists", before: "d/", do: mkdir("d"), want: fails(unix.EEXIST)},
		{name: "mkdir/exists and is full", before: "d/ d/f", do: mkdir("d"), want: fails(unix.EEXIST)},
		{name: "mkdir/over a file", before: "f=x", do: mkdir("f"), want: fails(unix.EEXIST)},
		{name: "mkdir/over a link to a directory", before: "d/ l->d", do: mkdir("l"), want: fails(unix.EEXIST)},
		{name: "mkdir/over a dangling link", before: "l->no", do: mkdir("l"), want: fails(unix.EEXIST)},
		{name: "mkdir/dot", do: mkdir("."), want: fails(unix.EEXIST)},
		{name: "mkdir/no parent", do: mkdir("no/d"), want: fails(unix.ENOENT)},
		{name: "mkdir/in a file", before: "f=x", do: mkdir("f/d"), want: fails(unix.ENOTDIR)},
		{name: "mkdir/in a link", before: "d/ l->d", do: mkdir("l/e"), after: "d/ d/e/ l->d"},
		{name: "mkdir/in a loop", before: "a->b b->a", do: mkdir("a/d"), want: fails(unix.ELOOP)},
		{name: "mkdir/255 bytes", do: mkdir(long), after: long + "/"},
		{name: "mkdir/256 bytes", do: mkdir(tooLong), want: fails(unix.ENAMETOOLONG)},
	}
}

func rmdirCalls() []call {
	return []call{
		{name: "rmdir/removes", before: "d/", do: rmdir("d")},
		{name: "rmdir/trailing slash", before: "d/", do: rmdir("d/")},
		{name: "rmdir/holds a file", before: "d/ d/f=x", do: rmdir("d"), want: fails(unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rmdir/holds a directory", before: "d/ d/e/", do: rmdir("d"), want: fails(unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rmdir/holds a dangling link", before: "d/ d/l->no", do: rmdir("d"), want: fails(unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rmdir/a file", before: "f=x", do: rmdir("f"), want: fails(unix.ENOTDIR)},
		{name: "rmdir/a link to a directory", before: "d/ l->d", do: rmdir("l"), want: fails(unix.ENOTDIR)},
		{name: "rmdir/a link with a slash", before: "d/ l->d", do: rmdir("l/"), want: fails(unix.ENOTDIR)},
		{name: "rmdir/missing", do: rmdir("d"), want: fails(unix.ENOENT)},
		{name: "rmdir/in a file", before: "f=x", do: rmdir("f/d"), want: fails(unix.ENOTDIR)},
		{name: "rmdir/dot", before: "d/", do: rmdir("d/."), want: fails(unix.EINVAL)},
		{name: "rmdir/dot dot", before: "d/ d/e/", do: rmdir("d/e/.."), want: fails(unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rmdir/in a loop", before: "a->b b->a", do: rmdir("a/d"), want: fails(unix.ELOOP)},
		{name: "rmdir/256 bytes", do: rmdir(tooLong), want: fails(unix.ENAMETOOLONG)},
	}
}

func unlinkCalls() []call {
	return []call{
		{name: "unlink/removes", before: "f=x g=y", do: unlink("f"), after: "g=y"},
		{name: "unlink/missing", do: unlink("f"), want: fails(unix.ENOENT)},
		{name: "unlink/a directory", before: "d/", do: unlink("d"), want: fails(unix.EISDIR, unix.EPERM)},
		{name: "unlink/a link, not its target", before: "f=x l->f", do: unlink("l"), after: "f=x"},
		{name: "unlink/a link to a directory", before: "d/ d/f l->d", do: unlink("l"), after: "d/ d/f"},
		{name: "unlink/a dangling link", before: "l->no", do: unlink("l")},
		{name: "unlink/a looping link", before: "l->l", do: unlink("l")},
		{name: "unlink/a file with a slash", before: "f=x", do: unlink("f/"), want: fails(unix.ENOTDIR)},
		{name: "unlink/in a file", before: "f=x", do: unlink("f/g"), want: fails(unix.ENOTDIR)},
		{name: "unlink/through a link", before: "d/ d/f l->d", do: unlink("l/f"), after: "d/ l->d"},
		{name: "unlink/in a loop", before: "a->b b->a", do: unlink("a/f"), want: fails(unix.ELOOP)},
		{name: "unlink/256 bytes", do: unlink(tooLong), want: fails(unix.ENAMETOOLONG)},
	}
}

func openCalls() []call {
	return []call{
		{name: "open/creates", do: open("f", creat, "x"), after: "f=x"},
		{name: "open/creates empty", do: open("f", creat, ""), after: "f"},
		{name: "open/exclusive", do: open("f", excl, "x"), after: "f=x"},
		{name: "open/exclusive over a file", before: "f=x", do: open("f", excl, ""), want: fails(unix.EEXIST)},
		{name: "open/exclusive over a directory", before: "d/", do: open("d", excl, ""), want: fails(unix.EEXIST)},
		{name: "open/exclusive over a link", before: "f=x l->f", do: open("l", excl, ""), want: fails(unix.EEXIST)},
		{name: "open/exclusive over a dangling link", before: "l->no", do: open("l", excl, ""), want: fails(unix.EEXIST)},
		{name: "open/creates what a link names", before: "l->f", do: open("l", creat, "x"), after: "f=x l->f"},
		{name: "open/missing", do: open("f", unix.O_RDWR, ""), want: fails(unix.ENOENT)},
		{name: "open/dangling", before: "l->no", do: open("l", unix.O_RDONLY, ""), want: fails(unix.ENOENT)},
		{name: "open/keeps without O_TRUNC", before: "f=abc", do: open("f", creat, "X"), after: "f=Xbc"},
		{name: "open/O_TRUNC cuts", before: "f=abc", do: open("f", unix.O_WRONLY|unix.O_TRUNC, ""), after: "f"},
		{name: "open/O_TRUNC and writes", before: "f=abc", do: open("f", creat|unix.O_TRUNC, "X"), after: "f=X"},
		{name: "open/O_TRUNC through a link", before: "f=abc l->f", do: open("l", creat|unix.O_TRUNC, "X"), after: "f=X l->f"},
		{name: "open/O_APPEND", before: "f=abc", do: open("f", creat|unix.O_APPEND, "X"), after: "f=abcX"},
		{name: "open/O_APPEND creates", do: open("f", creat|unix.O_APPEND, "X"), after: "f=X"},
		{name: "open/a directory for writing", before: "d/", do: open("d", unix.O_WRONLY, ""), want: fails(unix.EISDIR)},
		{name: "open/a directory to cut it", before: "d/ d/f=x", do: open("d", unix.O_RDWR|unix.O_TRUNC, ""), want: fails(unix.EISDIR)},
		{name: "open/O_CREAT of a directory", before: "d/", do: open("d", creat, ""), want: fails(unix.EISDIR)},
		{name: "open/O_CREAT with a slash", do: open("f/", creat, ""), want: fails(unix.EISDIR)},
		{name: "open/a file with a slash", before: "f=x", do: open("f/", unix.O_RDONLY, ""), want: fails(unix.ENOTDIR)},
		{name: "open/O_DIRECTORY of a file", before: "f=x", do: open("f", unix.O_RDONLY|unix.O_DIRECTORY, ""), want: fails(unix.ENOTDIR)},
		{name: "open/O_NOFOLLOW of a link", before: "f=x l->f", do: open("l", unix.O_RDONLY|unix.O_NOFOLLOW, ""), want: fails(unix.ELOOP)},
		{name: "open/in a file", before: "f=x", do: open("f/g", creat, ""), want: fails(unix.ENOTDIR)},
		{name: "open/no parent", do: open("no/f", creat, ""), want: fails(unix.ENOENT)},
		{name: "open/a loop", before: "a->b b->a", do: open("a", unix.O_RDONLY, ""), want: fails(unix.ELOOP)},
		{name: "open/O_CREAT of a loop", before: "a->a", do: open("a", creat, ""), want: fails(unix.ELOOP)},
		{name: "open/255 bytes", do: open(long, creat, "x"), after: long + "=x"},
		{name: "open/256 bytes", do: open(tooLong, creat, ""), want: fails(unix.ENAMETOOLONG)},
	}
}

func truncateCalls() []call {
	return []call{
		{name: "truncate/down", before: "f=abcdef", do: truncate("f", 3), after: "f=abc"},
		{name: "truncate/to nothing", before: "f=abcdef", do: truncate("f", 0), after: "f"},
		{name: "truncate/to its size", before: "f=abc", do: truncate("f", 3), after: "f=abc"},
		{name: "truncate/up", before: "f=abc", do: truncate("f", 5), after: "f=abc\x00\x00"},
		{name: "truncate/through a link", before: "f=abc l->f", do: truncate("l", 1), after: "f=a l->f"},
		{name: "truncate/negative", before: "f=abc", do: truncate("f", -1), want: fails(unix.EINVAL)},
		{name: "truncate/missing", do: truncate("f", 1), want: fails(unix.ENOENT)},
		{name: "truncate/a directory", before: "d/", do: truncate("d", 0), want: fails(unix.EISDIR)},
		{name: "truncate/in a file", before: "f=x", do: truncate("f/g", 0), want: fails(unix.ENOTDIR)},
		{name: "truncate/a loop", before: "a->a", do: truncate("a", 0), want: fails(unix.ELOOP)},
	}
}
