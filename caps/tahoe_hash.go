package caps

import (
	"crypto/sha256"
	"strconv"
)

// Tahoe-LAFS's hashes: SHA-256 twice, over a tag that is wrapped as a
// netstring, so that no two purposes share an input. A shorter result is the
// beginning of the digest. The tags are exact (Tahoe-LAFS,
// src/allmydata/util/hashutil.py).
const (
	tagImmutableIndex  = "allmydata_immutable_key_to_storage_index_v1"
	tagMutableReadKey  = "allmydata_mutable_writekey_to_readkey_v1"
	tagMutableReadToSI = "allmydata_mutable_readkey_to_storage_index_v1"
)

// tahoeKey is one of Tahoe-LAFS's 16-byte values: a write key, a read key, or
// a storage index.
type tahoeKey [16]byte

// netstring returns the decimal length of s, ":", s and ",".
func netstring(s string) string { return strconv.Itoa(len(s)) + ":" + s + "," }

func sha256d(b []byte) [32]byte {
	once := sha256.Sum256(b)
	return sha256.Sum256(once[:])
}

// taggedHash wraps the tag alone; the value follows as it is.
func taggedHash(tag string, value []byte) [32]byte {
	return sha256d(append([]byte(netstring(tag)), value...))
}

// keyHash is the beginning of taggedHash, for hashes from key to key.
func keyHash(tag string, k tahoeKey) tahoeKey {
	h := taggedHash(tag, k[:])
	return tahoeKey(h[:16])
}
