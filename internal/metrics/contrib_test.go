package metrics_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/metrics"
)

// suffixes are what Prometheus makes of a histogram.
var suffixes = []string{"_bucket", "_sum", "_count"}

// TestContribKnowsTheMetrics: the dashboard and the alerts name metrics that there
// are, with labels that they have.
func TestContribKnowsTheMetrics(t *testing.T) {
	t.Parallel()
	families := map[string]metrics.Family{}
	for _, f := range metrics.Families() {
		if f.Type != "histogram" {
			families[string(f.Name)] = f
			continue
		}
		for _, s := range suffixes {
			families[string(f.Name)+s] = f
		}
	}
	named := regexp.MustCompile(`\b(truckee_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=|!=|=~|!~)"`)
	by := regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
	used := map[string]bool{}
	for _, file := range []string{"grafana.json", "alerts.yml"} {
		b, err := os.ReadFile("../../contrib/monitoring/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if file == "grafana.json" && !json.Valid(b) {
			t.Errorf("%s is no JSON", file)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if !strings.Contains(line, "expr") && !strings.Contains(line, "label_values") {
				continue
			}
			line = strings.ReplaceAll(line, `\"`, `"`)
			known := []string{"instance", "le", "job"}
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				f, ok := families[m[1]]
				if !ok {
					t.Errorf("%s: there is no metric %s", file, m[1])
					continue
				}
				used[string(f.Name)] = true
				known = append(known, f.Labels...)
				for _, l := range label.FindAllStringSubmatch(m[2], -1) {
					if l[1] != "instance" && !slices.Contains(f.Labels, l[1]) {
						t.Errorf("%s: %s has no label %s", file, m[1], l[1])
					}
				}
			}
			for _, m := range by.FindAllStringSubmatch(line, -1) {
				for _, l := range strings.Split(m[1], ", ") {
					if !slices.Contains(known, l) {
						t.Errorf("%s: no metric has the label %s: %s", file, l, strings.TrimSpace(line))
					}
				}
			}
		}
	}
	if len(used) < 25 {
		t.Errorf("only %d metrics are shown", len(used))
	}
}
