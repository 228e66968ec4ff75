package node

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/metrics"
)

// mirror is a RAID1 of which node 1 is down.
var mirror = blockstore.Status{Layout: "raid1", State: blockstore.StateDegraded, Members: []blockstore.Status{
	{Name: "0", State: blockstore.StateOK, Latency: 20 * time.Millisecond},
	{Name: "1", State: blockstore.StateDown, Detail: "no answer", Owed: 7, Faults: 7},
}}

func TestHealth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		meta  error
		store blockstore.Status
		want  string
	}{
		{"well", nil, blockstore.Status{State: blockstore.StateOK}, `{"ready":true,"metastore":"ok","blockstore":{"state":"ok"}}`},
		{
			"less redundancy", nil, mirror,
			`{"ready":true,"metastore":"ok","blockstore":{"state":"degraded","nodes":[{"node":"0","state":"ok"},{"node":"1","state":"down","detail":"no answer","owed":7}]}}`,
		},
		{"being filled", nil, blockstore.Status{State: blockstore.StateRebuilding}, `{"ready":true,"metastore":"ok","blockstore":{"state":"rebuilding"}}`},
		{"no blocks", nil, blockstore.Status{State: blockstore.StateDown}, `{"ready":false,"metastore":"ok","blockstore":{"state":"down"}}`},
		{"somebody else's blocks", nil, blockstore.Status{State: blockstore.StateForeign}, `{"ready":false,"metastore":"ok","blockstore":{"state":"foreign"}}`},
		{
			"no database", fmt.Errorf("postgres at a host: %w", kind.Unavailable),
			blockstore.Status{State: blockstore.StateOK},
			`{"ready":false,"metastore":"unavailable","blockstore":{"state":"ok"}}`,
		},
	} {
		got, err := json.Marshal(healthOf(tt.meta, tt.store))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestStoreFigures(t *testing.T) {
	t.Parallel()
	var got []string
	storeFigures(mirror, func(n metrics.Name, value float64, labels ...string) {
		got = append(got, fmt.Sprintf("%s%v%v", n, labels, value))
	})
	want := []string{
		"truckee_blockstore_state[ degraded]1",
		"truckee_blockstore_state[0 ok]1", "truckee_blockstore_owed_blocks[0]0", "truckee_blockstore_read_latency_seconds[0]0.02", "truckee_blockstore_faults_total[0]0", "truckee_blockstore_slow[0]0",
		"truckee_blockstore_state[1 down]1", "truckee_blockstore_owed_blocks[1]7", "truckee_blockstore_read_latency_seconds[1]0", "truckee_blockstore_faults_total[1]7", "truckee_blockstore_slow[1]0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
