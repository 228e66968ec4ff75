package sftpd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The tests that the documents name as proof exist, and Tahoe-LAFS's behaviours
// are all there.
func TestDocumentsNameTests(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"sftp.md", "tahoe-sftp.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which is no test", page, name)
			}
		}
	}
	text, err := os.ReadFile("../docs/tahoe-sftp.md")
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllSubmatch(text, -1) {
		if n, err := strconv.Atoi(string(m[1])); err != nil || n != next {
			t.Errorf("row %s, want %d", m[1], next)
		}
		next++
	}
	if next != 156 {
		t.Errorf("%d rows, want 155", next-1)
	}
}
