package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is one line of the result: commits a second of each round.
type row struct {
	engine      string
	directories int
	ours, bare  []float64
}

// ratio is that of the medians.
func (r row) ratio() float64 { return median(r.ours) / median(r.bare) }

func (r row) String() string {
	return fmt.Sprintf("| %s | %d | %.0f | %.0f | %.2f |", r.engine, r.directories, median(r.ours), median(r.bare), r.ratio())
}

func render(rows []row) string {
	var b strings.Builder
	b.WriteString("| engine | directories | truckee, commits/s | bare engine, commits/s | ratio |\n")
	b.WriteString("| --- | ---: | ---: | ---: | ---: |\n")
	for _, r := range rows {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}
