package filestore_test

import (
	"errors"
	"fmt"
	"strconv"
	gosync "sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)
	put := func(key string, c filestore.Conditions) error {
		_, err := b.tryPut(key, []byte("there"), filestore.ObjectMeta{}, filestore.CommitOptions{If: c, Mtime: at})
		return err
	}
	there := b.put("d/there", []byte("there")).ETag
	five, six := int64(5), int64(6)
	tests := []struct {
		name          string
		c             filestore.Conditions
		there, absent kind.Kind
	}{
		{"none", filestore.Conditions{}, 0, 0},
		{"if it matches", filestore.Conditions{Match: []string{"other", there}}, 0, kind.Precondition},
		{"if it matches another", filestore.Conditions{Match: []string{"other"}}, kind.Precondition, kind.Precondition},
		{"if it is there", filestore.Conditions{Match: []string{"*"}}, 0, kind.Precondition},
		{"if it isn't there", filestore.Conditions{NoneMatch: []string{"*"}}, kind.Precondition, 0},
		{"if it is none of", filestore.Conditions{NoneMatch: []string{"other", there}}, kind.Precondition, 0},
		{"if it isn't another", filestore.Conditions{NoneMatch: []string{"other"}}, 0, 0},
		{"if modified since", filestore.Conditions{ModifiedSince: at.Add(-time.Second)}, 0, 0},
		{"if modified since then", filestore.Conditions{ModifiedSince: at.Truncate(time.Second)}, kind.Precondition, 0},
		{"if unmodified since", filestore.Conditions{UnmodifiedSince: at.Truncate(time.Second)}, 0, 0},
		{"if unmodified since before", filestore.Conditions{UnmodifiedSince: at.Add(-time.Second)}, kind.Precondition, 0},
		{"if of that time", filestore.Conditions{Mtime: at.Truncate(time.Second)}, 0, kind.Precondition},
		{"if of another time", filestore.Conditions{Mtime: at.Add(time.Second)}, kind.Precondition, kind.Precondition},
		{"if of that size", filestore.Conditions{Size: &five}, 0, kind.Precondition},
		{"if of another size", filestore.Conditions{Size: &six}, kind.Precondition, kind.Precondition},
	}
	for _, tt := range tests {
		if err := put("d/there", filestore.Conditions{}); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]kind.Kind{"d/there": tt.there, "d/absent": tt.absent, "absent/absent": tt.absent} {
			if err := put(key, tt.c); kind.Of(err) != want {
				t.Errorf("put %s %s: %v, want %v", key, tt.name, err, want)
			} else if demanded := errors.Is(err, kind.NotExist); demanded != (err != nil && key != "d/there") {
				t.Errorf("put %s %s: %v", key, tt.name, err)
			}
			_, err := b.DeleteObject(t.Context(), key, filestore.VersionID{}, filestore.DeleteOptions{If: tt.c})
			if key == "d/there" && kind.Of(err) != want {
				t.Errorf("delete %s %s: %v, want %v", key, tt.name, err, want)
			}
			b.remove("d/absent")
			b.remove("absent/absent")
		}
		if _, err := b.DeleteObject(t.Context(), "d/absent", filestore.VersionID{}, filestore.DeleteOptions{If: tt.c}); kind.Of(err) != tt.absent {
			t.Errorf("delete what isn't there %s: %v, want %v", tt.name, err, tt.absent)
		}
	}
}

