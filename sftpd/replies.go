package sftpd

import (
	"io"
	"slices"
	"sync"
	"time"
)

const (
	// maxQueued bounds the memory of replies that wait for an earlier one.
	maxQueued = 1 << 20
	// pledgeSize is what a place in the queue takes beside its bytes.
	pledgeSize = 64
	// maxJoint is the most that is copied to be sent by one write.
	maxJoint = 4 << 10
	// holdTime is how long a reply that is ready may be held.
	holdTime = 2 * time.Millisecond
)

// replies sends what a session answers in the order of its requests, though
// some answers are ready before those of earlier requests: clients such as lftp
// and WS_FTP disconnect when they come in another order. Its methods are safe
// for concurrent use.
type replies struct {
	w io.Writer

	mu    sync.Mutex  // guards the fields below; held while w is written
	moved sync.Cond   // the queue has become shorter
	queue []*pledge   // begins with one that isn't ready, or is held
	bytes int         // that the queue takes
	err   error       // of a write: nothing is sent any more
	joint []byte      // what is sent together
	late  *time.Timer // calls release; nil before a reply was held
	timed bool        // it will
}

// pledge is the place of a reply in the order.
type pledge struct {
	b     []byte
	ready bool
	held  bool // it goes out with what follows
}

func newReplies(w io.Writer) *replies {
	r := &replies{w: w}
	r.moved.L = &r.mu
	return r
}

// send sends b, which follows all that was sent and pledged so far. It reports
// whether b is free to be used again: if not, it waits in the queue.
func (r *replies) send(b []byte) (free bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		r.write(b)
		return true
	}
	free = r.queueUp(b)
	r.drain()
	return free || len(r.queue) == 0
}

// queueUp has b wait in the queue, a copy of it if it is a small part of its
// buffer. It reports whether b is free, and is called with mu held.
func (r *replies) queueUp(b []byte) (free bool) {
	switch {
	case len(b) == 0:
		return true
	case 2*len(b) < cap(b):
		r.push(&pledge{b: slices.Clone(b), ready: true})
		return true
	}
	r.push(&pledge{b: b, ready: true})
	return false
}

// pledge takes the next place in the order, after b.
func (r *replies) pledge(b []byte) (p *pledge, free bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		r.write(b)
		free = true
	} else {
		free = r.queueUp(b)
	}
	p = &pledge{}
	r.push(p)
	return p, free
}

// keep makes p the reply b, and sends all that no longer waits.
func (r *replies) keep(p *pledge, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.b, p.ready = b, true
	r.bytes += len(b)
	switch {
	case !p.held:
		r.drain()
	case r.timed:
	case r.late == nil:
		r.late, r.timed = time.AfterFunc(holdTime, r.release), true
	default:
		r.late.Reset(holdTime)
		r.timed = true
	}
}

// release sends what is held, whatever the session does.
func (r *replies) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timed = false
	r.drain()
}

// hold has p wait for the next send when it is kept, for a moment: what the session
// does next may take minutes. It reports whether it does: what is ready already has
// been sent, or waits for what is before it.
func (r *replies) hold(p *pledge) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.held = !p.ready
	return p.held
}

// drain sends what waits for nothing before it, small replies by one write. It is
// called with mu held.
func (r *replies) drain() {
	n, joint := 0, r.joint[:0]
	for ; n < len(r.queue) && r.queue[n].ready; n++ {
		b := r.queue[n].b
		if len(joint)+len(b) > maxJoint {
			r.write(joint)
			joint = joint[:0]
		}
		if len(b) > maxJoint {
			r.write(b)
		} else {
			joint = append(joint, b...)
		}
		r.bytes -= len(b) + pledgeSize
		r.queue[n] = nil
	}
	r.write(joint)
	r.joint = joint
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	r.moved.Broadcast()
}

// full reports whether so much waits in the queue that room is to be called.
func (r *replies) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes > maxQueued
}

// room waits until little enough waits in the queue. Every pledge must be on
// its way to be kept.
func (r *replies) room() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	for r.bytes > maxQueued && len(r.queue) > 0 {
		r.moved.Wait()
	}
}

// broken returns the error of a write, if there was one.
func (r *replies) broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// push is called with mu held.
func (r *replies) push(p *pledge) {
	r.queue = append(r.queue, p)
	r.bytes += len(p.b) + pledgeSize
}

// write is called with mu held.
func (r *replies) write(b []byte) {
	if len(b) == 0 || r.err != nil {
		return
	}
	_, r.err = r.w.Write(b)
}
