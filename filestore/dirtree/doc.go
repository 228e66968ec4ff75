// Package dirtree holds directories as they lie at rest: the encrypted nodes of
// their trees, the entries in them (formats.md 4), and the slot records that
// point to the newest tree (formats.md 5).
//
// A directory is a B+tree of nodes of about 4 KiB, sorted by sort key and
// changed copy-on-write: a new version shares every node that its changes
// didn't touch. Dir is an immutable view of one version under one authority;
// Edit collects changes to it in memory and Seal encrypts the nodes that
// changed. Nothing here does I/O: nodes are read through a NodeSource, and what
// is to be stored is handed back to the caller.
//
// Each node has three sections under keys of their own. V, under the verify
// key, holds every id that an entry keeps alive: WalkVerify walks by it without
// a name or a key to data. R, under the read key, holds names, metadata and
// read keys. W, under the write key, holds the write authority over children;
// frozen directories (Freeze, OpenFrozen) have none.
//
// # Trust
//
// Nothing that a NodeSource returns is trusted. A node whose bytes don't have
// the hash that its parent asks for, that doesn't open under the directory's
// keys, that isn't encoded in the one canonical way, or that stands in the
// wrong place of the tree, gives a *NodeError of kind Corrupt. What an entry
// says twice (a key in R and the verify key in V that follows from it, a seed
// in W and the slot that it writes) is compared when the entry is used: by Get,
// or by Entry.Check for an entry from a Scan. So one lying entry costs itself,
// not its neighbours.
//
// All integers are big-endian. H is SHA-256; a section is sealed by AES-256-GCM
// under a key that is derived from a fresh salt and used for this one section,
// which is why the nonce can be zero (formats.md 6, "Keys and nonces").
package dirtree
