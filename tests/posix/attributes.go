//go:build linux

package posix

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nameChecks have a file, a directory and a link of each name.
func nameChecks() []Check {
	table := []struct{ what, name string }{
		{"spaces", " a  b "},
		{"a dash", "-rf"},
		{"dots", "..."},
		{"a dot at the end", "a."},
		{"a star", "*?[a]"},
		{"quotes", `'"` + "`"},
		{"a backslash", `a\b`},
		{"a newline", "a\nb"},
		{"control characters", "\x01\x1b\x7f"},
		{"a percent sign", "%41%2f%"},
		{"a tilde", "~"},
		{"a colon", "a:b"},
		{"shell", "$(x);&|<>#!"},
		{"two bytes each", "\u00e9\u00fc"},
		{"four bytes each", "\U0001F600\U00020000"},
		{"not composed", "e\u0301"},
		{"255 bytes of UTF-8", strings.Repeat("\u00e9", 127) + "a"},
		{"right to left", "\u05d0\u202eb"},
		{"a reserved word", "uri"},
		{"not UTF-8", "a\xff\xfeb"},
		{"half a character", "caf\xc3"},
	}
	var checks []Check
	for _, c := range table {
		checks = append(checks, Check{Name: "names/" + c.what, run: func(dir string) error { return useName(dir, c.name) }})
	}
	return append(
		checks,
		Check{Name: "names/case counts", run: func(dir string) error { return apart(dir, "name", "Name") }},
		Check{Name: "names/forms of Unicode are apart", run: func(dir string) error { return apart(dir, "\u00e9", "e\u0301") }},
		Check{Name: "names/a path of 3,900 bytes", run: longPath},
	)
}

// useName creates, finds, lists, renames and removes something of that name.
func useName(dir, name string) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		return err
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
		return fmt.Errorf("read: %q, %v", b, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(path, filepath.Join(dir, "d", name)); err != nil {
		return err
	}
	list, err := os.ReadDir(filepath.Join(dir, "d"))
	if err != nil {
		return err
	}
	if len(list) != 1 || list[0].Name() != name {
		return fmt.Errorf("listed as %v, not %q", list, name)
	}
	if err := os.Remove(filepath.Join(dir, "d", name)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := os.Symlink(name, path); err != nil {
		return err
	}
	if target, err := os.Readlink(path); err != nil || target != name {
		return fmt.Errorf("link to %q, %v", target, err)
	}
	return os.Remove(path)
}

func apart(dir, a, b string) error {
	for _, name := range []string{a, b} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{a, b} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != name {
			return fmt.Errorf("%q holds %q, %v", name, got, err)
		}
	}
	return nil
}

