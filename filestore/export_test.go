package filestore

// FoldAfter makes drafts fold their stored chunks after n of them.
func (fs *FS) FoldAfter(n int) { fs.foldAfter = n }
