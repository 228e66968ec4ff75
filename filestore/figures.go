package filestore

// Figures are what a node's open files take just now.
type Figures struct {
	OpenFiles  int   // read or written; one that several have open counts once
	DraftBytes int64 // unsaved, in memory
	SpoolBytes int64 // room of the spool on the disk
	Flight     int64 // bytes of blocks that are being sealed, or on their way to the blockstore
}

// CacheFigures are what a cache of decrypted things has been good for since the
// start, and the bytes that it holds now.
type CacheFigures struct {
	Name         string // chunks: of files; file_nodes; directories
	Hits, Misses int64
	Bytes        int64
}

// Caches tells of the caches. Streams that pass them aren't counted.
func (fs *FS) Caches() []CacheFigures {
	chunks, nodes := fs.fileCache.Figures()
	hits, misses := fs.nodeCache.Lookups()
	return []CacheFigures{
		{"chunks", chunks.Hits, chunks.Misses, chunks.Bytes},
		{"file_nodes", nodes.Hits, nodes.Misses, nodes.Bytes},
		{"directories", hits, misses, fs.nodeCache.Bytes()},
	}
}

// Figures counts what is open.
func (fs *FS) Figures() Figures {
	fs.open.mu.Lock()
	files := len(fs.open.files)
	fs.open.mu.Unlock()
	return Figures{OpenFiles: files, DraftBytes: fs.dirty.Load(), SpoolBytes: fs.spool.size(), Flight: fs.writer.inFlight.Load()}
}
