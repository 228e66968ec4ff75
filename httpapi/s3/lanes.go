package s3

import (
	"crypto/md5" // what S3's ETags are
	"hash"
	"sync"

	md5simd "github.com/minio/md5-simd"
)

const (
	// lanesFrom is how many bodies come at the same time when the next one's MD5 is
	// computed beside others. One or two are as quick alone, and without a copy.
	lanesFrom = 3

	// maxLaned bounds the hashes of the lanes, since all of them are walked over at
	// every block. Bodies beyond are hashed alone.
	maxLaned = 96
)

// lanes computes the MD5s of bodies that come at the same time: several in the lanes
// of one core's wide registers, where the processor has them.
//
// The library never forgets a hash that was closed, and walks over all that it knows
// at every block. So hashes are not closed, but used again.
type lanes struct {
	server md5simd.Server

	mu   sync.Mutex // guards the fields below
	busy int        // bodies
	made int        // hashes of the server
	free []md5simd.Hasher
}

func newLanes() *lanes { return &lanes{server: md5simd.NewServer()} }

// begin gives a new MD5, and what gives it back, to be called once when nobody uses
// it any more. But for the last one, all that is written to it must be multiples of
// md5.BlockSize: for the rest of others the library would keep one of its 48 buffers
// while it waits for another, so that many bodies could wait for one another for good.
func (l *lanes) begin() (sum hash.Hash, end func()) {
	laned := l.take()
	if laned == nil {
		return md5.New(), func() { l.leave(nil) }
	}
	return laned, func() { l.leave(laned) }
}

// take counts a body, and gives it a hash in the lanes or none.
func (l *lanes) take() md5simd.Hasher {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy++
	if l.busy < lanesFrom {
		return nil
	}
	if n := len(l.free); n > 0 {
		sum := l.free[n-1]
		l.free = l.free[:n-1]
		return sum
	}
	if l.made == maxLaned {
		return nil
	}
	l.made++
	return l.server.NewHash()
}

// bodies is how many are hashed now.
func (l *lanes) bodies() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

func (l *lanes) leave(laned md5simd.Hasher) {
	if laned != nil {
		laned.Reset() // may wait for what is being computed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	if laned != nil {
		l.free = append(l.free, laned)
	}
}
