package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sftpclient "github.com/pkg/sftp"
)

// TestCrashKeepsWhatWasAcknowledged kills the gateway while clients create,
// overwrite, rename and remove. What was answered OK is there afterwards, whole;
// what was not is there whole or not at all.
func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	for round := range 3 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			const writers = 4
			results := make([]history, writers)
			var acknowledged [writers]atomic.Int32
			var wg sync.WaitGroup
			for w := range writers {
				c := dial(t, n.Endpoint)
				dir := fmt.Sprintf("round%d-%d", round, w)
				wg.Go(func() { results[w] = work(c, dir, uint64(round*writers+w), &acknowledged[w]) })
			}
			// Every writer is in the middle of something.
			eventually(t, func() bool {
				least := acknowledged[0].Load()
				for i := range acknowledged {
					least = min(least, acknowledged[i].Load())
				}
				return least >= 20
			})
			if err := n.Kill(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			start(t, n)
			c := dial(t, n.Endpoint)
			for _, h := range results {
				h.verify(t, c)
			}
			checkDeep(t, n)
		})
	}
}

// TestCrashInTheMiddleOfClients kills the gateway in the middle of what real
// clients do at full speed; check finds nothing damaged and the client's second try succeeds.
func TestCrashInTheMiddleOfClients(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	src := filepath.Join(sources(t), "cmd", "compile")
	large := filepath.Join(dir, "large")
	writeRandom(t, large, 512<<20)
	archive := filepath.Join(dir, "src.tar")
	run(t, src, "tar", "cf", archive, ".")
	origin := filepath.Join(dir, "origin")
	run(t, "", "cp", "-r", src, origin)
	run(t, origin, "git", "init", "-q", "-b", "main")
	run(t, origin, "git", "add", "-A")
	run(t, origin, "git", "commit", "-q", "-m", "import")

	t.Run("sftp put -r", func(t *testing.T) {
		// The target is the tree's own name: put -r goes into a directory that is
		// there already only if it is called otherwise.
		put := fmt.Sprintf("put -r %s\n", src)
		crashDuring(t, n.Kill, n.SFTPCommand(t.Context(), put).Run)
		start(t, n)
		checkDeep(t, n)
		sftp(t, n.Endpoint, put)
		back := filepath.Join(t.TempDir(), "back")
		sftp(t, n.Endpoint, fmt.Sprintf("get -r %s %s\n", filepath.Base(src), back))
		sameTree(t, fingerprint(t, back), fingerprint(t, src))
	})
	t.Run("sftp put of a large file", func(t *testing.T) {
		crashDuring(t, n.Kill, n.SFTPCommand(t.Context(), fmt.Sprintf("put %s large\n", large)).Run)
		start(t, n)
		checkDeep(t, n)
		sftp(t, n.Endpoint, fmt.Sprintf("put %s large\n", large))
		back := filepath.Join(t.TempDir(), "back")
		sftp(t, n.Endpoint, fmt.Sprintf("get large %s\n", back))
		sameFile(t, back, large)
	})
	t.Run("tar x on sshfs", func(t *testing.T) {
		t.Run("crash", func(t *testing.T) {
			m := mount(t, n.Endpoint)
			if err := os.Mkdir(filepath.Join(m, "tar"), 0o755); err != nil {
				t.Fatal(err)
			}
			crashDuring(t, n.Kill, command(t, filepath.Join(m, "tar"), "tar", "xf", archive).Run)
		})
		start(t, n)
		checkDeep(t, n)
		m := filepath.Join(mount(t, n.Endpoint), "tar")
		run(t, m, "tar", "xf", archive)
		sameTree(t, fingerprint(t, m), fingerprint(t, src))
	})
	t.Run("git clone on sshfs", func(t *testing.T) {
		t.Run("crash", func(t *testing.T) {
			m := mount(t, n.Endpoint)
			crashDuring(t, n.Kill, command(t, m, "git", "clone", "-q", "--no-local", origin, filepath.Join(m, "clone")).Run)
		})
		start(t, n)
		checkDeep(t, n)
	})
}

// crashDuring runs work and kills the server in the middle of it.
func crashDuring(t *testing.T, kill, work func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		t.Fatalf("the client ended before the crash: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the client reports success although the server was killed")
	}
}

// history is what a writer knows to be acknowledged.
type history struct {
	dir          string
	files        map[string][]byte // name to contents, as of the last acknowledged change
	maybe        string            // the name whose change was not answered
	maybeWas     []byte            // what the unanswered change would have made of it; nil: removed
	acknowledged int
}

// work changes files in a directory of its own until the connection dies, and
// counts what was acknowledged.
func work(c *sftpclient.Client, dir string, seed uint64, acknowledged *atomic.Int32) history {
	h := history{dir: dir, files: map[string][]byte{}}
	rng := rand.New(rand.NewPCG(seed, 1))
	if c.Mkdir(dir) != nil {
		return h
	}
	for {
		name := fmt.Sprint("f", rng.IntN(20))
		path := dir + "/" + name
		old, exists := h.files[name]
		switch {
		case exists && rng.IntN(5) == 0:
			h.maybe, h.maybeWas = name, nil
			if c.Remove(path) != nil {
				return h
			}
			delete(h.files, name)
		case exists && rng.IntN(2) == 0:
			// In place: somewhere inside, over the end, or behind a hole.
			off := rng.IntN(len(old) + 5000)
			part := make([]byte, 1+rng.IntN(5000))
			fill(rng, part)
			data := append(make([]byte, 0, off+len(part)), old...)
			if len(data) < off+len(part) {
				data = data[:off+len(part)]
			}
			copy(data[off:], part)
			h.maybe, h.maybeWas = name, data
			if patch(c, path, part, int64(off)) != nil {
				return h
			}
			h.files[name] = data
		default:
			sizes := []int{30, 3000, 30_000, 300_000, 3_000_000}
			data := make([]byte, rng.IntN(sizes[rng.IntN(len(sizes))]))
			fill(rng, data)
			h.maybe, h.maybeWas = name, data
			if store(c, path, data) != nil {
				return h
			}
			h.files[name] = data
		}
		h.maybe = ""
		h.acknowledged++
		acknowledged.Add(1)
	}
}

// patch writes into a file that is there, and asks for it to be durable.
func patch(c *sftpclient.Client, path string, part []byte, off int64) error {
	f, err := c.OpenFile(path, os.O_RDWR)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(part, off); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func store(c *sftpclient.Client, path string, data []byte) error {
	f, err := c.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// verify holds what is stored now against the history.
func (h history) verify(t *testing.T, c *sftpclient.Client) {
	t.Helper()
	list, err := c.ReadDirContext(context.Background(), h.dir)
	if err != nil {
		if h.acknowledged > 0 {
			t.Errorf("%s: %v", h.dir, err)
		}
		return
	}
	found := map[string]bool{}
	for _, info := range list {
		found[info.Name()] = true
		got := fetch(t, c, h.dir+"/"+info.Name())
		want, known := h.files[info.Name()]
		switch {
		case known && bytes.Equal(got, want):
		case info.Name() == h.maybe && h.maybeWas != nil && bytes.Equal(got, h.maybeWas):
		default:
			t.Errorf("%s/%s: %d bytes that were never acknowledged there (known %v, want %d)", h.dir, info.Name(), len(got), known, len(want))
		}
	}
	for name := range h.files {
		if !found[name] && name != h.maybe {
			t.Errorf("%s/%s was acknowledged and is gone", h.dir, name)
		}
	}
}

func fetch(t *testing.T, c *sftpclient.Client, path string) []byte {
	t.Helper()
	f, err := c.Open(path)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	return b
}
