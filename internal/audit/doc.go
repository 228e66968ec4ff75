// Package audit keeps one record of each operation on files, and of each login,
// whatever the frontend: who, from where, what, on which path, how many bytes at
// which offsets, how long, with what outcome. Never one a packet; never a
// capability, a key, a password or a byte of a file. The manual has the schema.
//
// Frontends fill in a Record at the end of an operation and give it to a
// Recorder. A Log is the Recorder of a node: it writes to a file whose records
// are chained by their hashes, and to further sinks.
package audit
