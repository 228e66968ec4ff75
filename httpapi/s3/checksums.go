package s3

import (
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

// checksumText is a value as S3 writes it; that of a multipart upload's parts has
// their number behind it.
func checksumText(sum filestore.Checksum, parts int) string {
	text := checksum.Encode(sum.Value)
	if sum.Composite {
		text += "-" + itoa(int64(parts))
	}
	return text
}

func checksumType(sum filestore.Checksum) string {
	if sum.Composite {
		return composite
	}
	return fullObject
}

// The types of a checksum.
const (
	composite  = "COMPOSITE"
	fullObject = "FULL_OBJECT"
)

// setChecksums tells the checksums of an object.
func (c *call) setChecksums(m *filestore.ObjectMeta) {
	for _, sum := range m.Checksums {
		h := c.w.Header()
		h.Set(checksum.Algorithm(sum.Algorithm).Header(), checksumText(sum, m.Parts))
		h.Set("X-Amz-Checksum-Type", checksumType(sum))
	}
}

// setPartChecksums tells those of one part of an object, of whose checksum they
// say the type.
func (c *call) setPartChecksums(sums []filestore.Checksum, m *filestore.ObjectMeta) {
	h := c.w.Header()
	sums = ofObject(sums, m)
	for _, sum := range sums {
		h.Set(checksum.Algorithm(sum.Algorithm).Header(), checksumText(sum, 0))
	}
	if len(sums) > 0 && len(m.Checksums) > 0 {
		h.Set("X-Amz-Checksum-Type", checksumType(m.Checksums[0]))
	}
}

// ofObject is the one of a part's checksums that the object's was made of; the first
// if the object has none.
func ofObject(sums []filestore.Checksum, m *filestore.ObjectMeta) []filestore.Checksum {
	for i, sum := range sums {
		if len(m.Checksums) == 0 || sum.Algorithm == m.Checksums[0].Algorithm {
			return sums[i : i+1]
		}
	}
	return nil
}

// checksums writes the elements that have the values of checksums.
func (d *document) checksums(sums []filestore.Checksum, parts int, withType bool) {
	for _, sum := range sums {
		d.text(checksum.Algorithm(sum.Algorithm).Element(), checksumText(sum, parts))
	}
	if withType && len(sums) > 0 {
		d.text("ChecksumType", checksumType(sums[0]))
	}
}
