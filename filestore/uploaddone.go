package filestore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
)

// digestOf stands for the parts that an upload was completed with.
func digestOf(parts []CompletePart) [32]byte {
	h := sha256.New()
	var b [8]byte
	for i := range parts {
		tag := strings.ToLower(parts[i].ETag)
		binary.BigEndian.PutUint32(b[:], uint32(parts[i].Number))
		binary.BigEndian.PutUint32(b[4:], uint32(len(tag)))
		h.Write(b[:])
		h.Write([]byte(tag))
	}
	return [32]byte(h.Sum(nil))
}

// completedBefore answers as the completion did that ended the upload. The error is
// none if no such one is remembered.
func (b *Bucket) completedBefore(ctx context.Context, key, id string, asked []CompletePart, none error) (Object, error) {
	if !isUploadID(id) {
		return Object{}, none
	}
	t := b.uploadsTree()
	v, err := b.fs.latest(ctx, t.read)
	if err != nil {
		return Object{}, err
	}
	e, err := get(ctx, v.dir, finishedMark+id)
	if err != nil || e == nil {
		if err == nil {
			err = none
		}
		return Object{}, err
	}
	f, err := finishedOf(e)
	switch {
	case err != nil:
		return Object{}, err
	case f.key != key || f.asked != digestOf(asked) || b.fs.now().Sub(time.Unix(0, e.Mtime)) >= rememberUploads:
		return Object{}, none
	}
	was := *e
	was.Size, was.Mtime = uint64(f.size), f.mtime
	return b.fs.object(ctx, key, &was, &was, remembered[:]...)
}

// rememberUploads is how long the answer of a completion is remembered.
const rememberUploads = 24 * time.Hour
