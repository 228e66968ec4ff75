package sftpd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The exit statuses of what is not SFTP.
const (
	exitOK       = 0
	exitRefused  = 1
	exitNotFound = 127
)

// exec answers an exec request, and returns its exit status. There is no shell
// and no program: the few commands that transfer clients run beside SFTP are
// functions here.
func (c *conn) exec(ch ssh.Channel, a accounts.Account, line string) uint32 {
	c.files.Add(1) // it is at work, whatever it has open
	defer c.files.Add(-1)
	t, err := c.mount(a)
	if err != nil {
		return c.notMounted(ch, err)
	}
	steps, err := splitCommand(line, environment(a.Name))
	if err == nil && len(steps) == 1 && isSubsystem(steps[0].words[0]) {
		return c.sftp(ch, a)
	}
	began := time.Now()
	sh := &shell{ctx: c.ctx, tree: c.recorded(t, "exec"), user: a.Name, umask: c.srv.umask(), dir: "/", in: ch, out: ch, errs: ch.Stderr(), heavyOnes: c.heavyOnes, tally: &c.srv.tally}
	if err != nil {
		sh.complain("truckee: %v; scp, sftp, md5sum, sha1sum, sha256sum, df, echo and pwd are served", err)
		c.recordCommand([]string{unknownCommand}, began, exitNotFound)
		return exitNotFound
	}
	status := sh.run(steps)
	c.recordCommand(commandNames(steps), began, status)
	return status
}

// isSubsystem reports whether a command is an SFTP server's: psftp and
// `sftp -s` start one so.
func isSubsystem(name string) bool {
	base := path.Base(name)
	return base == "sftp-server" || base == "internal-sftp"
}

// environment gives the parameters of an account's commands. Those that are
// not set are empty: rclone finds out by ${ShellId} what it talks to.
func environment(user string) func(string) string {
	return func(name string) string {
		switch name {
		case "HOME", "PWD":
			return "/"
		case "USER", "LOGNAME":
			return user
		}
		return ""
	}
}

// shell runs the commands of one exec request.
type shell struct {
	ctx   context.Context
	tree  tree
	user  string
	umask uint32
	dir   string // that relative paths begin at
	in    io.Reader
	out   io.Writer
	errs  io.Writer

	heavyOnes chan struct{} // see session.heavy
	tally     *tally        // of the server
}

// maxPiped bounds what one command hands to the next.
const maxPiped = 64 << 10

// run runs a list of commands and returns the last one's status.
func (sh *shell) run(steps []step) (status uint32) {
	in, out := sh.in, sh.out
	for _, s := range steps {
		var piped bytes.Buffer
		if sh.out = out; s.pipe {
			sh.out = &limitedBuffer{b: &piped, left: maxPiped}
		}
		status = sh.command(s.words)
		if sh.in = in; s.pipe {
			sh.in = &piped
		}
		if status != exitOK && s.and {
			break
		}
	}
	return status
}

// limitedBuffer takes so many bytes and refuses more.
type limitedBuffer struct {
	b    *bytes.Buffer
	left int
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("pipe of %d bytes: %w", maxPiped, kind.TooLarge)
	}
	l.left -= len(p)
	return l.b.Write(p)
}

// command runs one command.
func (sh *shell) command(words []string) uint32 {
	name, args := words[0], words[1:]
	if r, ok := sh.tree.(*recorded); ok {
		sh.tree = r.by(knownCommand(name))
	}
	switch name {
	case "echo":
		return sh.echo(args)
	case "pwd":
		return sh.print(sh.dir + "\n")
	case "cd":
		return sh.chdir(args)
	case "true":
		return exitOK
	case "df":
		return sh.df(args)
	case "md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum":
		return sh.sums(name, args)
	case "scp":
		return sh.scp(args)
	}
	sh.complain("truckee: %.64s: there is no such command here; scp, sftp, md5sum, sha1sum, sha256sum, df, echo and pwd are served", name)
	return exitNotFound
}

// unknownCommand stands for what is no command here, in records.
const unknownCommand = "?"

// knownCommand is a command's name for records: of what is none it shows nothing.
func knownCommand(name string) string {
	switch name {
	case "echo", "pwd", "cd", "true", "df", "md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "scp":
		return name
	}
	return unknownCommand
}

// commandNames are those of a list of commands.
func commandNames(steps []step) []string {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = knownCommand(s.words[0])
	}
	return names
}

// complain writes one line to the client's standard error.
func (sh *shell) complain(format string, args ...any) {
	_, _ = io.WriteString(sh.errs, printable(fmt.Sprintf(format, args...))+"\n")
}

// printable keeps names that others have made from acting on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func (sh *shell) print(text string) uint32 {
	if _, err := io.WriteString(sh.out, text); err != nil {
		return exitRefused
	}
	return exitOK
}

// path reads a path of a command.
func (sh *shell) path(name string) (filestore.Path, error) {
	if !strings.HasPrefix(name, "/") {
		name = sh.dir + "/" + name
	}
	return lookup(sh.ctx, sh.tree, []byte(name))
}
