package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CPUs are those that this process may run on, ascending.
func CPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// Pin lets these processes, and all that they have started, run on these CPUs alone;
// what they start later does, too. A process that has ended is no error.
func Pin(cpus []int, pids ...int) error {
	var set unix.CPUSet
	for _, i := range cpus {
		set.Set(i)
	}
	for {
		// A process or a thread may be started meanwhile by one that is still free:
		// so once more, until all that are there have been seen.
		family, err := withDescendants(pids)
		if err != nil {
			return err
		}
		moved := false
		for _, pid := range family {
			did, err := pinThreads(pid, &set)
			if err != nil {
				return err
			}
			moved = moved || did
		}
		if !moved {
			return nil
		}
	}
}

// pinThreads pins the threads of a process that aren't yet, and reports whether there
// were any.
func pinThreads(pid int, set *unix.CPUSet) (moved bool, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil && !isGone(err) {
		return false, err
	}
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name())
		var now unix.CPUSet
		err := unix.SchedGetaffinity(tid, &now)
		if err == nil && now == *set {
			continue
		}
		if err == nil {
			err = unix.SchedSetaffinity(tid, set)
		}
		if err != nil && !isGone(err) {
			return moved, fmt.Errorf("pin process %d: %w", pid, err)
		}
		moved = moved || err == nil
	}
	return moved, nil
}

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// withDescendants adds to these processes those that they have started, and so on.
func withDescendants(pids []int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		// The parent is the second field after the command's closing parenthesis: proc(5).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := slices.Clone(pids)
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}
