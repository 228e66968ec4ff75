package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

// The bytes as the draft lays them out.
func TestLayouts(t *testing.T) {
	attrs := wire.Attrs{
		Flags: wire.AttrSize | wire.AttrUIDGID | wire.AttrPermissions | wire.AttrTimes,
		Size:  0x0102030405060708, UID: 1, GID: 2, Mode: wire.ModeRegular | 0o644, Atime: 3, Mtime: 4,
	}
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"status": {wire.AppendStatus(nil, 9, wire.NoSuchFile, "no"), "00000013 65 00000009 00000002 00000002 6e6f 00000000"},
		"handle": {wire.AppendHandle(nil, 9, []byte("hh")), "0000000b 66 00000009 00000002 6868"},
		"attrs": {
			wire.AppendAttrsReply(nil, 9, &attrs),
			"00000025 69 00000009 0000000f 0102030405060708 00000001 00000002 000081a4 00000003 00000004",
		},
		"one name":      {wire.AppendOneName(nil, 9, "/a"), "00000019 68 00000009 00000001 00000002 2f61 00000002 2f61 00000000"},
		"behind others": {wire.AppendHandle([]byte{0xff}, 9, nil), "ff 00000009 66 00000009 00000000"},
	} {
		want, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(tt.want), []byte(" "), nil)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tt.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, tt.got, want)
		}
	}
}

func TestAttrsComeBack(t *testing.T) {
	for flags := range uint32(16) {
		in := wire.Attrs{Flags: flags}
		if flags&wire.AttrSize != 0 {
			in.Size = 1 << 40
		}
		if flags&wire.AttrUIDGID != 0 {
			in.UID, in.GID = 1000, 1001
		}
		if flags&wire.AttrPermissions != 0 {
			in.Mode = 0o100600
		}
		if flags&wire.AttrTimes != 0 {
			in.Atime, in.Mtime = 5, 6
		}
		d := wire.NewDecoder(wire.AppendAttrs(nil, &in))
		if out := d.Attrs(); out != in || d.Bad() || len(d.Rest()) != 0 {
			t.Errorf("flags %d: %+v came back as %+v, bad %t, rest %d", flags, in, out, d.Bad(), len(d.Rest()))
		}
	}
}

func TestExtendedPairsAreReadPast(t *testing.T) {
	b := wire.AppendUint32(nil, wire.AttrPermissions|wire.AttrExtended)
	b = wire.AppendUint32(b, 0o644)
	b = wire.AppendUint32(b, 2)
	for _, s := range []string{"type", "data", "type2", ""} {
		b = wire.AppendString(b, s)
	}
	b = wire.AppendString(b, "next field")
	d := wire.NewDecoder(b)
	if a := d.Attrs(); a.Mode != 0o644 {
		t.Errorf("mode %o", a.Mode)
	}
	if next := string(d.Bytes()); next != "next field" || d.Bad() {
		t.Errorf("next field %q, bad %t", next, d.Bad())
	}
}

func TestCutFieldsAreBad(t *testing.T) {
	pairs := wire.AppendUint32(wire.AppendUint32(nil, wire.AttrExtended), 1<<32-1)
	for name, tt := range map[string]struct {
		b    []byte
		read func(*wire.Decoder)
	}{
		"uint32":           {make([]byte, 3), func(d *wire.Decoder) { d.Uint32() }},
		"uint64":           {make([]byte, 7), func(d *wire.Decoder) { d.Uint64() }},
		"string too short": {[]byte{0, 0, 0, 2, 'x'}, func(d *wire.Decoder) { d.Bytes() }},
		"string of 4 GiB":  {[]byte{0xff, 0xff, 0xff, 0xff, 'x'}, func(d *wire.Decoder) { d.Bytes() }},
		"attrs":            {[]byte{0, 0, 0, 0xf, 1, 2}, func(d *wire.Decoder) { d.Attrs() }},
		"4 G pairs":        {pairs, func(d *wire.Decoder) { d.Attrs() }},
		"after a bad one":  {[]byte{0, 0, 0, 9, 1, 2, 3, 4}, func(d *wire.Decoder) { d.Bytes(); d.Uint32() }},
	} {
		d := wire.NewDecoder(tt.b)
		if tt.read(&d); !d.Bad() {
			t.Errorf("%s: not bad", name)
		}
	}
}

// Any bytes decode without panic and never to more than they hold; attributes
// that decode print back to what decodes the same.
func FuzzDecoder(f *testing.F) {
	f.Add(wire.AppendString(nil, "path"))
	f.Add(wire.AppendAttrs(nil, &wire.Attrs{Flags: 15, Size: 1}))
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31|15))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := wire.NewDecoder(b)
		s := d.Bytes()
		if len(s) > len(b) {
			t.Fatal("longer than what there is")
		}
		d.Uint32()
		d.Uint64()
		d = wire.NewDecoder(b)
		a := d.Attrs()
		if d.Bad() {
			return
		}
		a.Flags &^= wire.AttrExtended
		again := wire.NewDecoder(wire.AppendAttrs(nil, &a))
		if back := again.Attrs(); back != a || again.Bad() {
			t.Errorf("%+v printed and decoded is %+v", a, back)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for typ, want := range map[wire.Type]string{
		wire.Init: "INIT", wire.Extended: "EXTENDED", wire.Symlink: "SYMLINK", 0: "UNKNOWN", 99: "UNKNOWN", 255: "UNKNOWN",
	} {
		if got := typ.String(); got != want {
			t.Errorf("type %d is %q, want %q", typ, got, want)
		}
	}
}
