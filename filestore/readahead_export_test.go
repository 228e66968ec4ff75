package filestore

// Unread is how many chunks were read ahead and wait for their streams.
func (fs *FS) Unread() int64 { return fs.unread.Load() }
