package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sftpclient "github.com/pkg/sftp"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// victim is the node of the array that fails in the drills.
const victim = 1

// hedge is the delay after which another node is asked, as the drills configure it.
const hedge = 100 * time.Millisecond

const (
	// slack is what a machine may add to a read at one time or another, and atMost
	// how long any may take: half of what a node is given to answer.
	slack  = 1500 * time.Millisecond
	atMost = 15 * time.Second
	// patience is how long what comes by itself is waited for: a node that failed
	// again and again is asked again after half a minute.
	patience = 90 * time.Second
)

// drill is a gateway on an array of buckets, each behind a proxy of its own.
type drill struct {
	*testing.T
	n       *testbed.Truckee
	c       *sftpclient.Client
	proxies []*testbed.Proxy
	monitor string            // where the gateway tells its figures
	dirs    []string          // where the S3 server keeps the buckets' objects
	files   map[string][]byte // what was acknowledged
	rng     *rand.Rand
}

// newDrill makes an array of n buckets; settings are lines of [blockstore].
func newDrill(t *testing.T, level string, nodes int, settings ...string) *drill {
	t.Helper()
	server := newVersity(t)
	d := &drill{T: t, files: map[string][]byte{}, rng: rand.New(rand.NewPCG(1, 2))}
	var flags []string
	for i := range nodes {
		p, err := testbed.NewProxy(strings.TrimPrefix(server.Endpoint(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		b := bucket{endpoint: server.Endpoint(), key: server.Key, secret: server.Secret}
		b.create(t)
		d.proxies, d.dirs = append(d.proxies, p), append(d.dirs, filepath.Join(server.Buckets(), b.name))
		flags = append(flags, "-b", fmt.Sprintf("%s:%d:%s", level, i, b.at(p.Addr()).flag()))
	}
	d.n = create(t, t.TempDir(), flags...)
	t.Cleanup(d.heal) // so that the node can be stopped at once
	d.configure(settings...)
	start(t, d.n)
	d.c = dial(t, d.n.Endpoint)
	for i := range 4 {
		d.put(fmt.Sprint("first-", i), 1<<20)
	}
	return d
}

// configure adds lines to tahoe.cfg's table of the array, and keeps caches small,
// so that what is read comes from the nodes.
func (d *drill) configure(settings ...string) {
	d.Helper()
	path := filepath.Join(d.n.BaseDir, "tahoe.cfg")
	text, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	table := regexp.MustCompile(`(?m)^\[blockstore\]$`)
	if !table.Match(text) {
		d.Fatalf("tahoe.cfg has no [blockstore]:\n%s", text)
	}
	lines := strings.Join(append([]string{"[blockstore]"}, settings...), "\n")
	text = table.ReplaceAllLiteral(text, []byte(lines))
	port, err := testbed.FreePort()
	if err != nil {
		d.Fatal(err)
	}
	d.monitor = fmt.Sprintf("127.0.0.1:%d", port)
	text = fmt.Appendf(text, "\n[filestore]\ncache_memory = \"1MiB\"\n\n[metrics]\nlisten = %q\n", d.monitor)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		d.Fatal(err)
	}
}

// put stores a file; what it is acknowledged for, later reads are held against.
func (d *drill) put(name string, size int) time.Duration {
	d.Helper()
	data := make([]byte, size)
	fill(d.rng, data)
	begin := time.Now()
	if err := store(d.c, name, data); err != nil {
		d.Errorf("put %s: %v", name, err)
	}
	d.files[name] = data
	return time.Since(begin)
}

// reads gets every file, and returns how long the slowest took.
func (d *drill) reads() (longest time.Duration) {
	d.Helper()
	for name, want := range d.files {
		begin := time.Now()
		got, err := slurp(d.c, name)
		longest = max(longest, time.Since(begin))
		if err != nil || !bytes.Equal(got, want) {
			d.Errorf("get %s: %d bytes, %v", name, len(got), err)
		}
	}
	return longest
}

// readsInTime gets every file, and again if that took long: a busy machine is so
// at times, and an array that waits for its node always.
func (d *drill) readsInTime(name string, most time.Duration) (longest time.Duration) {
	d.Helper()
	if !within(time.Minute, func() bool {
		longest = d.reads()
		if longest > max(most, atMost) {
			d.Errorf("%s: a read took %v", name, longest)
		}
		return longest <= most
	}) {
		d.Errorf("%s: a read took %v, and may take %v", name, longest, most)
	}
	return longest
}

// status is what `truckee blockstore status` says of the node that fails.
func (d *drill) status() string {
	d.Helper()
	out, _ := d.n.Run(d.Context(), nil, "blockstore", "status", "--count")
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == fmt.Sprint(victim) {
			return strings.TrimSpace(regexp.MustCompile(`s3:\S+`).ReplaceAllString(line, "s3")) + detailOf(out)
		}
	}
	d.Errorf("status has no line of node %d:\n%s", victim, out)
	return ""
}

// detailOf is what status adds to a node's line: below it, or at the end.
func detailOf(out string) string {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, fmt.Sprint(victim, ": ")) || strings.Contains(line, "since the start reads found") {
			return " (" + strings.TrimSpace(line) + ")"
		}
	}
	return ""
}

