// Package filestore turns capabilities into files and directories: it opens a
// root capability as a Tree, resolves paths in it, keeps the drafts of open
// files, and commits every change as one transaction of the metastore.
//
// It promises the laws of docs/architecture.md to the frontends above it: what
// is read has been verified against the capability that it was asked by; a
// change that returned nil survives kill -9 and power loss; new contents of a
// file appear at once, at Close or Sync, or not at all; rename is atomic, also
// across directories; a tree mounted by a read capability is read-only all the
// way down; and any number of sessions and gateways may write at the same time
// without losing an acknowledged update.
//
// Below it nothing but ciphertext, public names and numbers is handed to
// blockstore and metastore. Sections cited in comments are those of
// docs/formats.md.
//
// Errors carry a kind of package internal/kind, which frontends map to their
// protocol's own status in one table each; no error holds a key.
package filestore
