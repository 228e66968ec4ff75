// Package control lets a command work on a node that another process has open:
// it sends its request over a socket in BASEDIR, the node carries it out, and
// standard input, output, error and the exit status travel back and forth.
//
// # The protocol, version 1
//
// A connection carries one request. Every message is a frame:
//
//	off len
//	0   1   type
//	1   4   length of the body, big-endian, at most 256 KiB
//	5   ..  body
//
// The client begins with H, whose body is the JSON object {"version", "op",
// "args"}. Then the server sends any number of
//
//	O  bytes for standard output
//	E  bytes for standard error
//	R  (no body) it wants more of standard input; answered by one I or Z
//
// and at last X, the JSON object {"status", "message"}, and closes. The client
// sends, as answers to R only,
//
//	I  bytes of standard input; an empty body is its end
//	Z  reading standard input failed; the body says why
//
// A client that closes the connection cancels its request. A server that
// doesn't know the version answers X. Nothing else is sent; any other frame
// ends the connection.
//
// # Who may
//
// The socket lies in a directory that only its owner may enter, has mode 0600,
// and both ends ask the kernel who the peer is: the server serves its own user
// and root, the client, unless it is root, trusts its own user and root.
package control
