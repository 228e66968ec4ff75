//go:build linux

package posix

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const many = 300

func (s *script) fill(n int) {
	for i := range n {
		s.plant(fmt.Sprintf("f%d", i))
	}
}

// list reads on in a directory, so many entries at once, and calls between.
func (s *script) list(d *os.File, at int, between func(seen map[string]int)) map[string]int {
	seen := map[string]int{}
	for {
		names, err := d.Readdirnames(at)
		for _, n := range names {
			seen[n]++
		}
		if errors.Is(err, io.EOF) {
			return seen
		}
		s.must(err)
		if between != nil {
			between(seen)
		}
	}
}

// once checks that each of f0 to fn-1 that keep says was seen once.
func (s *script) once(seen map[string]int, n int, keep func(i int) bool) {
	for i := range n {
		name := fmt.Sprintf("f%d", i)
		if count := seen[name]; keep(i) && count != 1 || count > 1 {
			s.must(fmt.Errorf("%s is listed %d times", name, count))
		}
	}
}

func always(int) bool { return true }

func (s *script) openDir() *os.File {
	d, err := os.Open(s.dir)
	s.must(err)
	s.files = append(s.files, d)
	return d
}

// listingChecks are about directories that are read while they change.
func listingChecks() []Check {
	return []Check{
		{Name: "readdir/everything once", run: scripted(func(s *script) {
			s.fill(many)
			seen := s.list(s.openDir(), 7, nil)
			s.once(seen, many, always)
			if len(seen) != many {
				s.must(fmt.Errorf("%d names", len(seen)))
			}
		})},
		{Name: "readdir/what stays is listed once while others go", run: scripted(func(s *script) {
			s.fill(many)
			removed := false
			seen := s.list(s.openDir(), 20, func(map[string]int) {
				for i := 0; i < many && !removed; i += 2 {
					s.must(os.Remove(fmt.Sprintf("%s/f%d", s.dir, i)))
				}
				removed = true
			})
			s.once(seen, many, func(i int) bool { return i%2 == 1 })
		})},
		{Name: "readdir/what was there is listed once while others come", run: scripted(func(s *script) {
			s.fill(many)
			made := 0
			seen := s.list(s.openDir(), 50, func(map[string]int) {
				s.plant(fmt.Sprintf("g%d", made))
				made++
			})
			s.once(seen, many, always)
		})},
		{Name: "readdir/emptied while it is listed", run: scripted(func(s *script) { // as rm -r does
			s.plant("d/")
			sub := &script{dir: s.dir + "/d"}
			sub.fill(many)
			d := sub.openDir()
			done := map[string]bool{}
			sub.list(d, 10, func(seen map[string]int) {
				for n := range seen {
					if !done[n] {
						s.must(os.Remove(sub.dir + "/" + n))
						done[n] = true
					}
				}
			})
			s.must(d.Close())
			s.must(os.Remove(sub.dir))
		})},
		{Name: "readdir/rewound, it shows what came", run: scripted(func(s *script) {
			s.plant("f0")
			d := s.openDir()
			s.once(s.list(d, 10, nil), 1, always)
			s.plant("f1")
			_, err := d.Seek(0, io.SeekStart)
			s.must(err)
			s.once(s.list(d, 10, nil), 2, always)
		})},
		{Name: "readdir/types", run: scripted(func(s *script) {
			s.plant("f d/ l->no m->d")
			list, err := os.ReadDir(s.dir)
			s.must(err)
			got := ""
			for _, e := range list {
				got += fmt.Sprintf("%s:%v ", e.Name(), e.Type())
			}
			if want := "d:d--------- f:---------- l:L--------- m:L--------- "; got != want {
				s.must(fmt.Errorf("%q, not %q", got, want))
			}
		})},
		{Name: "readdir/sizes of links and files", run: scripted(func(s *script) {
			s.plant("f=abc l->abcdef")
			for path, want := range map[string]int64{"f": 3, "l": 6} {
				i, err := os.Lstat(s.dir + "/" + path)
				s.must(err)
				if i.Size() != want {
					s.must(fmt.Errorf("%s: %d bytes, not %d", path, i.Size(), want))
				}
			}
		})},
	}
}

// volumeChecks are about what is asked of the file system as a whole.
func volumeChecks() []Check {
	return []Check{
		{Name: "statfs/numbers make sense", run: scripted(func(s *script) {
			var st unix.Statfs_t
			s.must(unix.Statfs(s.dir, &st))
			if st.Bsize <= 0 || st.Frsize <= 0 || st.Blocks == 0 || st.Bfree > st.Blocks || st.Bavail > st.Bfree || st.Namelen < 255 || st.Flags&unix.ST_RDONLY != 0 {
				s.must(fmt.Errorf("%+v", st))
			}
		})},
		{Name: "stat/links of a file and its other name", run: scripted(func(s *script) {
			s.plant("f=x")
			s.must(os.Link(s.dir+"/f", s.dir+"/g"))
			var f, g unix.Stat_t
			s.must(unix.Stat(s.dir+"/f", &f))
			s.must(unix.Stat(s.dir+"/g", &g))
			if f.Nlink != 2 || f.Ino != g.Ino {
				s.must(fmt.Errorf("%d links, inodes %d and %d", f.Nlink, f.Ino, g.Ino))
			}
		})},
		{Name: "mknod/a fifo", run: scripted(func(s *script) {
			s.must(unix.Mkfifo(s.dir+"/p", 0o644))
			i, err := os.Lstat(s.dir + "/p")
			s.must(err)
			if i.Mode().Type() != os.ModeNamedPipe {
				s.must(fmt.Errorf("%v", i.Mode()))
			}
		})},
		{Name: "flock/excludes", run: scripted(func(s *script) {
			a, b := s.open("f", readWrite), s.open("f", readWrite)
			s.must(unix.Flock(int(a.Fd()), unix.LOCK_EX))
			if err := unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
				s.must(fmt.Errorf("a second lock: %w", err))
			}
			s.must(a.Close())
			s.must(unix.Flock(int(b.Fd()), unix.LOCK_EX|unix.LOCK_NB))
		})},
	}
}
