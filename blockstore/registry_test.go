package blockstore_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

// Each node has a name by its place, which stands once in what it logs, and knows
// whether it is part of a RAID.
func TestNodesOfARegistry(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var got []string
	compose := func(ctx context.Context, c blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
		for i := range c.Nodes {
			if _, err := e.Open(ctx, i); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	r := blockstore.Registry{
		"cached": compose, "raid1": compose, "raid0": compose,
		"memory": func(_ context.Context, _ blockstore.Config, e blockstore.Env) (blockstore.Store, error) {
			out.Reset()
			e.Log.Info("x")
			_, named, _ := strings.Cut(strings.TrimSpace(out.String()), "msg=x")
			got = append(got, strings.TrimSpace(named))
			if e.InArray {
				got[len(got)-1] += " in array"
			}
			return nil, nil
		},
	}
	memory := blockstore.Config{Driver: "memory"}
	tree := blockstore.Config{
		Driver: "cached", Fields: map[string]string{"dir": "c", "size": "1MiB"},
		Nodes: []blockstore.Config{{Driver: "raid1", Nodes: []blockstore.Config{
			{Driver: "raid0", Nodes: []blockstore.Config{memory, memory}}, memory,
		}}},
	}
	for _, c := range []blockstore.Config{tree, memory} {
		if _, err := r.Open(t.Context(), c, slog.New(slog.NewTextHandler(&out, nil))); err != nil {
			t.Fatal(err)
		}
	}
	want := "blockstore=0.0.0 in array, blockstore=0.0.1 in array, blockstore=0.1 in array, "
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%q, want %q", text, want)
	}
}
