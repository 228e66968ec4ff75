package s3

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (c *call) createUpload(ctx context.Context) error {
	key, err := c.clientKey(ofRequest)
	if err == nil {
		err = c.encryption(key != nil)
	}
	if err != nil {
		return err
	}
	m, err := c.newMeta(c.bucket)
	if err != nil {
		return err
	}
	if key != nil {
		m.Client = key.newSeal()
	}
	o := filestore.UploadOptions{Initiator: c.who.account.Name}
	if o.ChecksumAlgorithm, o.ChecksumType, err = c.uploadChecksum(); err != nil {
		return err
	}
	id, err := c.bucket.CreateUpload(ctx, c.key, m, o)
	if err != nil {
		return writeFailure(err)
	}
	h := c.w.Header()
	if o.ChecksumAlgorithm != "" {
		h.Set("X-Amz-Checksum-Algorithm", o.ChecksumAlgorithm)
		h.Set("X-Amz-Checksum-Type", o.ChecksumType)
	}
	describeSeal(h, m.Client, c.r.Header)
	c.aborts(c.server.now())
	return c.xml(http.StatusOK, "InitiateMultipartUploadResult", func(d *document) {
		d.text("Bucket", c.target.bucket)
		d.text("Key", c.key)
		d.text("UploadId", id)
	})
}

