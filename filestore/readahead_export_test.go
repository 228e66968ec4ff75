package filestore

// Unread is how many chunks were read ahead and wait for their streams.
func (fs *FS) Unread() int64 { return fs.unread.Load() }

// Spooled is how many bytes the spool's file has room for.
func (fs *FS) Spooled() int64 { return fs.spool.size() }

// Streams tells how many are open, and how many chunks are read ahead for them.
func (fs *FS) Streams() (open, ahead int) { return int(fs.streams.open.Load()), len(fs.streams.ahead) }

// PooledChunk is the capacity of the memory that uploads and downloads share.
const PooledChunk = pooledChunk
