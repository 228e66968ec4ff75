package filestore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// tableBucket is the registry's name in the additional data of its rows, and in
// the derivation of their lookup keys (formats 9).
const tableBucket = "bucket"

// kindBucket is the kind of the registry's sealed rows.
const kindBucket = 1

// bucketRowVersion is the version of what a row holds.
const bucketRowVersion = 1

// bucketRow is what a row holds.
type bucketRow struct {
	Version     int               `json:"v"`
	Name        string            `json:"name"`
	Owner       string            `json:"owner"`
	Created     time.Time         `json:"created"`
	Versioning  Versioning        `json:"versioning"`
	Lock        bool              `json:"lock"`
	LockMode    LockMode          `json:"lock_mode"`
	LockDays    int               `json:"lock_days"`
	LockYears   int               `json:"lock_years"`
	Dir         string            `json:"dir"`
	Uploads     string            `json:"uploads"`
	Root        string            `json:"root"`
	Convergence []byte            `json:"convergence"`
	Documents   map[string][]byte `json:"documents,omitempty"`
}

// bucketKey is the lookup key of a name: KDF(master, "row-name", "bucket" + 0x00 + name).
func (fs *FS) bucketKey(name string) [32]byte {
	return *fs.o.Master.Derive("row-name", []byte(tableBucket), []byte{0}, []byte(name)).Raw()
}

// sealBucket makes the data of a bucket's row.
func (fs *FS) sealBucket(s *bucketState) ([]byte, error) {
	i := &s.info
	plain, err := json.Marshal(bucketRow{
		Version: bucketRowVersion, Name: i.Name, Owner: i.Owner, Created: i.Created, Versioning: i.Versioning,
		Lock: i.Lock, LockMode: i.DefaultLock.Mode, LockDays: i.DefaultLock.Days, LockYears: i.DefaultLock.Years,
		Dir: caps.OfSlotWrite(s.dir).Reveal(), Uploads: caps.OfSlotWrite(s.uploads).Reveal(), Root: caps.OfSlotVerify(s.root).Reveal(),
		Convergence: s.convergence.Raw()[:], Documents: i.Documents,
	})
	if err != nil {
		return nil, fmt.Errorf("a bucket's row: %w: %w", kind.Invalid, err)
	}
	key := fs.bucketKey(i.Name)
	sealed := sealRow(fs.o.Master, tableBucket, key[:], plain)
	if len(sealed) > metastore.MaxSealed {
		return nil, fmt.Errorf("a bucket's row of %d bytes: %w", len(sealed), kind.TooLarge)
	}
	return sealed, nil
}

// openBucket opens a row. Corrupt if it is damaged, or was sealed for another
// name; Unsupported if a newer program wrote it.
func (fs *FS) openBucket(row *metastore.SealedRow) (*bucketState, error) {
	plain, err := openRow(fs.o.Master, tableBucket, row.Key[:], row.Data)
	if err != nil {
		return nil, err
	}
	var r bucketRow
	if err := json.Unmarshal(plain, &r); err != nil {
		return nil, fmt.Errorf("a bucket's row: %w", kind.Corrupt) // json's errors quote it
	}
	if r.Version != bucketRowVersion {
		return nil, fmt.Errorf("a bucket's row of version %d: use a newer program: %w", r.Version, kind.Unsupported)
	}
	s := &bucketState{rev: row.Rev, info: BucketInfo{
		Name: r.Name, Owner: r.Owner, Created: r.Created, Versioning: r.Versioning, Lock: r.Lock,
		DefaultLock: LockRule{Mode: r.LockMode, Days: r.LockDays, Years: r.LockYears}, Documents: r.Documents,
	}}
	if s.dir, err = rowDirectory(r.Dir); err != nil {
		return nil, err
	}
	if s.uploads, err = rowDirectory(r.Uploads); err != nil {
		return nil, err
	}
	if s.root, err = rowRoot(r.Root); err != nil {
		return nil, err
	}
	s.info.Root = s.root.ID()
	if s.convergence, err = caps.KeyFromSlice(r.Convergence); err != nil || fs.bucketKey(r.Name) != row.Key {
		return nil, fmt.Errorf("a bucket's row has no convergence secret, or another's name: %w", kind.Corrupt)
	}
	return s, nil
}

// rowDirectory parses the write capability of a directory.
func rowDirectory(text string) (caps.SlotWrite, error) {
	if c, err := caps.Parse(text); err == nil {
		if w, ok := c.(caps.Write); ok {
			if slot, ok := w.SlotWrite(); ok && slot.Type() == caps.SlotDirectory {
				return slot, nil
			}
		}
	}
	return caps.SlotWrite{}, fmt.Errorf("a bucket's row without a directory: %w", kind.Corrupt)
}

// rowRoot parses the verify capability of a root.
func rowRoot(text string) (caps.SlotVerify, error) {
	if c, err := caps.Parse(text); err == nil {
		if v, ok := c.(caps.Verify); ok {
			if slot, ok := v.SlotVerify(); ok {
				return slot, nil
			}
		}
	}
	return caps.SlotVerify{}, fmt.Errorf("a bucket's row without a root: %w", kind.Corrupt)
}
