//go:build linux

package posix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// script is a check in steps that end at the first that goes wrong.
type script struct {
	dir   string
	files []*os.File
}

// wrong ends a script.
type wrong struct{ error }

func scripted(steps func(s *script)) func(dir string) error {
	return func(dir string) (err error) {
		s := &script{dir: dir}
		defer func() {
			for _, f := range s.files {
				f.Close()
			}
			if e := recover(); e != nil {
				w, ok := e.(wrong)
				if !ok {
					panic(e)
				}
				err = w.error
			}
		}()
		steps(s)
		return nil
	}
}

func (s *script) must(err error) {
	if err != nil {
		panic(wrong{err})
	}
}

func (s *script) plant(tree string) { s.must(plant(s.dir, tree)) }

func (s *script) open(path string, flags int) *os.File {
	f, err := os.OpenFile(s.dir+"/"+path, flags, 0o644)
	s.must(err)
	s.files = append(s.files, f)
	return f
}

func (s *script) write(f *os.File, text string) {
	_, err := f.WriteString(text)
	s.must(err)
}

func (s *script) writeAt(f *os.File, text string, off int64) {
	_, err := f.WriteAt([]byte(text), off)
	s.must(err)
}

// reads checks what a handle reads from off to the end.
func (s *script) reads(f *os.File, off int64, want string) {
	b := make([]byte, len(want)+10)
	n, err := f.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.must(err)
	}
	if string(b[:n]) != want {
		s.must(fmt.Errorf("reads %.80q at %d, not %.80q", b[:n], off, want))
	}
}

func (s *script) size(f *os.File, want int64) {
	i, err := f.Stat()
	s.must(err)
	if i.Size() != want {
		s.must(fmt.Errorf("fstat: %d bytes, not %d", i.Size(), want))
	}
}

func (s *script) holds(path, want string) { s.must(holds(s.dir+"/"+path, want)) }

func (s *script) gone(path string) {
	if _, err := os.Lstat(s.dir + "/" + path); !errors.Is(err, os.ErrNotExist) {
		s.must(fmt.Errorf("%s is still there: %w", path, err))
	}
}

