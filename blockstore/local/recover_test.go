package local

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

var testUUID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// layOut makes the bytes of a segment of the entries given, one after the
// other from page on, each body full of its sequence number.
func layOut(s sums, num uint32, size int64, entries []entry) ([]byte, []entry) {
	b := make([]byte, size)
	off := int64(page)
	for i := range entries {
		entries[i].off = uint32(off / unit)
		e := entries[i]
		s.encode(b[off:off+e.size()], num, e, bytes.Repeat([]byte{byte(e.seq)}, int(e.bodyLen())))
		off += e.size()
	}
	return b, entries
}

func scanAll(t testing.TB, s sums, num uint32, b []byte) (found []entry, end int64) {
	t.Helper()
	end, err := s.scan(bytes.NewReader(b), num, page, int64(len(b)), func(e entry) { found = append(found, e) })
	if err != nil {
		t.Fatal(err)
	}
	return found, end
}

func someEntries() []entry {
	return []entry{
		{id: blockstore.ID{1}, seq: 1, n: 0},
		{id: blockstore.ID{2}, seq: 2, n: 1},
		{id: blockstore.ID{3}, seq: 3, n: 63},
		{id: blockstore.ID{1}, seq: 4, n: tombstone},
		{id: blockstore.ID{4}, seq: 5, n: 64},
		{id: blockstore.ID{5}, seq: 6, n: 65},
		{id: blockstore.ID{6}, seq: 7, n: 70_000},
		{id: blockstore.ID{7}, seq: 8, n: 100},
	}
}

func TestScanFindsWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := newSums(testUUID)
	b, want := layOut(s, 9, 100_000, someEntries())
	got, end := scanAll(t, s, 9, b)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", got, want)
	}
	last := want[len(want)-1]
	if end != last.offset()+last.size() {
		t.Errorf("the records end at %d", end)
	}
	for name, other := range map[string]func() ([]entry, int64){
		"another segment": func() ([]entry, int64) { return scanAll(t, s, 10, b) },
		"another store":   func() ([]entry, int64) { return scanAll(t, newSums([16]byte{9}), 9, b) },
		"moved by a unit": func() ([]entry, int64) { return scanAll(t, s, 9, append(make([]byte, unit), b...)) },
	} {
		if found, _ := other(); len(found) > 0 {
			t.Errorf("%s: %d records pass", name, len(found))
		}
	}
}

// A record with any one byte changed, or cut off, is lost, and no other one.
func TestScanSkipsDamage(t *testing.T) {
	t.Parallel()
	s := newSums(testUUID)
	b, entries := layOut(s, 9, 80_000, someEntries())
	for i, e := range entries {
		size := recordHeader + e.bodyLen()
		step := max(1, size/40)
		for at := int64(0); at < size; at += step {
			b[e.offset()+at] ^= 0x04
			found, _ := scanAll(t, s, 9, b)
			b[e.offset()+at] ^= 0x04
			if len(found) != len(entries)-1 {
				t.Fatalf("byte %d of record %d changed: %d of %d records found", at, i, len(found), len(entries))
			}
			for _, f := range found {
				if f == e {
					t.Fatalf("record %d passes with byte %d changed", i, at)
				}
			}
		}
	}
	for cut := int64(page); cut < int64(len(b)); cut += 331 {
		found, _ := scanAll(t, s, 9, b[:cut])
		whole := 0
		for _, e := range entries {
			if e.offset()+recordHeader+e.bodyLen() <= cut {
				whole++
			}
		}
		if len(found) != whole {
			t.Fatalf("cut at %d: %d records found, want %d", cut, len(found), whole)
		}
	}
}

