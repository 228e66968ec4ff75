package s3

import (
	"context"
	"io"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

// maxObject is the largest object, in bytes.
const maxObject = 5 << 40

func (c *call) putObject(ctx context.Context) error {
	p, err := c.promisedData()
	if err != nil {
		return err
	}
	key, err := c.clientKey(ofRequest)
	if err != nil {
		return err
	}
	if err := c.encryption(key != nil); err != nil {
		return err
	}
	if p.algorithm == "" && key == nil {
		p.algorithm = checksum.CRC64NVME // as S3 does; it costs next to nothing
	}
	cond, err := c.writeConditions()
	if err != nil {
		return err
	}
	m, err := c.newMeta(c.bucket)
	if err != nil {
		return err
	}
	w, err := c.bucket.NewObject(ctx)
	if err != nil {
		return err
	}
	defer w.Abort()
	var salt [32]byte
	if key != nil {
		m.Client = key.newSeal()
		salt = m.Client.Salt
	}
	got, err := c.receiveInto(ctx, p, w, key, salt)
	if err != nil {
		return err
	}
	m.MD5, m.HasMD5, m.Checksums = got.md5, true, got.checksums()
	o, err := w.Commit(ctx, c.key, m, filestore.CommitOptions{If: cond})
	if err != nil {
		return writeFailure(err)
	}
	c.record.Written, c.record.Size, c.record.To = got.size, got.size, got.size
	c.setETag(o.ETag)
	c.setNewVersion(c.bucket, o.Version)
	c.setChecksums(&m)
	describeSeal(c.w.Header(), m.Client, c.r.Header)
	o.Meta = m
	c.expiration(c.bucket, &o)
	if c.form != nil {
		return c.posted(&o)
	}
	return c.empty(http.StatusOK)
}

// promisedData is promised for a body that becomes an object or a part, whose
// length must be known to end somewhere.
func (c *call) promisedData() (*promises, error) {
	if c.r.ContentLength == 0 && c.r.Header["Content-Length"] == nil && len(c.r.TransferEncoding) == 0 && c.r.ProtoMajor < 2 {
		return nil, fail(MissingContentLength, "")
	}
	p, err := c.promised()
	if err == nil && p.size > maxObject {
		return nil, fail(EntityTooLarge, "").with("ProposedSize", itoa(p.size)).with("MaxSizeAllowed", itoa(maxObject))
	}
	return p, err
}

// receiveInto receives the body and writes it, encrypted where there is a key.
func (c *call) receiveInto(ctx context.Context, p *promises, w io.Writer, key *clientKey, salt [32]byte) (received, error) {
	write, err := key.writer(w, salt)
	if err != nil {
		return received{}, err
	}
	size := int64(0)
	got, err := c.receive(ctx, p, func(data []byte) error {
		if size += int64(len(data)); size > maxObject {
			return fail(EntityTooLarge, "").with("MaxSizeAllowed", itoa(maxObject))
		}
		return write(data)
	})
	got.md5 = key.etag(got.md5)
	if key != nil {
		c.record.Digest = "" // records must not confirm guesses at what the client's key hides
	}
	return got, err
}

// checksums are those that came out, the client's first.
func (r *received) checksums() []filestore.Checksum {
	var sums []filestore.Checksum
	if r.algorithm != "" {
		sums = append(sums, filestore.Checksum{Algorithm: string(r.algorithm), Value: r.sum})
	}
	if r.own != nil {
		sums = append(sums, filestore.Checksum{Algorithm: string(checksum.CRC64NVME), Value: r.own})
	}
	return sums
}
