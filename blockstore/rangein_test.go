package blockstore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

func TestInRoom(t *testing.T) {
	t.Parallel()
	memory := make([]byte, 100)
	room := memory[10:20:50] // ten bytes, forty of capacity
	for name, tt := range map[string]struct {
		data []byte
		want bool
	}{
		"its begin":          {room[:5], true},
		"beyond its length":  {memory[30:40], true},
		"all of it":          {memory[10:50], true},
		"its last byte":      {memory[49:50:50], true},
		"with more capacity": {memory[49:50], true},
		"before it":          {memory[9:20], false},
		"past it":            {memory[40:51], false},
		"behind it":          {memory[50:60], false},
		"larger":             {memory, false},
		"elsewhere":          {make([]byte, 5), false},
		"nothing":            {nil, false},
		"no bytes":           {room[:0], false},
	} {
		if got := blockstore.InRoom(tt.data, room); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if blockstore.InRoom(memory, nil) || blockstore.InRoom(nil, nil) {
		t.Error("something lies in no room")
	}
}
