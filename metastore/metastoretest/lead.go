package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func leadChecks() []Check {
	return []Check{
		on("Identity", identity),
		on("Nonce", nonce),
		on("Lead", lead),
		on("LeadLapses", leadLapses),
	}
}

func identity(f fixture) error {
	a, err := f.s.Identity(f.ctx)
	if err != nil {
		return err
	}
	if _, err := f.create(); err != nil {
		return err
	}
	b, err := f.s.Identity(f.ctx)
	if err == nil && (a != b || a.UUID == [16]byte{} || a.Nonce != [16]byte{}) {
		return fmt.Errorf("identity of a new metastore is %x, then %x; want a uuid, no nonce, twice the same", a, b)
	}
	return err
}

func (f fixture) hasNonce(want [16]byte) error {
	id, err := f.s.Identity(f.ctx)
	if err == nil && id.Nonce != want {
		return fmt.Errorf("the nonce is %x, want %x", id.Nonce, want)
	}
	return err
}

func nonce(f fixture) error {
	before, err := f.s.Identity(f.ctx)
	if err != nil {
		return err
	}
	c := f.s.Collector()
	none, a, b := [16]byte{}, [16]byte{1}, [16]byte{2}
	if err := first(
		wantKind("SetNonce of another than there is", c.SetNonce(f.ctx, a, b), kind.Conflict), f.hasNonce(none),
		c.SetNonce(f.ctx, none, a), f.hasNonce(a),
		wantKind("SetNonce again", c.SetNonce(f.ctx, none, b), kind.Conflict), f.hasNonce(a),
		c.SetNonce(f.ctx, a, b), f.hasNonce(b),
	); err != nil {
		return err
	}
	after, err := f.s.Identity(f.ctx)
	if err == nil && after.UUID != before.UUID {
		return fmt.Errorf("SetNonce changed the uuid")
	}
	return err
}

// leads checks the answer of Lead.
func (f fixture) leads(g metastore.GatewayID, ttl time.Duration, want bool) error {
	got, err := f.s.Collector().Lead(f.ctx, g, ttl)
	if err == nil && got != want {
		return fmt.Errorf("lead for %v: %t, want %t", ttl, got, want)
	}
	return err
}

func lead(f fixture) error {
	a, b := random[metastore.GatewayID](), random[metastore.GatewayID]()
	_, below := f.s.Collector().Lead(f.ctx, a, -1)
	return first(
		wantKind("a lease below zero", below, kind.Invalid),
		f.leads(a, 0, false), // nothing to give back
		f.leads(a, time.Hour, true), f.leads(b, time.Hour, false), f.leads(a, time.Hour, true),
		f.leads(b, 0, false), f.leads(b, time.Hour, false), // nobody gives back another's
		f.leads(a, 0, true), f.leads(a, 0, false), f.leads(b, time.Hour, true), f.leads(a, time.Hour, false),
	)
}

func leadLapses(f fixture) error {
	a, b := random[metastore.GatewayID](), random[metastore.GatewayID]()
	return first(f.leads(a, time.Nanosecond, true), f.leads(b, time.Hour, true), f.leads(a, time.Hour, false))
}