func TestScanBetweenGarbage(t *testing.T) {
	t.Parallel()
	s := newSums(testUUID)
	random := rand.New(rand.NewPCG(3, 3))
	b := make([]byte, 40<<20)
	fill(random, b[:1<<20])
	for i := int64(page); i < int64(len(b)); i += 7 * unit { // looks like records of the largest size
		copy(b[i:], []byte{'T', 'k', 'R', 'c', 0, 0, 1, 0})
	}
	var want []entry
	for i, at := range []int64{page, 600_000, 30 << 20, int64(len(b)) - 192} {
		e := entry{id: blockstore.ID{byte(i)}, seq: uint64(i), n: 100, off: uint32(at / unit)}
		s.encode(b[e.offset():][:e.size()], 3, e, make([]byte, 100))
		want = append(want, e)
	}
	if got, _ := scanAll(t, s, 3, b); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func FuzzScan(f *testing.F) {
	s := newSums(testUUID)
	b, _ := layOut(s, 9, 4096+1024, someEntries()[:5])
	f.Add(b[page:])
	f.Add(bytes.Repeat([]byte("TkRc\x00\x00\x00\x01"), 64))
	f.Fuzz(func(t *testing.T, records []byte) {
		seg := append(make([]byte, page), records...)
		found, end := scanAll(t, s, 9, seg)
		last := int64(page)
		for _, e := range found {
			if e.offset() < last || e.offset()+recordHeader+e.bodyLen() > int64(len(seg)) {
				t.Fatalf("record %+v overlaps another or the end", e)
			}
			last = e.offset() + e.size()
			if !s.check(9, e, seg[e.offset():]) {
				t.Fatalf("record %+v doesn't hold", e)
			}
		}
		if last != end {
			t.Fatalf("the records end at %d, not %d", last, end)
		}
	})
}

func FuzzFooter(f *testing.F) {
	s := newSums(testUUID)
	_, entries := layOut(s, 9, 80_000, someEntries())
	f.Add(s.encodeFooter(footer{seg: 9, end: 80 * 1024, entries: entries}))
	f.Add(s.encodeFooter(footer{seg: 1, end: page}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if foot, ok := s.parseFooter(b); ok && !bytes.Equal(s.encodeFooter(foot), b) {
			t.Fatalf("%x parses as %+v", b, foot)
		}
		if len(b) < trailerSize {
			return
		}
		sum := s.footer(b[:len(b)-4]) // as if its CRC held
		b = append(b[:len(b)-4:len(b)-4], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		if foot, ok := s.parseFooter(b); ok && !bytes.Equal(s.encodeFooter(foot), b) {
			t.Fatalf("%x parses as %+v", b, foot)
		}
	})
}

// FuzzIdentity: what parses is of this version, and has one uuid.
func FuzzIdentity(f *testing.F) {
	f.Add("truckee local blockstore\nversion 1\nuuid 0102030405060708090a0b0c0d0e0f10\n")
	f.Add("truckee local blockstore\nversion 7\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parseIdentity("store", text)
		if err == nil && len(text) != len(identityHead)+len("\nversion 1\nuuid \n")+32 {
			t.Fatalf("%q parses", text)
		}
	})
}

// spoil makes a store with blocks in sealed and unsealed segments, does
// something to its files, and gives what must be there all the same.
func spoil(t *testing.T, how func(dir string) error) (dir string, want map[blockstore.ID][]byte) {
	t.Helper()
	dir = t.TempDir()
	s := openOn(t, dir, realDisk())
	want = map[blockstore.ID][]byte{}
	for i := range 40 {
		id, block := storecheck.Chunk(20_000 + i)
		want[id] = block
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		if i == 20 {
			if err := errors.Join(s.lanes[0].retire(t.Context()), s.lanes[1].retire(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if i%4 == 3 {
			delete(want, id)
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Compact(t.Context()); err != nil { // waits for the sealing
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), how(dir)); err != nil {
		t.Fatal(err)
	}
	return dir, want
}

func eachFile(dir, pattern string, f func(name string) error) error {
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if len(names) == 0 {
		err = fmt.Errorf("no %s", pattern)
	}
	for _, name := range names {
		err = errors.Join(err, f(name))
	}
	return err
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	tests := map[string]func(dir string) error{
		"nothing":            func(string) error { return nil },
		"no index directory": func(dir string) error { return os.RemoveAll(filepath.Join(dir, indexDir)) },
		"damaged checkpoints": func(dir string) error {
			return eachFile(dir, indexDir+"/*", func(n string) error { return flip(n, 20) })
		},
		"empty checkpoints": func(dir string) error {
			return eachFile(dir, indexDir+"/*", func(n string) error { return os.Truncate(n, 0) })
		},
		"damaged footers": func(dir string) error {
			return eachFile(dir, segmentDir+"/*", func(n string) error { return flip(n, -70) })
		},
		"damaged trailers": func(dir string) error {
			return eachFile(dir, segmentDir+"/*", func(n string) error { return flip(n, -1) })
		},
		"damaged headers": func(dir string) error {
			return eachFile(dir, segmentDir+"/*", func(n string) error { return flip(n, 17) })
		},
		"a segment being made":   func(dir string) error { return os.WriteFile(segmentPath(dir, 900), nil, 0o600) },
		"a preallocated one":     func(dir string) error { return os.WriteFile(segmentPath(dir, 900), make([]byte, 1<<20), 0o600) },
		"a torn header":          func(dir string) error { return os.WriteFile(segmentPath(dir, 900), []byte(segmentMagic), 0o600) },
		"a file that isn't ours": func(dir string) error { return os.WriteFile(filepath.Join(dir, segmentDir, "notes"), nil, 0o600) },
		"old checkpoints": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, indexDir, checkpointName(700)), []byte("x"), 0o600)
		},
		"garbage behind the records": func(dir string) error {
			return eachFile(dir, segmentDir+"/*", func(n string) error {
				f, err := os.OpenFile(n, os.O_RDWR|os.O_APPEND, 0)
				if err != nil {
					return err
				}
				_, err = f.Write(bytes.Repeat([]byte("TkRc garbage "), 9999))
				return errors.Join(err, f.Close())
			})
		},
	}
	for name, how := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, want := spoil(t, how)
			for range 2 {
				s := openOn(t, dir, realDisk())
				expect(t, s, want)
				id, block := storecheck.Chunk(5000)
				want[id] = block
				if err := s.Put(t.Context(), id, block); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			expect(t, openOn(t, dir, realDisk()), want)
		})
	}
}

// flip changes a bit of a file, counted from its end if negative.
func flip(name string, at int64) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if at < 0 {
		at += int64(len(b))
	}
	b[at] ^= 0x20
	return os.WriteFile(name, b, 0o600)
}
