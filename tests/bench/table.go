package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// row is one line of the result.
type row struct {
	step
	cells []cell // one a target
	peak  int64  // truckee's resident memory at most, bytes
}

// cell is what one target reached.
type cell struct {
	figures []float64
	cpu     []float64 // s/GiB or ms an operation
	err     error     // it can't do it
}

// ratio is above 1 where truckee is faster than the target who.
func (r row) ratio(who int) float64 {
	ours, theirs := median(r.cells[0].figures), median(r.cells[who].figures)
	if r.lowerIsBetter {
		return theirs / ours
	}
	return ours / theirs
}

// verdict says whether the row reaches its bar, and which peers are ahead.
func (r row) verdict() string {
	var words []string
	switch {
	case r.bar > 0 && r.ratio(1) < r.bar, r.atMost > 0 && median(r.cells[0].figures) > r.atMost:
		words = append(words, "**missed**")
	case r.bar > 0 || r.atMost > 0:
		words = append(words, "pass")
	}
	for who := 2; who < len(r.cells); who++ {
		if r.cells[who].err == nil && r.ratio(who) < 1 {
			words = append(words, "**behind**")
			break
		}
	}
	return strings.Join(words, ", ")
}

func (r row) text(targets []*target) string {
	fields := []string{r.name, r.unit, number(median(r.cells[0].figures)), "", "", "", r.verdict(), r.processor(0), "", fmt.Sprint(r.peak >> 20)}
	if len(r.cells) > 1 {
		fields[3], fields[4], fields[8] = number(median(r.cells[1].figures)), fmt.Sprintf("%.2f", r.ratio(1)), r.processor(1)
	}
	switch {
	case r.bar > 0:
		fields[5] = fmt.Sprintf("≥ %.3g", r.bar)
	case r.atMost > 0:
		fields[5] = fmt.Sprintf("≤ %g %s", r.atMost, r.unit)
	}
	for who := 2; who < len(targets); who++ {
		switch {
		case who >= len(r.cells):
			fields = append(fields, "")
		case r.cells[who].err != nil:
			fields = append(fields, "fails")
		default:
			cpu := r.processor(who)
			if cpu != "" {
				cpu = "; " + cpu
			}
			fields = append(fields, fmt.Sprintf("%s (%.2f%s)", number(median(r.cells[who].figures)), r.ratio(who), cpu))
		}
	}
	return "| " + strings.Join(fields, " | ") + " |"
}

// processor is the server's time for a piece of the work.
func (r row) processor(who int) string {
	cpu := r.cells[who].cpu
	switch {
	case len(cpu) == 0:
		return ""
	case r.bytes > 0:
		return fmt.Sprintf("%.2f s/GiB", median(cpu))
	}
	return fmt.Sprintf("%.3f ms", median(cpu))
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

func render(rows []row, targets []*target) string {
	var b strings.Builder
	b.WriteString("| work | unit | truckee | OpenSSH | ratio | bar | | CPU, truckee | CPU, OpenSSH | peak MiB |")
	line := "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |"
	for _, t := range targets[min(2, len(targets)):] {
		b.WriteString(" " + t.Name + " |")
		line += " ---: |"
	}
	b.WriteString("\n" + line + "\n")
	bars, missed := 0, 0
	for _, r := range rows {
		b.WriteString(r.text(targets) + "\n")
		if r.bar > 0 || r.atMost > 0 {
			bars++
		}
		if strings.Contains(r.verdict(), "missed") {
			missed++
		}
	}
	fmt.Fprintf(&b, "\nRatio: above 1, truckee is faster. %d of %d bars reached.\n", bars-missed, bars)
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

// percentile is the value below which the share p of all lie.
func percentile(v []float64, p float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return v[min(int(p*float64(len(v))), len(v)-1)]
}

// describe tells on what the run was made.
func describe(rounds int) string {
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
	return fmt.Sprintf("%d cores of %s, %s, %s; client and server on the same cores, loopback; medians of %d rounds.\n\n",
		runtime.NumCPU(), model, client, runtime.Version(), rounds)
}
