package blockstore

import (
	"encoding/hex"
	"strings"
)

// ObjectNames are the names of blocks and marker in an object store (formats.md 7):
// <prefix>blocks/<first two digits>/<id in hex> and <prefix>marker. The names of
// blocks are in the order of their ids; the digits in between keep servers that store
// objects as files from directories of millions.
type ObjectNames struct {
	Prefix string // ends with a slash, or is empty
}

// Blocks is what the names of all blocks begin with.
func (n ObjectNames) Blocks() string { return n.Prefix + "blocks/" }

// Block is the name of a block.
func (n ObjectNames) Block(id ID) string {
	name := id.String()
	return n.Blocks() + name[:2] + "/" + name
}

// ID is the reverse of Block; false for objects that are no blocks.
func (n ObjectNames) ID(name string) (ID, bool) {
	rest, ok := strings.CutPrefix(name, n.Blocks())
	var id ID
	if !ok || len(rest) != 3+2*len(id) {
		return id, false
	}
	if _, err := hex.Decode(id[:], []byte(rest[3:])); err != nil {
		return id, false
	}
	return id, n.Block(id) == name // no capitals, digits in front that fit
}

// Marker is the name of the marker.
func (n ObjectNames) Marker() string { return n.Prefix + "marker" }
