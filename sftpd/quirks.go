package sftpd

import "strings"

// quirks are what a client does otherwise than others, told by the line with
// which it names itself (RFC 4253 4.2). There are as few as can be.
type quirks struct {
	linkFirst  bool // SYMLINK has the new link before its target, as the draft says
	noHostKeys bool // hostkeys-00@openssh.com ends its connection
}

// OpenSSH's server takes the arguments of SYMLINK in the wrong order, target
// first (OpenSSH's PROTOCOL 4.1). Most clients send that to everybody. These look
// at the server's line: OpenSSH, and for some a few others, get that order,
// everybody else the draft's. So from them, here, it is always the draft's.
// libssh2 is none of them. phpseclib has looked since 2021.
var draftsLinks = [...]string{"AsyncSSH_", "libssh_", "libssh-", "phpseclib_", "ssh2js", "WinSCP"}

// quirksOf knows a client by its line, such as "SSH-2.0-libssh_0.11.2".
func quirksOf(line string) (q quirks) {
	_, rest, _ := strings.Cut(line, "-")
	_, software, _ := strings.Cut(rest, "-")
	for _, prefix := range draftsLinks {
		q.linkFirst = q.linkFirst || strings.HasPrefix(software, prefix)
	}
	q.noHostKeys = strings.HasPrefix(software, "TTSSH/")
	return q
}
