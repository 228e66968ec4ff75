package metrics_test

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/metrics"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// scrape is what Prometheus gets.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// filled are metrics of which every family has something to show.
func filled() *metrics.Metrics {
	m := metrics.New()
	m.Commit(3*time.Millisecond, 5, []string{"conflict"})
	m.S3Request("PutObject", 200, 1000, 0, 20*time.Millisecond)
	m.Block("0:s3", "put", 20*time.Millisecond, 1000, "unavailable")
	m.Read(func(_ context.Context, emit metrics.Emit) {
		for _, f := range metrics.Families() {
			if hooked[string(f.Name)] {
				continue
			}
			emit(f.Name, 7, slices.Repeat([]string{"x"}, len(f.Labels))...)
		}
	})
	return m
}

// Every family that is declared can be shown, with its labels, and nothing else is.
func TestEveryFamilyIsShown(t *testing.T) {
	text := scrape(t, filled())
	for _, f := range metrics.Families() {
		if !strings.Contains(text, fmt.Sprintf("# TYPE %s %s\n", f.Name, f.Type)) {
			t.Errorf("%s of type %s is not shown", f.Name, f.Type)
		}
		for _, l := range f.Labels {
			if !regexp.MustCompile(`(?m)^` + string(f.Name) + `[a-z_]*\{[^}]*` + l + `="`).MatchString(text) {
				t.Errorf("%s has no label %s", f.Name, l)
			}
		}
	}
	for _, line := range []string{
		"truckee_commit_seconds_count 1", "truckee_commit_changes_sum 5", `truckee_commit_failures_total{kind="conflict"} 1`,
		`truckee_blockstore_request_bytes_total{op="put",store="0:s3"} 1000`,
		`truckee_blockstore_request_errors_total{kind="unavailable",op="put",store="0:s3"} 1`,
		`truckee_s3_requests_total{operation="PutObject",status="200"} 1`, `truckee_s3_bytes_total{direction="in",operation="PutObject"} 1000`,
		"truckee_open_files 7",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// hooked are the families that calls fill.
var hooked = map[string]bool{
	"truckee_commit_seconds": true, "truckee_commit_changes": true, "truckee_commit_failures_total": true,
	"truckee_s3_requests_total": true, "truckee_s3_request_seconds": true, "truckee_s3_bytes_total": true,
	"truckee_blockstore_request_seconds": true, "truckee_blockstore_request_bytes_total": true, "truckee_blockstore_request_errors_total": true,
}

// A reader that gives labels that don't fit is an error of the scrape, no crash.
func TestWrongLabels(t *testing.T) {
	m := metrics.New()
	m.Read(func(_ context.Context, emit metrics.Emit) { emit(metrics.OpenFiles, 1, "one too many") })
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}

// TestPage holds docs/metrics.md against the table.
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `/metrics` shows to Prometheus, besides the Go runtime's (`go_…`) and the process's (`process_…`) own. `[metrics] listen` in `tahoe.cfg` says where;\n" +
		"[manual.md](manual.md#watch-it) says how to use it. Labels are words of the program's own: no name of a person, file or bucket, no address and no capability is ever one.\n\n" +
		"| metric | type | labels | what it tells |\n| --- | --- | --- | --- |\n")
	for _, f := range metrics.Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(f.Labels, ", "), f.Help)
	}
	const page = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != b.String() {
		t.Errorf("docs/metrics.md differs from the table (%v); go test ./internal/metrics -update writes it", err)
	}
}
