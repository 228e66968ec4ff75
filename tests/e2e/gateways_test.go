package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sftpclient "github.com/pkg/sftp"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// TestThreeGateways has eight clients create, rename, overwrite and remove in
// the same two directories through three gateways on one PostgreSQL and one
// bucket, while one gateway is killed and comes back and PostgreSQL is
// restarted. Afterwards every acknowledged operation is there, and nothing else.
//
// TRUCKEE_TEST_SOAK=1 runs it for a minute and kills PostgreSQL, too.
func TestThreeGateways(t *testing.T) {
	t.Parallel()
	pg, store := newPostgres(t), sharedS3(t)
	first := create(t, t.TempDir(), "--db", pg.URL("postgres"), "-b", store.flag())
	gateways := []*testbed.Truckee{first, join(t, first), join(t, first)}
	for _, g := range gateways {
		start(t, g)
	}
	c := dial(t, first.Endpoint)
	for _, dir := range sharedDirs {
		if err := c.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	length, restart := 21*time.Second, pg.Stop
	if os.Getenv("TRUCKEE_TEST_SOAK") == "1" {
		length, restart = time.Minute, pg.Kill
	}
	r := newRush(gateways)
	r.start(t, 8)
	phase := func(name string, length time.Duration) {
		before := r.acknowledged.Load()
		time.Sleep(length)
		t.Logf("%s: %.0f acknowledged operations a second", name, float64(r.acknowledged.Load()-before)/length.Seconds())
		if !within(time.Minute, func() bool { return r.acknowledged.Load() > before }) {
			t.Errorf("%s: nothing was acknowledged", name)
		}
	}
	phase("three gateways", length/5)
	if err := gateways[1].Kill(); err != nil {
		t.Fatal(err)
	}
	phase("one of them killed", length/5)
	start(t, gateways[1])
	phase("it came back", length/5)
	if err := restart(); err != nil {
		t.Fatal(err)
	}
	if err := pg.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	phase("after PostgreSQL's restart", length*2/5)
	r.stop()
	r.verify(t)
	for _, g := range gateways {
		checkDeep(t, g)
	}
}

// rush is clients that work through all gateways at once.
type rush struct {
	gateways     []*testbed.Truckee
	names        names
	acknowledged atomic.Int64
	over         chan struct{}
	clients      sync.WaitGroup
	mu           sync.Mutex // guards what follows while clients run
	owns         []*own
	temporaries  map[string]bool // names that may be left
}

const hotNames = 8

func newRush(gateways []*testbed.Truckee) *rush {
	return &rush{gateways: gateways, over: make(chan struct{}), temporaries: map[string]bool{}}
}

func (r *rush) start(t *testing.T, n int) {
	for id := range n {
		o := newOwn(id, uint64(time.Now().UnixNano()))
		r.owns = append(r.owns, o)
		r.clients.Go(func() { r.work(t, o) })
	}
}

func (r *rush) stop() {
	close(r.over)
	r.clients.Wait()
}

// work is one client's life. Each operation goes through a gateway at random.
func (r *rush) work(t *testing.T, o *own) {
	conns := make([]*sftpclient.Client, len(r.gateways))
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-r.over:
			return
		default:
		}
		g := o.rng.IntN(len(conns))
		if conns[g] == nil {
			c, err := connect(r.gateways[g].Endpoint)
			if err != nil {
				time.Sleep(20 * time.Millisecond) // that gateway is away; most draws are another one
				continue
			}
			conns[g] = c
		}
		var err, wrong error
		if i%2 == 0 {
			err, wrong = o.step(conns[g])
		} else {
			err = r.stepName(conns[g], o, i)
		}
		switch {
		case wrong != nil:
			t.Errorf("through gateway %d: %v", g, wrong)
		case err == nil:
			r.acknowledged.Add(1)
		default:
			if _, ok := errors.AsType[*sftpclient.StatusError](err); !ok {
				conns[g].Close()
				conns[g] = nil
			}
		}
	}
}

// stepName does something to a shared name, and returns an error if the outcome
// is not known.
func (r *rush) stepName(c *sftpclient.Client, o *own, i int) (err error) {
	op := randomNameOp(o.rng, hotNames, fmt.Sprintf("%d-%d", o.client, i))
	temporary := fmt.Sprintf("%s/tmp-%d-%d", sharedDirs[op.place], o.client, i)
	if op.what == "put" || op.what == "create" {
		if err := store(c, temporary, []byte(op.data)); err != nil {
			r.mayStay(temporary)
			return err
		}
	}
	v := r.names.do(o.client, op, func() (data string, e error) {
		data, e = op.run(c, temporary)
		err = e
		return data, e
	})
	switch v {
	case unknown:
		r.mayStay(temporary)
		return err
	case exists:
		if err := c.Remove(temporary); err != nil {
			r.mayStay(temporary)
			return err
		}
	}
	return nil
}

func (r *rush) mayStay(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.temporaries[name] = true
}

// verify holds what every gateway shows now against what was answered.
func (r *rush) verify(t *testing.T) {
	t.Helper()
	for _, g := range r.gateways {
		c := dial(t, g.Endpoint)
		listed := map[string]bool{}
		for _, dir := range sharedDirs {
			list, err := c.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, info := range list {
				listed[dir+"/"+info.Name()] = true
			}
		}
		for group := range hotNames {
			for place := range 2 {
				op := nameOp{what: "get", group: group, place: place}
				if v := r.names.do(-1, op, func() (string, error) { return op.run(c, "") }); (v == done) != listed[op.path(place)] {
					t.Errorf("%s: get says %s, and listed is %v", op.path(place), v, listed[op.path(place)])
				}
				delete(listed, op.path(place))
			}
		}
		for _, o := range r.owns {
			o.verify(t, c, listed)
		}
		for path := range listed {
			if !r.temporaries[path] {
				t.Errorf("not expected: %s", path)
			}
		}
	}
	total, open := 0, 0
	for _, o := range r.owns {
		total, open = total+o.acknowledged, open+len(o.maybe)
	}
	t.Logf("%d acknowledged changes of the clients' own files, %d with unknown outcome", total, open)
	r.names.check(t)
}

// verify holds the client's files against its answers, and takes them off what is listed.
func (o *own) verify(t *testing.T, c *sftpclient.Client, listed map[string]bool) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(o.files)) {
		if got, err := slurp(c, path); err != nil || !bytes.Equal(got, o.files[path]) || !listed[path] {
			t.Errorf("%s: %d bytes (%v, listed %v), and %d were acknowledged", path, len(got), err, listed[path], len(o.files[path]))
		}
		delete(listed, path)
	}
	for path, may := range o.maybe {
		got, err := slurp(c, path)
		if err != nil {
			got = nil
		}
		if v := fateOf(err); v == unknown || !slices.ContainsFunc(may, func(b []byte) bool { return (b == nil) == (err != nil) && bytes.Equal(b, got) }) {
			t.Errorf("%s: %d bytes (%v), which nobody wrote", path, len(got), err)
		}
		delete(listed, path)
	}
}

func slurp(c *sftpclient.Client, path string) ([]byte, error) {
	f, err := c.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
