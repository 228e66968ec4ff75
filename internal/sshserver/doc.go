// Package sshserver is the server side of golang.org/x/crypto/ssh, changed so
// that a packet passes fewer goroutines and leaves less garbage. It was made
// from version v0.58.0; README.md beside it says what differs, why, and how a
// release of upstream is brought in.
//
// Keys, signatures, certificates, permissions, the names of algorithms and the
// encoding of messages are upstream's own: this package imports them. What it
// holds is the transport (RFC 4253), the server's part of key exchange and user
// authentication (RFC 4252), and channels that clients open (RFC 4254).
//
// The API is upstream's, less what only clients need: a server doesn't open
// channels, reads no extended data, and has no GSSAPI.
//
// # Who reads
//
// Upstream has two goroutines between the socket and the reader of a channel.
// Here a goroutine of the connection reads packets and hands them out, but
// while there is one channel it lends this to whoever waits in that channel's
// Read or Write: so a request and its answer are one goroutine's work. See lead.
package sshserver
