// Package local keeps blocks in a directory of this machine. It is safe against
// kill -9 and power loss, and serves one process at a time.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "local"
//	dir = "blocks"    # relative to BASEDIR
//
// # On disk
//
// Every block, whatever its size, is a record appended to a segment file
// (formats.md 7). Puts and deletes that arrive together are laid out in one
// aligned buffer, written past the page cache and flushed by one fdatasync; two
// such lanes take turns, each with an active segment of its own. Measured on
// ext4, blocks of 1 MiB go to disk three times as fast this way as in a file
// each, for a tenth of the processor time, and there is no directory entry to
// make durable.
//
//	DIR/store          version and uuid of the store, text
//	DIR/lock           flock, and who holds it
//	DIR/marker         the marker (blockstore.Marker), if one was set
//	DIR/segments/      NUMBER.seg, 16 hex digits, never used again
//	DIR/index/         NUMBER.idx: checkpoint of an unsealed segment
//
// A segment: 4096 bytes of header, records, and once it is sealed a footer that
// lists them. The records of one write begin on a multiple of 4096 and follow
// each other on multiples of 64.
//
//	record   0  4 magic "TkRc"   4 4 length of the body, 0xFFFFFFFF a tombstone
//	         8 32 id   40 8 sequence   48 4 CRC32C   52 12 zero   64 .. body
//
// The CRC is over the store's uuid, the segment's number (u64), the record's
// offset (u64), bytes 0 to 48, and the body. The footer begins on a multiple of
// 4096 and ends the file:
//
//	entries  48 each: id[32], sequence u64, offset / 64 u32, length u32
//	trailer  64: "TkIDX1\0\0", segment u64, number of entries u64, end of the
//	         records u64, zero, CRC32C over uuid, entries and these 60 bytes
//
// A checkpoint is a file of that same layout: the records that an unsealed
// segment had when the store was closed. Whatever is not listed is found by a
// scan; footers and checkpoints only save one, and are written again when bad
// or absent.
//
// # Space
//
// Deleting appends a tombstone. The pages of a large block are then given back
// to the file system at once (a hole in the segment), those of small ones when
// half of their sealed segment is dead and the rest is copied on. A tombstone
// stays until no older copy of its id is on disk. The index in memory takes
// about 55 bytes a block.
package local
