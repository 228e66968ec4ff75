package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/transport"
)

// Put implements blockstore.Store. S3 answers a PUT when it is durable.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("s3", id, data); err != nil {
		return err
	}
	return s.put(ctx, call{"put", id.String()}, s.names.Block(id), data)
}

func (s *Store) put(ctx context.Context, c call, key string, data []byte) error {
	r, err := s.begin(ctx, c)
	if err != nil {
		return err
	}
	defer r.end()
	o := object{key: key, data: data, checksum: !s.noChecksum.Load()}
	if o.checksum {
		o.sum = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	}
	// Without TLS the signature covers the body, until the server has proved that it
	// holds it against the CRC-32C, which the signature covers, too.
	o.bare = s.plain && o.checksum && s.bodies.Load() == bodiesBare
	told, err := s.putOnce(r, o)
	switch {
	case o.checksum && refusesChecksum(err):
		s.log.Info("the server takes no checksums of objects: going on without", "server", s.where)
		s.noChecksum.Store(true)
		o.checksum, o.bare = false, false
		_, err = s.putOnce(r, o)
	case o.bare && (refused(err) || err == nil && !told):
		// Who checked the body before doesn't now, or wants it signed.
		o.bare = false
		if _, err = s.putOnce(r, o); err == nil {
			s.bodies.Store(bodiesSigned)
		}
	case told && s.plain && s.bodies.CompareAndSwap(bodiesUnknown, bodiesProving):
		err = s.proveChecks(r, o)
	}
	return r.failed(err)
}

// Whether bodies are in the signatures of puts where no TLS covers them.
const (
	bodiesUnknown int32 = iota // they are, until the server is asked
	bodiesProving              // they are; a put asks
	bodiesBare                 // they aren't: the server checks their CRC-32C
	bodiesSigned               // they are, and stay so
)

// proveChecks puts an object that was just put once more, with a wrong checksum and
// no signature of the body: a server that refuses that checks what arrives. Whatever
// it answers, it gets the object again as it should be before the put counts: it may
// have dropped what it had together with what it refused.
func (s *Store) proveChecks(r *request, o object) error {
	wrong := o
	wrong.sum, wrong.bare = ^o.sum, true
	_, err := s.putOnce(r, wrong)
	switch {
	case mismatch(err):
		s.bodies.Store(bodiesBare)
	case err == nil || refused(err):
		s.bodies.Store(bodiesSigned)
	default: // no answer: another put asks again
		s.bodies.Store(bodiesUnknown)
	}
	_, err = s.putOnce(r, o)
	return err
}

// object is what a put sends. Its CRC-32C goes in a header, where servers that
// don't know it pass over it, those that do check what arrived, and buckets with
// object lock find the checksum that they demand.
type object struct {
	key      string
	data     []byte
	checksum bool // send sum
	sum      uint32
	bare     bool // leave the body out of the signature
}

// putOnce sends an object. told: the server's answer has the checksum.
func (s *Store) putOnce(r *request, o object) (told bool, err error) {
	body := transport.NewBody(o.data)
	defer body.Release()
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &o.key, Body: body,
		ContentLength: aws.Int64(int64(len(o.data))), ContentType: aws.String("application/octet-stream"),
	}
	if o.checksum {
		in.ChecksumCRC32C = aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.sum)))
	}
	var how []func(*s3.Options)
	if o.bare {
		how = append(how, unsigned)
	}
	out, err := s.client.PutObject(transport.WithBody(r.ctx, body), in, how...)
	if err != nil {
		return false, err
	}
	return o.checksum && aws.ToString(out.ChecksumCRC32C) == *in.ChecksumCRC32C, nil
}

// Get implements blockstore.Store.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	return blockstore.ReadBlock(func() ([]byte, error) {
		return s.get(ctx, call{"get", id.String()}, s.names.Block(id), blockstore.MaxBlock)
	})
}

func (s *Store) get(ctx context.Context, c call, key string, limit int64) ([]byte, error) {
	r, err := s.begin(ctx, c)
	if err != nil {
		return nil, err
	}
	defer r.end()
	out, err := s.client.GetObject(r.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return nil, r.failed(err)
	}
	defer out.Body.Close()
	data, err := transport.ReadAll(out.Body, length(out.ContentLength), limit)
	return data, r.failed(err)
}

func length(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

// GetRange implements blockstore.RangeGetter.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	if err := blockstore.CheckRange("s3", off, n); err != nil {
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
	r, err := s.begin(ctx, call{"get", id.String()})
	if err != nil {
		return nil, err
	}
	defer r.end()
	out, err := s.client.GetObject(r.ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.names.Block(id)), Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)),
	})
	if status(err) == 416 { // off is at or past the end
		return []byte{}, nil
	}
	if err != nil {
		return nil, r.failed(err)
	}
	defer out.Body.Close()
	if out.ContentRange == nil { // the server knows no ranges and sends all of it
		data, err := transport.ReadAll(out.Body, length(out.ContentLength), blockstore.MaxBlock)
		data = data[min(off, int64(len(data))):]
		return data[:min(n, int64(len(data)))], r.failed(err)
	}
	data, err := transport.ReadAll(out.Body, length(out.ContentLength), n)
	return data, r.failed(err)
}

// Stat implements blockstore.Store, by reading one byte: the answer to a HEAD
// has no body, which tells an absent block from an absent bucket, and that
// difference is all blocks.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return blockstore.ReadBlock(func() (blockstore.Info, error) { return s.stat(ctx, id) })
}

func (s *Store) stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	r, err := s.begin(ctx, call{"stat", id.String()})
	if err != nil {
		return blockstore.Info{}, err
	}
	defer r.end()
	out, err := s.client.GetObject(r.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.names.Block(id)), Range: aws.String("bytes=0-0")})
	if status(err) == 416 { // no byte is there
		return blockstore.Info{ID: id}, nil
	}
	if err != nil {
		return blockstore.Info{}, r.failed(err)
	}
	defer out.Body.Close()
	size := length(out.ContentLength)
	if out.ContentRange != nil {
		size = -1
		if _, total, ok := strings.Cut(*out.ContentRange, "/"); ok {
			if n, err := strconv.ParseInt(total, 10, 64); err == nil {
				size = n
			}
		}
	}
	if size < 0 {
		return blockstore.Info{}, fmt.Errorf("s3: stat %v: the answer doesn't tell the size: %w", id, kind.Unavailable)
	}
	return blockstore.Info{ID: id, Size: size}, nil
}

// Delete implements blockstore.Store. In a bucket with versions it hides the
// block, and the bucket's lifecycle rules decide when the space comes back.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	r, err := s.begin(ctx, call{"delete", id.String()})
	if err != nil {
		return err
	}
	defer r.end()
	_, err = s.client.DeleteObject(r.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.names.Block(id))})
	if err = r.failed(err); kind.Of(err) == kind.NotExist {
		return nil
	}
	return err
}

// Marker implements blockstore.Marker.
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	return blockstore.ReadMarker(func() ([]byte, error) {
		return s.get(ctx, call{"get", "the marker"}, s.names.Marker(), blockstore.MaxMarker)
	})
}

// SetMarker implements blockstore.Marker.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return err
	}
	return s.put(ctx, call{"put", "the marker"}, s.names.Marker(), data)
}

// Close implements blockstore.Store.
func (s *Store) Close() error {
	if s.gate.Close() {
		s.idle()
	}
	return nil
}
