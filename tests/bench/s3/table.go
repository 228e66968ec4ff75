package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is a workload with what the servers have reached.
type row struct {
	workload
	cells []cell
}

// cell is one server's.
type cell struct {
	bucket  string
	figures []float64
	cpu     []float64 // what the server used of a processor, see cost
	client  []float64 // and what its clients used
	peak    int64     // bytes of its memory
	err     error     // it can't do it
}

// cost is what so many seconds of a processor are for the work that was done: seconds
// a GiB where that is in MiB, milliseconds an operation or a thousand keys, else the seconds.
func (w *workload) cost(seconds, done float64) float64 {
	switch {
	case w.unit == "MiB/s" && done > 0:
		return seconds * 1024 / done
	case w.unit == "op/s" && done > 0:
		return seconds * 1000 / done
	case w.unit == "keys/s" && done > 0:
		return seconds * 1000 * 1000 / done
	}
	return seconds
}

// text is a figure, the ratio of truckee's to it (above 1 where truckee is faster), what
// the server and the clients cost, and the peak of the server's memory.
func (r *row) text(i int) string {
	c := &r.cells[i]
	if c.err != nil || len(c.figures) == 0 {
		return "fails"
	}
	v := median(c.figures)
	out := number(v)
	if i > 0 {
		ratio := median(r.cells[0].figures) / v
		if r.lowerIsBetter {
			ratio = 1 / ratio
		}
		out += fmt.Sprintf(" (**%.2f**)", ratio)
	}
	return fmt.Sprintf("%s; %.2f + %.2f, %d", out, median(c.cpu), median(c.client), c.peak>>20)
}

func (b *bench) line(r *row) string {
	fields := []string{r.name, r.unit}
	for i := range r.cells {
		fields = append(fields, r.text(i))
	}
	return "| " + strings.Join(fields, " | ") + " |"
}

func (b *bench) table(rows []*row) string {
	if len(b.servers) == 0 {
		return ""
	}
	head, rule := "| work | unit |", "| --- | --- |"
	for _, s := range b.servers {
		head, rule = head+" "+s.name+" |", rule+" ---: |"
	}
	lines := []string{head, rule}
	for _, r := range rows {
		lines = append(lines, b.line(r))
	}
	return strings.Join(lines, "\n") + "\n\nBehind each figure: in brackets truckee's ratio to it, above 1 where truckee is faster; then what the server and, behind the +, its clients used of a processor (seconds a GiB, milliseconds an operation or a thousand keys; else seconds in all), and the server's memory at most in MiB.\n"
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
