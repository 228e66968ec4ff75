package filestore

// Unread is how many chunks were read ahead and wait for their streams.
func (fs *FS) Unread() int64 { return fs.unread.Load() }

// Spooled is how many bytes the spool's file has room for.
func (fs *FS) Spooled() int64 { return fs.spool.size() }
