package bundle_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/bundle"
	"github.com/truckee-fs/truckee/internal/kind"
)

var files = []bundle.File{{Name: "private/master.key", Data: []byte("S3cr3t")}, {Name: "tahoe.cfg", Data: []byte{0, 0xff, '\n'}}, {Name: "empty"}}

func same(t *testing.T, got []bundle.File) {
	t.Helper()
	if len(got) != len(files) {
		t.Fatalf("%d files", len(got))
	}
	for i, f := range got {
		if f.Name != files[i].Name || !bytes.Equal(f.Data, files[i].Data) {
			t.Errorf("%v is another", f)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, passphrase := range []string{"", "correct horse"} {
		b, err := bundle.Pack(files, []byte(passphrase))
		if err != nil || bundle.IsSealed(b) != (passphrase != "") {
			t.Fatal(err)
		}
		got, err := bundle.Unpack(b, []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got)
		again, err := bundle.Pack(files, []byte(passphrase))
		if err != nil || passphrase != "" && bytes.Equal(b, again) {
			t.Error("sealed twice, it is the same")
		}
		if passphrase != "" && (bytes.Contains(b, []byte("master.key")) || bytes.Contains(b, []byte("S3cr3t"))) {
			t.Error("it isn't sealed")
		}
	}
}

func TestEveryChangeIsNoticed(t *testing.T) {
	t.Parallel()
	b, err := bundle.Pack(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 4
		if _, err := bundle.Unpack(c, nil); err == nil {
			t.Errorf("byte %d", i)
		}
		if _, err := bundle.Unpack(b[:i], nil); err == nil {
			t.Errorf("cut at %d", i)
		}
	}
	s, err := bundle.Pack(files, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{len("truckee join bundle 1\n") + 1, len(s) - 1, len(s) - 40} { // argon2 is slow on purpose
		c := bytes.Clone(s)
		c[i] ^= 4
		if _, err := bundle.Unpack(c, []byte("pw")); kind.Of(err) != kind.Denied {
			t.Errorf("byte %d of a sealed one: %v", i, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s, err := bundle.Pack(files, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text       []byte
		passphrase string
		want       kind.Kind
	}{
		{nil, "", kind.Invalid},
		{[]byte("PK\x03\x04"), "", kind.Invalid},
		{[]byte("truckee join bundle 2\n\x00"), "", kind.Unsupported},
		{[]byte("truckee join bundle 1\n"), "", kind.Corrupt},
		{[]byte("truckee join bundle 1\n\x07"), "", kind.Corrupt},
		{[]byte("truckee join bundle 1\n\x01short"), "pw", kind.Corrupt},
		{s, "", kind.Denied},
		{s, "wrong", kind.Denied},
	} {
		if _, err := bundle.Unpack(tt.text, []byte(tt.passphrase)); kind.Of(err) != tt.want {
			t.Errorf("%.30q: %v, want kind %v", tt.text, err, tt.want)
		}
	}
	if _, err := bundle.Pack([]bundle.File{{Data: make([]byte, bundle.MaxSize)}}, nil); kind.Of(err) != kind.TooLarge {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %x", files, files, files, files[0]); strings.Contains(text, "S3cr3t") || strings.Contains(text, fmt.Sprintf("%x", "S3cr3t")) {
		t.Error(text)
	}
}

func FuzzUnpack(f *testing.F) {
	open, err := bundle.Pack(files, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(open)
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := bundle.Unpack(b, nil)
		if err != nil {
			if k := kind.Of(err); k == kind.Other || k == 0 {
				t.Errorf("kind %v of %v", k, err)
			}
			return
		}
		if _, err := bundle.Pack(files, nil); err != nil {
			t.Error(err)
		}
	})
}
