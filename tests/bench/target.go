package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// target is a server that is measured.
type target struct {
	testbed.Endpoint
	pid  func() int
	data string // the directory of what it stores
	// down and up stop and start it, for one that keeps something in its memory
	// that was read; nil: it keeps nothing.
	down func() error
	up   func(context.Context) error
	stop func() error
}

// bench is one run: the servers, the same key, and data to send.
type bench struct {
	settings
	targets []*target // truckee, OpenSSH, and then peers
	tail    map[string]float64
}

func setUp(ctx context.Context, s settings) (b *bench, err error) {
	b = &bench{settings: s, tail: map[string]float64{}}
	defer func() {
		if err != nil {
			b.tearDown()
		}
	}()
	key, err := testbed.NewKey(s.dir)
	if err != nil {
		return b, err
	}
	if err := b.startOurs(ctx, key); err != nil {
		return b, err
	}
	dir, err := b.subdirectory("openssh")
	if err != nil {
		return b, err
	}
	sshd, err := testbed.StartOpenSSH(ctx, dir, key)
	if err != nil {
		return b, err
	}
	b.targets = append(b.targets, &target{Endpoint: sshd.Endpoint, pid: sshd.Pid, data: sshd.Root, stop: sshd.Stop})
	for _, name := range s.peers {
		if err := b.startPeer(ctx, name, key); err != nil {
			return b, fmt.Errorf("%s: %w", name, err)
		}
	}
	return b, nil
}

// startPeer starts a peer by its name, or another binary of truckee, in which
// case the name is its path.
func (b *bench) startPeer(ctx context.Context, name, key string) error {
	dir, err := b.subdirectory("peer-" + filepath.Base(name))
	if err != nil {
		return err
	}
	var peer *testbed.Peer
	switch {
	case name == "rclone":
		peer, err = testbed.StartRclone(ctx, dir, key)
	case name == "sftpgo":
		peer, err = testbed.StartSFTPGo(ctx, dir, key)
	case strings.Contains(name, "/"):
		return b.startTruckee(ctx, name, dir, key)
	default:
		return errors.New("no such peer")
	}
	if err == nil {
		b.targets = append(b.targets, &target{Endpoint: peer.Endpoint, pid: peer.Pid, data: dir, stop: peer.Stop})
	}
	return err
}

func (b *bench) startOurs(ctx context.Context, key string) (err error) {
	binary := b.binary
	if binary == "" {
		if binary, err = testbed.Build(b.dir); err != nil {
			return err
		}
	}
	return b.startTruckee(ctx, binary, b.dir, key)
}

func (b *bench) startTruckee(ctx context.Context, binary, dir, key string) error {
	node, err := testbed.NewTruckee(ctx, binary, dir, key)
	if err != nil {
		return err
	}
	if dir != b.dir {
		node.Name = filepath.Base(binary)
	}
	up := func(ctx context.Context) error { return node.Start(ctx, b.flags...) }
	if err := up(ctx); err != nil {
		return err
	}
	b.targets = append(b.targets, &target{
		Endpoint: node.Endpoint, pid: node.Pid, data: node.BaseDir, down: node.Stop, up: up, stop: node.Stop,
	})
	return nil
}

func (b *bench) subdirectory(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.Mkdir(dir, 0o700)
}

func (b *bench) tearDown() {
	for _, t := range b.targets {
		if err := t.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// chill makes reads of the target come from the disk: what it stores leaves the
// page cache, and what it keeps in its own memory is gone.
func (t *target) chill(ctx context.Context) error {
	if t.down != nil {
		if err := t.down(); err != nil {
			return err
		}
	}
	if err := uncache(t.data); err != nil {
		return err
	}
	if t.up != nil {
		return t.up(ctx)
	}
	return nil
}

// uncache writes back all files below dir and drops them from the page cache.
func uncache(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// rest waits until the processes that served connections have ended, so that
// their processor time is counted; a second at most, since a mount may stay.
func (t *target) rest() {
	for range 50 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", t.pid()))
		if err != nil || len(bytes.TrimSpace(b)) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cpu is the processor time that the server and its ended children have used.
func (t *target) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.pid()))
	if err != nil {
		return 0, fmt.Errorf("is %s gone? %w", t.Name, err)
	}
	// The fields after the command's closing parenthesis are fixed: proc(5).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	const ticksPerSecond = 100 // USER_HZ is 100 on every Linux ABI
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// memory is a figure of /proc's status in bytes: VmRSS, VmHWM.
func (t *target) memory(field string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no %s of process %d", field, t.pid())
}

// resetPeak sets VmHWM back to the present size.
func (t *target) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", t.pid()), []byte("5"), 0)
}
