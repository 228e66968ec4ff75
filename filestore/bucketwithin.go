package filestore

import "github.com/truckee-fs/truckee/caps"

// Within reports whether root is a capability to the very root that the bucket
// was made in, whether or not it may write: what a frontend has to know before it
// treats somebody as the bucket's owner. It looks nothing up.
func (b *Bucket) Within(root caps.Cap) bool { return b.state().within(root) }

func (s *bucketState) within(root caps.Cap) bool {
	read, ok := caps.ReadCap(root)
	if !ok {
		return false
	}
	slot, ok := read.SlotRead()
	return ok && slot.Verify().Equal(s.root)
}
