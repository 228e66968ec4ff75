package accounts

import (
	"fmt"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

// countingHash counts how often it is asked.
type countingHash struct{ asked int }

func (h *countingHash) match([]byte) bool { h.asked++; return false }
func (*countingHash) memory() int64       { return 0 }

// A name without a password and one that nobody has cost the check of one
// password, always the same one, so that timing tells them from none.
func TestUnknownNamesCostAPasswordCheck(t *testing.T) {
	t.Parallel()
	key := []byte("key of this process")
	root, err := caps.Parse(testRoot)
	if err != nil {
		t.Fatal(err)
	}
	s := &set{byName: map[string]*entry{"keysonly": {root: root}}}
	hashes := make([]*countingHash, 4)
	for i := range hashes {
		hashes[i] = &countingHash{}
		p := &password{hash: hashes[i]}
		s.passwords = append(s.passwords, p)
		s.byName[fmt.Sprint("user", i)] = &entry{root: root, password: p}
	}
	asked := func(name string) (which int) {
		t.Helper()
		total := 0
		for i, h := range hashes {
			h.asked = 0
			defer func() {
				if h.asked > 0 {
					which = i
				}
				if total += h.asked; i == 0 && total != 1 {
					t.Errorf("%q cost %d checks, want 1", name, total)
				}
			}()
		}
		if _, err := s.byPassword(t.Context(), newGate(), key, name, []byte("pw")); err == nil {
			t.Errorf("%q logged in", name)
		}
		return 0
	}
	seen := map[int]bool{}
	for i := range 64 {
		name := fmt.Sprint("nobody", i)
		first := asked(name)
		if again := asked(name); again != first {
			t.Errorf("%q costs the check of %d, then of %d", name, first, again)
		}
		seen[first] = true
	}
	if len(seen) != len(hashes) {
		t.Errorf("unknown names stand in for %d of %d passwords", len(seen), len(hashes))
	}
	asked("keysonly")
	if got := asked("user2"); got != 2 {
		t.Errorf("user2's own password is %d", got)
	}
}

// Two lines may hold the same key: the one that allows more counts.
func TestSameKeyTwice(t *testing.T) {
	t.Parallel()
	for _, order := range [][2]string{{"yes", "no"}, {"no", "yes"}} {
		text := ""
		for _, o := range order {
			text += "bob " + ed25519Key + " " + testRoot + " readonly=" + o + "\n"
		}
		d, err := parseDocument("accounts", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		a, err := newSet(d, nil).byKey("bob", d.rows[0].login.key.wire)
		if err != nil || a.Root.Authority() != caps.AuthorityWrite {
			t.Errorf("order %v: %v, %v, want the write capability", order, a, err)
		}
	}
}
