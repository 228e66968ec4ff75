package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	maxCompleteDocument = 8 << 20
	defaultMinPart      = 5 << 20
)

type xmlComplete struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   xmlParts `xml:"Part"`
}

// xmlParts takes no more parts than there may be: a short document can name very
// many that hold nothing.
type xmlParts []xmlCompletePart

// UnmarshalXML implements xml.Unmarshaler.
func (x *xmlParts) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if len(*x) == filestore.MaxParts {
		return errTooMany
	}
	var p xmlCompletePart
	if err := d.DecodeElement(&p, &start); err != nil {
		return err
	}
	*x = append(*x, p)
	return nil
}

var errTooMany = errors.New("too many elements")

type xmlCompletePart struct {
	Number    int    `xml:"PartNumber"`
	ETag      string `xml:"ETag"`
	CRC32     string `xml:"ChecksumCRC32"`
	CRC32C    string `xml:"ChecksumCRC32C"`
	CRC64NVME string `xml:"ChecksumCRC64NVME"`
	SHA1      string `xml:"ChecksumSHA1"`
	SHA256    string `xml:"ChecksumSHA256"`
	SHA512    string `xml:"ChecksumSHA512"`
	MD5       string `xml:"ChecksumMD5"`
	XXHash64  string `xml:"ChecksumXXHASH64"`
	XXHash3   string `xml:"ChecksumXXHASH3"`
	XXHash128 string `xml:"ChecksumXXHASH128"`
}

// part reads what the client says of a part.
func (x *xmlCompletePart) part() (filestore.CompletePart, error) {
	p := filestore.CompletePart{Number: x.Number, ETag: strings.Trim(x.ETag, `"`)}
	for a, text := range map[checksum.Algorithm]string{
		checksum.CRC32: x.CRC32, checksum.CRC32C: x.CRC32C, checksum.CRC64NVME: x.CRC64NVME, checksum.SHA1: x.SHA1, checksum.SHA256: x.SHA256,
		checksum.SHA512: x.SHA512, checksum.MD5: x.MD5, checksum.XXHash64: x.XXHash64, checksum.XXHash3: x.XXHash3, checksum.XXHash128: x.XXHash128,
	} {
		if text == "" {
			continue
		}
		sum, ok := a.Decode(text)
		if !ok {
			return p, fail(InvalidPart, "").with("PartNumber", strconv.Itoa(x.Number))
		}
		p.Checksums = append(p.Checksums, filestore.Checksum{Algorithm: string(a), Value: sum})
	}
	return p, nil
}

func (c *call) completeUpload(ctx context.Context) error {
	// Checksums in the headers are of the object, not of this body.
	promised := c.r.Header.Clone()
	for _, a := range checksum.All() {
		c.r.Header.Del(a.Header())
	}
	body, err := c.document(ctx, maxCompleteDocument)
	if err != nil {
		return err
	}
	parts, err := parseComplete(body)
	if err != nil {
		return err
	}
	cond, err := c.writeConditions()
	if err != nil {
		return err
	}
	id := c.query.get("uploadId")
	var meta func([]filestore.PartInfo) (filestore.ObjectMeta, error)
	u, err := c.bucket.Upload(ctx, c.key, id)
	switch {
	case err == nil:
		if err := c.completeKey(&u); err != nil {
			return err
		}
		j := joined{u: &u, least: c.server.minPart(), promised: promised}
		meta = j.meta
	case !errors.Is(err, kind.NotExist):
		return err
	}
	o, err := c.bucket.CompleteUpload(ctx, c.key, id, parts, meta, filestore.CommitOptions{If: cond})
	if err != nil {
		return completeFailure(err)
	}
	c.setNewVersion(c.bucket, o.Version)
	if o.Meta.Client == nil {
		describeSeal(c.w.Header(), nil, c.r.Header)
	} else {
		c.w.Header().Set("X-Amz-Server-Side-Encryption-Customer-Algorithm", clientAlgorithm)
	}
	c.expiration(c.bucket, &o)
	c.record.Size = o.Size
	return c.xml(http.StatusOK, "CompleteMultipartUploadResult", func(d *document) {
		d.text("Location", c.location())
		d.text("Bucket", c.target.bucket)
		d.text("Key", c.key)
		d.text("ETag", quoted(o.ETag))
		d.checksums(o.Meta.Checksums, len(parts), true)
	})
}

func parseComplete(body []byte) ([]filestore.CompletePart, error) {
	var doc xmlComplete
	if err := xml.Unmarshal(body, &doc); err != nil {
		return nil, fail(MalformedXML, "").because(err)
	}
	if len(doc.Parts) == 0 || len(doc.Parts) > filestore.MaxParts {
		return nil, fail(MalformedXML, "")
	}
	parts := make([]filestore.CompletePart, 0, len(doc.Parts))
	for i := range doc.Parts {
		p, err := doc.Parts[i].part()
		if err != nil {
			return nil, err
		}
		last := len(parts) - 1
		switch {
		case last < 0 || p.Number > parts[last].Number:
			parts = append(parts, p)
		case p.Number == parts[last].Number:
			parts[last] = p // it was put again, and the client has noted both
		default:
			return nil, fail(InvalidPartOrder, "")
		}
	}
	return parts, nil
}

