// Package array is what raid0, raid1 and raid5 have in common: members that are
// known by a record in each (formats.md 15), that fail, hang, come back, come
// back empty, or turn out to be another's; reads that don't wait for a slow
// member, writes that are complete without one; and the repairs that are owed
// afterwards. What goes to which member is the layouts' own.
//
// An Array is no Store. A layout brackets its calls by Enter and Leave, reads by
// Gather, writes by Write, and gives the function Mend, which makes one member
// hold what it should of one block.
//
// # Members
//
// A member is trusted once its record has been read, and again after every
// answer of kind Unavailable: it may have come back as another. While it doesn't
// answer it is asked again in the background, at growing intervals, and calls
// fail at once instead of waiting for it.
//
// # Repairs
//
// Whatever a member should hold and doesn't, or holds damaged, goes through the
// blockstore.Queue, which drops blocks that nobody wants any more; a copy is
// made, it is asked again whether the block is wanted, and a copy of what was
// collected meanwhile is removed. So what was deleted doesn't come back.
package array
