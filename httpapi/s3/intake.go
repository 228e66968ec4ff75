package s3

import (
	"context"
	"crypto/md5" // what S3's ETags are
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// errReading marks what went wrong on the client's side.
var errReading = errors.New("read the request's body")

const (
	intakeBuffer = 64 << 10
	intakeAhead  = 3  // buffers that one body has at most
	intakeMany   = 16 // bodies at a time of which each has one less: the processors are busy
)

// buffers of bodies on their way in.
var intakeBuffers = sync.Pool{New: func() any { return new([intakeBuffer]byte) }}

// intake moves a body's data to a sink and computes what it is checked by. The
// MD5 of an ETag can use one core entirely, and so can what the sink does: for a
// body of more than a buffer each has a goroutine, beside that which reads and
// computes the rest. The MD5s of several such bodies are computed together.
type intake struct {
	lanes  *lanes
	src    io.Reader
	most   int64 // the data must not be longer; -1: it may
	sha    hash.Hash
	beside hash.Hash
	own    hash.Hash // beside that of the client's
	sink   func([]byte) error

	size int64
	md5  []byte
}

// block is a buffer on its way through the goroutines.
type block struct {
	buffer *[intakeBuffer]byte
	n      int
}

func (b block) data() []byte { return b.buffer[:b.n] }

// read fills a buffer. The last one may be empty.
func (in *intake) read() (block, bool, error) {
	b := block{buffer: intakeBuffers.Get().(*[intakeBuffer]byte)}
	var err error
	for b.n < intakeBuffer && err == nil {
		var n int
		n, err = in.src.Read(b.buffer[b.n:])
		b.n += n
	}
	in.size += int64(b.n)
	switch {
	case err != nil && err != io.EOF:
		return b, true, fmt.Errorf("%w: %w", errReading, err)
	case in.most >= 0 && in.size > in.most:
		return b, true, fail(IncompleteBody, "The request has more data than it says.")
	}
	for _, h := range [...]hash.Hash{in.sha, in.beside, in.own} {
		if h != nil {
			h.Write(b.data())
		}
	}
	return b, err == io.EOF, nil
}

func (in *intake) run(ctx context.Context) error {
	first, last, err := in.read()
	if err != nil || last {
		if err == nil && first.n > 0 {
			err = in.sink(first.data())
		}
		if err == nil {
			sum := md5.Sum(first.data())
			in.md5 = sum[:]
		}
		intakeBuffers.Put(first.buffer)
		return err
	}
	sum, end := in.lanes.begin()
	defer end()
	return in.pipeline(ctx, first, sum)
}

// pipeline runs the sink and the MD5 beside the reading.
func (in *intake) pipeline(ctx context.Context, first block, sum hash.Hash) error {
	toSink, toSum := make(chan block), make(chan block, 1)
	ahead := intakeAhead
	if in.lanes.bodies() > intakeMany {
		ahead--
	}
	free := make(chan struct{}, ahead)
	stopped := make(chan struct{})
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(toSum)
		for b := range toSink {
			if failed == nil {
				if failed = in.sink(b.data()); failed != nil {
					close(stopped)
				}
			}
			toSum <- b
		}
	})
	wg.Go(func() {
		for b := range toSum {
			sum.Write(b.data())
			intakeBuffers.Put(b.buffer)
			<-free
		}
	})
	err := func() error {
		defer wg.Wait() // whatever becomes of the reader: nobody is left behind
		defer close(toSink)
		return in.feed(ctx, first, toSink, free, stopped)
	}()
	if failed != nil {
		return failed
	}
	if err == nil {
		in.md5 = sum.Sum(nil)
	}
	return err
}

// feed reads until the end, an error, or until the sink has stopped.
func (in *intake) feed(ctx context.Context, b block, toSink chan<- block, free chan<- struct{}, stopped <-chan struct{}) error {
	last := false
	for {
		select {
		case free <- struct{}{}:
		case <-stopped:
			intakeBuffers.Put(b.buffer)
			return nil
		}
		toSink <- b
		if last {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if b, last, err = in.read(); err != nil || last && b.n == 0 {
			intakeBuffers.Put(b.buffer)
			return err
		}
	}
}
