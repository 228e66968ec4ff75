package sftpd

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

type extension struct{ name, version string }

// extensions lists what VERSION announces. A tree mounted by a read capability
// is not offered what it would refuse: clients switch to posix-rename because
// they see it, and then die of the refusal.
func extensions(readOnly bool) []extension {
	out := []extension{
		{wire.ExtStatVFS, "2"},
		{wire.ExtFStatVFS, "2"},
		{wire.ExtLimits, "1"},
	}
	if !readOnly {
		out = append(out,
			extension{wire.ExtPosixRename, "1"},
			extension{wire.ExtFsync, "1"},
			extension{wire.ExtLsetstat, "1"},
		)
	}
	return out
}

// extended answers EXTENDED requests; a name that is not known here is
// OP_UNSUPPORTED, never a reason to disconnect.
func (s *session) extended(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	name := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	switch string(name) {
	case wire.ExtPosixRename:
		return s.rename(ctx, id, d, renamePosix)
	case wire.ExtLsetstat:
		return s.setstat(ctx, id, d, false)
	case wire.ExtFsync:
		return s.fsync(ctx, id, d)
	case wire.ExtStatVFS:
		return s.statvfs(ctx, id, d)
	case wire.ExtFStatVFS:
		return s.fstatvfs(ctx, id, d)
	case wire.ExtLimits:
		s.limits(id)
		return nil, nil
	default:
		return nil, fmt.Errorf("extension %.64q: %w", name, kind.Unsupported)
	}
}

// fsync commits what the file holds; its OK follows durability.
func (s *session) fsync(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	if err := h.file.Sync(ctx); err != nil {
		return h.path, err
	}
	s.ok(id)
	return h.path, nil
}

func (s *session) statvfs(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	p, err := s.path(ctx, raw)
	if err == nil {
		_, err = s.tree.Stat(ctx, p)
	}
	if err != nil {
		return raw, err
	}
	return raw, s.vfsReply(ctx, id)
}

func (s *session) fstatvfs(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h := s.handles.get(d.Bytes())
	if d.Bad() {
		return nil, errBadFields
	}
	if h == nil {
		return nil, errBadHandle
	}
	return h.path, s.vfsReply(ctx, id)
}

// freeFiles is the number of entries that statvfs says can still be made:
// nothing bounds them but space.
const freeFiles = 1 << 32

// vfsReply appends eleven uint64: bsize, frsize, blocks, bfree, bavail, files,
// ffree, favail, fsid, flag, namemax. bsize and frsize are equal because some
// `df` mix them up.
func (s *session) vfsReply(ctx context.Context, id uint32) error {
	u, err := s.tree.Usage(ctx)
	if err != nil {
		return err
	}
	bs := uint64(max(u.BlockSize, 1))
	flag := wire.StatVFSNoSUID
	if s.tree.ReadOnly() {
		flag |= wire.StatVFSReadOnly
	}
	total, free := blocks(u.TotalBytes, bs), blocks(u.FreeBytes, bs)
	files := uint64(max(u.Blocks, 0))
	var start int
	s.out, start = wire.Begin(s.out, wire.ExtendedReply, id)
	for _, v := range [...]uint64{
		bs, bs, total, free, free, files + freeFiles, freeFiles, freeFiles, fsid, flag, maxName,
	} {
		s.out = wire.AppendUint64(s.out, v)
	}
	s.out = wire.Finish(s.out, start)
	return nil
}

// fsid is the same for every tree: nothing finer is told to clients.
const fsid = 0x547275636b6565 // "Truckee"

func blocks(bytes int64, size uint64) uint64 { return uint64(max(bytes, 0)) / size }

// limits answers limits@openssh.com: packet, read, write, handles.
func (s *session) limits(id uint32) {
	var start int
	s.out, start = wire.Begin(s.out, wire.ExtendedReply, id)
	for _, v := range [...]uint64{wire.MaxPacket, wire.MaxData, wire.MaxData, uint64(s.handles.limit)} {
		s.out = wire.AppendUint64(s.out, v)
	}
	s.out = wire.Finish(s.out, start)
}
