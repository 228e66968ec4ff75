//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/tests/posix"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// mountOptions are the ways in which people mount. Debian's sshfs hides links that
// lead upwards unless told otherwise; others don't know the option.
func mountOptions(t *testing.T) map[string][]string {
	options := map[string][]string{"sshfs": nil, "direct_io": {"direct_io"}, "max_conns": {"max_conns=4"}}
	if help, _ := exec.CommandContext(t.Context(), "sshfs", "-h").CombinedOutput(); strings.Contains(string(help), "no_contain_symlinks") {
		options["direct_io"] = append(options["direct_io"], "no_contain_symlinks")
	}
	return options
}

// What POSIX says, on sshfs over OpenSSH and over Truckee: what holds over OpenSSH
// holds over Truckee, unless docs/posix.md says why not.
func TestPOSIX(t *testing.T) {
	t.Parallel()
	openssh, err := testbed.StartOpenSSH(t.Context(), t.TempDir(), clientKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := openssh.Stop(); err != nil {
			t.Error(err)
		}
	})
	n := newNode(t, t.TempDir())
	checks := posix.Checks()
	var theirs, ours map[string]map[string]error
	t.Run("mounts", func(t *testing.T) {
		theirs, ours = onMounts(t, openssh.Endpoint, checks), onMounts(t, n.Endpoint, checks)
	})
	if t.Failed() {
		return
	}
	documented := readPOSIXTable(t)
	known := map[string]bool{}
	for _, c := range checks {
		known[c.Name] = true
		row := documented[c.Name]
		for mount := range ours {
			our, their := ours[mount][c.Name], theirs[mount][c.Name]
			switch {
			case our != nil && their == nil && !row.truckee.covers(mount):
				t.Errorf("%s on %s: %v; over OpenSSH it holds, and docs/posix.md doesn't say why", c.Name, mount, our)
			case our == nil && row.openssh == "" && row.truckee.insists(mount):
				t.Errorf("%s on %s holds, and docs/posix.md says that it doesn't", c.Name, mount)
			case our != nil || their != nil:
				t.Logf("%s on %s: OpenSSH: %v; Truckee: %v", c.Name, mount, their, our)
			}
		}
	}
	for name := range documented {
		if !known[name] && os.Getuid() == 0 { // others run fewer
			t.Errorf("docs/posix.md tells of %q, which is no check", name)
		}
	}
	checkDeep(t, n)
}

// onMounts runs the checks on each kind of mount of a server, all mounts at once.
func onMounts(t *testing.T, e testbed.Endpoint, checks []posix.Check) map[string]map[string]error {
	failures := map[string]map[string]error{}
	for name, options := range mountOptions(t) {
		m := &mounted{e: e, options: options, name: name, found: map[string]error{}}
		failures[name] = m.found
		t.Run(e.Name+" "+name, func(t *testing.T) {
			t.Parallel()
			m.dir = mount(t, e, options...)
			for i, c := range checks {
				m.check(t, checks[max(i-1, 0)], c)
			}
		})
	}
	return failures
}

// mounted is a mount on which checks are run, and what they found.
type mounted struct {
	e       testbed.Endpoint
	options []string
	name    string
	dir     string
	dirs    int
	found   map[string]error
}

// check runs c, and finds out by whom if sshfs crashes. It may do so a moment after
// the check that made it, as it hears of a file's end after close has returned.
func (m *mounted) check(t *testing.T, before, c posix.Check) {
	t.Helper()
	own, err := m.own()
	if crashed(err) {
		m.found[before.Name] = err
		m.dir = mount(t, m.e, m.options...)
		own, err = m.own()
	}
	if err != nil {
		t.Fatalf("before %s: %v", c.Name, err)
	}
	err = c.Run(own)
	if crash := err; crashed(crash) {
		m.dir = mount(t, m.e, m.options...)
		if own, err = m.own(); err != nil {
			t.Fatalf("before %s again: %v", c.Name, err)
		}
		err = c.Run(own)
		if !within(2*time.Second, func() bool { _, lost := os.Lstat(m.dir); return crashed(lost) }) {
			m.found[before.Name] = crash
		} else {
			err = crash
			m.dir = mount(t, m.e, m.options...)
		}
	}
	if err != nil {
		m.found[c.Name] = err
	}
}

// own makes a check's own directory.
func (m *mounted) own() (string, error) {
	m.dirs++
	path := filepath.Join(m.dir, fmt.Sprintf("%s-%d", m.name, m.dirs))
	return path, os.Mkdir(path, 0o755)
}

// crashed tells whether an error on a mount means that its sshfs is gone.
func crashed(err error) bool {
	return errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED)
}

// posixRow is a row of docs/posix.md.
type posixRow struct{ openssh, truckee outcome }

// outcome is where a check fails: nowhere (""), "fails", "fails on MOUNT, MOUNT", or
// "may fail on MOUNT" where that is a matter of time.
type outcome string

func (o outcome) covers(mount string) bool { return o == "fails" || strings.Contains(string(o), mount) }

func (o outcome) insists(mount string) bool {
	return o.covers(mount) && !strings.HasPrefix(string(o), "may")
}

// readPOSIXTable reads the tables of docs/posix.md: | check | OpenSSH | Truckee | why |
func readPOSIXTable(t *testing.T) map[string]posixRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "posix.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]posixRow{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if name, ok := strings.CutPrefix(cells[1], "`"); ok {
			rows[strings.TrimSuffix(name, "`")] = posixRow{openssh: outcome(cells[2]), truckee: outcome(cells[3])}
		}
	}
	if len(rows) == 0 {
		t.Fatal("docs/posix.md has no table")
	}
	return rows
}
