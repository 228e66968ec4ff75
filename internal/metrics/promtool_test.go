package metrics_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

const (
	alerts     = "../../contrib/monitoring/alerts.yml"
	dashboard  = "../../contrib/monitoring/grafana.json"
	alertTests = "testdata/alerts_test.yml"
)

// promtool runs Prometheus's own tool, of Debian's package prometheus.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path := testbed.Program(t, "promtool")
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestAlertsFire: Prometheus understands the alerts; each fires on figures that it
// is for, and none does on those of a node that is well.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", alerts)
	promtool(t, "", "test", "rules", alertTests)
}

// TestEveryAlertIsTested holds the alerts against the figures that they are
// expected on.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(alertTests)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(rules, -1) {
		if !bytes.Contains(tests, fmt.Appendf(nil, `{alertname="%s"}`, m[1])) {
			t.Errorf("%s doesn't fire in %s", m[1], alertTests)
		}
	}
}

// TestDashboardIsUnderstood has Prometheus parse every expression of the dashboard,
// with values for Grafana's variables.
func TestDashboardIsUnderstood(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$instance", ".*", "$__rate_interval", "5m")
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	n := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expr := variables.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: an unknown variable: %s", p.Title, expr)
			}
			rules += fmt.Sprintf("      - {record: 'panel:%d', expr: %q}\n", n, expr)
			n++
		}
	}
	if n < 30 {
		t.Fatalf("only %d expressions", n)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

// TestPrometheusReadsThePage: what is shown is what Prometheus's own linter wants
// of names, types and units.
func TestPrometheusReadsThePage(t *testing.T) {
	t.Parallel()
	promtool(t, scrape(t, filled()), "check", "metrics")
}
