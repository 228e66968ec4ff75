package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// environment is Python with what the suite requires, in the user's cache.
func environment(ctx context.Context, suite string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "truckee-tests", "s3tests")
	python := filepath.Join(dir, "bin", "python")
	ready := filepath.Join(dir, "ready")
	if _, err := os.Stat(ready); err == nil {
		return python, nil
	}
	for _, words := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "-q", "-r", filepath.Join(suite, "requirements.txt")},
	} {
		if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
		}
	}
	return python, os.WriteFile(ready, nil, 0o644)
}

// revision tells which checkout it is.
func revision(ctx context.Context, suite string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", suite, "log", "-1", "--format=%h of %cs").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// result is what came of one test.
type result struct {
	Test    string // file::name
	Outcome string // passed, failed, skipped
	Seconds float64
	Why     string
	Marks   []string
}

// name is the test's without its file.
func (r *result) name() string {
	_, name, _ := strings.Cut(r.Test, "::")
	return name
}

// chased tells the tests that a server is measured by: those that AWS and RGW pass
// themselves, and that aren't about features of RGW's own.
func (r *result) chased() bool {
	return !slices.ContainsFunc(r.Marks, func(m string) bool {
		return m == "fails_on_aws" || m == "fails_on_rgw" || strings.HasPrefix(m, "bucket_logging") || strings.HasPrefix(m, "cloud_")
	})
}

//go:embed plugin.py
var plugin []byte

// runSuite runs the tests in several processes and collects what came of each.
func runSuite(ctx context.Context, s settings, python string, n *node, dir string) ([]result, error) {
	if err := os.WriteFile(filepath.Join(dir, "conformance_plugin.py"), plugin, 0o600); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	errs := make([]error, s.processes)
	for i := range s.processes {
		conf := filepath.Join(dir, "s3tests-"+strconv.Itoa(i)+".conf")
		if err := os.WriteFile(conf, []byte(n.configuration(i)), 0o600); err != nil {
			return nil, err
		}
		wg.Go(func() { errs[i] = runPart(ctx, s, python, conf, dir, i) })
	}
	wg.Wait()
	all, err := collect(dir, s.processes)
	return all, errors.Join(append(errs, err)...)
}

func resultsOf(dir string, part int) string {
	return filepath.Join(dir, "results-"+strconv.Itoa(part)+".jsonl")
}

func runPart(ctx context.Context, s settings, python, conf, dir string, part int) error {
	words := []string{"-m", "pytest", "-p", "conformance_plugin", "-p", "no:cacheprovider", "-q", "--tb=no", "s3tests/functional/test_headers.py", "s3tests/functional/test_s3.py"}
	if s.run != "" {
		words = append(words, "-k", s.run)
	}
	c := exec.CommandContext(ctx, python, words...)
	c.Dir = s.suite
	c.Env = append(os.Environ(), "S3TEST_CONF="+conf, "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1",
		"CONFORMANCE_RESULTS="+resultsOf(dir, part), fmt.Sprintf("CONFORMANCE_PART=%d/%d", part, s.processes))
	out, err := c.CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && (ended.ExitCode() == 1 || ended.ExitCode() == 5) {
		return nil // some tests failed, or none was selected: their lines say it
	}
	if err != nil {
		return fmt.Errorf("pytest: %w: %s", err, out[max(0, len(out)-2000):])
	}
	return nil
}

// collect reads the lines that the plugin wrote.
func collect(dir string, parts int) ([]result, error) {
	var all []result
	for part := range parts {
		f, err := os.Open(resultsOf(dir, part))
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r result
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				_ = f.Close()
				return nil, err
			}
			all = append(all, r)
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b result) int { return strings.Compare(a.Test, b.Test) })
	return all, nil
}
