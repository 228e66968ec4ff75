// Package filetree keeps the contents of one immutable file in sealed blocks:
// chunks of data, and above them a Merkle tree of file nodes that carries
// their ids and keys (docs/formats.md, sections 2 and 3).
//
// It seals chunks (SealChunk, Sealer), reads verified ranges of a file (Reader),
// makes the tree of a changed file by copying only the paths that changed
// (Reader.Edit, Join), and walks a tree by its verify key alone (WalkVerify). It reads blocks from a Source and hands back the
// blocks to store; it knows no store, no slots and no directories.
//
// Every byte that it gives was checked against the reference that was asked:
// the id of the chunk's head, the hash of the frame, the frame's tag, and every
// copy of a size on the way down. Whatever doesn't hold, a block that is
// missing included, is an error of kind Corrupt, and no byte of it is given. An
// id is compared before anything is decrypted or parsed, so that parsers see
// authenticated bytes only.
//
// # Keys and nonces
//
// A key encrypts one message: one chunk, or one section of one node. That is
// why the nonces may be fixed (the frame's number; zero), and it holds because
// a key is drawn from crypto/rand, or derived from all that it will encrypt, in
// the call that seals. Never derive a chunk's key from its place in a file: the
// second write to that place would encrypt two plaintexts under one key and
// nonce, which gives both away.
package filetree
