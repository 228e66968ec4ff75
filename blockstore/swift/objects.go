package swift

import (
	"context"
	"crypto/md5" // Swift's checksum, no protection
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ncw/swift/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/transport"
)

// Put implements blockstore.Store.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("swift", id, data); err != nil {
		return err
	}
	return s.put(ctx, call{"put", id.String()}, s.names.Block(id), data)
}

// put sends an object with its MD5, by which the server checks what arrived.
func (s *Store) put(ctx context.Context, c call, key string, data []byte) error {
	r, err := s.begin(ctx, c)
	if err != nil {
		return err
	}
	defer r.end()
	sum := md5.Sum(data)
	etag := hex.EncodeToString(sum[:])
	for range putAttempts {
		taken, err := r.putOnce(key, etag, data)
		if err != nil || taken {
			return err
		}
		if taken, err = r.holds(key, etag); err != nil || taken {
			return err
		}
	}
	return r.fail(kind.Unavailable, "a newer delete wins again and again")
}

// putAttempts is how often a put is made that meets a newer delete.
const putAttempts = 4

// putOnce sends an object. Not taken: the server has something newer, put or
// deleted by somebody else at the same time.
func (r *request) putOnce(key, etag string, data []byte) (taken bool, err error) {
	body := transport.NewBody(data)
	defer body.Release()
	resp, err := r.sending(body).do(swift.RequestOpts{
		Operation: http.MethodPut, Container: r.store.container, ObjectName: key, Body: body, NoResponse: true,
		Headers: swift.Headers{"Content-Length": strconv.Itoa(len(data)), "Content-Type": "application/octet-stream", "Etag": etag},
	})
	switch {
	case err != nil && statusOf(err) == http.StatusNotFound: // objects need no predecessor
		return false, r.gone()
	case err != nil:
		return false, r.failed(err)
	case resp.StatusCode == http.StatusAccepted:
		return false, nil
	case resp.StatusCode != http.StatusCreated:
		return false, r.fail(kind.Unavailable, fmt.Sprintf("status %d, not 201", resp.StatusCode))
	case strings.Trim(resp.Header.Get("Etag"), `"`) != etag:
		return false, r.fail(kind.Unavailable, "the server stored other bytes")
	}
	return true, nil
}

// holds reports whether an object is there with that MD5.
func (r *request) holds(key, etag string) (bool, error) {
	resp, err := r.do(swift.RequestOpts{Operation: http.MethodHead, Container: r.store.container, ObjectName: key, NoResponse: true})
	if statusOf(err) == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, r.failed(err)
	}
	return strings.Trim(resp.Header.Get("Etag"), `"`) == etag, nil
}

// Get implements blockstore.Store. The block's id says more than its MD5, which
// is therefore not looked at.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	return blockstore.ReadBlock(func() ([]byte, error) {
		data, _, err := s.get(ctx, call{"get", id.String()}, s.names.Block(id), "", blockstore.MaxBlock)
		return data, err
	})
}

// get reads an object, or the range of it that is given as in HTTP's header.
func (s *Store) get(ctx context.Context, c call, key, byteRange string, limit int64) ([]byte, *http.Response, error) {
	r, err := s.begin(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer r.end()
	o := swift.RequestOpts{Operation: http.MethodGet, Container: s.container, ObjectName: key}
	if byteRange != "" {
		o.Headers = swift.Headers{"Range": byteRange}
	}
	resp, err := r.do(o)
	if err != nil {
		return nil, nil, r.absentOr(err)
	}
	defer resp.Body.Close()
	if byteRange != "" && resp.StatusCode != http.StatusPartialContent {
		limit = blockstore.MaxBlock // the server knows no ranges and sends all of it
	}
	data, err := transport.ReadAll(resp.Body, resp.ContentLength, limit)
	if err != nil {
		return nil, nil, r.failed(err)
	}
	return data, resp, nil
}

// GetRange implements blockstore.RangeGetter.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	if err := blockstore.CheckRange("swift", off, n); err != nil {
		return nil, err
	}
	if n == 0 || off >= blockstore.MaxBlock { // no range that HTTP could name, or that could be there
		_, err := s.Stat(ctx, id)
		return []byte{}, err
	}
	n = min(n, blockstore.MaxBlock-off)
	return blockstore.ReadBlock(func() ([]byte, error) { return s.getRange(ctx, id, off, n) })
}

func (s *Store) getRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	data, resp, err := s.get(ctx, call{"get", id.String()}, s.names.Block(id), fmt.Sprintf("bytes=%d-%d", off, off+n-1), n)
	switch {
	case isPastEnd(err):
		return []byte{}, nil
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusPartialContent:
		data = data[min(off, int64(len(data))):]
		data = data[:min(n, int64(len(data)))]
	}
	return data, nil
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return blockstore.ReadBlock(func() (blockstore.Info, error) { return s.stat(ctx, id) })
}

func (s *Store) stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	r, err := s.begin(ctx, call{"stat", id.String()})
	if err != nil {
		return blockstore.Info{}, err
	}
	defer r.end()
	resp, err := r.do(swift.RequestOpts{Operation: http.MethodHead, Container: s.container, ObjectName: s.names.Block(id), NoResponse: true})
	if err != nil {
		return blockstore.Info{}, r.absentOr(err)
	}
	if resp.ContentLength < 0 {
		return blockstore.Info{}, r.fail(kind.Unavailable, "the answer doesn't tell the size")
	}
	return blockstore.Info{ID: id, Size: resp.ContentLength}, nil
}

// Delete implements blockstore.Store.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	r, err := s.begin(ctx, call{"delete", id.String()})
	if err != nil {
		return err
	}
	defer r.end()
	for range deleteAttempts {
		_, err = r.do(swift.RequestOpts{Operation: http.MethodDelete, Container: s.container, ObjectName: s.names.Block(id), NoResponse: true})
		if statusOf(err) != http.StatusConflict {
			break
		}
	}
	if err != nil {
		err = r.absentOr(err)
	}
	if kind.Of(err) == kind.NotExist {
		return nil
	}
	return err
}

// deleteAttempts is how often a delete is made that meets a newer put (409): it
// bears the time at which the proxy took it, and another attempt a later one.
const deleteAttempts = 4

// Marker implements blockstore.Marker.
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	return blockstore.ReadMarker(func() ([]byte, error) { return s.readMarker(ctx) })
}

// readMarker is Marker, and NotExist where there is none.
func (s *Store) readMarker(ctx context.Context) ([]byte, error) {
	data, resp, err := s.get(ctx, call{"get", "the marker"}, s.names.Marker(), "", blockstore.MaxMarker)
	if err != nil {
		return nil, err
	}
	sum := md5.Sum(data)
	if etag := strings.Trim(resp.Header.Get("Etag"), `"`); etag != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("swift: get the marker: its MD5 is another: %w", kind.Corrupt)
	}
	return data, nil
}

// SetMarker implements blockstore.Marker.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return err
	}
	return s.put(ctx, call{"put", "the marker"}, s.names.Marker(), data)
}
