package s3

import (
	"bytes"
	"crypto/md5" // what S3's ETags are
	"math/rand/v2"
	"sync"
	"testing"
)

// Every MD5 is that of its own body, however many come at once, in whatever pieces,
// and whether those before it were finished or broken off; and hashes are used again.
func TestLanesComputeMD5(t *testing.T) {
	t.Parallel()
	l := newLanes()
	data := make([]byte, 300<<10)
	rand.NewChaCha8([32]byte{1}).Read(data)
	var wg sync.WaitGroup
	for i := range 3 * maxLaned / 2 {
		random := rand.New(rand.NewPCG(uint64(i), 3))
		wg.Go(func() {
			for range 4 {
				body := data[random.IntN(1000):][:random.IntN(250<<10)]
				sum, end := l.begin()
				cut := len(body)
				if random.IntN(3) == 0 {
					cut = random.IntN(len(body) + 1) // it breaks off here
				}
				for rest := body[:cut]; len(rest) > 0; {
					n := min(len(rest), md5.BlockSize*(1+random.IntN(100<<10/md5.BlockSize)))
					sum.Write(rest[:n])
					rest = rest[n:]
				}
				if want := md5.Sum(body); cut == len(body) && !bytes.Equal(sum.Sum(nil), want[:]) {
					t.Errorf("the MD5 of a body of %d bytes is wrong", len(body))
				}
				end()
			}
		})
	}
	wg.Wait()
	if l.busy != 0 || l.made > maxLaned || len(l.free) != l.made {
		t.Errorf("%d bodies, %d hashes, of which %d are free", l.busy, l.made, len(l.free))
	}
}

// One body after the other needs no lane, and so leaves nothing behind; three at once
// need one, over and over the same.
func TestLanesAreUsedAgain(t *testing.T) {
	t.Parallel()
	l := newLanes()
	for range 1000 {
		_, end := l.begin()
		end()
	}
	if l.made != 0 {
		t.Errorf("%d hashes were made for bodies that come alone", l.made)
	}
	for range 1000 {
		var ends []func()
		for range lanesFrom {
			sum, end := l.begin()
			sum.Write([]byte("some of it"))
			ends = append(ends, end)
		}
		for _, end := range ends {
			end()
		}
	}
	if l.made != 1 || len(l.free) != 1 {
		t.Errorf("%d hashes were made, %d are free", l.made, len(l.free))
	}
}

// A body whose reader panics leaves no goroutine behind, and its hash is as good as any.
func TestIntakePanics(t *testing.T) {
	t.Parallel()
	l := newLanes()
	l.busy = lanesFrom
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			in := &intake{lanes: l, src: &panicsAfter{n: 3 * intakeBuffer}, most: -1, sink: func([]byte) error { return nil }}
			_ = in.run(t.Context())
		}()
		if l.busy != lanesFrom || l.made != 1 || len(l.free) != 1 {
			t.Errorf("%d bodies, %d hashes, of which %d are free", l.busy, l.made, len(l.free))
		}
		body := bytes.Repeat([]byte("body "), intakeBuffer)
		in := &intake{lanes: l, src: bytes.NewReader(body), most: -1, sink: func([]byte) error { return nil }}
		if err := in.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := md5.Sum(body); !bytes.Equal(in.md5, want[:]) {
			t.Error("the MD5 of the next body is wrong")
		}
	}
}

// panicsAfter is a reader of n bytes that has a fault.
type panicsAfter struct{ n int }

func (r *panicsAfter) Read(p []byte) (int, error) {
	if r.n <= 0 {
		panic("a fault")
	}
	n := min(r.n, len(p))
	r.n -= n
	return n, nil
}
