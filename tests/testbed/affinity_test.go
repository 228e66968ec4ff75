package testbed_test

import (
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// A process that is pinned stays on its CPU with what it has started and starts.
func TestPin(t *testing.T) {
	t.Parallel()
	cpus, err := testbed.CPUs()
	if err != nil {
		t.Skip(err)
	}
	last := cpus[len(cpus)-1]
	// The inner shell is there when both are pinned, and starts grep afterwards.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `sh -c 'echo ready; read go; grep Cpus_allowed_list /proc/self/status'; grep Cpus_allowed_list /proc/self/status`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil {
		t.Fatal(err)
	}
	if err := testbed.Pin([]int{last}, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	told, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("Cpus_allowed_list:\t"+strconv.Itoa(last)+"\n", 2); string(told) != want {
		t.Errorf("%q, want %q", told, want)
	}
	if now, err := testbed.CPUs(); err != nil || len(now) != len(cpus) {
		t.Errorf("the test itself has %v of %v, %v", now, cpus, err)
	}
	if err := testbed.Pin([]int{last}, cmd.Process.Pid); err != nil {
		t.Errorf("a process that has ended: %v", err)
	}
}
