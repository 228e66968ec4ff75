package sshserver

import (
	"io"
	"sync"
)

const (
	// firstInput is the receive buffer of a fresh connection; it doubles up to
	// maxInput while what arrives fills it, and as far as a packet needs.
	firstInput = 4 << 10
	maxInput   = 256 << 10
	// calmDown is after how many reads in a row that would have fitted in half
	// of firstInput a buffer that has grown is given up: connections that were
	// busy once rest for hours.
	calmDown = 32
)

// input is what has been received and not yet been read. Packets are opened in
// it where the cipher can. One goroutine at a time uses it.
type input struct {
	src  io.Reader
	buf  []byte // buf[r:w] has been received
	r, w int
	full bool // the last read left no room
	calm int  // how many small reads there were in a row
}

// received is all that has been received and not been read.
func (in *input) received() []byte { return in.buf[in.r:in.w] }

// peek returns the next n bytes, and waits for them. They are valid until more
// than them is asked for. The error is io.EOF only where nothing has come.
func (in *input) peek(n int) ([]byte, error) {
	for in.w-in.r < n {
		if err := in.fill(n); err != nil {
			if err == io.EOF && in.w > in.r {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n : in.r+n], nil
}

// skip takes away what has been peeked at.
func (in *input) skip(n int) { in.r += n }

// Read is io.Reader's.
func (in *input) Read(p []byte) (int, error) {
	if in.r == in.w && len(p) > 0 {
		if err := in.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// fill receives once, with room for n bytes from r on, or for twice of what
// there is: memory is taken as bytes arrive, not as a length promises them.
func (in *input) fill(n int) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
		if in.calm >= calmDown && len(in.buf) > firstInput {
			in.buf, in.full = make([]byte, firstInput), false
		}
	}
	size := len(in.buf)
	if in.full && size < maxInput || in.w-in.r == size {
		size = max(2*size, firstInput)
	}
	switch {
	case size > len(in.buf):
		grown := make([]byte, size)
		in.w = copy(grown, in.buf[in.r:in.w])
		in.buf, in.r = grown, 0
	case in.r > 0 && in.r+n > size, in.w == size:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	got, err := in.src.Read(in.buf[in.w:])
	in.w += got
	in.full = in.w == len(in.buf)
	if in.calm++; got > firstInput/2 {
		in.calm = 0
	}
	switch {
	case got > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

const (
	// smallOutput is what a connection keeps of its output's buffer.
	smallOutput = 4 << 10
	// flushAt is how much output waits for more at most.
	flushAt = 128 << 10
)

// outputs are buffers of connections that send much.
var outputs = sync.Pool{New: func() any {
	b := make([]byte, 0, flushAt+(64<<10))
	return &b
}}

// output is what is sealed and not yet sent.
type output struct {
	dst    io.Writer
	b      []byte
	pooled *[]byte // what b is the beginning of, if it came from outputs
}

// extend returns n bytes more to be filled. They are valid until the next call.
func (o *output) extend(n int) []byte {
	at := len(o.b)
	if cap(o.b)-at < n {
		o.grow(at + n)
	}
	o.b = o.b[:at+n]
	return o.b[at:]
}

// grow makes room for n bytes in all.
func (o *output) grow(n int) {
	switch {
	case n <= smallOutput:
		o.b = append(make([]byte, 0, smallOutput), o.b...)
	case o.pooled == nil:
		o.pooled = outputs.Get().(*[]byte)
		o.b = append((*o.pooled)[:0], o.b...)
		fallthrough
	default:
		if cap(o.b) < n {
			o.b = append(make([]byte, 0, n), o.b...)
		}
	}
}

// Write adds p to what is to be sent.
func (o *output) Write(p []byte) (int, error) { return copy(o.extend(len(p)), p), nil }

// flush sends it all.
func (o *output) flush() error {
	if len(o.b) == 0 {
		return nil
	}
	_, err := o.dst.Write(o.b)
	o.b = o.b[:0]
	if o.pooled != nil {
		outputs.Put(o.pooled)
		o.pooled, o.b = nil, nil
	}
	return err
}
