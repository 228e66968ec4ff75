package main

import (
	"bytes"
	"os"
	"strconv"
)

// leastGarbage is for how many bytes of garbage the runtime's limit always leaves room.
// With less it would collect without end, and nothing would be won: what is alive isn't
// to be had back.
const leastGarbage = 8 << 20

// runtimeLimit is the limit of the runtime's memory by which a process shall have no
// more than limit bytes, of which so many are resident now: the runtime knows nothing
// of the program's text, the database's page caches, and buffers that were mapped. It
// is as much higher as what is alive needs.
func runtimeLimit(limit, resident int64, h heap) int64 {
	outside := max(resident-int64(h.mapped), 0)
	beside := int64(h.mapped) - int64(h.objects) - int64(h.free) // stacks, and gaps between objects
	return max(limit-outside, int64(h.live)+max(beside, 0)+leastGarbage)
}

// residentMemory is the memory that the process has now, in bytes: proc_pid_statm(5).
// Where nobody tells, it is 0.
func residentMemory() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
