package s3

import "sync/atomic"

// Documents are read as a whole before anything is done with them, some before it is
// known whether their sender may do anything: who may delete which of a thousand keys
// is asked for each. So many of them on their way at once, as slowly as their senders
// like, would take any memory there is. Beyond a small size they share what is bounded;
// who has no access key can't take what who has one needs.
const (
	smallDocument     = 64 << 10
	signedDocuments   = 64 << 20
	unsignedDocuments = 8 << 20
)

// room is how many bytes are taken of something bounded.
type room struct{ taken atomic.Int64 }

// documentRoom is what the documents of a caller are a part of, and its bound.
func (s *Server) documentRoom(who identity) (*room, int64) {
	if who.anonymous() {
		return &s.anonymous, unsignedDocuments
	}
	return &s.signed, signedDocuments
}

// held is what one document has taken of a room. The zero value has taken nothing.
type held struct {
	of *room
	n  int64
}

// grow takes what a document of that size needs beyond what it has; false if there is
// no room.
func (h *held) grow(of *room, most, size int64) bool {
	more := size - smallDocument - h.n
	if more <= 0 {
		return true
	}
	more = max(more, smallDocument)
	if of.taken.Add(more) > most {
		of.taken.Add(-more)
		return false
	}
	h.of = of
	h.n += more
	return true
}

// give gives all of it back.
func (h *held) give() {
	if h.of != nil {
		h.of.taken.Add(-h.n)
	}
	*h = held{}
}
