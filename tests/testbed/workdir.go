package testbed

import (
	"os"
	"path/filepath"
)

// WorkDir makes a new directory within parent, or within TMPDIR if that is empty. Its
// path is absolute, since servers change theirs. The caller removes it.
func WorkDir(parent string) (string, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "truckee-bench-")
}
