package sftpd

import (
	"testing"
)

// OpenSSH's server takes SYMLINK's arguments in the wrong order. Most clients
// follow it everywhere; some look at the server's line first, and send us the
// draft's order.
func TestOrderOfSymlinkFollowsTheClient(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	for line, linkFirst := range map[string]bool{
		"SSH-2.0-OpenSSH_10.0p2 Debian-7":        false,
		"SSH-2.0-OpenSSH_for_Windows_9.5":        false,
		"SSH-2.0-paramiko_4.0.0":                 false,
		"SSH-2.0-libssh2_1.11.1":                 false, // curl, and many others
		"SSH-2.0-JSCH_2.27.3":                    false,
		"SSH-2.0-FileZilla_3.69.3":               false,
		"SSH-2.0-PuTTY_Release_0.83":             false,
		"SSH-2.0-Go":                             false,
		"SSH-2.0-libssh_0.11.2":                  true, // KDE
		"SSH-2.0-libssh-0.7.3":                   true,
		"SSH-2.0-AsyncSSH_2.24.1":                true,
		"SSH-2.0-ssh2js1.17.0":                   true, // Node, and what VS Code's extensions use
		"SSH-2.0-phpseclib_3.0 (libsodium, gmp)": true,
		"SSH-2.0-WinSCP_release_6.5.3":           true,
	} {
		who := config("alice")
		who.ClientVersion = line
		conn, err := h.dial(who)
		if err != nil {
			t.Fatal(err)
		}
		c := h.sftp(conn)
		first, second := "/target", "/link"
		if linkFirst {
			first, second = second, first
		}
		if err := c.Symlink(first, second); err != nil { // sends them as they stand here
			t.Errorf("%s: %v", line, err)
		}
		if text, err := c.ReadLink("/link"); err != nil || text != "/target" {
			t.Errorf("%s: /link leads to %q, %v", line, text, err)
		}
		_ = c.Remove("/link")
		_ = c.Remove("/target")
		conn.Close()
	}
}

// Tera Term's SSH ends a connection that tells it host keys.
func TestHostKeysAreKeptFromWhoCannotTakeThem(t *testing.T) {
	t.Parallel()
	for line, kept := range map[string]bool{
		"SSH-2.0-TTSSH/3.4 Win32": true, "SSH-2.0-TTSSHx": false, "SSH-2.0-OpenSSH_10.0": false, "SSH-2.0-": false, "SSH-2.0": false, "": false,
	} {
		if got := quirksOf(line).noHostKeys; got != kept {
			t.Errorf("%q: %v", line, got)
		}
	}
}
