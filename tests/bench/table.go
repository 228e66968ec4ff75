package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// row is one line of the result: medians of both servers in the same unit.
type row struct {
	name           string
	unit           string
	lowerIsBetter  bool
	ours, theirs   float64
	cpuPerGiB      float64 // truckee's CPU seconds per GiB moved; 0: not a transfer
	peakRSS        int64   // truckee's, bytes
	roundsMeasured int
}

// ratio is above 1 where truckee is the faster one.
func (r row) ratio() float64 {
	if r.lowerIsBetter {
		return r.theirs / r.ours
	}
	return r.ours / r.theirs
}

func (r row) String() string {
	cpu := ""
	if r.cpuPerGiB > 0 {
		cpu = fmt.Sprintf("%.2f", r.cpuPerGiB)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %.2f | %s | %d |",
		r.name, r.unit, number(r.ours), number(r.theirs), r.ratio(), cpu, r.peakRSS>>20)
}

func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

func render(rows []row) string {
	var b strings.Builder
	b.WriteString("| work | unit | truckee | OpenSSH | ratio | server CPU s/GiB | server peak MiB |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range rows {
		b.WriteString(r.String() + "\n")
	}
	b.WriteString("\nRatio: above 1, truckee is faster.\n")
	return b.String()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// describe tells on what the run was made.
func describe() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if rest, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.Trim(strings.TrimSpace(rest), ": ")
				break
			}
		}
	}
	client := "unknown client"
	if out, err := exec.Command("ssh", "-V").CombinedOutput(); err == nil {
		client, _, _ = strings.Cut(strings.TrimSpace(string(out)), ",")
	}
	return fmt.Sprintf("%d cores of %s, %s, %s; client and server on the same cores, loopback.\n\n",
		runtime.NumCPU(), model, client, runtime.Version())
}
