package sshserver

import (
	"os"
	"strings"
	"testing"
)

// upstream is the golang.org/x/crypto that this package was made from, and has
// been compared with since.
const upstream = "v0.58.0"

// Nobody updates x/crypto and forgets what of it is here: its advisories and
// fixes would be missed. README.md says what to do.
func TestMadeFromTheVersionInUse(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "golang.org/x/crypto" {
			if f[1] != upstream {
				t.Errorf("go.mod has golang.org/x/crypto %s, this package was made from %s: see README.md here", f[1], upstream)
			}
			return
		}
	}
	t.Error("go.mod doesn't name golang.org/x/crypto")
}
