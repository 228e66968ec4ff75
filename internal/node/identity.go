package node

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// The file "node" is two lines: the layout's version, and the gateway's id,
// 16 bytes in hex, by which the metastore knows this node among others.
const layoutLine = "truckee-node 1"

// readGateway returns the gateway's id; zero while the node isn't complete.
func (l Layout) readGateway() (metastore.GatewayID, error) {
	b, err := os.ReadFile(l.nodeFile())
	if errors.Is(err, fs.ErrNotExist) {
		return metastore.GatewayID{}, nil
	}
	if err != nil {
		return metastore.GatewayID{}, err
	}
	version, rest, _ := strings.Cut(string(b), "\n")
	if version != layoutLine {
		return metastore.GatewayID{}, kind.Errorf(kind.Unsupported, "%s: made by another version of truckee (%.40q)", l.nodeFile(), version)
	}
	id, err := hex.DecodeString(strings.TrimSpace(strings.TrimPrefix(rest, "gateway ")))
	if err != nil || len(id) != len(metastore.GatewayID{}) {
		return metastore.GatewayID{}, kind.Errorf(kind.Corrupt, "%s: the gateway id is damaged", l.nodeFile())
	}
	return metastore.GatewayID(id), nil
}

// writeGateway marks the node complete.
func (l Layout) writeGateway(id metastore.GatewayID) error {
	text := layoutLine + "\ngateway " + hex.EncodeToString(id[:]) + "\n"
	return atomicfile.Write(l.nodeFile(), []byte(text), 0o600, atomicfile.MustBeNew())
}
