package sftpd

import (
	"math"
	"strconv"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// permBits are the mode bits that a client may set.
const permBits = 0o7777

// writeBits are what a tree mounted by a read capability hides.
const writeBits = 0o222

// wireAttrs is an entry as ATTRS. All four groups are always present, and the
// file type is always in the mode: clients do not open a folder without it.
func wireAttrs(i *filestore.Info) wire.Attrs {
	a := wire.Attrs{
		Flags: wire.AttrSize | wire.AttrUIDGID | wire.AttrPermissions | wire.AttrTimes,
		Size:  uint64(i.Size),
		UID:   i.UID,
		GID:   i.GID,
		Mode:  i.Mode & permBits,
		Atime: wireTime(i.Atime),
		Mtime: wireTime(i.Mtime),
	}
	if i.ReadOnly && i.Kind != filestore.KindSymlink {
		a.Mode &^= writeBits
	}
	switch i.Kind {
	case filestore.KindDir:
		a.Mode |= wire.ModeDir
	case filestore.KindSymlink:
		a.Mode |= wire.ModeSymlink
	default:
		a.Mode |= wire.ModeRegular
	}
	return a
}

// wireTime gives seconds since 1970, held within what 32 bits can say.
func wireTime(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

// storeAttr is an ATTRS of a request as the filestore takes it.
func storeAttr(a *wire.Attrs) (filestore.Attr, error) {
	var out filestore.Attr
	if a.Flags&wire.AttrSize != 0 {
		if a.Size > math.MaxInt64 {
			return out, errSizeRange
		}
		out.Set |= filestore.AttrSize
		out.Size = int64(a.Size)
	}
	if a.Flags&wire.AttrUIDGID != 0 {
		out.Set |= filestore.AttrUID | filestore.AttrGID
		out.UID, out.GID = a.UID, a.GID
	}
	if a.Flags&wire.AttrPermissions != 0 {
		out.Set |= filestore.AttrMode
		out.Mode = a.Mode & permBits
	}
	if a.Flags&wire.AttrTimes != 0 {
		out.Set |= filestore.AttrAtime | filestore.AttrMtime
		out.Atime = time.Unix(int64(a.Atime), 0)
		out.Mtime = time.Unix(int64(a.Mtime), 0)
	}
	return out, nil
}

// createAttr is storeAttr for something new: the mode loses the server's umask
// and is def if the client names none; a size is only a hint and dropped.
func (s *session) createAttr(a *wire.Attrs, def uint32) filestore.Attr {
	hint := *a
	hint.Flags &^= wire.AttrSize
	out, _ := storeAttr(&hint)
	if !out.Has(filestore.AttrMode) {
		out.Set |= filestore.AttrMode
		out.Mode = def
	}
	out.Mode &^= s.umask
	return out
}

// appendLongname appends an entry as `ls -l` prints it in the C locale, UTC:
//
//	drwxr-xr-x    1 user     group     1365402224 Jan 02 15:04 name
//
// Some clients parse it: the first letter is the type, no column is cut, and
// beyond six months the year takes the place of the time.
func appendLongname(b []byte, a *wire.Attrs, name string, now time.Time) []byte {
	b = appendMode(b, a.Mode)
	b = append(b, "    1 "...)
	b = appendLeft(b, uint64(a.UID), 8)
	b = append(b, ' ')
	b = appendLeft(b, uint64(a.GID), 8)
	b = append(b, ' ')
	b = appendRight(b, a.Size, 11)
	b = append(b, ' ')
	t := time.Unix(int64(a.Mtime), 0).UTC()
	layout := "Jan 02 15:04"
	if age := now.Sub(t); age > halfYear || age < 0 {
		layout = "Jan 02  2006"
	}
	b = t.AppendFormat(b, layout)
	b = append(b, ' ')
	return append(b, name...)
}

const halfYear = 365 * 24 * time.Hour / 2

func appendMode(b []byte, mode uint32) []byte {
	switch mode & wire.ModeType {
	case wire.ModeDir:
		b = append(b, 'd')
	case wire.ModeSymlink:
		b = append(b, 'l')
	default:
		b = append(b, '-')
	}
	const rwx = "rwxrwxrwx"
	for i := range len(rwx) {
		c := byte('-')
		if mode&(1<<(8-i)) != 0 {
			c = rwx[i]
		}
		b = append(b, c)
	}
	special(b[len(b)-7:], mode&0o4000 != 0, 's')
	special(b[len(b)-4:], mode&0o2000 != 0, 's')
	special(b[len(b)-1:], mode&0o1000 != 0, 't')
	return b
}

// special puts a set-id or sticky letter over an execute bit: lower case if
// the execute bit is set, upper case if not.
func special(b []byte, set bool, letter byte) {
	if !set {
		return
	}
	if b[0] == '-' {
		letter -= 'a' - 'A'
	}
	b[0] = letter
}

func appendLeft(b []byte, v uint64, width int) []byte {
	end := len(b) + width
	b = strconv.AppendUint(b, v, 10)
	for len(b) < end {
		b = append(b, ' ')
	}
	return b
}

func appendRight(b []byte, v uint64, width int) []byte {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], v, 10)
	for n := len(d); n < width; n++ {
		b = append(b, ' ')
	}
	return append(b, d...)
}
