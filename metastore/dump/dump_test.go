package dump_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/dump"
)

var about = dump.About{Created: time.Unix(1_800_000_000, 7).UTC(), Program: "truckee test"}

// sample has rows of every type, with every field set somewhere.
func sample() []metastore.Row {
	at := time.Unix(1_700_000_000, 123_456_789).UTC()
	rec := func(id byte, seq, version uint64) metastore.Record {
		b := bytes.Repeat([]byte{id, byte(seq)}, metastore.RecordSize/2)
		return metastore.Record{ID: metastore.SlotID{id}, Seq: seq, Epoch: 3, Version: version, Bytes: b, Hash: sha256.Sum256(b)}
	}
	owned := rec(2, 5, 2)
	owned.Owner = metastore.SlotID{1}
	return []metastore.Row{
		metastore.Meta{Identity: metastore.Identity{UUID: [16]byte{1, 2}, Nonce: [16]byte{3}}, Seq: 9},
		metastore.SlotRow{Record: rec(1, 3, 1)},
		metastore.SlotRow{Record: owned},
		metastore.LogRow{Record: rec(1, 3, 1), At: at},
		metastore.LogRow{Record: rec(2, 3, 1), At: at},
		metastore.LogRow{Record: rec(2, 5, 2), At: at.Add(1), Prev: 3},
		metastore.NodeRow{ID: metastore.ID{9}, Data: []byte("a node"), Slot: metastore.SlotID{2}, Born: 3},
		metastore.NodeRow{ID: metastore.ID{8}, Data: []byte{0}, Born: 5},
		metastore.DeadRow{ID: metastore.ID{9}, Died: 5},
		metastore.Block{
			BlockRow: metastore.BlockRow{ID: metastore.ID{4}, Len: 70000, Owner: metastore.SlotID{2}}, State: metastore.BlockNew,
			Draft: metastore.DraftID{5}, Seen: at, CondemnedAt: at, CondemnedSeq: 8,
		},
		metastore.Block{BlockRow: metastore.BlockRow{ID: metastore.ID{8}, Len: 1}, State: metastore.BlockDeleted, Seen: at, Inline: true},
		metastore.Root{ID: metastore.SlotID{1}, Sealed: []byte{1, 2, 3}, Source: "account", Seen: at},
		metastore.Root{ID: metastore.SlotID{2}, Seen: at},
		metastore.Pin{Seq: 4, Until: at.AddDate(10, 0, 0), Why: "a backup"},
		metastore.ChargeRow{Root: metastore.SlotID{1}, Files: 3, Bytes: 1 << 40},
		metastore.RepairRow{Member: "0.1", ID: metastore.ID{8}},
		metastore.RepairRow{Member: "1", ID: metastore.ID{4}},
		metastore.SealedRow{Kind: 1, Key: [32]byte{7}, Rev: 9, Data: []byte("sealed")},
		metastore.SealedRow{Kind: 2, Key: [32]byte{3}, Rev: 4, Data: []byte{}},
	}
}

func yield(rows []metastore.Row, end error) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if end != nil {
			yield(nil, end)
		}
	}
}

