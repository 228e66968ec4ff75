package filestore

// Figures are what a node's open files take just now.
type Figures struct {
	OpenFiles  int   // read or written; one that several have open counts once
	DraftBytes int64 // unsaved, in memory
	SpoolBytes int64 // room of the spool on the disk
}

// Figures counts what is open.
func (fs *FS) Figures() Figures {
	fs.open.mu.Lock()
	files := len(fs.open.files)
	fs.open.mu.Unlock()
	return Figures{OpenFiles: files, DraftBytes: fs.dirty.Load(), SpoolBytes: fs.spool.size()}
}
