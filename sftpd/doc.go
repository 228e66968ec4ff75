// Package sftpd serves SFTP version 3 over SSH: the frontend between an SFTP
// client and the filestore.
//
// A Server accepts connections, lets internal/sshserver run the SSH protocol,
// asks an accounts.Authenticator who may log in, mounts the account's root, and
// runs one session per SFTP channel on it. A session is one goroutine that reads
// requests and executes them in order; what waits for storage may go on beside
// the requests behind it (flights.go), but replies keep the order of the
// requests. Permissions, durability and visibility are the filestore's; nothing
// is decided here but what bytes on the wire mean.
//
// What clients rely on: the error statuses are those of OpenSSH's server
// (status.go is the whole table); CLOSE and fsync@openssh.com are answered
// when the contents are durable; a connection that drops commits nothing; a
// client is told the kind of an error and its own path, never more.
//
// Sources: RFC 4251 to 4254, RFC 8308, RFC 8332, draft-ietf-secsh-filexfer-02,
// and OpenSSH's PROTOCOL.
//
// # Where to look
//
// Begin with Server in server.go, conn.serve, and session.go, which has the loop of
// requests. Apart from them:
//
//   - listeners and connections: listening, connections, watch, crowd, backlog, proxy
//     (the PROXY protocol), netconn, sniff; who is turned away: penalty, refusal, bounds
//   - logins: auth, algorithms, profile, hostkeys
//   - a channel and what is started in it: channel; SFTP is session, shell commands are
//     exec (words, commands, scp*)
//   - requests: names, file, listing, rename, attrs, extended (copydata, checkfile);
//     packets are package wire, and come by input. flights and replies have what waits
//     for storage while requests behind it are executed
//   - names of files: path, home, alias, uri; what one client does otherwise: quirks,
//     append
//   - the filestore as a session sees it: tree, mount, volume; what is recorded of it:
//     audit, auditfile; errors: status, complaints
//   - what an operator sees: clients, figures, tally
package sftpd