func longPath(dir string) error {
	path := dir
	for len(path) < 3900-250 {
		path += "/" + strings.Repeat("d", 240)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
	}
	path += "/" + strings.Repeat("f", 3900-len(path)-1)
	if err := os.WriteFile(path, []byte("deep"), 0o644); err != nil {
		return err
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "deep" {
		return fmt.Errorf("read: %q, %v", b, err)
	}
	return nil
}

func modeChecks() []Check {
	var checks []Check
	for _, mode := range []uint32{0o400, 0o444, 0o600, 0o644, 0o755, 0o777, 0, 0o4755, 0o2755, 0o6711, 0o1644} {
		checks = append(checks, Check{Name: fmt.Sprintf("chmod/a file %04o", mode), run: func(dir string) error { return keepsMode(dir, "f", mode) }})
	}
	for _, mode := range []uint32{0o700, 0o755, 0o1777, 0o2775, 0o555} {
		checks = append(checks, Check{Name: fmt.Sprintf("chmod/a directory %04o", mode), run: func(dir string) error { return keepsMode(dir, "d/", mode) }})
	}
	return append(
		checks,
		Check{Name: "chmod/missing", run: refused(func(dir string) error { return unix.Chmod(dir+"/f", 0o600) }, unix.ENOENT)},
		Check{Name: "chmod/through a link", run: func(dir string) error {
			if err := plant(dir, "f=x l->f"); err != nil {
				return err
			}
			if err := unix.Chmod(dir+"/l", 0o640); err != nil {
				return err
			}
			return hasMode(dir+"/f", 0o640)
		}},
		Check{Name: "chmod/the mode of open", run: func(dir string) error {
			fd, err := unix.Open(dir+"/f", creat, 0o640)
			if err != nil {
				return err
			}
			return firstOf(unix.Close(fd), hasMode(dir+"/f", 0o640))
		}},
		Check{Name: "chmod/a writer keeps its handle", run: func(dir string) error {
			f, err := os.Create(dir + "/f")
			if err != nil {
				return err
			}
			defer f.Close()
			if err := f.Chmod(0o444); err != nil {
				return err
			}
			if _, err := f.WriteString("on"); err != nil {
				return err
			}
			return firstOf(f.Close(), holds(dir+"/f", "on"), hasMode(dir+"/f", 0o444))
		}},
		Check{Name: "chmod/O_CREAT with a mode that forbids writing", run: func(dir string) error {
			fd, err := unix.Open(dir+"/f", creat, 0o444)
			if err != nil {
				return err
			}
			_, err = unix.Write(fd, []byte("x"))
			return firstOf(err, unix.Close(fd), holds(dir+"/f", "x"))
		}},
		Check{Name: "chmod/a name that forbids writing can be removed and replaced", run: func(dir string) error {
			if err := plant(dir, "f=x g=y h=z"); err != nil {
				return err
			}
			return firstOf(unix.Chmod(dir+"/f", 0o444), unix.Chmod(dir+"/h", 0o444), unix.Rename(dir+"/g", dir+"/f"), unix.Unlink(dir+"/h"), holds(dir+"/f", "y"))
		}},
		Check{Name: "chmod/root writes what forbids writing", Root: true, run: func(dir string) error {
			if err := plant(dir, "f=x"); err != nil {
				return err
			}
			return firstOf(unix.Chmod(dir+"/f", 0o444), open("f", unix.O_WRONLY, "y")(dir), holds(dir+"/f", "y"))
		}},
		Check{Name: "chmod/root creates in a directory that forbids it", Root: true, run: func(dir string) error {
			if err := plant(dir, "d/"); err != nil {
				return err
			}
			return firstOf(unix.Chmod(dir+"/d", 0o555), open("d/f", creat, "y")(dir), holds(dir+"/d/f", "y"))
		}},
		Check{Name: "chown/keeps numbers", Root: true, run: func(dir string) error {
			if err := plant(dir, "f=x"); err != nil {
				return err
			}
			if err := unix.Chown(dir+"/f", 1234, 54321); err != nil {
				return err
			}
			var st unix.Stat_t
			if err := unix.Lstat(dir+"/f", &st); err != nil {
				return err
			}
			if st.Uid != 1234 || st.Gid != 54321 {
				return fmt.Errorf("owner %d, group %d", st.Uid, st.Gid)
			}
			return nil
		}},
	)
}

func keepsMode(dir, what string, mode uint32) error {
	if err := plant(dir, what); err != nil {
		return err
	}
	path := dir + "/" + strings.TrimSuffix(what, "/")
	return firstOf(unix.Chmod(path, mode), hasMode(path, mode))
}

func hasMode(path string, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if got := st.Mode & 0o7777; got != mode {
		return fmt.Errorf("mode %04o, not %04o", got, mode)
	}
	return nil
}

func timeChecks() []Check {
	var checks []Check
	for _, c := range []struct {
		what string
		at   time.Time
	}{
		{"seconds", time.Unix(1_234_567_890, 0)},
		{"the epoch", time.Unix(0, 0)},
		{"after 2038", time.Unix(1<<31+5, 0)},
		{"after 2106", time.Unix(1<<32+5, 0)},
		{"before 1970", time.Unix(-86400, 0)},
		{"nanoseconds", time.Unix(1_234_567_890, 123_456_789)},
	} {
		checks = append(checks, Check{Name: "utimes/" + c.what, run: func(dir string) error {
			if err := plant(dir, "f=x"); err != nil {
				return err
			}
			return firstOf(os.Chtimes(dir+"/f", c.at, c.at), hasMtime(dir+"/f", c.at), hasAtime(dir+"/f", c.at))
		}})
	}
	past, later := time.Unix(1_000_000_000, 0), time.Unix(1_100_000_000, 0)
	checks = append(
		checks,
		Check{Name: "utimes/missing", run: refused(func(dir string) error { return os.Chtimes(dir+"/f", past, past) }, unix.ENOENT)},
		Check{Name: "utimes/a directory", run: func(dir string) error {
			return firstOf(plantSynced(dir, "d/ d/f"), os.Chtimes(dir+"/d", past, past), hasMtime(dir+"/d", past))
		}},
		Check{Name: "utimes/through a link", run: func(dir string) error {
			return firstOf(plant(dir, "f=x l->f"), os.Chtimes(dir+"/l", past, past), hasMtime(dir+"/f", past))
		}},
		Check{Name: "utimes/of a link itself", run: func(dir string) error {
			if err := firstOf(plant(dir, "f=x l->f"), os.Chtimes(dir+"/f", later, later)); err != nil {
				return err
			}
			ts := unix.NsecToTimespec(past.UnixNano())
			return firstOf(unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/l", []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW), hasMtime(dir+"/f", later), hasMtime(dir+"/l", past))
		}},
		Check{Name: "utimes/UTIME_OMIT keeps the other", run: func(dir string) error {
			if err := firstOf(plant(dir, "f=x"), os.Chtimes(dir+"/f", past, past)); err != nil {
				return err
			}
			ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(later.UnixNano())}
			return firstOf(unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", ts, 0), hasMtime(dir+"/f", later), hasAtime(dir+"/f", past))
		}},
		Check{Name: "utimes/UTIME_NOW", run: func(dir string) error {
			if err := firstOf(plant(dir, "f=x"), os.Chtimes(dir+"/f", past, past)); err != nil {
				return err
			}
			ts := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
			return firstOf(unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", ts, 0), isRecent(dir+"/f"))
		}},
		Check{Name: "utimes/by a handle that writes", run: func(dir string) error {
			f, err := os.Create(dir + "/f")
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.WriteString("x"); err != nil {
				return err
			}
			ts := unix.NsecToTimeval(past.UnixNano())
			return firstOf(unix.Futimes(int(f.Fd()), []unix.Timeval{ts, ts}), f.Close(), hasMtime(dir+"/f", past))
		}},
	)
	for _, c := range []struct {
		what, before, old string
		do                func(string) error
		kept              bool
	}{
		{what: "writing", before: "f=x", old: "f", do: open("f", unix.O_WRONLY, "y")},
		{what: "truncating", before: "f=xy", old: "f", do: truncate("f", 1)},
		{what: "O_TRUNC", before: "f=xy", old: "f", do: open("f", unix.O_WRONLY|unix.O_TRUNC, "")},
		{what: "creating, for the directory", before: "d/", old: "d", do: open("d/f", creat, "")},
		{what: "removing, for the directory", before: "d/ d/f", old: "d", do: unlink("d/f")},
		{what: "mkdir, for the directory", before: "d/", old: "d", do: mkdir("d/e")},
		{what: "rmdir, for the directory", before: "d/ d/e/", old: "d", do: rmdir("d/e")},
		{what: "renaming, for the directory", before: "d/ d/f", old: "d", do: rename("d/f", "d/g")},
		{what: "symlink, for the directory", before: "d/", old: "d", do: symlink("x", "d/l")},
		{what: "reading", before: "f=x", old: "f", kept: true, do: func(dir string) error { return holds(dir+"/f", "x") }},
		{what: "chmod", before: "f=x", old: "f", kept: true, do: func(dir string) error { return unix.Chmod(dir+"/f", 0o600) }},
		{what: "opening to write", before: "f=x", old: "f", kept: true, do: open("f", unix.O_RDWR, "")},
		{what: "renaming it", before: "d/ f=x g=y", old: "f", kept: true, do: func(dir string) error {
			return firstOf(rename("f", "d/f")(dir), rename("d/f", "f")(dir))
		}},
		{what: "writing to a file in it", before: "d/ d/f=x", old: "d", kept: true, do: open("d/f", unix.O_WRONLY, "y")},
	} {
		verb := "changed by "
		if c.kept {
			verb = "kept by "
		}
		checks = append(checks, Check{Name: "mtime/" + verb + c.what, run: func(dir string) error {
			if err := firstOf(plantSynced(dir, c.before), os.Chtimes(dir+"/"+c.old, past, past), c.do(dir)); err != nil {
				return err
			}
			if c.kept {
				return hasMtime(dir+"/"+c.old, past)
			}
			return isRecent(dir + "/" + c.old)
		}})
	}
	return checks
}

func hasMtime(path string, want time.Time) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if got := time.Unix(st.Mtim.Unix()); !got.Equal(want) {
		return fmt.Errorf("mtime %v, not %v", got.UTC(), want.UTC())
	}
	return nil
}

func hasAtime(path string, want time.Time) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	if got := time.Unix(st.Atim.Unix()); !got.Equal(want) {
		return fmt.Errorf("atime %v, not %v", got.UTC(), want.UTC())
	}
	return nil
}

func isRecent(path string) error {
	i, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if age := time.Since(i.ModTime()); age > time.Hour || age < -time.Hour {
		return fmt.Errorf("mtime %v is not now", i.ModTime().UTC())
	}
	return nil
}

// refused is a check that only wants an errno.
func refused(do func(string) error, want ...unix.Errno) func(string) error {
	return call{do: do, want: want}.run
}

// firstOf is the first error. The arguments have all been evaluated, in order:
// use it for steps that do no harm after one that failed.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func holds(path, want string) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("%s holds %.80q (%d bytes), not %.80q (%d bytes)", filepath.Base(path), got, len(got), want, len(want))
	}
	return nil
}
