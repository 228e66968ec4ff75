package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestMasterKeyFile(t *testing.T) {
	t.Parallel()
	l := Layout{t.TempDir()}
	if err := os.Mkdir(l.Private(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.readMasterKey(); kind.Of(err) != kind.NotExist {
		t.Errorf("absent: %v", err)
	}
	if err := l.newMasterKey(); err != nil {
		t.Fatal(err)
	}
	first, err := l.readMasterKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.newMasterKey(); err != nil {
		t.Fatal(err)
	}
	again, err := l.readMasterKey()
	if err != nil || !first.Equal(again) {
		t.Errorf("the key changed: %v", err)
	}
	if err := os.Chmod(l.masterKey(), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := l.readMasterKey(); kind.Of(err) != kind.Denied {
		t.Errorf("readable by the group: %v", err)
	}
}

// The text of a fixed key: a released form must be readable for ever.
const (
	knownMaster = "truckee-master-1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq:wdbortxn"
)

func TestMasterText(t *testing.T) {
	t.Parallel()
	var key [caps.KeySize]byte
	for i := range key {
		key[i] = byte(i)
	}
	good := masterText(key)
	if good != knownMaster {
		t.Errorf("the text of a key is %s, want %s", good, knownMaster)
	}
	parsed, err := parseMaster("# comment\n\n  " + good + "\r\n")
	if err != nil || !parsed.Equal(caps.KeyOf(key)) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{
		"", "# only a comment", good + "\n" + good, good[:len(good)-1], good + "a", strings.ToUpper(good),
		strings.Replace(good, "-1:", "-2:", 1), strings.Replace(good, "aaaq", "aaar", 1), "truckee-master-1::",
	} {
		_, err := parseMaster(bad)
		if err == nil {
			t.Errorf("%q is accepted", bad)
		} else if strings.Contains(err.Error(), "aaaq") {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func FuzzParseMaster(f *testing.F) {
	f.Add(masterHeader + masterText([caps.KeySize]byte{1, 2, 3}))
	f.Add("truckee-master-1:a:b")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseMaster(text)
		if err != nil {
			return
		}
		if key.IsZero() && !strings.Contains(text, strings.Repeat("a", 51)) {
			t.Fatal("a zero key")
		}
	})
}

func TestNewPassword(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 200 {
		p := newPassword()
		groups := strings.Split(p, "-")
		if len(groups) != 4 || seen[p] {
			t.Fatalf("%q", p)
		}
		seen[p] = true
		for _, g := range groups {
			if len(g) != 5 || strings.Trim(g, passwordLetters) != "" {
				t.Errorf("group %q", g)
			}
			for _, r := range g {
				letters[r] = true
			}
		}
	}
	if len(letters) != len(passwordLetters) {
		t.Errorf("%d of %d letters are used", len(letters), len(passwordLetters))
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	l := Layout{t.TempDir()}
	lock, err := l.tryLock("first")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextThatEnded(t)
	defer cancel()
	_, err = l.Lock(ctx, "second")
	if kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), "(truckee first)") {
		t.Errorf("second: %v", err)
	}
	lock.Release()
	again, err := l.Lock(ctx, "third")
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
	if _, err := (Layout{filepath.Join(l.BaseDir, "absent")}).Lock(ctx, "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
}