// figures are the metrics of the node that fails, as "name{labels} value".
func (d *drill) figures() (lines []string) {
	d.Helper()
	for line := range strings.Lines(answerOf(d.T, "http://"+d.monitor+"/metrics")) {
		if strings.Contains(line, fmt.Sprintf(`{node="%d"`, victim)) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// faults are the copies on the node that were found absent or damaged since the start.
func (d *drill) faults() (n int) {
	d.Helper()
	for _, line := range d.figures() {
		if name, value, _ := strings.Cut(line, " "); strings.HasPrefix(name, "truckee_blockstore_faults_total{") {
			if _, err := fmt.Sscan(value, &n); err != nil {
				d.Error(err)
			}
		}
	}
	return n
}

// logged returns the warnings since the log had that length, secrets and all.
func (d *drill) logged(from int) (warnings []string) {
	for line := range strings.Lines(d.n.Log()[from:]) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			warnings = append(warnings, strings.TrimSpace(line))
		}
	}
	return warnings
}

func (d *drill) heal() {
	for _, p := range d.proxies {
		p.Set(testbed.Faults{})
		p.CutAll()
	}
}

// repaired brings the array back to health by the operator's means, while a client
// works, and proves it by taking another node away.
func (d *drill) repaired(name string) {
	d.Helper()
	over := make(chan struct{})
	var client sync.WaitGroup
	c := dial(d.T, d.n.Endpoint)
	worked := 0
	client.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			data := bytes.Repeat([]byte{byte(worked)}, 100_000)
			if err := store(c, "beside", data); err != nil {
				d.Errorf("a client beside the repair: put: %v", err)
				return
			}
			if got, err := slurp(c, "beside"); err != nil || !bytes.Equal(got, data) {
				d.Errorf("a client beside the repair: get: %d bytes, %v", len(got), err)
				return
			}
			worked++
		}
	})
	begin := time.Now()
	state := ""
	within(patience, func() bool { // the node is asked again after a while
		state = d.status()
		return !strings.Contains(state, " down ")
	})
	if strings.Contains(state, "blank") || strings.Contains(state, "rebuilding") {
		if out, err := d.n.Run(d.Context(), nil, "blockstore", "rebuild", fmt.Sprint(victim)); err != nil {
			d.Errorf("rebuild: %v\n%s", err, out)
		}
	}
	out, err := d.n.Run(d.Context(), nil, "blockstore", "scrub")
	if err != nil {
		d.Errorf("scrub: %v\n%s", err, out)
	}
	took := time.Since(begin)
	close(over)
	client.Wait()
	whole := func() bool { // a write that the node was too late for is owed to it, and comes by itself
		state = d.status()
		f := strings.Fields(state)
		return len(f) >= 8 && f[2] == "ok" && f[3] == "0" && f[7] == "0"
	}
	if !within(patience, whole) {
		d.Errorf("after the repair: %s\n%s", state, out)
	}
	d.Logf("%s: repaired in %v beside %d puts and gets: %s", name, took.Round(time.Millisecond), worked, tail(out, 1))
}

// proves takes another node away: what is read then needs the one that was repaired.
func (d *drill) proves() {
	d.Helper()
	other := 1 - victim
	d.proxies[other].Set(testbed.Faults{Refuse: true})
	d.reads()
	d.heal()
	out := ""
	if !within(patience, func() bool {
		out, _ = d.n.Run(d.Context(), nil, "blockstore", "status")
		return !regexp.MustCompile(`(?m)^\d.* (down|blank|rebuilding) `).MatchString(out)
	}) {
		d.Errorf("the other node isn't back:\n%s", out)
	}
}