// completeKey: an upload that has a checksum and a client's key takes that key to
// complete, as on AWS.
func (c *call) completeKey(u *filestore.UploadInfo) error {
	key, err := c.clientKey(ofRequest)
	if err != nil || key == nil && (u.Meta.Client == nil || u.ChecksumAlgorithm == "") {
		return err
	}
	return openSeal(key, u.Meta.Client)
}

func (s *Server) minPart() int64 {
	switch {
	case s.MinPart == 0:
		return defaultMinPart
	case s.MinPart < 0:
		return 0
	}
	return s.MinPart
}

func completeFailure(err error) error {
	var part *filestore.PartError
	if errors.As(err, &part) {
		c := InvalidPart
		if part.Fault == filestore.PartOrder {
			c = InvalidPartOrder
		}
		return fail(c, "").with("PartNumber", strconv.Itoa(part.Number)).because(err)
	}
	if errors.Is(err, kind.Precondition) {
		return writeFailure(err)
	}
	if errors.Is(err, kind.Conflict) {
		return fail(ConditionalRequestConflict, "").because(err)
	}
	return uploadFailure(err)
}

// location is the URL of the object that the request made.
func (c *call) location() string {
	path := "/" + c.key
	if !c.virtual {
		path = "/" + c.target.bucket + path
	}
	return c.scheme() + "://" + c.host + sigv4.Escape(path, true)
}

// joined makes the metadata of the object that parts become.
type joined struct {
	u        *filestore.UploadInfo
	least    int64
	promised http.Header
}

func (j *joined) meta(parts []filestore.PartInfo) (filestore.ObjectMeta, error) {
	m := j.u.Meta
	size := int64(0)
	for i := range parts {
		if parts[i].Size < j.least && i < len(parts)-1 {
			return m, fail(EntityTooSmall, "").with("ProposedSize", itoa(parts[i].Size)).with("MinSizeAllowed", itoa(j.least)).
				with("PartNumber", strconv.Itoa(parts[i].Number)).with("ETag", parts[i].ETag)
		}
		size += parts[i].Size
	}
	if size > maxObject {
		return m, fail(EntityTooLarge, "").with("ProposedSize", itoa(size)).with("MaxSizeAllowed", itoa(maxObject))
	}
	if text := j.promised.Get("X-Amz-Mp-Object-Size"); text != "" && text != itoa(size) {
		return m, fail(InvalidRequest, "The provided 'x-amz-mp-object-size' header value %s does not match what was computed: %d", text, size)
	}
	sum, err := j.checksum(parts)
	if err != nil || sum == nil {
		return m, err
	}
	m.Checksums = []filestore.Checksum{*sum}
	return m, j.compare(*sum, len(parts))
}

// checksum is that of the object, by those of its parts; nil if it has none.
func (j *joined) checksum(parts []filestore.PartInfo) (*filestore.Checksum, error) {
	a, kind := checksum.Algorithm(j.u.ChecksumAlgorithm), j.u.ChecksumType
	own := a == ""
	if own {
		if j.u.Meta.Client != nil {
			return nil, j.nonePromised("")
		}
		if err := j.nonePromised(checksum.CRC64NVME); err != nil {
			return nil, err
		}
		a, kind = checksum.CRC64NVME, fullObject
	}
	sums := make([]checksum.Part, len(parts))
	values := make([][]byte, len(parts))
	for i := range parts {
		for _, sum := range parts[i].Checksums {
			if sum.Algorithm == string(a) {
				sums[i], values[i] = checksum.Part{Sum: sum.Value, Size: parts[i].Size}, sum.Value
			}
		}
		if values[i] == nil && own {
			return nil, j.nonePromised("") // a part was copied, and not read
		}
		if values[i] == nil {
			return nil, fail(InvalidPart, "").with("PartNumber", strconv.Itoa(parts[i].Number))
		}
	}
	if asked := strings.ToUpper(j.promised.Get("X-Amz-Checksum-Type")); asked != "" && asked != kind {
		return nil, fail(InvalidRequest, "The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", kind)
	}
	if kind == fullObject {
		return &filestore.Checksum{Algorithm: string(a), Value: a.Combine(sums)}, nil
	}
	return &filestore.Checksum{Algorithm: string(a), Value: a.Composite(values), Composite: true}, nil
}

// nonePromised refuses a checksum that the client promised of an object that has
// none, or none but one of this algorithm.
func (j *joined) nonePromised(but checksum.Algorithm) error {
	for _, a := range checksum.All() {
		if a != but && j.promised.Get(a.Header()) != "" {
			return fail(InvalidRequest, "The upload was created without a checksum algorithm.")
		}
	}
	return nil
}

// compare holds the checksum against what the client promised of the object.
func (j *joined) compare(sum filestore.Checksum, parts int) error {
	for _, a := range checksum.All() {
		text := j.promised.Get(a.Header())
		if text == "" {
			continue
		}
		bad := fail(BadDigest, "The %s you specified did not match the calculated checksum.", strings.ToLower(string(a)))
		if string(a) != sum.Algorithm {
			return bad
		}
		value, number, has := strings.Cut(text, "-")
		if has && (number != strconv.Itoa(parts) || !sum.Composite) {
			return bad
		}
		if want, ok := a.Decode(value); !ok || !bytes.Equal(want, sum.Value) {
			return bad
		}
	}
	return nil
}