// is checks what is left. FUSE keeps a removed file that is open under a name
// like .fuse_hidden0001, and may drop that only after close has returned.
func (s *script) is(tree string) {
	for tries := 0; ; tries++ {
		got, err := drawn(s.dir)
		if err == nil && got == sorted(tree) {
			return
		}
		if !strings.Contains(got, ".fuse_hidden") && !errors.Is(err, os.ErrNotExist) || tries == 250 {
			s.must(err)
			s.must(fmt.Errorf("the tree is %q, not %q", got, sorted(tree)))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

const readWrite = os.O_RDWR | os.O_CREATE

// handleChecks are about files that are open while something else happens.
func handleChecks() []Check {
	return []Check{
		{Name: "handles/two see each other's writes", run: scripted(func(s *script) {
			a, b := s.open("f", readWrite), s.open("f", readWrite)
			s.write(a, "hello")
			s.reads(b, 0, "hello")
			s.writeAt(b, "J", 0)
			s.reads(a, 0, "Jello")
			s.size(a, 5)
		})},
		{Name: "handles/two append in turn", run: scripted(func(s *script) {
			a, b := s.open("f", creat|os.O_APPEND), s.open("f", creat|os.O_APPEND)
			want := ""
			for i := range 20 {
				word := fmt.Sprintf("%d ", i)
				want += word
				if i%3 == 0 {
					s.write(b, word)
				} else {
					s.write(a, word)
				}
			}
			s.must(a.Close())
			s.must(b.Close())
			s.holds("f", want)
		})},
		{Name: "handles/appends come after what others wrote", run: scripted(func(s *script) {
			a, b := s.open("f", creat|os.O_APPEND), s.open("f", readWrite)
			s.write(a, "one")
			s.writeAt(b, "two", 3)
			s.write(a, "three")
			s.must(a.Close())
			s.must(b.Close())
			s.holds("f", "onetwothree")
		})},
		{Name: "handles/unlinked, still read and written", run: scripted(func(s *script) {
			s.plant("f=old")
			f := s.open("f", os.O_RDWR)
			s.must(os.Remove(s.dir + "/f"))
			s.gone("f")
			s.reads(f, 0, "old")
			s.writeAt(f, "newer", 0)
			s.reads(f, 0, "newer")
			s.must(f.Truncate(2))
			s.reads(f, 0, "ne")
			s.must(f.Close())
			s.is("")
		})},
		{Name: "handles/unlinked before anything was closed", run: scripted(func(s *script) {
			f := s.open("f", readWrite|os.O_EXCL)
			s.write(f, "x")
			s.must(os.Remove(s.dir + "/f"))
			s.write(f, "y")
			s.reads(f, 0, "xy")
			s.must(f.Close())
			s.is("")
		})},
		{Name: "handles/unlinked and made anew", run: scripted(func(s *script) {
			s.plant("f=old")
			f := s.open("f", os.O_RDWR)
			s.must(os.Remove(s.dir + "/f"))
			g := s.open("f", readWrite|os.O_EXCL)
			s.write(g, "new")
			s.writeAt(f, "OLD!", 0)
			s.reads(f, 0, "OLD!")
			s.reads(g, 0, "new")
			s.must(f.Close())
			s.must(g.Close())
			s.is("f=new")
		})},
		{Name: "handles/renamed while written", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "one")
			s.must(os.Rename(s.dir+"/f", s.dir+"/g"))
			s.write(f, "two")
			s.size(f, 6)
			s.must(f.Close())
			s.is("g=onetwo")
		})},
		{Name: "handles/renamed away and made anew", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "one")
			s.must(os.Rename(s.dir+"/f", s.dir+"/g"))
			h := s.open("f", readWrite|os.O_EXCL)
			s.write(h, "other")
			s.write(f, "two")
			s.must(h.Close())
			s.must(f.Close())
			s.is("f=other g=onetwo")
		})},
		{Name: "handles/its directory renamed while written", run: scripted(func(s *script) {
			s.plant("d/ e/")
			f := s.open("d/f", readWrite)
			s.write(f, "one")
			s.must(os.Rename(s.dir+"/d", s.dir+"/e/d"))
			s.write(f, "two")
			s.must(f.Close())
			s.is("e/ e/d/ e/d/f=onetwo")
		})},
		{Name: "handles/replaced while read", run: scripted(func(s *script) {
			s.plant("f=old g=newer")
			f := s.open("f", os.O_RDONLY)
			s.must(os.Rename(s.dir+"/g", s.dir+"/f"))
			s.reads(f, 0, "old")
			s.holds("f", "newer")
			s.must(f.Close())
			s.is("f=newer")
		})},
		{Name: "handles/replaced while written", run: scripted(func(s *script) {
			s.plant("f=old g=newer")
			f := s.open("f", os.O_RDWR)
			s.must(os.Rename(s.dir+"/g", s.dir+"/f"))
			s.writeAt(f, "OLDEST", 0)
			s.reads(f, 0, "OLDEST")
			s.must(f.Close())
			s.is("f=newer")
		})},
		{Name: "handles/written, closed and replaced in a row", run: scripted(func(s *script) { // as editors save
			s.plant("f=old")
			for i := range 10 {
				text := strings.Repeat(fmt.Sprint(i), 1000*i)
				f := s.open("f.tmp", creat|os.O_TRUNC)
				s.write(f, text)
				s.must(f.Sync())
				s.must(f.Close())
				s.must(os.Rename(s.dir+"/f.tmp", s.dir+"/f"))
				s.holds("f", text)
			}
			s.gone("f.tmp")
		})},
		{Name: "handles/cut by another", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "abcdef")
			g := s.open("f", os.O_WRONLY|os.O_TRUNC)
			s.size(f, 0)
			s.reads(f, 0, "")
			s.write(f, "g") // at its offset, 6
			s.must(g.Close())
			s.must(f.Close())
			s.holds("f", "\x00\x00\x00\x00\x00\x00g")
		})},
		{Name: "handles/cut by path while open", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "abcdef")
			s.must(os.Truncate(s.dir+"/f", 2))
			s.size(f, 2)
			s.reads(f, 0, "ab")
			s.must(f.Truncate(4))
			s.reads(f, 0, "ab\x00\x00")
			s.must(f.Close())
			s.holds("f", "ab\x00\x00")
		})},
		{Name: "handles/ftruncate needs writing", run: scripted(func(s *script) {
			s.plant("f=abc")
			f := s.open("f", os.O_RDONLY)
			if err := unix.Ftruncate(int(f.Fd()), 0); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBADF) {
				s.must(fmt.Errorf("ftruncate: %w", err))
			}
			s.holds("f", "abc")
		})},
		{Name: "handles/fsync", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "abc")
			s.must(f.Sync())
			s.write(f, "def")
			s.must(f.Sync())
			s.must(f.Sync())
			s.holds("f", "abcdef")
			d, err := os.Open(s.dir)
			s.must(err)
			defer d.Close()
			s.must(d.Sync())
		})},
		{Name: "handles/opened by a link that goes", run: scripted(func(s *script) {
			s.plant("f=abc l->f")
			f := s.open("l", os.O_RDWR)
			s.must(os.Remove(s.dir + "/l"))
			s.writeAt(f, "X", 1)
			s.must(f.Close())
			s.is("f=aXc")
		})},
		{Name: "handles/many of one file", run: scripted(func(s *script) {
			var all []*os.File
			for range 30 {
				all = append(all, s.open("f", readWrite))
			}
			for i, f := range all {
				s.writeAt(f, string(rune('A'+i)), int64(i))
			}
			for i, f := range all {
				if i%2 == 0 {
					s.must(f.Close())
				}
			}
			s.reads(all[29], 0, "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^")
			for i, f := range all {
				if i%2 == 1 {
					s.must(f.Close())
				}
			}
			s.holds("f", "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^")
		})},
		{Name: "handles/one of many makes an exclusive name", run: oneWins(func(path string, _ int) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			return f.Close()
		})},
		{Name: "handles/one of many makes a directory", run: oneWins(func(path string, _ int) error { return os.Mkdir(path, 0o755) })},
		{Name: "handles/one of many makes a link", run: oneWins(func(path string, i int) error { return os.Symlink(fmt.Sprint(i), path) })},
		{Name: "handles/one of many removes", run: func(dir string) error {
			if err := plant(dir, "f=x"); err != nil {
				return err
			}
			return race(1, func(int) error { return os.Remove(dir + "/f") }, os.ErrNotExist)
		}},
		{Name: "handles/many rename to one name", run: scripted(func(s *script) {
			for i := range racers {
				s.plant(fmt.Sprintf("f%d=%d", i, i))
			}
			s.must(race(racers, func(i int) error { return os.Rename(fmt.Sprintf("%s/f%d", s.dir, i), s.dir+"/f") }, nil))
			names, err := os.ReadDir(s.dir)
			s.must(err)
			if len(names) != 1 || names[0].Name() != "f" {
				s.must(fmt.Errorf("left: %v", names))
			}
		})},
	}
}

