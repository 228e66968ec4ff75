package sigv4

import (
	"crypto/sha256"
	"sync"
)

// Keys remembers the keys that signatures are made with, which follow from a secret,
// a day and a region. It is safe for concurrent use; the zero Keys is ready for it.
type Keys struct {
	mu sync.Mutex // guards byID
	// byID holds each key behind a function, which no printer looks into, by the hash
	// of what it follows from: who has another secret finds another key.
	byID map[[sha256.Size]byte]func() []byte
}

// maxKeys bounds the keys that are remembered.
const maxKeys = 1000

// key gives the claim's key under a secret. It is not the caller's to change.
func (k *Keys) key(c *Claim, secret []byte) []byte {
	if k == nil {
		return c.key(secret)
	}
	text := make([]byte, 0, 256)
	text = append(append(append(append(text, c.date...), 0), c.Region...), 0)
	id := sha256.Sum256(append(text, secret...))
	k.mu.Lock()
	known := k.byID[id]
	k.mu.Unlock()
	if known != nil {
		return known()
	}
	key := c.key(secret)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil || len(k.byID) >= maxKeys {
		k.byID = make(map[[sha256.Size]byte]func() []byte)
	}
	k.byID[id] = func() []byte { return key }
	return key
}
