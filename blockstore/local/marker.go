package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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
	if err := writeFile(s.home.dir, markerFile, data); err != nil {
		return fmt.Errorf("local: set marker: %w: %w", kindOfWrite(err), err)
	}
	if err := s.home.inPlace(); err != nil {
		return fmt.Errorf("local: set marker: %w", err)
	}
	return nil
}
