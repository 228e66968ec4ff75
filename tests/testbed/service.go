package testbed

import (
	"os"
	"testing"
)

// Service gives the value of an environment variable that package tests/services
// sets, the address of a server that a test needs. Without one the test is
// skipped, or fails if TRUCKEE_TEST_REQUIRE is 1, as in `make test`, where all
// services run.
func Service(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	switch {
	case value != "":
	case os.Getenv("TRUCKEE_TEST_REQUIRE") == "1":
		t.Fatalf("%s is not set, and TRUCKEE_TEST_REQUIRE=1 forbids to skip", name)
	default:
		t.Skipf("%s is not set; run: go run ./tests/services -- go test …", name)
	}
	return value
}
