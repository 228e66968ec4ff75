package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"path"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

const (
	fewNames = 1000
	namesOps = 200
)

// directoriesOf compares single operations in a directory of n names with the
// same in one of a thousand, both truckee's: a directory costs what is changed
// in it, not what it holds.
func directoriesOf(n int) workload {
	of := func(b *bench, n int) *target {
		t := *b.targets[0]
		t.Root = fmt.Sprintf("/names-%d", n)
		return &t
	}
	w := workload{
		name:    fmt.Sprintf("directory of %d", n),
		between: func(b *bench) (ours, theirs *target) { return of(b, n), of(b, fewNames) },
		prepare: func(_ context.Context, _ *bench, t *target) error {
			var size int
			if _, err := fmt.Sscanf(t.Root, "/names-%d", &size); err != nil {
				return err
			}
			return fill(t, size)
		},
	}
	for _, op := range []struct {
		name string
		do   func(c *client, root string, i int) error
	}{
		{"create", func(c *client, root string, i int) error {
			f, err := c.Create(path.Join(root, newName(i)))
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{"stat", func(c *client, root string, i int) error {
			_, err := c.Lstat(path.Join(root, newName(i)))
			return err
		}},
		{"rename", func(c *client, root string, i int) error {
			return c.Rename(path.Join(root, newName(i)), path.Join(root, newName(i)+"-renamed"))
		}},
		{"first page of a listing", func(c *client, root string, _ int) error { return c.firstPage(root) }},
		{"remove", func(c *client, root string, i int) error {
			return c.Remove(path.Join(root, newName(i)+"-renamed"))
		}},
	} {
		w.steps = append(w.steps, step{
			name: fmt.Sprintf("directory of %d, against one of 1,000: %s", n, op.name), unit: "ms", lowerIsBetter: true,
			ops: namesOps, bar: 1. / 3,
			run: func(_ context.Context, _ *bench, t *target) (float64, error) {
				took, err := each(t, namesOps, op.do)
				return median(took), err
			},
		})
	}
	return w
}

// newName is somewhere among those that are there.
func newName(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	return fmt.Sprintf("n%07d+", r.IntN(fewNames)*1000+r.IntN(1000))
}

// fill makes a directory of n names, evenly spread; symbolic links, since they
// are the cheapest.
func fill(t *target, n int) error {
	c, err := t.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mkdir(t.Root); err != nil {
		if _, there := c.Lstat(t.Root); there == nil {
			return nil // by an earlier workload
		}
		return err
	}
	const atOnce = 64
	var g errgroup.Group
	for w := range atOnce {
		g.Go(func() error {
			for i := w; i < n; i += atOnce {
				name := fmt.Sprintf("n%07d", i*(1_000_000/n))
				if err := c.Symlink("x", path.Join(t.Root, name)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// firstPage opens a directory, has the first names sent, and closes it.
func (c *client) firstPage(dir string) error {
	s, err := c.raw()
	if err != nil {
		return err
	}
	handle, err := s.ask(wire.Opendir, wire.AppendString(nil, dir))
	if err != nil {
		return err
	}
	if len(handle) < 4 {
		return fmt.Errorf("opendir %s: %x", dir, handle)
	}
	names, err := s.ask(wire.Readdir, handle)
	if err != nil {
		return err
	}
	if len(names) < 4 || binary.BigEndian.Uint32(names) < 50 {
		return fmt.Errorf("readdir %s: few names: %d bytes", dir, len(names))
	}
	_, err = s.ask(wire.Close, handle)
	return err
}

// raw is a session in which single requests can be sent; the client keeps it.
func (c *client) raw() (*rawSession, error) {
	if c.session != nil {
		return c.session, nil
	}
	s, err := c.conn.NewSession()
	if err != nil {
		return nil, err
	}
	r := &rawSession{ssh: s}
	if r.in, err = s.StdoutPipe(); err != nil {
		return nil, err
	}
	if r.out, err = s.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		return nil, err
	}
	if _, err := r.exchange(wire.AppendUint32([]byte{byte(wire.Init)}, wire.Version)); err != nil {
		return nil, err
	}
	c.session = r
	return r, nil
}

// rawSession speaks SFTP a packet at a time.
type rawSession struct {
	ssh *ssh.Session
	in  io.Reader
	out io.Writer
}

// ask sends a request and returns what follows the id in the answer.
func (s *rawSession) ask(t wire.Type, fields []byte) ([]byte, error) {
	p, err := s.exchange(append([]byte{byte(t), 0, 0, 0, 1}, fields...))
	if err != nil || len(p) < wire.HeaderSize {
		return nil, fmt.Errorf("%v: answer of %d bytes: %w", t, len(p), err)
	}
	return p[wire.HeaderSize:], nil
}

func (s *rawSession) exchange(p []byte) ([]byte, error) {
	if _, err := s.out.Write(append(wire.AppendUint32(nil, uint32(len(p))), p...)); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(s.in, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(s.in, answer)
	return answer, err
}
