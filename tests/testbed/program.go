package testbed

import (
	"os"
	"os/exec"
	"testing"
)

// Program gives the path of a program that a test runs, by its name or path.
// Where it isn't installed the test is skipped, or fails if TRUCKEE_TEST_REQUIRE is
// 1, as in `make test`, which installs all of them.
func Program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if _, err := os.Stat(name); err == nil {
		return name
	}
	if os.Getenv("TRUCKEE_TEST_REQUIRE") == "1" {
		t.Fatalf("%s is not installed: scripts/test-deps.sh", name)
	}
	t.Skipf("%s is not installed: scripts/test-deps.sh", name)
	return ""
}
