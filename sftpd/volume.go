package sftpd

import "context"

// fsid is the same for every tree: nothing finer is told to clients.
const fsid = 0x547275636b6565 // "Truckee"

// unboundedFiles is the number of entries that can still be made where nothing
// bounds them but space.
const unboundedFiles = 1 << 32

// volume is what statvfs and df tell of a tree.
type volume struct {
	blockSize        uint64
	blocks, free     uint64
	files, freeFiles uint64
}

func volumeOf(ctx context.Context, t tree) (volume, error) {
	u, err := t.Usage(ctx)
	if err != nil {
		return volume{}, err
	}
	bs := uint64(max(u.BlockSize, 1))
	v := volume{
		blockSize: bs,
		blocks:    uint64(max(u.TotalBytes, 0)) / bs,
		free:      uint64(max(u.FreeBytes, 0)) / bs,
		files:     uint64(max(u.Blocks, 0)) + unboundedFiles,
		freeFiles: unboundedFiles,
	}
	if u.MaxFiles > 0 {
		v.files = uint64(u.MaxFiles)
		v.freeFiles = uint64(max(0, u.MaxFiles-u.Files))
	}
	return v, nil
}
