//go:build linux

package posix

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Check is one statement that holds on a POSIX directory.
type Check struct {
	Name string // "call/what"
	// Root tells that it holds for the superuser only.
	Root bool
	run  func(dir string) error
}

// Run checks the statement in dir, which is empty and the check's own. The error
// tells what was otherwise.
func (c Check) Run(dir string) error { return c.run(dir) }

// Checks are all of them; those for the superuser only if that is who asks.
func Checks() []Check {
	var all []Check
	for _, part := range [][]call{mkdirCalls(), rmdirCalls(), unlinkCalls(), openCalls(), renameCalls(), linkCalls(), symlinkCalls(), truncateCalls()} {
		for _, c := range part {
			all = append(all, Check{Name: c.name, run: c.run})
		}
	}
	all = append(all, slices.Concat(nameChecks(), modeChecks(), timeChecks(), handleChecks(), contentChecks(), listingChecks(), volumeChecks())...)
	return slices.DeleteFunc(all, func(c Check) bool { return c.Root && os.Getuid() != 0 })
}

// call is one system call on a small tree, with its errno and the tree that it
// leaves behind.
type call struct {
	name   string
	before string // the tree, as plant reads it
	do     func(dir string) error
	want   []syscall.Errno // any of them; none: success
	after  string          // the tree, as drawn gives it; "" after an error: as before
}

func (c call) run(dir string) error {
	if err := plant(dir, c.before); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	err := c.do(dir)
	var errno syscall.Errno
	switch {
	case len(c.want) == 0 && err != nil:
		return fmt.Errorf("is refused: %w", err)
	case len(c.want) > 0 && err == nil:
		return fmt.Errorf("succeeds, not %v", names(c.want))
	case len(c.want) > 0 && (!errors.As(err, &errno) || !slices.Contains(c.want, errno)):
		return fmt.Errorf("%w, not %v", name(err), names(c.want))
	}
	want := c.after
	if want == "" && len(c.want) > 0 {
		want = c.before
	}
	got, err := drawn(dir)
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	if want = sorted(want); got != want {
		return fmt.Errorf("leaves %q, not %q", got, want)
	}
	return nil
}

// fails is a list of errnos.
func fails(any ...syscall.Errno) []syscall.Errno { return any }

// name is an error by its errno, where it has one.
func name(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Errorf("%s (%w)", names([]syscall.Errno{errno}), errno)
	}
	return err
}

func names(list []syscall.Errno) string {
	known := map[syscall.Errno]string{
		syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.EIO: "EIO", syscall.EACCES: "EACCES", syscall.EBUSY: "EBUSY",
		syscall.EEXIST: "EEXIST", syscall.ENOTDIR: "ENOTDIR", syscall.EISDIR: "EISDIR", syscall.EINVAL: "EINVAL", syscall.ENOSYS: "ENOSYS",
		syscall.ENAMETOOLONG: "ENAMETOOLONG", syscall.ENOTEMPTY: "ENOTEMPTY", syscall.ELOOP: "ELOOP", syscall.EXDEV: "EXDEV", syscall.EBADMSG: "EBADMSG",
	}
	var words []string
	for _, e := range list {
		word, ok := known[e]
		if !ok {
			word = e.Error()
		}
		words = append(words, word)
	}
	return strings.Join(words, " or ")
}

// plant makes a tree of words: "d/" is a directory, "f" an empty file, "f=text" a
// file that holds text, "l->target" a symbolic link; parents come first.
func plant(dir, tree string) error {
	for word := range strings.FieldsSeq(tree) {
		var err error
		if path, ok := strings.CutSuffix(word, "/"); ok {
			err = os.Mkdir(filepath.Join(dir, path), 0o755)
		} else if path, target, ok := strings.Cut(word, "->"); ok {
			err = os.Symlink(target, filepath.Join(dir, path))
		} else {
			path, text, _ := strings.Cut(word, "=")
			err = os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// plantSynced is plant with each file fsynced: over several connections sshfs returns
// from close before the server has closed, and what then becomes of the directory's
// times would be a matter of when it does.
func plantSynced(dir, tree string) error {
	if err := plant(dir, tree); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// drawn is the tree below dir in the words of plant, sorted. A long name is cut.
func drawn(dir string) (string, error) {
	var words []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		word := strings.TrimPrefix(path, dir+"/")
		switch {
		case d.IsDir():
			word += "/"
		case d.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			word += "->" + target
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if len(text) > 0 {
				word += "=" + string(text)
			}
		}
		words = append(words, word)
		return nil
	})
	return sorted(strings.Join(words, " ")), err
}

func sorted(tree string) string {
	words := strings.Fields(tree)
	slices.Sort(words)
	return strings.Join(words, " ")
}
