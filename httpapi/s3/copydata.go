package s3

import (
	"context"
	"crypto/md5" // what S3's ETags are
	"errors"
	"hash"
	"io"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

// digestAtMost is the largest source that is read for the sake of an MD5 alone,
// where what it has is one over its parts, or none.
const digestAtMost = 256 << 20

// copyTo makes the copy. It shares the source's blocks, unless a client's key is
// in play: then the data is encrypted anew.
func (c *call) copyTo(ctx context.Context, from *source, m filestore.ObjectMeta, key *clientKey, opts filestore.CommitOptions) (filestore.Object, error) {
	o := from.r.Object()
	algorithm, err := c.requestedAlgorithm()
	if err != nil {
		return filestore.Object{}, err
	}
	if key != nil || from.client != nil {
		return c.copySealed(ctx, from, m, key, algorithm, opts)
	}
	m.MD5, m.HasMD5, m.Parts = o.Meta.MD5, o.Meta.HasMD5, o.Meta.Parts
	m.Checksums = o.Meta.Checksums
	plain := o.Meta.HasMD5 && o.Meta.Parts == 0
	have := len(m.Checksums) > 0 && !m.Checksums[0].Composite && (algorithm == "" || m.Checksums[0].Algorithm == string(algorithm))
	if algorithm != "" && !have || !plain && o.Size <= digestAtMost {
		switch {
		case algorithm != "":
		case len(m.Checksums) == 0:
			algorithm = checksum.CRC64NVME // as what is put has, now that it is read
		case m.Checksums[0].Composite:
			algorithm = checksum.Algorithm(m.Checksums[0].Algorithm)
		}
		got, err := digest(ctx, excerpt{from.plain, 0, o.Size}, algorithm, nil)
		if err != nil {
			return filestore.Object{}, err
		}
		m.MD5, m.HasMD5, m.Parts = got.md5, true, 0
		if algorithm != "" {
			m.Checksums = got.checksums()
		}
	}
	made, err := c.bucket.CopyObject(ctx, c.key, from.r, m, opts)
	made.Meta = m
	return made, err
}

// requestedAlgorithm reads which checksum a copy is to have.
func (c *call) requestedAlgorithm() (checksum.Algorithm, error) {
	name := c.r.Header.Get("X-Amz-Checksum-Algorithm")
	if name == "" {
		return "", nil
	}
	a, ok := checksum.Parse(name)
	if !ok {
		return "", fail(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]")
	}
	return a, nil
}

// copySealed copies through this server, as a client's key takes off or puts on a
// cipher.
func (c *call) copySealed(ctx context.Context, from *source, m filestore.ObjectMeta, key *clientKey, algorithm checksum.Algorithm, opts filestore.CommitOptions) (filestore.Object, error) {
	w, err := c.bucket.NewObject(ctx)
	if err != nil {
		return filestore.Object{}, err
	}
	defer w.Abort()
	o := from.r.Object()
	switch {
	case algorithm != "":
	case len(o.Meta.Checksums) > 0:
		algorithm = checksum.Algorithm(o.Meta.Checksums[0].Algorithm)
	case key == nil:
		algorithm = checksum.CRC64NVME // as what is put has
	}
	var salt [32]byte
	if key != nil {
		m.Client = key.newSeal()
		salt = m.Client.Salt
	}
	got, err := recrypt(ctx, excerpt{from.plain, 0, o.Size}, algorithm, &sealedWriter{w, key, salt})
	if err != nil {
		return filestore.Object{}, err
	}
	m.MD5, m.HasMD5, m.Checksums = got.md5, true, got.checksums()
	made, err := w.Commit(ctx, c.key, m, opts)
	made.Meta = m
	return made, err
}

// excerpt is n bytes from off on of what is copied.
type excerpt struct {
	src    *sealedReader
	off, n int64
}

// sealedWriter is where a copy goes: w, encrypted by key if there is one.
type sealedWriter struct {
	w    io.Writer
	key  *clientKey
	salt [32]byte
}

// recrypt moves plain text to w.
func recrypt(ctx context.Context, e excerpt, algorithm checksum.Algorithm, w *sealedWriter) (received, error) {
	write, err := w.key.writer(w.w, w.salt)
	if err != nil {
		return received{}, err
	}
	got, err := digest(ctx, e, algorithm, write)
	got.md5 = w.key.etag(got.md5)
	return got, err
}

// maxRead is the largest copy that is read by this server, in bytes: of a larger
// source a copy can only share the blocks.
const maxRead = 5 << 30

// digest reads an excerpt, gives it to sink, and computes its MD5 and checksum.
func digest(ctx context.Context, e excerpt, algorithm checksum.Algorithm, sink func([]byte) error) (received, error) {
	got := received{size: e.n, algorithm: algorithm}
	if e.n > maxRead {
		return got, fail(InvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxRead))
	}
	sum := md5.New()
	var beside hash.Hash
	if algorithm != "" {
		beside = algorithm.New()
	}
	defer e.src.stream(ctx, e.off, e.n)()
	buffer := sendBuffers.Get().(*[sendBuffer]byte)
	defer sendBuffers.Put(buffer)
	for done := int64(0); done < e.n; {
		p := buffer[:min(sendBuffer, e.n-done)]
		m, err := e.src.read(ctx, p, e.off+done)
		if err != nil && !errors.Is(err, io.EOF) || m == 0 {
			return got, firstOf(err, io.ErrUnexpectedEOF)
		}
		if beside != nil {
			beside.Write(p[:m])
		}
		if sink != nil {
			if err := sink(p[:m]); err != nil {
				return got, err
			}
		}
		sum.Write(p[:m])
		done += int64(m)
	}
	sum.Sum(got.md5[:0])
	if beside != nil {
		got.sum = beside.Sum(nil)
	}
	return got, nil
}
