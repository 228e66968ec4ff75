package sftpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// exec runs a command as a client does.
func (h *harness) exec(c *ssh.Client, line, stdin string) (out, errs string, status int) {
	h.t.Helper()
	s, err := c.NewSession()
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	var stdout, stderr bytes.Buffer
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader(stdin), &stdout, &stderr
	var exit *ssh.ExitError
	switch err := s.Run(line); {
	case errors.As(err, &exit):
		status = exit.ExitStatus()
	case err != nil:
		h.t.Fatalf("%q: %v", line, err)
	}
	return stdout.String(), stderr.String(), status
}

func TestExec(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	files := h.sftp(c)
	write := func(name, data string) {
		f, err := files.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, data); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	write("/d/abc", "abc")
	write("/with space", "")
	write("/back\\slash", "")
	const (
		md5abc    = "900150983cd24fb0d6963f7d28e17f72"
		md5empty  = "d41d8cd98f00b204e9800998ecf8427e"
		sha1abc   = "a9993e364706816aba3e25717850c26c9cd0d89d"
		sha256abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	)
	for _, tt := range []struct {
		line, in, out, errs string
		status              int
	}{
		{"md5sum /d/abc", "", md5abc + "  /d/abc\n", "", 0},
		{"md5sum d/abc", "", md5abc + "  d/abc\n", "", 0},
		{"md5sum -b -- /d/abc", "", md5abc + " */d/abc\n", "", 0},
		{"sha1sum /d/abc", "", sha1abc + "  /d/abc\n", "", 0},
		{"sha256sum /d/abc", "", sha256abc + "  /d/abc\n", "", 0},
		{"md5sum '/with space'", "", md5empty + "  /with space\n", "", 0},
		{`md5sum /back\\slash`, "", `\` + md5empty + `  /back\\slash` + "\n", "", 0},
		{"md5sum", "", md5empty + "  -\n", "", 0}, // rclone's probe
		{"md5sum", "abc", md5abc + "  -\n", "", 0},
		{"echo -n abc | md5sum", "", md5abc + "  -\n", "", 0},
		{"cd /d && md5sum abc; pwd", "", md5abc + "  abc\n/d\n", "", 0},
		{"md5sum /no /d/abc /d", "", md5abc + "  /d/abc\n", "md5sum: /no: No such file or directory\nmd5sum: /d: Is a directory\n", 1},
		{"md5sum --check x", "", "", "md5sum: option \"--check\" is not served here\n", 1},
		{"cd /no && pwd", "", "", "cd: /no: No such file or directory\n", 1},
		{"cd /d/abc", "", "", "cd: /d/abc: Not a directory\n", 1},
		{"echo ${ShellId}%ComSpec%", "", "%ComSpec%\n", "", 0},
		{"echo 'a  b'", "", "a  b\n", "", 0},
		{"pwd", "", "/\n", "", 0},
		{"true", "", "", "", 0},
		{"df /no", "", "", "df: /no: No such file or directory\n", 1},
		{"df -h", "", "", "df: option \"-h\" is not served here\n", 1},
		{"rsync --server . x", "", "", "truckee: rsync: there is no such command here; scp, sftp, md5sum, sha1sum, sha256sum, df, echo and pwd are served\n", 127},
		{"echo a > b", "", "", "truckee: '>': not understood here: there is no shell; scp, sftp, md5sum, sha1sum, sha256sum, df, echo and pwd are served\n", 127},
		{"", "", "", "", 0},
		{"\x1b[31mx\x07", "", "", "truckee: ?[31mx?: there is no such command here; scp, sftp, md5sum, sha1sum, sha256sum, df, echo and pwd are served\n", 127},
		{"scp -t a file", "", "", "scp: ambiguous target: a path with blanks stands in quotes of its own, as in \"host:'a file'\"\n", 1},
		{"scp", "", "", "scp: only the server side runs here: scp -t TARGET or scp -f SOURCE...\n", 1},
	} {
		out, errs, status := h.exec(c, tt.line, tt.in)
		if out != tt.out || errs != tt.errs || status != tt.status {
			t.Errorf("%q: %d\nout  %q\nwant %q\nerr  %q\nwant %q", tt.line, status, out, tt.out, errs, tt.errs)
		}
	}
}

// The numbers of df are those of statvfs, in the layout that rclone and old
// sshfs read.
func TestDf(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	v, err := h.sftp(c).StatVFS("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"df -P -k /", "df", "df -k /", "df -Pk"} {
		out, errs, status := h.exec(c, line, "")
		lines := strings.Split(out, "\n")
		if status != 0 || errs != "" || len(lines) != 3 {
			t.Fatalf("%s: %d %q %q", line, status, out, errs)
		}
		var fs, percent, on string
		var total, used, free uint64
		if n, err := fmt.Sscan(lines[1], &fs, &total, &used, &free, &percent, &on); n != 6 || err != nil || on != "/" || total != used+free {
			t.Errorf("%s: %q: %d, %v", line, lines[1], n, err)
		}
		if total != v.TotalSpace()/1024 || free != v.FreeSpace()/1024 || total == 0 {
			t.Errorf("%s: %d of %d, statvfs says %d of %d", line, free, total, v.FreeSpace()/1024, v.TotalSpace()/1024)
		}
	}
}

// `sftp -s /usr/lib/openssh/sftp-server` starts the subsystem by its old name.
func TestSFTPServerAsACommand(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	s, err := h.login().NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("/usr/lib/openssh/sftp-server"); err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(out, in)
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := client.Getwd(); dir != "/" || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
	client.Close()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// withUsage is a tree of a given size.
type withUsage struct {
	tree
	u filestore.Usage
}

func (w withUsage) Usage(context.Context) (filestore.Usage, error) { return w.u, nil }

// A quota is what statvfs and df tell, of bytes and of files.
func TestQuotaIsShown(t *testing.T) {
	t.Parallel()
	own := withUsage{newTree(t, newStore(t)), filestore.Usage{
		BlockSize: 4096, TotalBytes: 100 << 20, FreeBytes: 25 << 20, UsedBytes: 75 << 20, Blocks: 7, Files: 30, MaxFiles: 50,
	}}
	c := converse(t, own)
	r := c.ext(wire.ExtStatVFS, "/").is(wire.ExtendedReply)
	if got, want := vfs(&r), [11]uint64{4096, 4096, 25600, 6400, 6400, 50, 20, 20, fsid, 2, 255}; got != want {
		t.Errorf("statvfs %v, want %v", got, want)
	}
	var out bytes.Buffer
	sh := &shell{ctx: t.Context(), tree: own, dir: "/", out: &out, errs: io.Discard}
	if status := sh.command([]string{"df", "-k"}); status != 0 || !strings.Contains(out.String(), " 102400     76800     25600      75% /") {
		t.Errorf("df: %d\n%s", status, out.String())
	}
	own.u.Files, own.u.FreeBytes = 60, 0 // beyond the quota, which was made smaller
	r = converse(t, own).ext(wire.ExtStatVFS, "/").is(wire.ExtendedReply)
	if got := vfs(&r); got[3] != 0 || got[6] != 0 {
		t.Errorf("statvfs %v", got)
	}
}