// objects lists the victim's blocks as files of the S3 server, the largest first.
func (d *drill) objects() []string {
	d.Helper()
	sizes := map[string]int64{}
	err := filepath.WalkDir(d.dirs[victim], func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			info, ierr := e.Info()
			if err = ierr; err == nil {
				sizes[path] = info.Size()
			}
		}
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
	var paths []string
	for p := range sizes {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b string) int { return int(sizes[b] - sizes[a]) })
	return paths
}

// swap gives two objects each other's bytes.
func (d *drill) swap() {
	d.Helper()
	paths := d.objects()
	for i := 0; i+1 < len(paths)-1; i += 2 {
		a, err := os.ReadFile(paths[i])
		if err != nil {
			d.Fatal(err)
		}
		b, err := os.ReadFile(paths[i+1])
		if err != nil {
			d.Fatal(err)
		}
		if len(a) != len(b) {
			continue
		}
		d.overwrite(paths[i], b)
		d.overwrite(paths[i+1], a)
	}
}

// overwrite keeps the inode, and so what the server knows of the object.
func (d *drill) overwrite(path string, data []byte) {
	d.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.Write(data)
		f.Close()
	}
	if err != nil {
		d.Fatal(err)
	}
}

// lose removes all objects, or half of the larger ones, that were acknowledged.
func (d *drill) lose(all bool) {
	d.Helper()
	paths := d.objects()
	for i, p := range paths {
		if all || i%2 == 0 && i < len(paths)-5 { // the marker is one of the smallest
			if err := os.Remove(p); err != nil {
				d.Fatal(err)
			}
		}
	}
}

const noSpace = "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// failures are what may befall a node, and how status and the metrics show it.
func failures(d *drill) []struct {
	name   string
	silent bool
	begin  func()
	status string // of the node, a regexp
	figure string // of the node, too; "": faults are counted
} {
	p := d.proxies[victim]
	set := func(f testbed.Faults) func() { return func() { p.Set(f); p.CutAll() } }
	// The array reads from whom it expects to be the fastest: what a node has lost
	// without a word can be noticed if that is the one.
	preferred := func() {
		for i, p := range d.proxies {
			if i != victim {
				p.Set(testbed.Faults{Latency: 3 * hedge}) // so that the victim answers first, whoever is asked first
			}
		}
		d.reads()
	}
	const (
		damaged = ` (ok|slow) .*reads found \d+ copies absent or damaged`
		isDown  = `blockstore_state{.*state="down"} 1`
		isBlank = `blockstore_state{.*state="blank"} 1`
		isSlow  = `(blockstore_slow{.*}|blockstore_state{.*state="down"}) 1` // so slow that it may not answer
	)
	return []struct {
		name   string
		silent bool // the node doesn't say that something is amiss
		begin  func()
		status string
		figure string
	}{
		{"dead", false, set(testbed.Faults{Refuse: true}), ` down `, isDown},
		{"hung", false, func() { p.Set(testbed.Faults{Hang: true}) }, ` down `, isDown},
		{"slow", false, set(testbed.Faults{Latency: 2 * time.Second}), ` (slow|down) `, isSlow},
		{"500s", false, set(testbed.Faults{Reply: testbed.InternalError}), ` down `, isDown},
		{"out of space", false, set(testbed.Faults{Reply: noSpace}), ` down `, isDown},
		{"flipped bytes", true, func() { preferred(); set(testbed.Faults{FlipDown: 200_000})() }, damaged, ""},
		{"other blocks", true, func() { preferred(); d.swap() }, damaged, ""},
		{"lost writes", true, func() { preferred(); d.lose(false) }, damaged, ""},
		{"came back empty", true, func() { preferred(); d.lose(true) }, ` blank `, isBlank},
	}
}

// TestDrillRAID1 and TestDrillRAID5 let one node fail in every way. Clients read
// everything and go on writing, in time; the operator sees it; and scrub and
// rebuild bring the redundancy back while clients work.
func TestDrillRAID1(t *testing.T) {
	t.Parallel()
	oneNodeFails(newDrill(t, "RAID1", 2, `write = "one"`, fmt.Sprintf("hedge_after = %q", hedge)))
}

func TestDrillRAID5(t *testing.T) {
	t.Parallel()
	oneNodeFails(newDrill(t, "RAID5", 3, `write = "all-but-one"`, fmt.Sprintf("hedge_after = %q", hedge)))
}

var ofVictim = regexp.MustCompile(fmt.Sprintf(` (blockstore|member)=%d `, victim))