func file(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := dump.Write(&b, about, yield(sample(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if s.Rows != uint64(len(sample())) || s.Bytes != uint64(b.Len()) {
		t.Fatalf("summary %+v of %d rows in %d bytes", s, len(sample()), b.Len())
	}
	return b.Bytes()
}

// read gives all that a reader believes.
func read(r io.Reader) (dump.About, []metastore.Row, error) {
	d, err := dump.NewReader(r)
	if err != nil {
		return dump.About{}, nil, err
	}
	var rows []metastore.Row
	for row, err := range d.Rows() {
		if err != nil {
			return d.About, rows, err
		}
		rows = append(rows, row)
	}
	return d.About, rows, nil
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := file(t)
	// A reader that gives a byte at a time: no read may be taken for a whole one.
	got, rows, err := read(iotest.OneByteReader(bytes.NewReader(b)))
	if err != nil || got != about {
		t.Fatalf("%+v, %v", got, err)
	}
	var again bytes.Buffer
	s, err := dump.Write(&again, got, yield(rows, nil))
	if err != nil || !bytes.Equal(again.Bytes(), b) {
		t.Errorf("written again it is another file (%v)", err)
	}
	if s.Rows != uint64(len(rows)) || s.Bytes != uint64(len(b)) {
		t.Errorf("%+v, want %d rows and %d bytes", s, len(rows), len(b))
	}
}

// TestKnownAnswer holds the bytes of the format (formats 13).
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if _, err := dump.Write(&b, about, yield(sample()[:1], nil)); err != nil {
		t.Fatal(err)
	}
	const want = "747275636b6565206d65746173746f72652064756d7020320a00ff" + // magic
		"0100000014" + "18fae27693b40007" + "747275636b65652074657374" + "8190bef1" +
		"0200000028" + "01020000000000000000000000000000" + "03000000000000000000000000000000" + "0000000000000009" + "1b8dca07" +
		"ff00000028" + "0000000000000001" +
		"d27c3de8d8a81a5cba8a2c8fe473d4ccf6e64fa930cc25eba2f75e7def997a5a" + "cf068b11"
	if got := hex.EncodeToString(b.Bytes()); got != want {
		t.Errorf("%s", got)
	}
}

// TestVersion1: a file of before sealed rows is read; it has none.
func TestVersion1(t *testing.T) {
	t.Parallel()
	first := func(rows []metastore.Row) io.Reader {
		head, recs := records(rewritten(t, rows))
		head = bytes.Replace(head, []byte("dump 2"), []byte("dump 1"), 1)
		h := sha256.New()
		h.Write(head)
		for _, r := range recs[:len(recs)-1] {
			h.Write(r)
		}
		end := append([]byte{255, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, byte(len(rows))}, h.Sum(nil)...)
		end = binary.BigEndian.AppendUint32(end, crc32.Checksum(end, crc32.MakeTable(crc32.Castagnoli)))
		return bytes.NewReader(slices.Concat(head, bytes.Join(recs[:len(recs)-1], nil), end))
	}
	all := sample()
	old := all[:len(all)-2]
	if _, rows, err := read(first(old)); err != nil || len(rows) != len(old) {
		t.Errorf("%d rows of %d, %v", len(rows), len(old), err)
	}
	if _, _, err := read(first(all)); kind.Of(err) != kind.Corrupt {
		t.Errorf("with sealed rows: %v", err)
	}
}

func rewritten(t *testing.T, rows []metastore.Row) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := dump.Write(&b, about, yield(rows, nil)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDamage: no byte can change, go or come without an error.
func TestDamage(t *testing.T) {
	t.Parallel()
	whole := file(t)
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 0x10
		if _, _, err := read(bytes.NewReader(flipped)); err == nil {
			t.Errorf("byte %d flipped: no error", i)
		}
		_, _, err := read(bytes.NewReader(whole[:i]))
		if kind.Of(err) != kind.Corrupt {
			t.Errorf("cut off at %d: %v", i, err)
		}
	}
	if _, _, err := read(bytes.NewReader(append(bytes.Clone(whole), 0))); kind.Of(err) != kind.Corrupt {
		t.Errorf("one byte more: %v", err)
	}
	if _, _, err := read(bytes.NewReader(append(bytes.Clone(whole), whole...))); kind.Of(err) != kind.Corrupt {
		t.Errorf("twice: %v", err)
	}
}

// records splits a file behind its first line.
func records(b []byte) (head []byte, recs [][]byte) {
	at := bytes.IndexByte(b, 0xff) + 1
	head = b[:at]
	for at < len(b) {
		n := 9 + int(b[at+1])<<24 + int(b[at+2])<<16 + int(b[at+3])<<8 + int(b[at+4])
		recs = append(recs, b[at:at+n])
		at += n
	}
	return head, recs
}

// TestRecordsMoved: records whose own checksums hold, in another order, doubled
// or left out, are found by the checksum over all.
func TestRecordsMoved(t *testing.T) {
	t.Parallel()
	head, recs := records(file(t))
	join := func(list ...[]byte) io.Reader {
		return bytes.NewReader(append(bytes.Clone(head), bytes.Join(list, nil)...))
	}
	for i := 1; i+1 < len(recs); i++ {
		left := append(append([][]byte{}, recs[:i]...), recs[i+1:]...)
		doubled := append(append(append([][]byte{}, recs[:i]...), recs[i]), recs[i:]...)
		swapped := append([][]byte{}, recs...)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		for name, list := range map[string][][]byte{"left out": left, "doubled": doubled, "swapped": swapped} {
			if _, _, err := read(join(list...)); kind.Of(err) != kind.Corrupt {
				t.Errorf("record %d %s: %v", i, name, err)
			}
		}
	}
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	whole := file(t)
	tests := []struct {
		name string
		file []byte
		want kind.Kind
	}{
		{"empty", nil, kind.Corrupt},
		{"another file", []byte("SQLite format 3\x00 and more of it"), kind.Invalid},
		{"a short other file", []byte("PK"), kind.Invalid},
		{"newer", append([]byte("truckee metastore dump 3\n\x00\xff"), whole...), kind.Unsupported},
		{"line ends translated", bytes.Replace(whole, []byte("\n"), []byte("\r\n"), 1), kind.Unsupported},
		{"eighth bits gone", bytes.Replace(whole, []byte{0xff}, []byte{0x7f}, 1), kind.Corrupt},
	}
	for _, tt := range tests {
		if _, _, err := read(bytes.NewReader(tt.file)); kind.Of(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestClaimedLength: what a record claims is not allocated before it is there.
func TestClaimedLength(t *testing.T) {
	head, recs := records(file(t))
	claim := append(append(bytes.Clone(head), recs[0]...), 5, 0x04, 0, 0, 0) // a node of 64 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := read(bytes.NewReader(claim)); kind.Of(err) != kind.Corrupt {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
		t.Errorf("a claim of 64 MiB allocates %d bytes", allocated)
	}
	claim[len(claim)-4] = 0x40
	if _, _, err := read(bytes.NewReader(claim)); kind.Of(err) != kind.Corrupt || !strings.Contains(err.Error(), "claims") {
		t.Errorf("a claim of 1 GiB: %v", err)
	}
}

// TestErrorsPass: what fails below is told as it is, and leaves no whole file.
func TestErrorsPass(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	var b bytes.Buffer
	if _, err := dump.Write(&b, about, yield(sample()[:3], broken)); !errors.Is(err, broken) {
		t.Errorf("write of rows that fail: %v", err)
	}
	if _, _, err := read(&b); kind.Of(err) != kind.Corrupt {
		t.Errorf("what it left reads: %v", err)
	}
	swapped := sample()
	swapped[1], swapped[2] = swapped[2], swapped[1]
	if _, err := dump.Write(io.Discard, about, yield(swapped, nil)); kind.Of(err) != kind.Invalid {
		t.Errorf("write of rows out of order: %v", err)
	}
	whole := file(t)
	failing := io.MultiReader(bytes.NewReader(whole[:len(whole)-10]), iotest.ErrReader(broken))
	if _, _, err := read(failing); !errors.Is(err, broken) {
		t.Errorf("read of a file that fails: %v", err)
	}
	if _, err := dump.Write(failingWriter{broken}, about, yield(sample(), nil)); !errors.Is(err, broken) {
		t.Errorf("write to a file that fails: %v", err)
	}
	large := metastore.NodeRow{ID: metastore.ID{1}, Data: make([]byte, 65<<20), Born: 1}
	if _, err := dump.Write(io.Discard, about, yield([]metastore.Row{sample()[0], large}, nil)); kind.Of(err) != kind.TooLarge {
		t.Errorf("write of a node of 65 MiB: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// FuzzRead: whatever is read without an error is written back to the same bytes.
func FuzzRead(f *testing.F) {
	whole := file(f)
	head, recs := records(whole)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append(bytes.Clone(head), recs[0]...))
	for _, r := range recs[1:] {
		f.Add(append(append(bytes.Clone(head), recs[0]...), r...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, rows, err := read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if _, err := dump.Write(&again, got, yield(rows, nil)); err == nil && !bytes.Equal(again.Bytes(), b) {
			t.Error("written again it is another file")
		}
	})
}

// FuzzRow: a record's body is read in one way only.
func FuzzRow(f *testing.F) {
	_, recs := records(file(f))
	for _, r := range recs {
		f.Add(r[0], r[5:len(r)-4])
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		row, err := dump.ParseRow(kind, body)
		if err == nil && !bytes.Equal(dump.AppendRow(nil, row), body) {
			t.Errorf("%T %x is written back as %x", row, body, dump.AppendRow(nil, row))
		}
	})
}
