package dirtree

import (
	"encoding/binary"
	"math"
	"strings"
)

// historySuffix is the length of what a history key adds to a sort key: 0x00,
// u64 2^64-1-v, u16 65535-i (formats.md 5).
const historySuffix = 1 + 8 + 2

// HistoryKey is the name under which a history tree keeps the version of
// sortKey that was put in place i of the commit v; (0, 0) is the null version. The
// versions of one key stand together, newest first but for the null version, after
// HistoryPrefix. A directory that is hidden stands there, too, as (0, 0) of its
// own sort key, which ends in "/".
func HistoryKey(sortKey string, v uint64, i uint16) string {
	b := make([]byte, 0, len(sortKey)+historySuffix)
	b = append(append(b, sortKey...), 0)
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-v)
	return string(binary.BigEndian.AppendUint16(b, math.MaxUint16-i))
}

// HistoryPrefix is what every history key of sortKey begins with.
func HistoryPrefix(sortKey string) string { return sortKey + "\x00" }

// ParseHistoryKey takes a history key apart. ok is false for anything that
// HistoryKey doesn't make of a sort key.
func ParseHistoryKey(key string) (sortKey string, v uint64, i uint16, ok bool) {
	at := strings.IndexByte(key, 0)
	if at < 0 || len(key)-at != historySuffix {
		return "", 0, 0, false
	}
	sortKey = key[:at]
	name := strings.TrimSuffix(sortKey, "/")
	if !formDirectory.nameOK(name) {
		return "", 0, 0, false
	}
	tail := []byte(key[at+1:])
	v = math.MaxUint64 - binary.BigEndian.Uint64(tail)
	return sortKey, v, math.MaxUint16 - binary.BigEndian.Uint16(tail[8:]), true
}
