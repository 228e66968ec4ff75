package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

const markerFile = "marker"

// Marker implements blockstore.Marker: the contents of DIR/marker.
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	if err := s.enter(ctx, "marker"); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.home.inPlace(); err != nil {
		return nil, fmt.Errorf("local: marker: %w", err)
	}
	data, err := s.home.dir.ReadFile(markerFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("local: marker: %w: %w", kindOfRead(err), err)
	case len(data) == 0 || len(data) > blockstore.MaxMarker:
		return nil, fmt.Errorf("local: the marker has %d bytes: %w", len(data), kind.Corrupt)
	}
	return data, nil
}

// SetMarker implements blockstore.Marker.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if err := s.enter(ctx, "set marker"); err != nil {
		return err
	}
	defer s.leave()
	s.marking.Lock()
	defer s.marking.Unlock()
	err := writeFile(s.home.dir, markerFile, data)
	if kindOfWrite(err) == kind.NoSpace && overwrite(s.home.dir, markerFile, data) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("local: set marker: %w: %w", kindOfWrite(err), err)
	}
	if err := s.home.inPlace(); err != nil {
		return fmt.Errorf("local: set marker: %w", err)
	}
	return nil
}

// overwrite puts data in the place of as many bytes of a file that is there, which
// takes no room: a full disk can be collected from. It does so only in one sector,
// which disks write wholly or not at all.
func overwrite(r *os.Root, name string, data []byte) (done bool) {
	const sector = 512
	f, err := r.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() != int64(len(data)) || len(data) > sector {
		return false
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return false
	}
	return f.Sync() == nil
}
