package filestore

// FS is the filestore that the tree is of.
func (t *Tree) FS() *FS { return t.fs }
