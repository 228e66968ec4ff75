package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// reasons says why tests fail: lines of a regular expression over their names, a
// tab, and the reason; the first one that fits counts.
//
//go:embed reasons.txt
var reasons string

type reason struct {
	tests *regexp.Regexp
	why   string
}

func parseReasons(text string) []reason {
	var all []reason
	for line := range strings.Lines(text) {
		expression, why, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if ok && !strings.HasPrefix(line, "#") {
			all = append(all, reason{regexp.MustCompile("^(?:" + expression + ")$"), strings.TrimSpace(why)})
		}
	}
	return all
}

func reasonOf(all []reason, r *result) string {
	for _, one := range all {
		if one.tests.MatchString(r.name()) {
			return one.why
		}
	}
	if !r.chased() {
		return "the suite marks it: " + strings.Join(excuses(r), ", ")
	}
	return "not explained yet: " + strings.ReplaceAll(r.Why, "|", "\\|")
}

func excuses(r *result) []string {
	var marks []string
	for _, m := range r.Marks {
		if m == "fails_on_aws" || m == "fails_on_rgw" || strings.HasPrefix(m, "bucket_logging") || strings.HasPrefix(m, "cloud_") {
			marks = append(marks, m)
		}
	}
	return marks
}

// tally counts results.
type tally struct{ passed, failed, skipped int }

func count(results []result, of func(*result) bool) tally {
	var t tally
	for i := range results {
		r := &results[i]
		if !of(r) {
			continue
		}
		switch r.Outcome {
		case "passed":
			t.passed++
		case "skipped":
			t.skipped++
		default:
			t.failed++
		}
	}
	return t
}

func (t tally) all() int { return t.passed + t.failed + t.skipped }

func rest(r *result) bool { return !r.chased() }

// summary is a few lines for the terminal.
func summary(results []result) string {
	c, o := count(results, (*result).chased), count(results, rest)
	var b strings.Builder
	for i := range results {
		if r := &results[i]; r.Outcome == "failed" {
			fmt.Fprintf(&b, "FAILED %s: %s\n", r.name(), r.Why)
		}
	}
	fmt.Fprintf(&b, "%d of %d passed of those that count, %d of the other %d\n", c.passed, c.all(), o.passed, o.all())
	return b.String()
}

// write makes the page.
func write(results []result, revision string) string {
	why := parseReasons(reasons)
	c, o := count(results, (*result).chased), count(results, rest)
	var b strings.Builder
	fmt.Fprintf(&b, "# ceph/s3-tests\n\nWhat the public conformance suite [ceph/s3-tests](https://github.com/ceph/s3-tests)")
	if revision != "" {
		fmt.Fprintf(&b, " (%s)", revision)
	}
	fmt.Fprintf(&b, ` says of this server, test by test. %sremakes this page;
the node under test has the defaults but for what the suite needs: ObjectWriter as the default ownership (s3.object_ownership), a
lifecycle day of ten seconds (s3.lifecycle_day), signatures of version 2 (s3.signature_v2), SSE-C without TLS (s3.sse_c_without_tls).

| tests | all | passed | failed | skipped |
|---|---:|---:|---:|---:|
| that count: not marked as failing on AWS or on RGW, not about bucket logging or cloud tiers | %d | **%d** | %d | %d |
| the others | %d | %d | %d | %d |

`, "`make s3-conformance S3TESTS=<checkout>` ", c.all(), c.passed, c.failed, c.skipped, o.all(), o.passed, o.failed, o.skipped)
	table(&b, "Fail or are skipped, of those that count", results, why, func(r *result) bool { return r.chased() && r.Outcome != "passed" })
	table(&b, "Fail or are skipped, of the others", results, why, func(r *result) bool { return !r.chased() && r.Outcome != "passed" })
	list(&b, "Passed, of those that count", results, (*result).chased)
	list(&b, "Passed, of the others", results, rest)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func table(b *strings.Builder, title string, results []result, why []reason, of func(*result) bool) {
	fmt.Fprintf(b, "## %s\n\n| test | | why |\n|---|---|---|\n", title)
	for i := range results {
		if r := &results[i]; of(r) {
			text := r.Why
			if r.Outcome == "failed" {
				text = reasonOf(why, r)
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", r.name(), r.Outcome, text)
		}
	}
	b.WriteString("\n")
}

func list(b *strings.Builder, title string, results []result, of func(*result) bool) {
	fmt.Fprintf(b, "## %s\n\n", title)
	for i := range results {
		if r := &results[i]; of(r) && r.Outcome == "passed" {
			fmt.Fprintf(b, "`%s`\n", r.name())
		}
	}
	b.WriteString("\n")
}
