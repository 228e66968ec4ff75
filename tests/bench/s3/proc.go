package main

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// parseUsage reads /proc's stat and status of a process.
func parseUsage(stat, status []byte) (usage, error) {
	// The fields after the command's closing parenthesis are fixed.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return usage{}, err
		}
		ticks += n
	}
	const ticksPerSecond = 100 // USER_HZ is 100 on every Linux ABI
	u := usage{cpu: time.Duration(ticks) * time.Second / ticksPerSecond}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			u.peak = kib << 10
			return u, err
		}
	}
	return u, nil
}
