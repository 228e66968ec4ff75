package sftpd

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// extension is one kind of EXTENDED request.
type extension struct {
	name, version string
	// changes: a tree mounted by a read capability would refuse it, and isn't
	// offered it: clients switch to posix-rename because they see it in
	// VERSION, and then die of the refusal.
	changes bool
	answer  func(s *session, ctx context.Context, id uint32, d *wire.Decoder) (what []byte, err error)
}

// extensions lists what VERSION announces, in that order.
func extensions() []extension {
	return []extension{
		{wire.ExtPosixRename, "1", true, (*session).posixRename},
		{wire.ExtStatVFS, "2", false, (*session).statvfs},
		{wire.ExtFStatVFS, "2", false, (*session).fstatvfs},
		{wire.ExtHardlink, "1", true, (*session).hardlink},
		{wire.ExtFsync, "1", true, (*session).fsync},
		{wire.ExtLsetstat, "1", true, (*session).lsetstat},
		{wire.ExtLimits, "1", false, (*session).limits},
		{wire.ExtExpandPath, "1", false, (*session).expandPath},
		{wire.ExtCopyData, "1", true, (*session).copyData},
		{wire.ExtHomeDirectory, "1", false, (*session).homeDirectory},
		{wire.ExtUsersGroupsByID, "1", false, (*session).usersGroups},
		{wire.ExtCheckFile, "1", false, (*session).checkFile},
		{wire.ExtCheckFileHandle, "1", false, (*session).checkFileHandle},
		{wire.ExtCheckFileName, "1", false, (*session).checkFileName},
	}
}

// extended answers EXTENDED requests; a name that is not known here is
// OP_UNSUPPORTED, never a reason to disconnect.
func (s *session) extended(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	name := d.Bytes()
	if d.Bad() {
		return nil, errBadFields
	}
	for _, e := range extensions() {
		if string(name) == e.name {
			return e.answer(s, ctx, id, d)
		}
	}
	return nil, fmt.Errorf("extension %.64q: %w", name, kind.Unsupported)
}

func (s *session) posixRename(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	return s.rename(ctx, wire.Extended, id, d, renamePosix)
}

func (s *session) lsetstat(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	return s.setstat(ctx, wire.Extended, id, d, false)
}

// hardlink answers hardlink@openssh.com: a second entry with the same contents.
// A stored file never changes, so from then on the two go their own ways.
func (s *session) hardlink(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	return s.twoPaths(ctx, wire.Extended, id, d, s.newFileName, s.tree.Link)
}

// fsync commits what the file holds; its OK follows durability.
func (s *session) fsync(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	f := h.file
	s.fly(ctx, wire.Extended, id, &flight{what: h.path, paths: h.paths(), handles: [2]*handle{h}},
		func(ctx context.Context) ([]byte, error) { return nil, f.Sync(ctx) })
	return h.path, nil
}

func (s *session) statvfs(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	raw, p, err := s.onePath(ctx, d)
	if err != nil {
		return raw, err
	}
	i, err := s.tree.Stat(ctx, p)
	if err != nil {
		return raw, err
	}
	return raw, s.vfsReply(ctx, id, i.ReadOnly)
}

func (s *session) fstatvfs(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	h, err := s.handle(d)
	if err != nil {
		return nil, err
	}
	if h.dir != nil {
		return h.path, s.vfsReply(ctx, id, h.dir.readOnly)
	}
	i, err := h.file.Stat(ctx)
	if err != nil {
		return h.path, err
	}
	return h.path, s.vfsReply(ctx, id, i.ReadOnly)
}

// vfsReply appends eleven uint64: bsize, frsize, blocks, bfree, bavail, files,
// ffree, favail, fsid, flag, namemax. bsize and frsize are equal because some
// `df` mix them up.
func (s *session) vfsReply(ctx context.Context, id uint32, readOnly bool) error {
	v, err := volumeOf(ctx, s.tree)
	if err != nil {
		return err
	}
	flag := wire.StatVFSNoSUID
	if readOnly {
		flag |= wire.StatVFSReadOnly
	}
	s.numbers(id, v.blockSize, v.blockSize, v.blocks, v.free, v.free, v.files, v.freeFiles, v.freeFiles, fsid, flag, maxName)
	return nil
}

// limits answers limits@openssh.com: packet, read, write, handles.
func (s *session) limits(_ context.Context, id uint32, _ *wire.Decoder) ([]byte, error) {
	s.numbers(id, wire.MaxPacket, wire.MaxData, wire.MaxData, uint64(s.handles.limit))
	return nil, nil
}

// numbers appends an EXTENDED_REPLY of uint64.
func (s *session) numbers(id uint32, values ...uint64) {
	var start int
	s.out, start = wire.Begin(s.out, wire.ExtendedReply, id)
	for _, v := range values {
		s.out = wire.AppendUint64(s.out, v)
	}
	s.out = wire.Finish(s.out, start)
}
