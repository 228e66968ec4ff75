// Package drill holds a blockstore driver that speaks to a server over a network
// to its promises while that network, or the server, fails: a clear kind of
// error within the time that it was given, no wrong byte, no secret in a
// message, and work as before when the failure is over.
package drill

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// Driver is what is drilled.
type Driver struct {
	Server string // host:port
	// Open opens an empty store at the address, which leads to the server, with
	// Stall for every time-out of its own.
	Open    func(t *testing.T, addr string) blockstore.Store
	Secrets []string // that no error may show
	HTTP    bool     // the server speaks HTTP
	// ChecksPuts: the server refuses a block that was damaged on its way.
	ChecksPuts bool
}

// Stall is what Open gives the driver for time-outs: long enough for a busy
// machine, short enough for a test.
const Stall = 4 * time.Second

// budget is how long a call may take that a time-out must end.
const budget = 5 * Stall

// short is the deadline of callers that are less patient than the driver.
const short = 100 * time.Millisecond

type drill struct {
	*testing.T
	Driver
	proxy *testbed.Proxy
	store blockstore.Store
	id    blockstore.ID // of a block that is there
	block []byte
}

// Run runs every drill, each through a proxy of its own.
func Run(t *testing.T, d Driver) {
	for name, run := range map[string]func(*drill){
		"HungServer":     hungServer,
		"RefusedServer":  refusedServer,
		"ServerErrors":   serverErrors,
		"CutAmidPut":     cutAmidPut,
		"CutAmidGet":     cutAmidGet,
		"FlippedOnGet":   flippedOnGet,
		"FlippedOnPut":   flippedOnPut,
		"IdleCut":        idleCut,
		"PutOwnsNothing": putOwnsNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := testbed.NewProxy(d.Server)
			if err != nil {
				t.Fatal(err)
			}
			s := d.Open(t, p.Addr())
			id, block := storecheck.Chunk(300_000)
			if err := retry.Do(t.Context(), func() error { return s.Put(t.Context(), id, block) }); err != nil {
				t.Fatal(err)
			}
			run(&drill{t, d, p, s, id, block})
			p.Set(testbed.Faults{})
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// ops names every call.
var ops = [...]string{"put", "get", "range", "stat", "delete", "batch", "marker", "set marker", "list"}

// calls makes every call once and gives their errors by name.
func (d *drill) calls(ctx context.Context) map[string]error {
	errs := map[string]error{}
	for _, op := range ops {
		errs[op] = d.one(ctx, op)
	}
	return errs
}

// expectAll holds all calls to one kind of error, and to keeping secrets.
func (d *drill) expectAll(ctx context.Context, want kind.Kind) {
	d.Helper()
	for op, err := range d.calls(ctx) {
		if kind.Of(err) != want {
			d.Errorf("%s: %v, want kind %v", op, err, want)
		}
		d.keepsSecrets(op, err)
	}
}

func (d *drill) keepsSecrets(op string, err error) {
	d.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, secret := range d.Secrets {
			if strings.Contains(err.Error(), secret) {
				d.Errorf("%s: an error shows a secret", op)
			}
		}
	}
}

// works: all is well again, and the block of before is there. Calls may meet
// connections that broke meanwhile, or a server that is busy, as callers that
// retry Unavailable know.
func (d *drill) works() {
	d.Helper()
	for _, op := range ops {
		if err := retry.Do(d.Context(), func() error { return d.one(d.Context(), op) }); err != nil {
			d.Errorf("afterwards: %s: %v", op, err)
			d.keepsSecrets(op, err)
		}
	}
	got, err := d.get(d.id)
	if err != nil || !bytes.Equal(got, d.block) {
		d.Errorf("afterwards the block is %d bytes, %v", len(got), err)
	}
}

func hungServer(d *drill) {
	d.proxy.Set(testbed.Faults{Hang: true})
	start := time.Now()
	for op, err := range d.patiently(short) {
		if kind.Of(err) != kind.Canceled {
			d.Errorf("%s with a deadline: %v", op, err)
		}
	}
	if took := time.Since(start); took > budget {
		d.Errorf("nine calls with a deadline of %v took %v", short, took)
	}
	start = time.Now()
	_, err := d.store.Get(d.Context(), d.id)
	if took := time.Since(start); kind.Of(err) != kind.Unavailable || took > budget {
		d.Errorf("without a deadline: %v after %v", err, took)
	}
	d.keepsSecrets("get", err)
	d.proxy.Set(testbed.Faults{})
	d.works()
}

// patiently makes every call with a deadline of its own.
func (d *drill) patiently(each time.Duration) map[string]error {
	errs := map[string]error{}
	for _, op := range ops {
		ctx, cancel := context.WithTimeout(d.Context(), each)
		errs[op] = d.one(ctx, op)
		cancel()
	}
	return errs
}

// one makes the call of that name.
func (d *drill) one(ctx context.Context, op string) (err error) {
	id, block := storecheck.Chunk(100_000)
	switch op {
	case "put":
		err = d.store.Put(ctx, id, block)
	case "get":
		_, err = d.store.Get(ctx, d.id)
	case "range":
		_, err = blockstore.GetRange(ctx, d.store, d.id, 10, 10)
	case "stat":
		_, err = d.store.Stat(ctx, d.id)
	case "delete":
		err = d.store.Delete(ctx, id)
	case "batch":
		err = blockstore.DeleteBatch(ctx, d.store, []blockstore.ID{id})
	case "marker":
		_, err = blockstore.GetMarker(ctx, d.store)
	case "set marker":
		err = blockstore.SetMarker(ctx, d.store, []byte("x"))
	case "list":
		for _, err = range d.store.List(ctx, blockstore.ID{}) {
			if err != nil {
				break
			}
		}
	}
	return err
}

func refusedServer(d *drill) {
	d.proxy.Set(testbed.Faults{Refuse: true})
	start := time.Now()
	d.expectAll(d.Context(), kind.Unavailable)
	if took := time.Since(start); took > time.Duration(len(ops))*budget {
		d.Errorf("refused calls took %v", took)
	}
	d.proxy.Set(testbed.Faults{})
	d.works()
}

func serverErrors(d *drill) {
	if !d.HTTP {
		d.Skip("no HTTP")
	}
	d.proxy.Set(testbed.Faults{Reply: testbed.InternalError})
	d.expectAll(d.Context(), kind.Unavailable)
	d.proxy.Set(testbed.Faults{Reply: strings.Replace(testbed.InternalError, "500 Internal Server Error", "503 Slow Down", 1)})
	d.expectAll(d.Context(), kind.Unavailable)
	d.proxy.Set(testbed.Faults{Reply: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nhello"})
	for op, err := range d.calls(d.Context()) { // somebody else's web server answers
		d.keepsSecrets(op, err)
	}
	if got, err := d.store.Get(d.Context(), d.id); err == nil && !bytes.Equal(got, []byte("hello")) {
		d.Errorf("get: %d bytes from nowhere", len(got))
	}
	if _, err := blockstore.NewVerified(d.store).Get(d.Context(), d.id); err == nil {
		d.Error("a greeting passed for a block")
	}
	for info, err := range d.store.List(d.Context(), blockstore.ID{}) {
		if err == nil {
			d.Errorf("list: %v from nowhere", info)
		}
		break
	}
	d.proxy.Set(testbed.Faults{})
	d.works()
}

func cutAmidPut(d *drill) {
	id, block := storecheck.Chunk(1 << 20)
	d.proxy.Set(testbed.Faults{CutUp: 400_000})
	err := d.store.Put(d.Context(), id, block)
	if kind.Of(err) != kind.Unavailable {
		d.Errorf("put: %v", err)
	}
	d.keepsSecrets("put", err)
	d.proxy.Set(testbed.Faults{})
	if got, err := d.get(id); kind.Of(err) != kind.NotExist && !bytes.Equal(got, block) {
		d.Errorf("after a put that was cut: %d bytes, %v", len(got), err)
	}
	if err := d.put(id, block); err != nil {
		d.Errorf("put again: %v", err)
	}
	if got, err := d.get(id); err != nil || !bytes.Equal(got, block) {
		d.Errorf("after put again: %d bytes, %v", len(got), err)
	}
	d.works()
}

// get gets a block, and again if the connection was one that had been cut.
func (d *drill) get(id blockstore.ID) ([]byte, error) {
	return retry.Value(d.Context(), func() ([]byte, error) { return d.store.Get(d.Context(), id) })
}

// put puts a block, and again as get does.
func (d *drill) put(id blockstore.ID, block []byte) error {
	return retry.Do(d.Context(), func() error { return d.store.Put(d.Context(), id, block) })
}

func cutAmidGet(d *drill) {
	d.proxy.Set(testbed.Faults{CutDown: 100_000})
	got, err := d.store.Get(d.Context(), d.id)
	if kind.Of(err) != kind.Unavailable || got != nil {
		d.Errorf("get: %d bytes, %v", len(got), err)
	}
	d.proxy.Set(testbed.Faults{})
	d.works()
}

func flippedOnGet(d *drill) {
	v := blockstore.NewVerified(d.store)
	damaged := 0
	for every := int64(3_000); every < 300_000; every *= 3 {
		d.proxy.Set(testbed.Faults{FlipDown: every})
		got, err := v.Get(d.Context(), d.id)
		if err == nil && !bytes.Equal(got, d.block) {
			d.Fatalf("wrong bytes were given")
		}
		if err != nil {
			damaged++
		}
		d.keepsSecrets("get", err)
	}
	if damaged == 0 {
		d.Error("nothing was damaged: the drill is broken")
	}
	d.proxy.Set(testbed.Faults{})
	d.proxy.CutAll()
	d.works()
}

func flippedOnPut(d *drill) {
	v := blockstore.NewVerified(d.store)
	refused := 0
	for every := int64(20_000); every < 600_000; every *= 3 {
		id, block := storecheck.Chunk(1 << 20)
		d.proxy.Set(testbed.Faults{FlipUp: every})
		put := d.store.Put(d.Context(), id, block)
		if put != nil {
			refused++
			if k := kind.Of(put); k != kind.Unavailable && k != kind.Invalid && k != kind.Denied {
				d.Errorf("put: %v", put)
			}
		}
		d.keepsSecrets("put", put)
		d.proxy.Set(testbed.Faults{})
		d.proxy.CutAll()
		got, err := retry.Value(d.Context(), func() ([]byte, error) { return v.Get(d.Context(), id) })
		switch {
		case err == nil && !bytes.Equal(got, block):
			d.Fatal("wrong bytes were given")
		case err != nil && put == nil && d.ChecksPuts:
			d.Errorf("a put that was acknowledged: %v", err)
		}
		if err := d.put(id, block); err != nil {
			d.Errorf("put again: %v", err)
		}
	}
	if d.ChecksPuts && refused == 0 {
		d.Error("no damaged put was refused")
	}
	d.works()
}

// idleCut: connections that broke while nobody used them cost no call, or at
// most one error that is worth a retry.
func idleCut(d *drill) {
	for range 5 {
		d.proxy.CutAll()
		if got, err := d.get(d.id); err != nil || !bytes.Equal(got, d.block) {
			d.Errorf("get: %d bytes, %v", len(got), err)
		}
	}
	d.works()
}

// putOwnsNothing: when Put has returned, however that was, the caller may write
// into its slice. The race detector tells.
func putOwnsNothing(d *drill) {
	for n := range 10 {
		id, block := storecheck.Chunk(2 << 20)
		d.proxy.Set(testbed.Faults{Rate: 20 << 20})
		ctx, cancel := context.WithTimeout(d.Context(), time.Duration(5+5*n)*time.Millisecond)
		_ = d.store.Put(ctx, id, block)
		clear(block)
		cancel()
	}
	d.proxy.Set(testbed.Faults{})
	d.works()
}
