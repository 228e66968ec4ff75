//go:build linux

package posix

import (
	"errors"
	"syscall"
	"testing"
)

// The checks are right: a local directory passes all of them.
func TestLocalDirectory(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Checks() {
		if seen[c.Name] {
			t.Errorf("two checks are called %q", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := c.Run(t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The checks can fail: each of these says something false.
func TestChecksFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]call{
		"succeeds":     {do: mkdir("d"), want: fails(syscall.EEXIST)},
		"is refused":   {before: "d/", do: mkdir("d"), after: "d/"},
		"other errno":  {before: "d/", do: mkdir("d"), want: fails(syscall.ENOENT)},
		"other tree":   {do: mkdir("d"), after: "e/"},
		"other text":   {before: "f=x", do: open("f", creat, "y"), after: "f=x"},
		"other link":   {do: symlink("a", "l"), after: "l->b"},
		"no effect":    {before: "f", do: func(string) error { return nil }},
		"bad planting": {before: "no/f", do: mkdir("d"), after: "d/"},
	} {
		if c.run(t.TempDir()) == nil {
			t.Errorf("%s: nothing is found", name)
		}
	}
	s := scripted(func(s *script) { s.must(errors.New("wrong")); t.Error("goes on") })
	if s(t.TempDir()) == nil {
		t.Error("a script that is wrong passes")
	}
}
