package blockstoretest

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// killDir is the environment variable that makes a test binary the child of
// SurvivesKill: the directory of its store.
const killDir = "TRUCKEE_TEST_KILL_DIR"

// KillChild is called first in the TestMain of a driver whose tests call
// SurvivesKill. In the child it opens the store and never returns.
func KillChild(open func(dir string) (blockstore.Store, error)) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return
	}
	s, err := open(dir)
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex // guards standard output
	say := func(op byte, id blockstore.ID) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%c%v\n", op, id)
	}
	for range 8 {
		go putForEver(s, say)
	}
	select {}
}

// putForEver says "+" for each block whose put was acknowledged, "?" before it
// is deleted, and "-" when that was.
func putForEver(s blockstore.Store, say func(op byte, id blockstore.ID)) {
	ctx := context.Background()
	for {
		for _, n := range []int{100, 9_000, 65_000, 300_000} {
			id, block := storecheck.Chunk(n)
			if err := s.Put(ctx, id, block); err != nil {
				panic(err)
			}
			say('+', id)
			if n != 9_000 {
				continue
			}
			say('?', id)
			if err := s.Delete(ctx, id); err != nil {
				panic(err)
			}
			say('-', id)
		}
	}
}

// SurvivesKill starts this test binary again (see KillChild), kills it with
// SIGKILL amid its puts, and holds the store that open finds in dir to what was
// acknowledged; several times over the same directory.
func SurvivesKill(t *testing.T, dir string, open func(dir string) (blockstore.Store, error)) {
	kept, deleted := map[blockstore.ID]bool{}, map[blockstore.ID]bool{}
	for round := range 3 {
		putAndKill(t, dir, 100+70*round, kept, deleted)
		s, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for id := range kept {
			if block, err := s.Get(t.Context(), id); err != nil {
				t.Errorf("acknowledged block: %v", err)
			} else if err := blockstore.CheckID(id, block); err != nil {
				t.Error(err)
			}
		}
		for id := range deleted {
			if info, err := s.Stat(t.Context(), id); err == nil {
				t.Errorf("deleted block is there: %v", info)
			}
		}
		for info, err := range s.List(t.Context(), blockstore.ID{}) {
			if err != nil {
				t.Fatal(err)
			}
			if block, err := s.Get(t.Context(), info.ID); err != nil {
				t.Errorf("listed block: %v", err)
			} else if err := blockstore.CheckID(info.ID, block); err != nil {
				t.Errorf("listed block: %v", err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("after %d kills", round+1)
		}
	}
}

// putAndKill runs the child until it has said some lines, and enters all that
// it said.
func putAndKill(t *testing.T, dir string, lines int, kept, deleted map[blockstore.ID]bool) {
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), killDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break // what is left of a line was never said
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(line[1:]))
		if err != nil || len(b) != 32 {
			t.Fatalf("the child says %q", line)
		}
		id := blockstore.ID(b)
		switch line[0] {
		case '+':
			kept[id] = true
		case '?':
			delete(kept, id)
		case '-':
			deleted[id] = true
		}
	}
	_ = child.Wait() // killed
	if len(kept) == 0 {
		t.Fatal("the child put nothing")
	}
}
