package filestore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
)

// Of two changes of one object's metadata at a time none is lost, also where what
// they changed lies in a block of its own and is as long as it was.
func TestSetMetaLosesNoLargeAttribute(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	if _, err := b.tryPut("o", []byte("x"), filestore.ObjectMeta{ACL: random(20_000, 1)}, filestore.CommitOptions{}); err != nil {
		t.Fatal(err)
	}
	acl, first := random(20_000, 2), true
	_, err := b.SetMeta(t.Context(), "o", filestore.VersionID{}, func(m *filestore.ObjectMeta) error {
		m.Tags = []filestore.Pair{{Name: "a", Value: "b"}}
		if !first {
			return nil
		}
		first = false
		_, err := b.SetMeta(t.Context(), "o", filestore.VersionID{}, func(m *filestore.ObjectMeta) error {
			m.ACL = acl
			return nil
		})
		return err
	})
	must(t, err)
	m := b.stat("o").Meta
	if !bytes.Equal(m.ACL, acl) || len(m.Tags) != 1 {
		t.Errorf("the other's ACL stands: %v, tags %v", bytes.Equal(m.ACL, acl), m.Tags)
	}
}
