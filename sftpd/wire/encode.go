package wire

import "encoding/binary"

// The flags of ATTRS (filexfer-02, section 5).
const (
	AttrSize        uint32 = 0x00000001
	AttrUIDGID      uint32 = 0x00000002
	AttrPermissions uint32 = 0x00000004
	AttrTimes       uint32 = 0x00000008
	AttrExtended    uint32 = 0x80000000
)

// The file type bits of Attrs.Mode.
const (
	ModeType    uint32 = 0o170000
	ModeDir     uint32 = 0o040000
	ModeRegular uint32 = 0o100000
	ModeSymlink uint32 = 0o120000
)

// Attrs is the ATTRS field. Only what Flags names is meant. Times are seconds
// since 1970.
//
//	uint32  flags
//	uint64  size           if AttrSize
//	uint32  uid, gid       if AttrUIDGID
//	uint32  permissions    if AttrPermissions, with the file type bits
//	uint32  atime, mtime   if AttrTimes
//	uint32  count, pairs   if AttrExtended
type Attrs struct {
	Flags        uint32
	Size         uint64
	UID, GID     uint32
	Mode         uint32
	Atime, Mtime uint32
}

// AppendUint32 appends v.
func AppendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// AppendUint64 appends v.
func AppendUint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// AppendString appends s with its length.
func AppendString[T string | []byte](b []byte, s T) []byte {
	return append(AppendUint32(b, uint32(len(s))), s...)
}

// AppendAttrs appends a, without extended pairs.
func AppendAttrs(b []byte, a *Attrs) []byte {
	b = AppendUint32(b, a.Flags&^AttrExtended)
	if a.Flags&AttrSize != 0 {
		b = AppendUint64(b, a.Size)
	}
	if a.Flags&AttrUIDGID != 0 {
		b = AppendUint32(AppendUint32(b, a.UID), a.GID)
	}
	if a.Flags&AttrPermissions != 0 {
		b = AppendUint32(b, a.Mode)
	}
	if a.Flags&AttrTimes != 0 {
		b = AppendUint32(AppendUint32(b, a.Atime), a.Mtime)
	}
	return b
}

// Begin appends the length field, to be filled by Finish, the type and the
// request id of a packet, and returns where the packet starts.
func Begin(b []byte, t Type, id uint32) (out []byte, start int) {
	start = len(b)
	b = append(b, 0, 0, 0, 0, byte(t))
	return AppendUint32(b, id), start
}

// Finish fills in the length of the packet that begins at start and ends with b.
func Finish(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-LengthSize))
	return b
}

// AppendStatus appends a whole STATUS reply with an empty language tag.
func AppendStatus(b []byte, id uint32, code Status, text string) []byte {
	b, start := Begin(b, StatusReply, id)
	b = AppendUint32(b, uint32(code))
	b = AppendString(b, text)
	b = AppendUint32(b, 0)
	return Finish(b, start)
}

// AppendHandle appends a whole HANDLE reply.
func AppendHandle(b []byte, id uint32, handle []byte) []byte {
	b, start := Begin(b, HandleReply, id)
	return Finish(AppendString(b, handle), start)
}

// AppendAttrsReply appends a whole ATTRS reply.
func AppendAttrsReply(b []byte, id uint32, a *Attrs) []byte {
	b, start := Begin(b, AttrsReply, id)
	return Finish(AppendAttrs(b, a), start)
}

// AppendOneName appends a whole NAME reply with one name and no attributes,
// as REALPATH and READLINK answer.
func AppendOneName(b []byte, id uint32, name string) []byte {
	b, start := Begin(b, NameReply, id)
	b = AppendUint32(b, 1)
	b = AppendString(b, name)
	b = AppendString(b, name)
	b = AppendUint32(b, 0)
	return Finish(b, start)
}
