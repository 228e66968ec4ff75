package filestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The value of dirtree.AttrUpload begins with what it is of (formats 16). Of an
// unfinished upload follow four texts, each after its length u16: key, initiator,
// checksum algorithm and type; of what is remembered of a finished one the key,
// H[32] of the parts that completed it, u64 size and i64 mtime of the object.
const (
	uploadUnfinished = 1
	uploadFinished   = 2
)

func appendText(b []byte, s string) ([]byte, error) {
	if len(s) > math.MaxUint16 {
		return nil, fmt.Errorf("a text of %d bytes: %w", len(s), kind.TooLarge)
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...), nil
}

func (r *attrReader) text() string { return string(r.take(r.u16())) }

// encode gives the attributes of an unfinished upload's entry.
func (i *UploadInfo) encode() ([]dirtree.Attr, error) {
	attrs, err := i.Meta.encode(nil)
	if err != nil {
		return nil, err
	}
	value := []byte{uploadUnfinished}
	for _, s := range [...]string{i.Key, i.Initiator, i.ChecksumAlgorithm, i.ChecksumType} {
		if value, err = appendText(value, s); err != nil {
			return nil, err
		}
	}
	return dirtree.WithAttr(attrs, dirtree.Attr{Type: dirtree.AttrUpload, Value: value}), nil
}

// uploadInfo describes the upload whose entry e is, but for its Meta. Of a damaged
// entry its name may tell the key and the id, beside the error.
func (fs *FS) uploadInfo(ctx context.Context, e *dirtree.Entry) (UploadInfo, error) {
	value, err := fs.attrValue(ctx, e, dirtree.AttrUpload)
	var i UploadInfo
	if err == nil {
		i, err = uploadTold(e, value)
	}
	if key, whole := uploadKey(e.Name); err != nil && whole {
		i = UploadInfo{Key: key, ID: e.Name[len(e.Name)-uploadIDLen:], Initiated: time.Unix(0, e.Mtime).UTC()}
	}
	return i, err
}

// uploadTold is what the attribute of an upload's entry says.
func uploadTold(e *dirtree.Entry, value []byte) (UploadInfo, error) {
	r := attrReader{b: value}
	if r.u8() != uploadUnfinished || len(e.Name) < uploadIDLen {
		return UploadInfo{}, errUploadEntry()
	}
	i := UploadInfo{Key: r.text(), ID: e.Name[len(e.Name)-uploadIDLen:], Initiated: time.Unix(0, e.Mtime).UTC()}
	i.UploadOptions = UploadOptions{Initiator: r.text(), ChecksumAlgorithm: r.text(), ChecksumType: r.text()}
	if r.end() != nil {
		return UploadInfo{}, errUploadEntry()
	}
	return i, nil
}

// uploadMeta is what the object of an upload is to have.
func (fs *FS) uploadMeta(ctx context.Context, e *dirtree.Entry) (ObjectMeta, error) {
	return fs.metaOf(ctx, e, ofMeta[:]...)
}

func errUploadEntry() error { return fmt.Errorf("the entry of an upload: %w", kind.Corrupt) }

// finished is what is remembered of a finished upload: enough to answer again.
type finished struct {
	key   string
	asked [32]byte // H of the parts that completed it
	size  int64
	mtime int64 // unix ns
}

// remembered are the attributes of an object that an answer needs, beside its version.
var remembered = [...]dirtree.AttrType{dirtree.AttrDigest, dirtree.AttrChecksums, dirtree.AttrClientSeal}

// entry makes the entry that remembers the upload id, which became what put holds.
func (f finished) entry(id string, put *dirtree.Entry, now time.Time) (*dirtree.Entry, error) {
	value, err := appendText([]byte{uploadFinished}, f.key)
	if err != nil {
		return nil, err
	}
	value = append(value, f.asked[:]...)
	value = binary.BigEndian.AppendUint64(value, put.Size)
	value = binary.BigEndian.AppendUint64(value, uint64(put.Mtime))
	attrs := slices.DeleteFunc(slices.Clone(put.Attrs), func(a dirtree.Attr) bool {
		return a.Type != dirtree.AttrVersion && !slices.Contains(remembered[:], a.Type)
	})
	return &dirtree.Entry{
		Name: finishedMark + id, Kind: dirtree.EmptyFile, FileID: newFileID(), Mode: defaultFileMode, Mtime: now.UnixNano(),
		Attrs: dirtree.WithAttr(attrs, dirtree.Attr{Type: dirtree.AttrUpload, Value: value}),
	}, nil
}

func finishedOf(e *dirtree.Entry) (finished, error) {
	value, _ := e.Attr(dirtree.AttrUpload)
	r := attrReader{b: value}
	if r.u8() != uploadFinished {
		return finished{}, errUploadEntry()
	}
	f := finished{key: r.text()}
	copy(f.asked[:], r.take(len(f.asked)))
	f.size, f.mtime = int64(r.u64()), int64(r.u64())
	if r.end() != nil || f.size < 0 {
		return finished{}, errUploadEntry()
	}
	return f, nil
}
