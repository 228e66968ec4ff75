package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// churnGrace is the grace time of the collections beside the clients.
const churnGrace = time.Second

// collected reads the report of `truckee gc`.
type collected struct{ reachable, deleted, waiting, other int }

var counted = regexp.MustCompile(`(?m)^(\d+) blocks with \d+ bytes (.*)$`)

// collect runs `truckee gc`; ok is false if another gateway collects just then.
func collect(t *testing.T, n *testbed.Truckee, flags ...string) (c collected, ok bool) {
	t.Helper()
	out, err := n.Run(t.Context(), nil, append([]string{"gc", "--yes", "--grace", churnGrace.String()}, flags...)...)
	if err != nil {
		if strings.Contains(err.Error(), kind.Conflict.Error()) {
			return c, false
		}
		t.Errorf("%v\n%s", err, out)
		return c, true
	}
	for _, m := range counted.FindAllStringSubmatch(out, -1) {
		blocks, _ := strconv.Atoi(m[1])
		switch {
		case strings.HasPrefix(m[2], "are reachable"):
			c.reachable = blocks
		case strings.HasPrefix(m[2], "deleted"):
			c.deleted = blocks
		case strings.HasPrefix(m[2], "are unreachable and wait"):
			c.waiting = blocks
		default:
			c.other += blocks
		}
	}
	return c, true
}

// TestChurnUnderCollection has clients write, overwrite, move and remove through
// two gateways while both collect all the time. At the end all that was
// acknowledged is there and whole, and nothing is left that nothing leads to.
//
// With TRUCKEE_TEST_SOAK=1 it takes five minutes and more. Then nobody else collects,
// until a gateway has by itself, at the shortest interval and grace time there is: it
// leaves that to whoever has in the last interval.
func TestChurnUnderCollection(t *testing.T) {
	t.Parallel()
	store := sharedS3(t)
	first := create(t, t.TempDir(), "--db", testbed.Database(t), "-b", store.flag())
	length := 12 * time.Second
	gateways := []*testbed.Truckee{first, nil}
	soak := os.Getenv("TRUCKEE_TEST_SOAK") == "1"
	if soak {
		length = 5 * time.Minute
		appendTo(t, filepath.Join(first.BaseDir, "tahoe.cfg"), "\n[gc]\ninterval = \"1m\"\ngrace = \"1m\"\n")
	}
	gateways[1] = join(t, first)
	for _, g := range gateways {
		start(t, g)
	}
	c := dial(t, first.Endpoint)
	for _, dir := range sharedDirs {
		if err := c.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	r := newRush(gateways)
	r.start(t, 6)
	over := make(chan struct{})
	var collectors sync.WaitGroup
	var runs, deleted atomic.Int32
	for _, g := range gateways {
		collectors.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if got, ok := collect(t, g); ok {
					runs.Add(1)
					deleted.Add(int32(got.deleted))
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	time.Sleep(length)
	enough := within(3*time.Minute, func() bool { return runs.Load() >= 5 && deleted.Load() >= 20 })
	close(over)
	collectors.Wait()
	if soak && !within(5*time.Minute, func() bool {
		return strings.Contains(gateways[0].Log()+gateways[1].Log(), "msg=collected")
	}) {
		t.Error("neither gateway collected by itself")
	}
	r.stop()
	t.Logf("%d collections deleted %d blocks beside %d acknowledged operations", runs.Load(), deleted.Load(), r.acknowledged.Load())
	if !enough {
		t.Error("the collections did not keep up: the test shows nothing")
	}
	r.verify(t)
	for _, g := range gateways {
		checkDeep(t, g)
	}
	left := settled(t, first)
	if n, size := store.objects(t); n > left.reachable+left.other+1 { // and the marker
		t.Errorf("the bucket holds %d objects with %d bytes, and %d blocks are reachable", n, size, left.reachable)
	}
	for _, dir := range sharedDirs {
		sftp(t, first.Endpoint, fmt.Sprintf("-rm %[1]s/*\nrmdir %[1]s\n", dir))
	}
	settled(t, gateways[1])
	if n, size := store.objects(t); n > 1 {
		t.Errorf("with every file removed the bucket holds %d objects with %d bytes", n, size)
	}
	checkDeep(t, first)
}

// settled collects until nothing is left that waits, and returns what the last run counted.
func settled(t *testing.T, n *testbed.Truckee) collected {
	t.Helper()
	for range 20 {
		c, ok := collect(t, n)
		if ok && c.waiting == 0 && c.deleted == 0 {
			if c.other != 0 {
				t.Errorf("%d blocks stay for other reasons", c.other)
			}
			return c
		}
		time.Sleep(churnGrace)
	}
	t.Fatal("after 20 collections blocks still wait")
	return collected{}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
