package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	sftpclient "github.com/pkg/sftp"
)

// own is what one client knows of its own files in the shared directories.
type own struct {
	client int
	rng    *rand.Rand
	files  map[string][]byte // as of the last answer
	// maybe holds the paths of operations with unknown outcome, and what each may
	// hold; nil: it may be absent. They are not used again.
	maybe        map[string][][]byte
	made         int
	acknowledged int
}

func newOwn(client int, seed uint64) *own {
	return &own{client: client, rng: rand.New(rand.NewPCG(seed, uint64(client))), files: map[string][]byte{}, maybe: map[string][][]byte{}}
}

// step does one operation on a file of the client's own, by the gateway given.
// It returns the client's error if the outcome is not known, or what was wrong
// with the answer.
func (o *own) step(c *sftpclient.Client) (err, wrong error) {
	err, wrong = o.draw(c)
	if v := fateOf(err); v == absent || v == exists {
		return nil, fmt.Errorf("client %d: a file of its own: %w", o.client, err)
	}
	return err, wrong
}

func (o *own) draw(c *sftpclient.Client) (err, wrong error) {
	var path string
	if len(o.files) > 0 {
		all := make([]string, 0, len(o.files))
		for p := range o.files {
			all = append(all, p)
		}
		slices.Sort(all)
		path = all[o.rng.IntN(len(all))]
	}
	switch what := o.rng.IntN(10); {
	case path == "" || len(o.files) < 5 || what == 0:
		path, data := o.newPath(), o.contents()
		return o.change(store(c, path, data), map[string][]byte{path: data}), nil
	case what == 1:
		return o.change(c.Remove(path), map[string][]byte{path: nil}), nil
	case what <= 3: // to a new name, or over another one
		to := o.newPath()
		for p := range o.files {
			if p != path && o.rng.IntN(2) == 0 {
				to = p
			}
			break
		}
		return o.change(c.PosixRename(path, to), map[string][]byte{path: nil, to: o.files[path]}), nil
	case what <= 5: // in place
		part, off := o.contents(), o.rng.IntN(len(o.files[path])+1)
		data := slices.Clone(o.files[path])
		if len(data) < off+len(part) {
			data = append(data, make([]byte, off+len(part)-len(data))...)
		}
		copy(data[off:], part)
		return o.change(patch(c, path, part, int64(off)), map[string][]byte{path: data}), nil
	case what <= 7:
		data := o.contents()
		return o.change(store(c, path, data), map[string][]byte{path: data}), nil
	}
	got, err := slurp(c, path)
	if v := fateOf(err); v == unknown {
		return err, nil
	} else if v != done || !bytes.Equal(got, o.files[path]) {
		return nil, fmt.Errorf("client %d: %s: read %d bytes (%v), and %d were acknowledged", o.client, path, len(got), err, len(o.files[path]))
	}
	return nil, nil
}

// change notes what an operation made of its paths; nil contents: absent.
func (o *own) change(err error, to map[string][]byte) error {
	for path, data := range to {
		switch {
		case err != nil:
			o.maybe[path] = [][]byte{o.files[path], data}
			delete(o.files, path)
		case data == nil:
			delete(o.files, path)
		default:
			o.files[path] = data
		}
	}
	if err == nil {
		o.acknowledged++
	}
	return err
}

func (o *own) newPath() string {
	o.made++
	return fmt.Sprintf("%s/own-%d-%d", sharedDirs[o.rng.IntN(2)], o.client, o.made)
}

// contents are never empty, mostly small, and sometimes more than a chunk.
func (o *own) contents() []byte {
	sizes := []int{30, 300, 3000, 30_000, 300_000, 1_500_000}
	b := make([]byte, 1+o.rng.IntN(sizes[o.rng.IntN(len(sizes))]))
	fill(o.rng, b)
	return b
}
