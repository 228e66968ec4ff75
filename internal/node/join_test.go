package node

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/bundle"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A bundle writes the files that it may, and nothing else or elsewhere.
func TestUnbundle(t *testing.T) {
	t.Parallel()
	key := bundle.File{Name: "private/master.key", Data: []byte("k")}
	for _, tt := range []struct {
		name  string
		files []bundle.File
		want  kind.Kind
	}{
		{"a key", []bundle.File{key, {Name: "tahoe.cfg"}}, 0},
		{"no key", []bundle.File{{Name: "tahoe.cfg"}}, kind.Invalid},
		{"above", []bundle.File{key, {Name: "../evil"}}, kind.Invalid},
		{"by a detour", []bundle.File{key, {Name: "private/../../evil"}}, kind.Invalid},
		{"from the root", []bundle.File{key, {Name: "/etc/evil"}}, kind.Invalid},
		{"the mark of a complete node", []bundle.File{key, {Name: "node"}}, kind.Invalid},
		{"a line feed", []bundle.File{key, {Name: "tahoe.cfg\n"}}, kind.Invalid},
		{"another key", []bundle.File{{Name: "private/master.key", Data: []byte("other")}}, 0},
	} {
		base := filepath.Join(t.TempDir(), "base")
		if err := os.Mkdir(base, 0o700); err != nil {
			t.Fatal(err)
		}
		l := Layout{base}
		if err := l.Unbundle(tt.files); kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want kind %v", tt.name, err, tt.want)
		}
		if entries, _ := os.ReadDir(filepath.Dir(base)); len(entries) != 1 {
			t.Errorf("%s: something was written beside", tt.name)
		}
		if there, _ := exists(l.masterKey()); there != (tt.want == 0) {
			t.Errorf("%s: the key is there: %v", tt.name, there)
		}
		if tt.want == 0 {
			if err := l.Unbundle(tt.files); err != nil {
				t.Errorf("%s, again: %v", tt.name, err)
			}
			if err := l.Unbundle([]bundle.File{{Name: "private/master.key", Data: []byte("x")}}); kind.Of(err) != kind.Exist {
				t.Errorf("%s, then another: %v", tt.name, err)
			}
		}
	}
}

func TestCapacity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	total, _, err := statfs(dir)
	if err != nil {
		t.Fatal(err)
	}
	for text, times := range map[string]int64{
		"local:D": 1, "RAID1:0:local:D RAID1:1:local:D": 1, "RAID1:0:local:D RAID1:1:MOCKED": 1,
		"RAID0:0:local:D RAID0:1:local:D": 2, "RAID5:0:local:D RAID5:1:local:D RAID5:2:local:D": 2,
		"RAID1:0:local:D RAID1:1:local:/gone": 1,
		"MOCKED":                              0, "s3::r:b:k:s": 0, "RAID1:0:MOCKED RAID1:1:s3::r:b:k:s": 0,
	} {
		var parts []string
		for i, part := range blockstore.SplitList(text) {
			if before, ok := strings.CutSuffix(part, ":D"); ok {
				sub := filepath.Join(dir, strconv.Itoa(i)) // of one file system, and not the same store
				if err := os.MkdirAll(sub, 0o700); err != nil {
					t.Fatal(err)
				}
				part = before + ":" + sub
			}
			parts = append(parts, part)
		}
		c, err := config.ParseBlockstores("/b", parts)
		if err != nil {
			t.Fatal(err)
		}
		ask := capacityOf(c)
		if (ask == nil) != (times == 0) {
			t.Errorf("%s: told %v", text, ask != nil)
		}
		if ask == nil {
			continue
		}
		if got, _, err := ask(t.Context()); err != nil || got != times*total {
			t.Errorf("%s: %d of %d, %v", text, got, total, err)
		}
	}
}
