package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingReadableAtRest stores known names and contents of every size class
// and searches every file under BASEDIR except private/ for any of them, and for
// the keys of the capabilities that open them.
func TestNothingReadableAtRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	m := mount(t, n.Endpoint)
	var secrets []string
	for _, size := range []int{40, 500, 5_000, 50_000, 500_000, 5_000_000} {
		name := fmt.Sprintf("SecretName%07d", size)
		content := fmt.Sprintf("SecretContent%07d;", size)
		secrets = append(secrets, name, content)
		if err := os.WriteFile(filepath.Join(m, name), bytes.Repeat([]byte(content), size/len(content)+1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(m, "SecretDirectory"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("SecretTarget/x", filepath.Join(m, "SecretLink")); err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, "SecretDirectory", "SecretLink", "SecretTarget")
	// An open file that is much larger than what drafts keep in memory, written
	// in an order that can't stream: it lies in the spool while this runs.
	f, err := dial(t, n.Endpoint).OpenFile("SecretSpooled", os.O_RDWR|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, "SecretSpooled", "SpooledContent;")
	block := bytes.Repeat([]byte("SpooledContent;"), 5000)
	for i := range int64(400) {
		if _, err := f.WriteAt(block, (i*7919%400)*200_000); err != nil {
			t.Fatal(err)
		}
	}
	searchAtRest(t, n.BaseDir, secrets)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/SecretDirectory", "/SecretName0000500", "/SecretName5000000"} {
		text, err := n.Run(t.Context(), nil, "cap", "of", Account(path))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, keyForms(t, strings.TrimSpace(text))...)
	}
	searchAtRest(t, n.BaseDir, secrets)
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	searchAtRest(t, n.BaseDir, secrets)
	t.Run("nor in the log", func(t *testing.T) {
		for _, s := range secrets {
			if strings.Contains(n.Log(), s) && !strings.HasPrefix(s, "Secret") {
				t.Errorf("the log has a key")
			}
		}
	})
}

// keyForms gives the key of a capability in the forms in which it could lie around.
func keyForms(t *testing.T, text string) []string {
	t.Helper()
	fields := strings.Split(text, ":")
	if len(fields) < 4 || fields[0] != "URI" {
		t.Fatalf("cap of: unexpected answer of %d fields", len(fields))
	}
	key, err := base32Decode(fields[2])
	if err != nil {
		t.Fatal(err)
	}
	return []string{text, fields[2], string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key)}
}

func searchAtRest(t *testing.T, base string, secrets []string) {
	t.Helper()
	searched := 0
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // a temporary file of the running node
			}
			return err
		}
		if d.IsDir() {
			if path == filepath.Join(base, "private") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // it has gone since it was listed
		}
		if err != nil {
			return err
		}
		searched++
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) || bytes.Contains([]byte(path), []byte(s)) {
				t.Errorf("%s holds %.40q", path, s)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if searched < 3 {
		t.Errorf("searched only %d files", searched)
	}
}