const racers = 8

func oneWins(do func(path string, i int) error) func(dir string) error {
	return func(dir string) error { return race(1, func(i int) error { return do(dir+"/f", i) }, os.ErrExist) }
}

// race lets several do the same at once: so many succeed, the others are told loss.
func race(succeed int, do func(i int) error, loss error) error {
	results := make(chan error)
	for i := range racers {
		go func() { results <- do(i) }()
	}
	won := 0
	var others error
	for range racers {
		switch err := <-results; {
		case err == nil:
			won++
		case loss == nil || !errors.Is(err, loss):
			others = err
		}
	}
	if others != nil {
		return others
	}
	if won != succeed {
		return fmt.Errorf("%d of %d succeed, not %d", won, racers, succeed)
	}
	return nil
}

const mib = 1 << 20

// contentChecks are about bytes, their places and their holes.
func contentChecks() []Check {
	return []Check{
		{Name: "contents/a hole reads as zeros", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.writeAt(f, "end", 100_000)
			s.size(f, 100_003)
			s.must(f.Close())
			s.holds("f", strings.Repeat("\x00", 100_000)+"end")
		})},
		{Name: "contents/a hole of 5 GiB", run: scripted(func(s *script) {
			const far = 5 << 30
			f := s.open("f", readWrite)
			s.writeAt(f, "begin", 0)
			s.writeAt(f, "end", far)
			s.size(f, far+3)
			s.must(f.Close())
			f = s.open("f", os.O_RDONLY)
			s.reads(f, far-4, "\x00\x00\x00\x00end")
			b := make([]byte, 10)
			_, err := f.ReadAt(b, 0)
			s.must(err)
			if string(b) != "begin\x00\x00\x00\x00\x00" {
				s.must(fmt.Errorf("begins %q", b))
			}
		})},
		{Name: "contents/truncate to 1 TiB and back", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, "abc")
			s.must(f.Truncate(1 << 40))
			s.size(f, 1<<40)
			s.must(f.Truncate(4))
			s.must(f.Close())
			s.holds("f", "abc\x00")
		})},
		{Name: "contents/what was cut doesn't come back", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, strings.Repeat("x", 3*mib))
			s.must(f.Truncate(mib + 10))
			s.must(f.Truncate(2*mib + 7))
			s.writeAt(f, "end", 2*mib+7)
			s.must(f.Close())
			s.holds("f", strings.Repeat("x", mib+10)+strings.Repeat("\x00", mib-3)+"end")
		})},
		{Name: "contents/what was cut and closed doesn't come back", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, strings.Repeat("x", 300_000))
			s.must(f.Close())
			s.must(os.Truncate(s.dir+"/f", 70_001))
			s.must(os.Truncate(s.dir+"/f", 200_000))
			s.holds("f", strings.Repeat("x", 70_001)+strings.Repeat("\x00", 129_999))
		})},
		{Name: "contents/across every boundary", run: scripted(func(s *script) {
			want := bytes.Repeat([]byte("."), 3*mib)
			f := s.open("f", readWrite)
			_, err := f.Write(want)
			s.must(err)
			for _, at := range []int{1, 4096, 32 << 10, 64 << 10, 128 << 10, 255 << 10, 256 << 10, mib, 2 * mib} {
				for _, n := range []int{1, 2, 5000, 70_000} {
					off := max(0, at-n/2)
					word := bytes.Repeat([]byte{byte('a' + n%26)}, n)
					copy(want[off:], word)
					_, err := f.WriteAt(word, int64(off))
					s.must(err)
				}
			}
			s.must(f.Close())
			s.holds("f", string(want))
		})},
		{Name: "contents/backwards", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			for off := 200; off >= 0; off-- {
				s.writeAt(f, string(rune('a'+off%26)), int64(off)*1000)
			}
			s.must(f.Close())
			want := make([]byte, 200_001)
			for off := range 201 {
				want[off*1000] = byte('a' + off%26)
			}
			s.holds("f", string(want))
		})},
		{Name: "contents/nothing written at the end changes nothing", run: scripted(func(s *script) {
			s.plant("f=abc")
			f := s.open("f", os.O_RDWR)
			n, err := f.WriteAt(nil, 10)
			if n != 0 {
				s.must(fmt.Errorf("%d bytes", n))
			}
			s.must(err)
			s.must(f.Close())
			s.holds("f", "abc")
		})},
		{Name: "contents/reads at and past the end", run: scripted(func(s *script) {
			s.plant("f=abc")
			f := s.open("f", os.O_RDONLY)
			s.reads(f, 1, "bc")
			s.reads(f, 3, "")
			s.reads(f, 1<<40, "")
		})},
		{Name: "contents/shared memory", run: scripted(func(s *script) {
			f := s.open("f", readWrite)
			s.write(f, strings.Repeat("x", 10_000))
			m, err := unix.Mmap(int(f.Fd()), 0, 10_000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			s.must(err)
			copy(m[4090:], "across a page")
			s.must(unix.Msync(m, unix.MS_SYNC))
			s.must(unix.Munmap(m))
			s.must(f.Close())
			s.holds("f", strings.Repeat("x", 4090)+"across a page"+strings.Repeat("x", 10_000-4090-13))
		})},
		{Name: "contents/a copy in the kernel", run: scripted(func(s *script) {
			from, to := s.open("f", readWrite), s.open("g", readWrite)
			s.write(from, strings.Repeat("0123456789", 30_000))
			_, err := from.Seek(0, io.SeekStart)
			s.must(err)
			_, err = io.Copy(to, from) // copy_file_range or sendfile
			s.must(err)
			s.must(to.Close())
			s.holds("g", strings.Repeat("0123456789", 30_000))
		})},
	}
}
