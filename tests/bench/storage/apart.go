package main

import (
	"os"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// apart puts the store's servers and the proxy on one processor, and all else on
// another: gateways, clients and the driver's PUTs, which this process makes. So a
// put has as much processor time as it would have behind a network, and takes none
// from the store. together undoes it.
func (b *bench) apart(far, near []int) (together func() error, err error) {
	near = append(near, os.Getpid())
	all := b.cpus
	together = func() error { return testbed.Pin(all, append(far, near...)...) }
	// This process's first: what is far has been started by it, and is moved after.
	if err := testbed.Pin(all[len(all)-1:], near...); err != nil {
		return together, err
	}
	if err := testbed.Pin(all[:1], far...); err != nil {
		return together, err
	}
	// Go's runtime looks once a second for how many processors it has.
	time.Sleep(2 * time.Second)
	return together, nil
}
