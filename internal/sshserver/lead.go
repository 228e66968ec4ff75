package sshserver

import (
	"errors"
	"io"
	"sync"
	"time"
)

// patience is how long whoever has been lent the reading may stay away. After
// at most twice of it the loop reads again.
const patience = 5 * time.Millisecond

// lead says who reads the packets of a connection and hands them out. This is
// the mux's loop at first. While there is one channel and all that has come is
// handed out, the loop lends it to a goroutine that it wakes in that channel's
// Read, and rests: from then on, whoever waits in the channel's Read, or for its
// window in a Write, reads packets himself ("inside"), and no other goroutine
// has to be woken for a request. While none does ("outside"), nobody reads.
//
// That may not last: other packets must be handled, whatever the channel's
// goroutines do. So the lead goes back to the loop
//
//   - when somebody begins to wait who can't read himself: because another one
//     of the channel is inside and leaves, or because a key exchange must end;
//   - when a packet opened another channel, or ended this one or its data;
//   - when reading failed, with the error;
//   - when everybody was outside for longer than patience.
//
// Locks: buffer.L before lead.mu; window.L before lead.mu; no other is taken
// with lead.mu held.
type lead struct {
	back chan error // wakes the loop with the lead; never full
	lent bool       // of the loop alone: it has lent the lead and must wait at back

	mu       sync.Mutex // guards the fields below
	holder   *channel   // to whose goroutines the lead is lent; nil: the loop has it
	inside   bool       // one of them reads packets
	writers  int        // how many wait for a window, and don't read
	turns    uint64     // how often somebody came or left
	seen     uint64     // turns, when the timer was set
	watching bool       // the timer is set
	timer    *time.Timer
}

func (m *mux) initLead() {
	m.lead.back = make(chan error, 1)
	m.lead.timer = time.AfterFunc(time.Hour, m.watch)
	m.lead.timer.Stop()
}

// lend gives the lead to ch, whose reader is about to be woken, if it can. It
// is called with ch.pending.L held, by whoever reads.
func (m *mux) lend(ch *channel) {
	if m.chanList.open.Load() != 1 || len(m.conn.conn.in.received()) > 0 {
		return
	}
	l := &m.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != nil || l.writers > 0 {
		return
	}
	l.holder, l.lent = ch, true
	l.left(m)
}

// left notes that nobody is inside. It is called with mu held.
func (l *lead) left(m *mux) {
	l.turns++
	if !l.watching {
		l.watching, l.seen = true, l.turns
		l.timer.Reset(patience)
	}
}

// enter reports whether its caller, who has to wait for packets of ch, must
// read them himself: then he calls pump. A writer that doesn't calls waited when
// he has been woken.
func (m *mux) enter(ch *channel, writer bool) bool {
	l := &m.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == ch && !l.inside {
		l.inside = true
		l.turns++
		return true
	}
	if writer {
		l.writers++
	}
	return false
}

// waited ends the wait of a writer.
func (m *mux) waited() {
	m.lead.mu.Lock()
	m.lead.writers--
	m.lead.mu.Unlock()
}

var errPanicked = errors.New("ssh: the reader of packets panicked")

// pump reads packets until done says that there is what its caller waits for,
// or the lead has to be given back. It follows an enter, and is called with
// held locked, which it unlocks meanwhile.
func (m *mux) pump(ch *channel, held sync.Locker, done func() bool) {
	held.Unlock()
	defer held.Lock()
	err := errPanicked
	defer func() { m.leave(ch, err) }()
	for !done() && m.chanList.open.Load() == 1 {
		if err = m.onePacket(); err != nil {
			return
		}
		err = errPanicked
	}
	err = nil
}

// leave ends pump.
func (m *mux) leave(ch *channel, err error) {
	ch.pending.L.Lock() // nobody begins to wait for data meanwhile
	defer ch.pending.L.Unlock()
	l := &m.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside = false
	if err != nil || ch.pending.waiting || ch.pending.closed || l.writers > 0 || m.chanList.open.Load() != 1 {
		l.turns++
		l.holder = nil
		l.back <- err
		return
	}
	l.left(m)
}

// takeBack has the loop read again if nobody does.
func (m *mux) takeBack() {
	l := &m.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != nil && !l.inside {
		l.holder = nil
		l.back <- nil
	}
}

// watch is called by the timer.
func (m *mux) watch() {
	l := &m.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.holder == nil || l.inside:
		l.watching = false
	case l.seen != l.turns:
		l.seen = l.turns
		l.timer.Reset(patience)
	default:
		l.watching = false
		l.holder = nil
		l.back <- nil
	}
}

// deliver hands out data that has been read for the channel.
func (ch *channel) deliver(data []byte) {
	b := ch.pending
	b.L.Lock()
	defer b.L.Unlock()
	b.write(data)
	if b.waiting {
		ch.mux.lend(ch)
		b.waiting = false
		b.Broadcast()
	}
}

// read takes what there is for p, and waits until there is something.
func (ch *channel) read(p []byte) (int, error) {
	b := ch.pending
	b.L.Lock()
	defer b.L.Unlock()
	for b.reading {
		b.Wait()
	}
	if n := b.take(p); n > 0 || len(p) == 0 {
		return n, nil
	}
	b.reading, b.dst, b.got = true, p, 0
	defer func() {
		b.reading, b.dst = false, nil
		b.Broadcast()
	}()
	for b.got == 0 && !b.closed {
		if ch.mux.enter(ch, false) {
			ch.mux.pump(ch, b.L, ch.served)
			continue
		}
		b.waiting = true
		for b.waiting {
			b.Wait()
		}
	}
	if b.got == 0 {
		return 0, io.EOF
	}
	return b.got, nil
}

// served reports whether a read that reads packets itself has enough: it has
// something, and the next packet is still under way or won't fit. The data of a
// packet is shorter than the packet, which is a part of what has been received.
func (ch *channel) served() bool {
	b := ch.pending
	b.L.Lock()
	defer b.L.Unlock()
	if b.closed || b.got == 0 {
		return b.closed
	}
	conn := ch.mux.conn.conn
	return len(b.dst) < min(channelMaxPacket, len(conn.in.received())) || !conn.buffered()
}