func oneNodeFails(d *drill) {
	healthy := d.reads()
	for i, f := range failures(d) {
		begin, from, faults := time.Now(), len(d.n.Log()), d.faults()
		f.begin()
		most := healthy + hedge + slack
		if f.silent {
			most = atMost // the other nodes are far away
		}
		read := d.readsInTime(f.name, most)
		write := d.put(fmt.Sprint("during-", i), 1<<20)
		again := d.readsInTime(f.name, most)
		state := ""
		shown := within(patience, func() bool {
			state = d.status()
			return regexp.MustCompile(f.status).MatchString(state)
		})
		d.Logf("%s: slowest read %v, then %v (healthy %v), write %v; %s", f.name,
			read.Round(time.Millisecond), again.Round(time.Millisecond), healthy.Round(time.Millisecond), write.Round(time.Millisecond), state)
		if most := 2 * atMost; write > most { // half of what a node is given to store a block
			d.Errorf("%s: a write took %v", f.name, write)
		}
		if !shown {
			d.Errorf("%s: status doesn't show it: %s", f.name, state)
		}
		all := ""
		if !within(patience, func() bool {
			all = strings.Join(d.figures(), "\n")
			return regexp.MustCompile(f.figure).MatchString(all) && (f.figure != "" || d.faults() > faults)
		}) {
			d.Errorf("%s: the metrics don't show it:\n%s", f.name, all)
		}
		var warnings []string
		if !within(patience, func() bool {
			warnings = d.logged(from)
			return slices.ContainsFunc(warnings, func(line string) bool { return ofVictim.MatchString(line) })
		}) {
			d.Errorf("%s: no warning of node %d in the log: %q", f.name, victim, warnings)
		}
		d.Logf("%s: %d warnings; the first: %.300s", f.name, len(warnings), strings.Join(warnings[:min(1, len(warnings))], ""))
		d.heal()
		d.repaired(f.name)
		if f.silent || os.Getenv("TRUCKEE_TEST_SOAK") == "1" {
			d.proves()
		}
		delete(d.files, fmt.Sprint("during-", i))
		d.Logf("%s: the drill took %v", f.name, time.Since(begin).Round(time.Millisecond))
	}
	checkDeep(d.T, d.n)
}

// TestDrillRAID0 has no redundancy: a node that fails is a clear error for what
// lies there, in time, and nothing worse.
func TestDrillRAID0(t *testing.T) {
	t.Parallel()
	d := newDrill(t, "RAID0", 2, `read_timeout = "2s"`, `write_timeout = "2s"`)
	for i := range 16 { // so that there are some on either node
		d.put(fmt.Sprint("small-", i), 100_000)
	}
	for name, f := range map[string]testbed.Faults{
		"dead": {Refuse: true}, "hung": {Hang: true}, "500s": {Reply: testbed.InternalError},
	} {
		d.proxies[victim].Set(f)
		good, failed := 0, 0
		for path, want := range d.files { // in an order of their own each time
			if good >= 2 && failed >= 2 {
				break
			}
			begin := time.Now()
			got, err := slurp(d.c, path)
			switch {
			case err == nil && bytes.Equal(got, want):
				good++
			case err != nil && strings.Contains(err.Error(), kind.Unavailable.Error()):
				failed++
			default:
				t.Errorf("%s: get %s: %d bytes, %v", name, path, len(got), err)
			}
			if took := time.Since(begin); took > 20*time.Second { // the read's own limit, and once that of asking whether the node is back
				t.Errorf("%s: get %s took %v", name, path, took)
			}
		}
		if good == 0 || failed == 0 {
			t.Errorf("%s: %d files could be read and %d not: the blocks should lie on both nodes", name, good, failed)
		}
		if state := ""; !within(patience, func() bool {
			state = d.status()
			return strings.Contains(state, " down ")
		}) {
			t.Errorf("%s: status: %s", name, state)
		}
		if all := ""; !within(patience, func() bool {
			all = strings.Join(d.figures(), "\n")
			return strings.Contains(all, `state="down"} 1`)
		}) {
			t.Errorf("%s: the metrics don't show it:\n%s", name, all)
		}
		d.heal()
		// A store that failed again and again is asked again after half a minute
		// at most.
		if !within(patience, func() bool { return strings.Contains(d.status(), " ok ") }) {
			t.Fatalf("%s: the node isn't back: %s", name, d.status())
		}
		d.reads()
		d.put("after "+name, 1<<20)
	}
	checkDeep(t, d.n)
}
