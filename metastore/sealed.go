package metastore

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// MaxSealed is the longest data of a sealed row, in bytes.
const MaxSealed = 1 << 20

// SealedRow is what the gateway keeps for itself, such as a bucket's registration
// (formats 9): ciphertext under a key that only gateways have, looked up by what
// they derive from its name. A row is named by Kind and Key together.
type SealedRow struct {
	Kind uint8
	Key  [32]byte
	Rev  uint64 // the commit that wrote it
	Data []byte // never nil
}

// SealedChange writes or takes away a sealed row by compare-and-swap.
type SealedChange struct {
	Kind uint8
	Key  [32]byte
	Base uint64 // Rev of the row that it builds on; zero: there must be none
	Data []byte // nil: the row goes; else at most MaxSealed bytes
}

// SealedPlace is a place in the list of the sealed rows of a kind, which is in the
// order of their revs, then of their keys.
type SealedPlace struct {
	Rev uint64
	Key [32]byte
}

// SealedState is equal at two times if and only if the rows of a kind are: each
// change either raises Newest or lessens Rows.
type SealedState struct {
	Rows   int64
	Newest uint64 // the highest Rev, zero without rows
}

// CheckBase tells whether the rev of the row that is there, zero if there is none,
// allows the change. Else Conflict.
func (c *SealedChange) CheckBase(rev uint64) error {
	switch {
	case rev == c.Base:
		return nil
	case rev == 0:
		return fmt.Errorf("metastore: sealed row of kind %d is absent: %w", c.Kind, kind.Conflict)
	case c.Base == 0:
		return fmt.Errorf("metastore: sealed row of kind %d is there already: %w", c.Kind, kind.Conflict)
	}
	return fmt.Errorf("metastore: sealed row of kind %d has changed: %w", c.Kind, kind.Conflict)
}

// CheckSealedLimit refuses to list no rows, or fewer. Its error is Invalid.
func CheckSealedLimit(limit int) error {
	if limit <= 0 {
		return fmt.Errorf("metastore: %d sealed rows asked for: %w", limit, kind.Invalid)
	}
	return nil
}

func (r *Request) validateSealed() error {
	type name struct {
		kind uint8
		key  [32]byte
	}
	changed := make(map[name]bool, len(r.Sealed))
	for i := range r.Sealed {
		c := &r.Sealed[i]
		n := name{c.Kind, c.Key}
		switch {
		case changed[n]:
			return fmt.Errorf("metastore: sealed row of kind %d changed twice in one request: %w", c.Kind, kind.Invalid)
		case c.Data == nil && c.Base == 0:
			return fmt.Errorf("metastore: sealed row of kind %d taken away without its rev: %w", c.Kind, kind.Invalid)
		case len(c.Data) > MaxSealed:
			return fmt.Errorf("metastore: sealed row of kind %d with %d bytes: %w", c.Kind, len(c.Data), kind.Invalid)
		}
		changed[n] = true
	}
	return nil
}
