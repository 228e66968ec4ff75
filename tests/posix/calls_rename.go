//go:build linux

package posix

import (
	"strings"

	"golang.org/x/sys/unix"
)

func renameCalls() []call {
	notEmpty := fails(unix.ENOTEMPTY, unix.EEXIST)
	return []call{
		{name: "rename/a file", before: "f=x", do: rename("f", "g"), after: "g=x"},
		{name: "rename/over a file", before: "f=x g=y", do: rename("f", "g"), after: "g=x"},
		{name: "rename/onto itself", before: "f=x", do: rename("f", "f"), after: "f=x"},
		{name: "rename/into another directory", before: "d/ e/ d/f=x", do: rename("d/f", "e/g"), after: "d/ e/ e/g=x"},
		{name: "rename/over a file elsewhere", before: "d/ e/ d/f=x e/g=y", do: rename("d/f", "e/g"), after: "d/ e/ e/g=x"},
		{name: "rename/a file over a directory", before: "f=x d/", do: rename("f", "d"), want: fails(unix.EISDIR)},
		{name: "rename/a file over a full directory", before: "f=x d/ d/g", do: rename("f", "d"), want: fails(unix.EISDIR, unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rename/a directory", before: "d/ d/f=x", do: rename("d", "e"), after: "e/ e/f=x"},
		{name: "rename/a directory onto itself", before: "d/ d/f=x", do: rename("d", "d"), after: "d/ d/f=x"},
		{name: "rename/a directory elsewhere", before: "d/ d/e/ d/e/f=x g/", do: rename("d/e", "g/h"), after: "d/ g/ g/h/ g/h/f=x"},
		{name: "rename/a directory over an empty one", before: "d/ d/f=x e/", do: rename("d", "e"), after: "e/ e/f=x"},
		{name: "rename/an empty directory over an empty one", before: "d/ e/", do: rename("d", "e"), after: "e/"},
		{name: "rename/a directory over a full one", before: "d/ d/f=x e/ e/g", do: rename("d", "e"), want: notEmpty},
		{name: "rename/a directory over a file", before: "d/ f=x", do: rename("d", "f"), want: fails(unix.ENOTDIR)},
		{name: "rename/a directory over a link to one", before: "d/ e/ l->e", do: rename("d", "l"), want: fails(unix.ENOTDIR)},
		{name: "rename/a directory into itself", before: "d/", do: rename("d", "d/e"), want: fails(unix.EINVAL)},
		{name: "rename/a directory far into itself", before: "d/ d/e/", do: rename("d", "d/e/g"), want: fails(unix.EINVAL)},
		{name: "rename/a directory over its parent", before: "d/ d/e/", do: rename("d/e", "d"), want: notEmpty},
		{name: "rename/a file over its directory", before: "d/ d/f=x", do: rename("d/f", "d"), want: fails(unix.EISDIR, unix.ENOTEMPTY, unix.EEXIST)},
		{name: "rename/missing", do: rename("f", "g"), want: fails(unix.ENOENT)},
		{name: "rename/missing over a file", before: "g=x", do: rename("f", "g"), want: fails(unix.ENOENT)},
		{name: "rename/to no parent", before: "f=x", do: rename("f", "no/f"), want: fails(unix.ENOENT)},
		{name: "rename/into a file", before: "f=x g=y", do: rename("f", "g/f"), want: fails(unix.ENOTDIR)},
		{name: "rename/out of a file", before: "f=x", do: rename("f/g", "h"), want: fails(unix.ENOTDIR)},
		{name: "rename/a link, not its target", before: "f=x l->f", do: rename("l", "m"), after: "f=x m->f"},
		{name: "rename/a dangling link", before: "l->no", do: rename("l", "m"), after: "m->no"},
		{name: "rename/a file over a link", before: "f=x g=y l->g", do: rename("f", "l"), after: "g=y l=x"},
		{name: "rename/a file over a link to itself", before: "f=x l->f", do: rename("f", "l"), after: "l=x"},
		{name: "rename/a link over its target", before: "f=x l->f", do: rename("l", "f"), after: "f->f"},
		{name: "rename/a link over a file", before: "g=y l->no", do: rename("l", "g"), after: "g->no"},
		{name: "rename/a link over a directory", before: "d/ l->no", do: rename("l", "d"), want: fails(unix.EISDIR)},
		{name: "rename/a directory with slashes", before: "d/ d/f=x", do: rename("d/", "e/"), after: "e/ e/f=x"},
		{name: "rename/a file with a slash", before: "f=x", do: rename("f/", "g"), want: fails(unix.ENOTDIR)},
		{name: "rename/a file to a name with a slash", before: "f=x", do: rename("f", "g/"), want: fails(unix.ENOTDIR)},
		{name: "rename/a link to a directory with a slash", before: "d/ l->d", do: rename("l/", "m"), want: fails(unix.ENOTDIR)},
		{name: "rename/dot", before: "d/", do: rename("d/.", "e"), want: fails(unix.EBUSY, unix.EINVAL)},
		{name: "rename/dot dot", before: "d/ d/e/", do: rename("d/e/..", "g"), want: fails(unix.EBUSY, unix.EINVAL)},
		{name: "rename/in a loop", before: "a->b b->a f=x", do: rename("f", "a/g"), want: fails(unix.ELOOP)},
		{name: "rename/to 255 bytes", before: "f=x", do: rename("f", long), after: long + "=x"},
		{name: "rename/to 256 bytes", before: "f=x", do: rename("f", tooLong), want: fails(unix.ENAMETOOLONG)},
		{name: "rename/in a chain", before: "a=1 b=2 c=3", do: func(dir string) error {
			for _, p := range [][2]string{{"a", "t"}, {"b", "a"}, {"c", "b"}, {"t", "c"}} {
				if err := rename(p[0], p[1])(dir); err != nil {
					return err
				}
			}
			return nil
		}, after: "a=2 b=3 c=1"},
	}
}

func linkCalls() []call {
	return []call{
		{name: "link/same contents", before: "f=x", do: link("f", "g"), after: "f=x g=x"},
		{name: "link/outlives the first name", before: "f=x", do: func(dir string) error {
			if err := link("f", "g")(dir); err != nil {
				return err
			}
			return unlink("f")(dir)
		}, after: "g=x"},
		{name: "link/elsewhere", before: "d/ d/f=x e/", do: link("d/f", "e/g"), after: "d/ d/f=x e/ e/g=x"},
		{name: "link/over a file", before: "f=x g=y", do: link("f", "g"), want: fails(unix.EEXIST)},
		{name: "link/over a directory", before: "f=x d/", do: link("f", "d"), want: fails(unix.EEXIST)},
		{name: "link/over a dangling link", before: "f=x l->no", do: link("f", "l"), want: fails(unix.EEXIST)},
		{name: "link/a directory", before: "d/", do: link("d", "e"), want: fails(unix.EPERM)},
		{name: "link/missing", do: link("f", "g"), want: fails(unix.ENOENT)},
		{name: "link/to no parent", before: "f=x", do: link("f", "no/g"), want: fails(unix.ENOENT)},
		{name: "link/into a file", before: "f=x g=y", do: link("f", "g/h"), want: fails(unix.ENOTDIR)},
		{name: "link/a symbolic link", before: "f=x l->f", do: link("l", "m"), after: "f=x l->f m->f"},
		{name: "link/a dangling link", before: "l->no", do: link("l", "m"), after: "l->no m->no"},
		{name: "link/a link and its other name", before: "f=x", do: func(dir string) error { // POSIX: does nothing
			if err := link("f", "g")(dir); err != nil {
				return err
			}
			return rename("f", "g")(dir)
		}, after: "f=x g=x"},
		{name: "link/writes show in both", before: "f=x", do: func(dir string) error {
			if err := link("f", "g")(dir); err != nil {
				return err
			}
			return open("g", creat|unix.O_TRUNC, "new")(dir)
		}, after: "f=new g=new"},
	}
}

func symlinkCalls() []call {
	return []call{
		{name: "symlink/to a file", before: "f=x", do: symlink("f", "l"), after: "f=x l->f"},
		{name: "symlink/to nothing", do: symlink("no/where", "l"), after: "l->no/where"},
		{name: "symlink/to itself", do: symlink("l", "l"), after: "l->l"},
		{name: "symlink/absolute", do: symlink("/etc/passwd", "l"), after: "l->/etc/passwd"},
		{name: "symlink/upwards", before: "d/", do: symlink("../f", "d/l"), after: "d/ d/l->../f"},
		{name: "symlink/out of the root", do: symlink("../../../../../../f", "l"), after: "l->../../../../../../f"},
		{name: "symlink/odd text", do: symlink("//a//./b/", "l"), after: "l->//a//./b/"},
		{name: "symlink/over a file", before: "f=x", do: symlink("g", "f"), want: fails(unix.EEXIST)},
		{name: "symlink/over a directory", before: "d/", do: symlink("g", "d"), want: fails(unix.EEXIST)},
		{name: "symlink/over a link", before: "l->f", do: symlink("g", "l"), want: fails(unix.EEXIST)},
		{name: "symlink/no text", do: symlink("", "l"), want: fails(unix.ENOENT)},
		{name: "symlink/no parent", do: symlink("f", "no/l"), want: fails(unix.ENOENT)},
		{name: "symlink/in a file", before: "f=x", do: symlink("f", "f/l"), want: fails(unix.ENOTDIR)},
		{name: "symlink/255 bytes", do: symlink("f", long), after: long + "->f"},
		{name: "symlink/256 bytes", do: symlink("f", tooLong), want: fails(unix.ENAMETOOLONG)},
		{name: "symlink/text of 1000 bytes", do: symlink(strings.Repeat("t/", 500), "l"), after: "l->" + strings.Repeat("t/", 500)},
		{name: "symlink/text of 4095 bytes", do: symlink(strings.Repeat("t", 4095), "l"), after: "l->" + strings.Repeat("t", 4095)},
		{name: "readlink/a file", before: "f=x", do: readlink("f"), want: fails(unix.EINVAL)},
		{name: "readlink/a directory", before: "d/", do: readlink("d"), want: fails(unix.EINVAL)},
		{name: "readlink/missing", do: readlink("l"), want: fails(unix.ENOENT)},
		{name: "symlink/a chain of twenty", before: "f=x", do: func(dir string) error {
			for i := range 20 {
				to := "f"
				if i > 0 {
					to = strings.Repeat("l", i)
				}
				if err := symlink(to, strings.Repeat("l", i+1))(dir); err != nil {
					return err
				}
			}
			if err := open(strings.Repeat("l", 20), unix.O_WRONLY, "y")(dir); err != nil {
				return err
			}
			for i := range 20 {
				if err := unlink(strings.Repeat("l", i+1))(dir); err != nil {
					return err
				}
			}
			return nil
		}, after: "f=y"},
	}
}

func readlink(path string) func(string) error {
	return func(dir string) error {
		_, err := unix.Readlink(dir+"/"+path, make([]byte, 100))
		return err
	}
}
