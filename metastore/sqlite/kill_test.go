package sqlite_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// childPath names, in the environment, the database that a child commits to.
const childPath = "TRUCKEE_TEST_SQLITE_CHILD"

const childWriters = 8

// TestChild is the body of TestSurvivesKill's children.
func TestChild(t *testing.T) {
	path := os.Getenv(childPath)
	if path == "" {
		t.Skip("no child")
	}
	s := open(t, path)
	var wg sync.WaitGroup
	for i := range byte(childWriters) {
		wg.Go(func() {
			for {
				if err := growOnce(t, s, metastore.SlotID{1, i}); err != nil {
					fmt.Printf("error %v\n", err)
					return
				}
				recs, err := s.Slots(t.Context(), []metastore.SlotID{{1, i}})
				if err != nil {
					fmt.Printf("error %v\n", err)
					return
				}
				// One write a line, so that lines are whole.
				os.Stdout.WriteString(fmt.Sprintf("ack %d %d\n", i, recs[0].Version))
			}
		})
	}
	wg.Wait()
}

// TestSurvivesKill kills children in the middle of their commits: every commit
// that one acknowledged is there, and each record with its node.
func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	acked := make([]uint64, childWriters)
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var writer int
			var version uint64
			if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &writer, &version); err == nil {
				acked[writer] = max(acked[writer], version)
			} else if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			}
			if n == 5 {
				if _, err := sqlite.Open(path); kind.Of(err) != kind.Unavailable || !strings.Contains(err.Error(), fmt.Sprint("process ", cmd.Process.Pid)) {
					t.Errorf("opening another process's database: %v", err)
				}
			}
			if n == 100+round*37 {
				cmd.Process.Kill()
			}
		}
		_ = cmd.Wait() // it was killed
		checkAcked(t, path, acked)
	}
}

func checkAcked(t *testing.T, path string, acked []uint64) {
	t.Helper()
	s := open(t, path)
	defer s.Close()
	if bad, err := s.Query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil || bad != 0 {
		t.Errorf("the database has %d faults (%v)", bad, err)
	}
	for i, want := range acked {
		id := metastore.SlotID{1, byte(i)}
		got := grow(t, s, id, 0)
		if got.Version < want {
			t.Errorf("slot %d has version %d, acknowledged was %d", i, got.Version, want)
		}
		log, err := s.Log(t.Context(), id, 0)
		if err != nil || uint64(len(log)) != got.Version {
			t.Errorf("slot %d: log of %d records for version %d (%v)", i, len(log), got.Version, err)
		}
		for _, r := range log {
			if r.Version == got.Version && !bytes.Equal(r.Bytes, got.Bytes) {
				t.Errorf("slot %d: log and slot differ", i)
			}
		}
	}
	if nodes, err := s.Query("SELECT count(*) - (SELECT sum(ver) FROM slot) FROM node"); err != nil || nodes != 0 {
		t.Errorf("%d nodes too many (%v)", nodes, err)
	}
}
