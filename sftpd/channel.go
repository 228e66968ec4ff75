package sftpd

import (
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

// channel serves a session channel: its requests up to the one that starts
// something, and what that starts. It always ends with an exit status and EOF.
func (c *conn) channel(ch ssh.Channel, requests <-chan *sshserver.Request, a accounts.Account) {
	for r := range requests {
		switch r.Type {
		case "env", "pty-req":
			_ = r.Reply(true, nil)
		case "subsystem":
			var sub struct{ Name string }
			if ssh.Unmarshal(r.Payload, &sub) != nil || sub.Name != "sftp" {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			c.wg.Go(func() { refuseAll(requests) })
			exit(ch, c.sftp(ch, a))
			return
		case "exec":
			var command struct{ Line string }
			if ssh.Unmarshal(r.Payload, &command) != nil {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			c.wg.Go(func() { refuseAll(requests) })
			exit(ch, c.exec(ch, a, command.Line))
			return
		case "shell":
			_ = r.Reply(true, nil)
			c.wg.Go(func() { refuseAll(requests) })
			_, _ = fmt.Fprintf(ch.Stderr(), "Welcome, %s. You are logged in, but there is no shell here: this server "+
				"speaks SFTP.\r\nTry sftp, sshfs, scp, rclone or FileZilla with the same name and key.\r\n", a.Name)
			exit(ch, exitRefused)
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

// refuseAll answers what arrives after the start: window changes, signals.
func refuseAll(requests <-chan *sshserver.Request) {
	for r := range requests {
		_ = r.Reply(false, nil)
	}
}

// exit sends the exit status and EOF.
func exit(ch ssh.Channel, status uint32) {
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	_ = ch.CloseWrite()
}

// notMounted says that there is nothing to serve, and returns the exit status.
func (c *conn) notMounted(ch ssh.Channel, err error) uint32 {
	c.log.Error("sftp mount", "error", err)
	_, _ = io.WriteString(ch.Stderr(), "truckee: the storage of this account can't be opened now\r\n")
	return exitRefused
}

// sftp runs the subsystem and returns its exit status.
func (c *conn) sftp(ch ssh.Channel, a accounts.Account) uint32 {
	t, err := c.mount(a)
	if err != nil {
		return c.notMounted(ch, err)
	}
	s := newSession(c.recorded(t, "sftp"), ch, c)
	c.log.Debug("sftp session")
	if err := s.run(c.ctx); err != nil {
		c.log.LogAttrs(c.ctx, slog.LevelInfo, "sftp session ended", slog.Any("error", err))
		return exitRefused
	}
	return 0
}
