package sshserver

import "sync"

// pieceSize is how much a piece of a buffer holds.
const pieceSize = 32 << 10

// pieces are those that no buffer uses.
var pieces = sync.Pool{New: func() any { return new(piece) }}

// piece is a part of what a buffer holds: b[r:w].
type piece struct {
	next *piece
	r, w int
	b    [pieceSize]byte
}

// buffer is what a channel has received and its reader has not taken. What
// comes while a read waits goes to where that wants it, and all else is
// collected in pieces, so that the memory it takes is what the window allows,
// however small the packets are.
type buffer struct {
	*sync.Cond // guards the fields below

	head, tail *piece
	closed     bool

	reading bool   // somebody is in read
	waiting bool   // and waits for others to read packets
	dst     []byte // and wants more of it here
	got     int    // and so much has come
}

// newBuffer returns an empty buffer that is not closed.
func newBuffer() *buffer { return &buffer{Cond: newCond()} }

// write takes data over. It is called with b.L held.
func (b *buffer) write(data []byte) {
	if b.head == nil && len(b.dst) > 0 {
		n := copy(b.dst, data)
		b.dst, b.got, data = b.dst[n:], b.got+n, data[n:]
	}
	for len(data) > 0 {
		if b.tail == nil || b.tail.w == pieceSize {
			p := pieces.Get().(*piece)
			p.next, p.r, p.w = nil, 0, 0
			if b.tail == nil {
				b.head = p
			} else {
				b.tail.next = p
			}
			b.tail = p
		}
		n := copy(b.tail.b[b.tail.w:], data)
		b.tail.w += n
		data = data[n:]
	}
}

// take moves what there is into p. It is called with b.L held.
func (b *buffer) take(p []byte) (n int) {
	for n < len(p) && b.head != nil {
		h := b.head
		k := copy(p[n:], h.b[h.r:h.w])
		h.r += k
		n += k
		if h.r < h.w {
			break
		}
		if b.head = h.next; b.head == nil {
			b.tail = nil
		}
		pieces.Put(h)
	}
	return n
}

// eof closes the buffer. Reads from the buffer once all
// the data has been consumed will receive io.EOF.
func (b *buffer) eof() {
	b.L.Lock()
	b.closed = true
	b.waiting = false
	b.Broadcast()
	b.L.Unlock()
}
