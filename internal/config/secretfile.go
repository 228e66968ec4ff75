package config

import (
	"io"
	"os"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// maxSecret bounds a file that holds one secret, in bytes.
const maxSecret = 64 << 10

// secretFile reads a secret from a file of its own, without the line's end.
func (t *tree) secretFile(name string) (string, error) { return readSecret(t.basedir, Path(name)) }

func readSecret(basedir string, name Path) (string, error) {
	path, err := name.in(basedir)
	if err != nil {
		return "", err
	}
	f, err := os.Open(string(path))
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", kind.Errorf(kind.TooLarge, "%s is too large for a secret", path)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return "", kind.Errorf(kind.Invalid, "%s is empty", path)
	}
	return text, nil
}
