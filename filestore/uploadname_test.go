package filestore

import (
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

func TestUploadNames(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("A", uploadIDLen)
	for key, want := range map[string]string{
		"a":         "ua\x01" + id,
		"a/b.c":     "ua.\xffb.\x01c\x01" + id,
		"\x01\x02x": "u\x02\x01\x02\x02x\x01" + id,
		"..":        "u.\x01.\x01\x01" + id,
	} {
		if got := uploadName(key, id); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{strings.Repeat("/", MaxKey), strings.Repeat("k", MaxKey)} {
		if got := uploadName(key, id); len(got) != MaxName {
			t.Errorf("a long key's name has %d bytes", len(got))
		}
	}
}

func TestUploadIDsAscendAndCantBeGuessed(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	last, seen := "", map[string]bool{}
	for i := range 1000 {
		id := newUploadID(begin.Add(time.Duration(i) * 997 * time.Millisecond))
		random := id[len(id)-20:]
		if id <= last || !isUploadID(id) || seen[random] || strings.Trim(id, "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Fatalf("%q after %q", id, last)
		}
		last, seen[random] = id, true
	}
}

// FuzzUploadNames: names sort as keys do, and those of one key by their ids.
func FuzzUploadNames(f *testing.F) {
	for _, s := range [][2]string{{"a", "a/"}, {"a.", "a/"}, {"a\x01", "a\x02"}, {"a", "a\x01"}, {"/", "."}, {"-", "."}, {"/", "0"}, {"\xff", "\xff\xff"}} {
		f.Add(s[0], s[1])
	}
	one, two := strings.Repeat("1", uploadIDLen), strings.Repeat("2", uploadIDLen)
	f.Fuzz(func(t *testing.T, a, b string) {
		if _, err := parseKey(a); err != nil {
			return
		}
		if _, err := parseKey(b); err != nil {
			return
		}
		front, whole := uploadFront(a)
		_, too := uploadFront(b)
		for _, id := range []string{one, two} {
			name := uploadName(a, id)
			if err := checkName(name); err != nil || !strings.HasPrefix(name, front) || name[len(name)-uploadIDLen:] != id {
				t.Fatalf("%q: %q, %v", a, name, err)
			}
			if _, is := crowded(name); !is && !whole {
				t.Fatalf("%q is cut and alone", name)
			}
			if key, told := uploadKey(name); told && (key != a || !whole) {
				t.Fatalf("%q: the key %q", a, key)
			} else if _, is := crowded(name); !told && !is && a != "" {
				t.Fatalf("%q: no key", a)
			}
		}
		if !whole || !too {
			if strings.HasPrefix(b, a) && !strings.HasPrefix(uploadName(b, one), front) {
				t.Fatalf("%q begins %q, its name doesn't", a, b)
			}
			return
		}
		if got, want := strings.Compare(uploadName(a, two), uploadName(b, one)), strings.Compare(a, b); got != want && !(want == 0 && got > 0) {
			t.Fatalf("%q and %q compare as %d, their names as %d", a, b, want, got)
		}
	})
}

// FuzzUploadEntries: whatever an entry says, it is an upload or an error.
func FuzzUploadEntries(f *testing.F) {
	i := UploadInfo{Key: "k", UploadOptions: UploadOptions{Initiator: "i"}}
	attrs, err := i.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(attrs[0].Value)
	e, err := finished{key: "k"}.entry("id", &dirtree.Entry{}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.Attrs[0].Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		e := &dirtree.Entry{Name: "u" + strings.Repeat("1", uploadIDLen), Attrs: []dirtree.Attr{{Type: dirtree.AttrUpload, Value: value}}}
		info, err := new(FS).uploadInfo(t.Context(), e)
		if err == nil {
			again, err := info.encode()
			if err != nil || string(again[0].Value) != string(value) {
				t.Fatalf("%x: %v", value, err)
			}
		}
		_, _ = finishedOf(e)
	})
}
