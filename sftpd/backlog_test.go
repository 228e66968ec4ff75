package sftpd

import (
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
)

// still is a channel of which tests say what a Read takes.
type still struct {
	ssh.Channel
	next int
}

func (s *still) Read(p []byte) (int, error) { return min(s.next, len(p)), nil }

// receive has b look at n bytes more, step by step.
func (b *backlog) receive(n int64) (err error) {
	for at, end := b.seen, b.seen+n; at < end && err == nil; {
		at = min(end, at+backlogStep)
		err = b.look(at)
	}
	return err
}

func TestBacklogIsBounded(t *testing.T) {
	t.Parallel()
	buf := make([]byte, 64<<10)
	tests := []struct {
		name  string
		takes func(*inlet) // between two MiB that arrive
		want  bool         // that 1 GiB is taken
	}{
		{"a session that takes nothing", func(*inlet) {}, false},
		{"a session that waits for more", func(i *inlet) { i.reading.Store(true) }, true},
		{"a session that empties its channel at times", func(i *inlet) {
			i.Channel.(*still).next = 10
			_, _ = i.Read(buf)
		}, true},
		{"a session that never catches up, but takes as much as comes", func(i *inlet) {
			i.Channel.(*still).next = len(buf)
			for range (1<<20)/len(buf) - 1 { // less the overhead
				_, _ = i.Read(buf)
			}
			_, _ = i.Read(buf[:len(buf)*63/64])
		}, true},
		{"a session that takes half of what comes", func(i *inlet) {
			i.Channel.(*still).next = len(buf)
			for range (1 << 19) / len(buf) {
				_, _ = i.Read(buf)
			}
		}, false},
	}
	for _, tt := range tests {
		b := &backlog{all: new(atomic.Int64)}
		quiet, in := b.open(&still{}), b.open(&still{})
		quiet.reading.Store(true)
		var err error
		total := int64(0)
		for total < 1<<30 && err == nil {
			tt.takes(in)
			total += 1 << 20
			err = b.receive(1 << 20)
		}
		if tt.want && err != nil || !tt.want && (!errors.Is(err, kind.TooLarge) || total > 3*maxBacklog) {
			t.Errorf("%s: after %d MiB %v", tt.name, total>>20, err)
		}
	}
}

// Beyond the bound of all connections those end that have the most, and the
// others go on.
func TestBacklogsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	var all atomic.Int64
	honest := &backlog{all: &all}
	honest.open(&still{})
	taken, open := 0, []*backlog{honest}
	for range maxBacklogs / (32 << 20) * 2 {
		b := &backlog{all: &all}
		b.open(&still{})
		if b.receive(32<<20) == nil {
			taken++
		}
		open = append(open, b)
	}
	if most := maxBacklogs / (32 << 20); taken > most || all.Load() > maxBacklogs+int64(len(open))*(fairBacklog+backlogStep) {
		t.Errorf("%d times 32 MiB were taken, %d bytes in all", taken, all.Load())
	}
	if err := honest.receive(fairBacklog / 2); err != nil {
		t.Errorf("a connection with little: %v", err)
	}
	for _, b := range open {
		b.end()
	}
	if n := all.Load(); n != 0 {
		t.Errorf("%d bytes are counted in the end", n)
	}
}
