package e2e

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestNamesAreHeldToOneOrder shows that the checker of the histories finds what
// several gateways could get wrong.
func TestNamesAreHeldToOneOrder(t *testing.T) {
	t.Parallel()
	op := func(what, data string, call, end int64, res nameResult) porcupine.Operation {
		return porcupine.Operation{Input: nameOp{what: what, data: data}, Call: call, Output: res, Return: end}
	}
	replace := func(old string, call, end int64, res nameResult) porcupine.Operation {
		return porcupine.Operation{Input: nameOp{what: "replace", data: "new", old: old}, Call: call, Output: res, Return: end}
	}
	ok := nameResult{fate: done}
	const never = 1 << 60
	for name, tt := range map[string]struct {
		ops   []porcupine.Operation
		right bool
	}{
		"what was put is read":        {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("get", "", 3, 4, nameResult{"x", done})}, true},
		"a lost change":               {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("get", "", 3, 4, nameResult{"", absent})}, false},
		"a stale read":                {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("put", "y", 3, 4, ok), op("get", "", 5, 6, nameResult{"x", done})}, false},
		"either while both run":       {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("put", "y", 3, 6, ok), op("get", "", 4, 5, nameResult{"x", done})}, true},
		"created twice":               {[]porcupine.Operation{op("create", "x", 1, 3, ok), op("create", "y", 2, 4, ok)}, false},
		"created again after removal": {[]porcupine.Operation{op("create", "x", 1, 2, ok), op("remove", "", 3, 4, ok), op("create", "y", 5, 6, ok)}, true},
		"removed twice":               {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("remove", "", 3, 5, ok), op("remove", "", 4, 6, ok)}, false},
		"moved, and still there":      {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("move", "", 3, 4, ok), op("get", "", 5, 6, nameResult{"x", done})}, false},
		"an unknown put that came":    {[]porcupine.Operation{op("put", "x", 1, never, nameResult{fate: unknown}), op("get", "", 5, 6, nameResult{"x", done})}, true},
		"an unknown put that did not": {[]porcupine.Operation{op("put", "x", 1, never, nameResult{fate: unknown}), op("get", "", 5, 6, nameResult{"", absent})}, true},
		"an unknown put, come and gone": {[]porcupine.Operation{
			op("put", "x", 1, never, nameResult{fate: unknown}), op("get", "", 5, 6, nameResult{"x", done}), op("get", "", 7, 8, nameResult{"", absent}),
		}, false},
		"what is there is replaced":         {[]porcupine.Operation{op("put", "x", 1, 2, ok), replace("x", 3, 4, ok), op("get", "", 5, 6, nameResult{"new", done})}, true},
		"what was changed is replaced":      {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("put", "y", 3, 4, ok), replace("x", 5, 6, ok)}, false},
		"what is there isn't replaced":      {[]porcupine.Operation{op("put", "x", 1, 2, ok), replace("x", 3, 4, nameResult{fate: exists})}, false},
		"a completed upload over an object": {[]porcupine.Operation{op("put", "x", 1, 2, ok), op("complete", "y", 3, 4, ok)}, false},
		"from nowhere":                      {[]porcupine.Operation{op("get", "", 1, 2, nameResult{"z", done})}, false},
	} {
		if right := porcupine.CheckOperations(groupModel(), tt.ops); right != tt.right {
			t.Errorf("%s: passes: %v", name, right)
		}
	}
}
