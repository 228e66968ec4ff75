package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Radosgw is Ceph's S3 gateway over a cluster of one monitor and one OSD without
// replicas, which keeps its objects in a file below dir (BlueStore).
type Radosgw struct {
	Port        int
	Key, Secret string // of its one user
	dir         string
	as          *syscall.SysProcAttr
	running     []*process // in the order in which they started
}

// A manager, which balances and counts, is not needed to store objects. Room for
// others' ciphers and crowds isn't either.
const radosgwConf = `[global]
fsid = %[1]s
mon host = [v2:127.0.0.1:%[2]d]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = %[3]s/keyring
run dir = %[3]s
crash dir = %[3]s
log file = /dev/null
log to stderr = true
err to stderr = true
admin socket =
pid file =
mon data = %[3]s/mon
osd data = %[3]s/osd
mon data avail crit = 1
mon data avail warn = 2
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
mon allow pool size one = true
auth allow insecure global id reclaim = false
osd objectstore = bluestore
bluestore block create = true
bluestore block size = 8589934592
bluestore cache size = 67108864
bluestore cache autotune = false
rgw data = %[3]s/rgw
rgw frontends = beast endpoint=127.0.0.1:%[4]d
rgw thread pool size = 64
`

// NewRadosgw makes the cluster in dir, which must exist, and starts it on free
// loopback ports, in about twenty seconds. Root's runs as the user ceph. The
// programs are those of Debian's packages ceph-mon, ceph-osd and radosgw.
func NewRadosgw(ctx context.Context, dir string) (*Radosgw, error) {
	monitor, err := FreePort()
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Radosgw{Port: port, Key: "RGW" + rand.Text(), Secret: "rgw-" + rand.Text(), dir: dir}
	for _, d := range []string{"", "mon", "osd", "rgw"} {
		d = filepath.Join(dir, d)
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
		if s.as, err = unprivileged(d, "ceph", "nobody"); err != nil {
			return nil, err
		}
	}
	cluster, osd := uuid(), uuid()
	if err := os.WriteFile(filepath.Join(dir, "ceph.conf"), fmt.Appendf(nil, radosgwConf, cluster, monitor, dir, port), 0o644); err != nil {
		return nil, err
	}
	err = s.run(ctx,
		[]string{"ceph-authtool", "keyring", "--create-keyring", "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"},
		[]string{"ceph-authtool", "keyring", "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *"},
		[]string{"ceph-authtool", "keyring", "--gen-key", "-n", "osd.0", "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"},
		[]string{"ceph-authtool", "keyring", "--gen-key", "-n", "client.rgw", "--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"},
		[]string{"monmaptool", "--create", "--addv", "a", fmt.Sprintf("[v2:127.0.0.1:%d]", monitor), "--fsid", cluster, "monmap"},
		[]string{"ceph-mon", "-c", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring"},
	)
	if err != nil {
		return nil, err
	}
	err = s.start("ceph-mon", "-i", "a")
	if err == nil {
		err = s.run(ctx,
			[]string{"ceph", "-c", "ceph.conf", "--connect-timeout", "60", "osd", "new", osd},
			[]string{"ceph-osd", "-c", "ceph.conf", "-i", "0", "--mkfs", "--osd-uuid", osd},
		)
	}
	if err == nil {
		err = s.start("ceph-osd", "-i", "0")
	}
	if err == nil { // this makes the gateway's pools, too
		err = s.run(ctx, []string{
			"radosgw-admin", "-c", "ceph.conf", "--name", "client.rgw", "user", "create",
			"--uid=truckee", "--display-name=truckee", "--access-key=" + s.Key, "--secret-key=" + s.Secret,
		})
	}
	if err == nil {
		err = s.serve(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// uuid is a random one (RFC 9562, 5.4).
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Radosgw) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return commandAs(ctx, s.as, s.dir, program, args...)
}

// run runs commands one after another.
func (s *Radosgw) run(ctx context.Context, commands ...[]string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, words := range commands {
		if out, err := s.command(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", words[0], err, out)
		}
	}
	return nil
}

func (s *Radosgw) start(program string, args ...string) error {
	args = append([]string{"-c", "ceph.conf", "-f"}, args...)
	p, err := startProcess(program, filepath.Join(s.dir, program+".log"), s.command(context.Background(), program, args...))
	if err == nil {
		s.running = append(s.running, p)
	}
	return err
}

// serve starts the gateway and waits until it answers.
func (s *Radosgw) serve(ctx context.Context) error {
	if err := s.start("radosgw", "--name", "client.rgw"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return s.running[len(s.running)-1].waitUntil(ctx, func(ctx context.Context) error { return answers(ctx, s.Port) })
}

// Endpoint is the gateway's URL.
func (s *Radosgw) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Port) }

// Start starts the whole cluster, which isn't running, on the same ports as before.
func (s *Radosgw) Start(ctx context.Context) error {
	err := s.start("ceph-mon", "-i", "a")
	if err == nil {
		err = s.start("ceph-osd", "-i", "0")
	}
	if err == nil {
		err = s.serve(ctx)
	}
	if err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// Stop ends the cluster, the gateway first.
func (s *Radosgw) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the cluster without a chance to finish anything.
func (s *Radosgw) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Radosgw) end(sig syscall.Signal) error {
	var errs []error
	for i := len(s.running) - 1; i >= 0; i-- {
		errs = append(errs, s.running[i].stop(sig, time.Minute))
	}
	s.running = nil
	return errors.Join(errs...)
}