// uploadChecksum reads which checksum an upload's object is to have.
func (c *call) uploadChecksum() (algorithm, kind string, err error) {
	a, err := c.requestedAlgorithm()
	if err != nil {
		return "", "", err
	}
	kind = strings.ToUpper(c.r.Header.Get("X-Amz-Checksum-Type"))
	switch {
	case a == "" && kind != "":
		return "", "", fail(InvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case a == "":
		return "", "", nil
	case kind == "" && a == checksum.CRC64NVME:
		kind = fullObject
	case kind == "":
		kind = composite
	case kind != composite && kind != fullObject:
		return "", "", fail(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")
	}
	if kind == fullObject && !a.IsCRC() || kind == composite && a == checksum.CRC64NVME {
		return "", "", fail(InvalidRequest, "The %s checksum type cannot be used with the %s checksum algorithm.", kind, strings.ToLower(string(a)))
	}
	return string(a), kind, nil
}

// upload finds the upload that the request names.
func (c *call) upload(ctx context.Context) (filestore.UploadInfo, error) {
	u, err := c.bucket.Upload(ctx, c.key, c.query.get("uploadId"))
	return u, uploadFailure(err)
}

// uploadFailure says that an upload isn't there.
func uploadFailure(err error) error {
	if errors.Is(err, kind.NotExist) && !errors.Is(err, kind.Precondition) {
		return fail(NoSuchUpload, "").because(err)
	}
	return err
}

func (c *call) partNumber() (int, error) {
	text := c.query.get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > filestore.MaxParts {
		return 0, fail(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive").with("ArgumentName", "partNumber").with("ArgumentValue", text)
	}
	return n, nil
}

// partKey reads the client's key of a part, which must be that of the upload.
func (c *call) partKey(u *filestore.UploadInfo) (*clientKey, error) {
	key, err := c.clientKey(ofRequest)
	switch {
	case err != nil:
		return nil, err
	case key == nil && u.Meta.Client != nil:
		return nil, fail(InvalidRequest, "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	case key != nil && u.Meta.Client == nil:
		return nil, fail(InvalidRequest, "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.")
	}
	return key, openSeal(key, u.Meta.Client)
}

func (c *call) uploadPart(ctx context.Context) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	p, err := c.promisedData()
	if err != nil {
		return err
	}
	u, err := c.upload(ctx)
	if err != nil {
		return err
	}
	key, err := c.partKey(&u)
	if err != nil {
		return err
	}
	switch declared := checksum.Algorithm(u.ChecksumAlgorithm); {
	case declared == "":
		p.part = key == nil
	case p.algorithm == "":
		p.algorithm = declared
	case p.algorithm != declared:
		return fail(InvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(string(declared)), strings.ToLower(string(p.algorithm)))
	}
	w, err := c.bucket.NewPart(ctx, c.key, u.ID, number)
	if err != nil {
		return uploadFailure(err)
	}
	defer w.Abort()
	m := filestore.PartMeta{HasMD5: true}
	if key != nil {
		m.Salt = newSalt()
	}
	got, err := c.receiveInto(ctx, p, w, key, m.Salt)
	if err != nil {
		return err
	}
	m.MD5, m.Checksums = got.md5, got.checksums()
	info, err := w.Commit(ctx, m)
	if err != nil {
		return uploadFailure(err)
	}
	c.record.Written, c.record.Size = got.size, got.size
	c.setETag(info.ETag)
	for _, sum := range told(m.Checksums) {
		c.w.Header().Set(checksum.Algorithm(sum.Algorithm).Header(), checksumText(sum, 0))
	}
	describeSeal(c.w.Header(), u.Meta.Client, c.r.Header)
	return c.empty(http.StatusOK)
}

// told is which checksums of a part its uploader hears of: the one that it has sent,
// or the server's own where it has sent none.
func told(sums []filestore.Checksum) []filestore.Checksum { return sums[:min(1, len(sums))] }

func (c *call) uploadPartCopy(ctx context.Context) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	from, err := c.openSource(ctx)
	if err != nil {
		return err
	}
	defer from.r.Close()
	u, err := c.upload(ctx)
	if err != nil {
		return err
	}
	key, err := c.partKey(&u)
	if err != nil {
		return err
	}
	off, n, err := c.copyRange(from.r.Object().Size)
	if err != nil {
		return err
	}
	info, err := c.copyPart(ctx, &u, number, key, from, excerpt{from.plain, off, n})
	if err != nil {
		return uploadFailure(err)
	}
	c.setSourceVersion(from)
	describeSeal(c.w.Header(), u.Meta.Client, c.r.Header)
	c.record.Read, c.record.From, c.record.To, c.record.Size = n, off, off+n, n
	return c.xml(http.StatusOK, "CopyPartResult", func(d *document) {
		d.text("LastModified", xmlTime(info.Mtime))
		d.text("ETag", quoted(info.ETag))
		d.checksums(told(info.Checksums), 0, false)
	})
}

// copyPart shares the source's blocks, unless a client's key is in play. The
// data is read only if the upload has checksums.
func (c *call) copyPart(ctx context.Context, u *filestore.UploadInfo, number int, key *clientKey, from *source, e excerpt) (filestore.PartInfo, error) {
	algorithm := checksum.Algorithm(u.ChecksumAlgorithm)
	if key != nil || from.client != nil {
		w, err := c.bucket.NewPart(ctx, c.key, u.ID, number)
		if err != nil {
			return filestore.PartInfo{}, err
		}
		defer w.Abort()
		m := filestore.PartMeta{HasMD5: true}
		if key != nil {
			m.Salt = newSalt()
		}
		got, err := recrypt(ctx, e, algorithm, &sealedWriter{w, key, m.Salt})
		if err != nil {
			return filestore.PartInfo{}, err
		}
		m.MD5, m.Checksums = got.md5, got.checksums()
		return w.Commit(ctx, m)
	}
	var m filestore.PartMeta
	o := from.r.Object()
	switch {
	case algorithm != "":
		got, err := digest(ctx, e, algorithm, nil)
		if err != nil {
			return filestore.PartInfo{}, err
		}
		m = filestore.PartMeta{MD5: got.md5, HasMD5: true, Checksums: got.checksums()}
	case e.off == 0 && e.n == o.Size:
		if o.Meta.HasMD5 && o.Meta.Parts == 0 {
			m = filestore.PartMeta{MD5: o.Meta.MD5, HasMD5: true}
		}
		for _, sum := range o.Meta.Checksums {
			if !sum.Composite {
				m.Checksums = append(m.Checksums, sum)
			}
		}
	}
	return c.bucket.CopyPart(ctx, c.key, u.ID, number, filestore.ObjectRange{From: from.r, Off: e.off, N: e.n}, m)
}

func (c *call) abortUpload(ctx context.Context) error {
	if err := c.bucket.AbortUpload(ctx, c.key, c.query.get("uploadId")); err != nil {
		return uploadFailure(err)
	}
	return c.empty(http.StatusNoContent)
}
