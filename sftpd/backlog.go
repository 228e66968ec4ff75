package sftpd

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	// maxBacklog bounds what a connection has received and its sessions have
	// not taken, as it came over the network. The SSH layer holds up to 2 MiB
	// of data a channel, however small the packets are; but a window of single
	// bytes takes 50 times its size on the network. Whoever fills
	// all channels with packets of some size stays far below.
	maxBacklog = 64 << 20
	// overheadShare of what sessions take is added for headers, tags and
	// padding of packets: 1/64 is that of packets of 3 KiB.
	overheadShare = 64
	// maxBacklogs bounds the sum of a server's connections: beyond it, those
	// end that have more than fairBacklog, which is twice what one channel holds.
	maxBacklogs = 512 << 20
	fairBacklog = 4 << 20
	// backlogStep is how many bytes come in between two looks.
	backlogStep = 256 << 10
)

// backlog counts what the channels of a connection have not taken. It can't
// look into the SSH layer: since a time at which every channel had taken all
// that there was, what came in less what was taken is at most what waits.
type backlog struct {
	taken  atomic.Int64  // by all channels
	period atomic.Uint64 // of such times
	seen   int64         // received at the last look
	all    *atomic.Int64 // of all connections of the server

	mu        sync.Mutex // guards the fields below
	inlets    map[*inlet]struct{}
	received0 int64 // at the period's begin
	taken0    int64
	waits     int64 // at the last look, as counted in all
	ended     bool  // looks count nothing any more
}

// inlet is what a channel's client sends.
type inlet struct {
	ssh.Channel
	log     *backlog
	reading atomic.Bool
	empty   atomic.Uint64 // the last period in which all there was has been taken
}

// open makes the inlet of a channel.
func (b *backlog) open(ch ssh.Channel) *inlet {
	in := &inlet{Channel: ch, log: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inlets == nil {
		b.inlets = map[*inlet]struct{}{}
	}
	b.inlets[in] = struct{}{}
	return in
}

// Read reads from the channel. What it leaves room for was all that there was.
func (i *inlet) Read(p []byte) (int, error) {
	i.reading.Store(true)
	period := i.log.period.Load()
	n, err := i.Channel.Read(p)
	i.log.taken.Add(int64(n))
	if n < len(p) {
		i.empty.Store(period)
	}
	i.reading.Store(false)
	return n, err
}

// drain discards what still comes until the channel is closed by both sides.
func (i *inlet) drain() {
	_, _ = io.Copy(io.Discard, onlyReader{i})
	i.log.mu.Lock()
	defer i.log.mu.Unlock()
	delete(i.log.inlets, i)
}

// onlyReader keeps io.Copy to Read.
type onlyReader struct{ io.Reader }

// look is called by the goroutine that receives, with all that it has
// received. Its error says that the backlog is too large.
func (b *backlog) look(received int64) error {
	if received-b.seen < backlogStep {
		return nil
	}
	b.seen = received
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil
	}
	taken := b.taken.Load()
	if b.allEmpty() {
		b.received0, b.taken0 = received, taken
		b.period.Add(1)
	}
	taken -= b.taken0
	all := b.count(max(0, received-b.received0-taken-taken/overheadShare))
	if b.waits > maxBacklog || b.waits > fairBacklog && all > maxBacklogs {
		return fmt.Errorf("%d bytes wait, and no session takes them: %w", b.waits, kind.TooLarge)
	}
	return nil
}

// count notes how much waits, and returns the sum of all connections. It is
// called with mu held.
func (b *backlog) count(waits int64) int64 {
	all := b.all.Add(waits - b.waits)
	b.waits = waits
	return all
}

// end takes a connection that has ended out of the sum.
func (b *backlog) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(0)
	b.ended = true
}

// allEmpty reports whether every channel has taken all that there was at some
// time of this period, or is waiting for more.
func (b *backlog) allEmpty() bool {
	period := b.period.Load()
	for i := range b.inlets {
		if !i.reading.Load() && i.empty.Load() != period {
			return false
		}
	}
	return true
}
