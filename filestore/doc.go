// Package filestore turns capabilities into files and directories: it opens a
// root capability as a Tree, resolves paths in it, keeps the drafts of open
// files, and commits every change as one transaction of the metastore.
//
// It promises the frontends above it: what is read has been verified against
// the capability that it was asked by; a change that returned nil survives kill
// -9 and power loss; new contents of a file appear at once, at Close or Sync, or
// not at all; rename is atomic, also across directories; a tree mounted by a read
// capability is read-only all the way down; and any number of sessions and
// gateways may write at the same time without losing an acknowledged update.
// docs/architecture.md follows a file through it.
//
// Below it nothing but ciphertext, public names and numbers is handed to
// blockstore and metastore. Sections cited in comments are those of
// docs/formats.md.
//
// Errors carry a kind of package internal/kind, which frontends map to their
// protocol's own status in one table each; no error holds a key.
//
// # Where to look
//
// It is one package because all of it meets in one transaction: what is open is
// looked at while directories change, and the versions of objects are kept by the
// same commit that replaces them. The files, by what they are about:
//
//   - a tree and its paths: fs, mount, tree, resolve, walk, lookup, node, info, list
//   - versions of slots that were accepted, and their freshness: slots, highwater,
//     rollback, hints, watch
//   - open files: registry, open, mayopen, enter, openfile, openlink, mutable, and the
//     methods of File: file, fileread, filewrite, fileattr
//   - drafts: draft, cell, frame, spool, leaves, stored, fold, patch, contents, dedup;
//     writer and lease take their blocks to the stores; incoming is a draft of one pass
//   - reading: source, readahead, stream, buffers, spare
//   - commits: committer and round run them; an op changes a batch of working copies
//     (work), in groups that become one request each; publish, follow and replay are
//     the op of a draft
//   - changes of names: change, rename, movedir, remove, unlink, link, linkcap, freeze,
//     setattr; way and whole say what has to hold when they commit
//   - buckets and their registry: bucket*, row; objects by whole keys: object*; versions
//     of them: version*, lock, setlock, setmeta, age; uploads in parts: upload*
//   - what is charged: quota, attribution, usage
//   - roots, and what is done by one gateway of all: roots, usedroots, turn
//
// Check and collection know none of this, and are a package of their own, collect;
// collector lends it what it needs.
package filestore
