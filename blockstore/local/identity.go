package local

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	identityFile = "store"
	identityHead = "truckee local blockstore"
	version      = "1"
)

// identity reads the store's uuid from its identity file, which it makes if the
// directory holds no store yet. The lock is held.
func (h *home) identity() ([16]byte, error) {
	text, err := h.dir.ReadFile(identityFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h.newIdentity()
	case err != nil:
		return [16]byte{}, fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	return parseIdentity(filepath.Join(h.path, identityFile), string(text))
}

func parseIdentity(path, text string) (uuid [16]byte, err error) {
	var has, id string
	lines := strings.Split(text, "\n")
	if len(lines) >= 2 && lines[0] == identityHead {
		has, _ = strings.CutPrefix(lines[1], "version ")
	}
	switch {
	case has == "":
		return uuid, fmt.Errorf("local: %s is not the identity of a local blockstore: %w", path, kind.Corrupt)
	case has != version:
		return uuid, fmt.Errorf("local: %s is of version %q, this program knows version %s: upgrade it, or use another directory: %w",
			filepath.Dir(path), has, version, kind.Unsupported)
	case len(lines) == 4 && lines[3] == "":
		id, _ = strings.CutPrefix(lines[2], "uuid ")
	}
	if b, err := hex.DecodeString(id); err == nil && len(b) == len(uuid) {
		return [16]byte(b), nil
	}
	return uuid, fmt.Errorf("local: %s has no uuid: %w", path, kind.Corrupt)
}

// newIdentity makes a new store of the directory. Where segments lie already, their
// identity was lost: a new one would make them unreadable.
func (h *home) newIdentity() (uuid [16]byte, err error) {
	segments, err := os.ReadDir(filepath.Join(h.path, segmentDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return uuid, fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	if len(segments) > 0 {
		return uuid, fmt.Errorf("local: %s holds segments but its file %q is gone: %w", h.path, identityFile, kind.Corrupt)
	}
	for _, sub := range []string{segmentDir, indexDir} {
		if err := os.MkdirAll(filepath.Join(h.path, sub), 0o700); err != nil {
			return uuid, fmt.Errorf("local: %w: %w", kindOfWrite(err), err)
		}
	}
	rand.Read(uuid[:])
	text := fmt.Sprintf("%s\nversion %s\nuuid %x\n", identityHead, version, uuid)
	err = writeFile(h.dir, identityFile, []byte(text))
	if err == nil {
		// A new directory's own name must last, too. Who may not read the one
		// above didn't make it.
		if err = syncDir(filepath.Dir(h.path)); errors.Is(err, fs.ErrPermission) {
			err = nil
		}
	}
	if err != nil {
		return uuid, fmt.Errorf("local: %w: %w", kindOfWrite(err), err)
	}
	return uuid, nil
}