// Of many who put a key that must not be there one wins, on any gateway; and a
// number that everybody increases by what it was is never increased from the same
// twice.
func TestConditionsAreExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	gateways := []*filestore.FS{s.gateway(), s.gateway()}
	tr, _ := newTree(t, gateways[0])
	first := bucketIn(t, gateways[0], tr)
	second, err := gateways[1].Bucket(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	buckets := []bucket{first, {t, second}}
	const writers, rounds = 8, 12
	var wg gosync.WaitGroup
	for round := range rounds {
		won := make(chan int, writers)
		for w := range writers {
			wg.Go(func() {
				key := fmt.Sprintf("once/%d/key", round)
				_, err := buckets[w%2].tryPut(key, []byte(strconv.Itoa(w)), filestore.ObjectMeta{}, filestore.CommitOptions{
					If: filestore.Conditions{NoneMatch: []string{"*"}},
				})
				if err == nil {
					won <- w
				} else if kind.Of(err) != kind.Precondition {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d have won", len(won))
		}
		if got := string(buckets[round%2].get(fmt.Sprintf("once/%d/key", round))); got != strconv.Itoa(<-won) {
			t.Fatalf("%s is there", got)
		}
	}
	first.put("count", []byte("0"))
	for w := range writers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				r, err := buckets[w%2].Open(t.Context(), "count", filestore.VersionID{})
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(readObject(t, r)))
				r.Close()
				_, err = buckets[w%2].tryPut("count", []byte(strconv.Itoa(n+1)), filestore.ObjectMeta{}, filestore.CommitOptions{
					If: filestore.Conditions{Match: []string{r.Object().ETag}},
				})
				if err == nil {
					done++
				} else if kind.Of(err) != kind.Precondition {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := string(first.get("count")); got != strconv.Itoa(writers*rounds) {
		t.Errorf("counted to %s, want %d", got, writers*rounds)
	}
}

// A version that somebody else has put in the place of the null version, or has made
// current again, isn't the one that was asked for.
func TestConditionsOfVersions(t *testing.T) {
	t.Parallel()
	b, _ := bucketAlone(t)
	null := filestore.VersionID{Null: true}
	remove := func(key string, v filestore.VersionID, c filestore.Conditions) kind.Kind {
		_, err := b.DeleteObject(t.Context(), key, v, filestore.DeleteOptions{If: c})
		return kind.Of(err)
	}
	listed := func(key string) filestore.VersionID { // of the null version
		page, err := b.ListVersions(t.Context(), filestore.VersionListOptions{ListOptions: filestore.ListOptions{Prefix: key, Max: 10}})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Items {
			if v.Object.Version.Null {
				return v.Object.Version
			}
		}
		t.Fatalf("%s has no null version", key)
		return filestore.VersionID{}
	}
	b.put("a", []byte("1"))
	b.setVersioning(filestore.VersioningEnabled)
	first := b.put("a", []byte("22")).Version
	b.setVersioning(filestore.VersioningSuspended)
	old := listed("a")
	b.put("a", []byte("333"))
	if got := remove("a", null, filestore.Conditions{Version: &old}); got != kind.Precondition {
		t.Errorf("the null version that took another's place: %v", got)
	}
	b.expectVersions("a 30*", "a 2")
	if got := remove("a", null, filestore.Conditions{Noncurrent: true}); got != kind.Precondition {
		t.Errorf("the current version, if it is noncurrent: %v", got)
	}
	if got := remove("absent", null, filestore.Conditions{Noncurrent: true}); got != kind.Precondition {
		t.Errorf("what isn't there, if it is noncurrent: %v", got)
	}
	b.delete("a", filestore.VersionID{})
	marker := listed("a")
	b.put("a", []byte("4444"))
	if got := remove("a", null, filestore.Conditions{Version: &marker}); got != kind.Precondition {
		t.Errorf("an object that took a marker's place: %v", got)
	}
	b.expectVersions("a 40*", "a 2")
	if got := remove("a", first, filestore.Conditions{Version: &first, Noncurrent: true}); got != 0 {
		t.Errorf("a noncurrent version: %v", got)
	}
	b.delete("a", filestore.VersionID{})
	marker = listed("a")
	if got := remove("a", null, filestore.Conditions{Version: &marker}); got != 0 {
		t.Errorf("a marker: %v", got)
	}
	b.expectVersions()
}
