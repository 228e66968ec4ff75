package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	sftpclient "github.com/pkg/sftp"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// TestDoorsAtOnce has clients of S3 and of SFTP, and an sshfs mount, put, create, replace,
// move, read and remove the same few names at once, while the node is killed once. What all
// of them were told must be what one disk would have told, and afterwards every door shows
// the same.
//
// TRUCKEE_TEST_SOAK=1 runs it for a minute.
func TestDoorsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	id, secret, err := n.S3Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := &doors{t: t, n: n, s3: s3Client(n, id, secret), over: make(chan struct{})}
	if _, err := d.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(doorsBucket)}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, n.Endpoint)
	for _, dir := range append(sharedDirs[:], "tmp") {
		if err := c.Mkdir(doorsBucket + "/" + dir); err != nil {
			t.Fatal(err)
		}
	}
	// As near to the server as sshfs can be: it remembers neither names nor contents.
	mnt := mount(t, n.Endpoint, "reconnect", "dir_cache=no", "direct_io", "entry_timeout=0", "attr_timeout=0", "negative_timeout=0")
	bySSHFS := func() (door, error) {
		_, err := os.Stat(filepath.Join(mnt, doorsBucket))
		return sshfsDoor{filepath.Join(mnt, doorsBucket)}, err
	}
	for i, open := range []func() (door, error){d.byS3, d.byS3, d.bySFTP, d.bySFTP, bySSHFS} {
		d.clients.Go(func() { d.work(i, open) })
	}
	length := 4 * time.Second
	if os.Getenv("TRUCKEE_TEST_SOAK") == "1" {
		length = 30 * time.Second
	}
	time.Sleep(length)
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, n)
	before := d.done.Load()
	time.Sleep(length)
	if !within(time.Minute, func() bool { return d.done.Load() > before }) {
		t.Error("nothing was answered after the restart")
	}
	close(d.over)
	d.clients.Wait()
	d.names.check(t)
	d.same()
	checkDeep(t, n)
}

// doorsBucket is the directory that all doors work in, hotKeys how many names they share.
const (
	doorsBucket = "doors"
	hotKeys     = 4
)

type doors struct {
	t       *testing.T
	n       *testbed.Truckee
	s3      *awss3.Client
	names   names
	done    atomic.Int64
	over    chan struct{}
	clients sync.WaitGroup
}

// door is one way in. Its operations are one step each, as far as others see; a door that
// has no such step has not that operation.
type door interface {
	ops() []string
	run(ctx context.Context, op *nameOp, temporary string) (string, error)
}

// work is one client's life.
func (d *doors) work(id int, open func() (door, error)) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(id)))
	var way door
	for i := 0; ; i++ {
		select {
		case <-d.over:
			return
		default:
		}
		if way == nil {
			opened, err := open()
			if err != nil {
				time.Sleep(20 * time.Millisecond) // the node is away
				continue
			}
			way = opened
		}
		can := way.ops()
		op := nameOp{what: can[rng.IntN(len(can))], group: rng.IntN(hotKeys), place: rng.IntN(2), data: fmt.Sprintf("%d-%d", id, i)}
		if d.do(id, way, op) == unknown {
			if c, ok := way.(io.Closer); ok {
				c.Close()
			}
			way = nil
		}
	}
}

// do runs an operation. A replacement is two: who replaces has read what he replaces.
func (d *doors) do(id int, way door, op nameOp) fate {
	ctx := d.t.Context()
	temporary := fmt.Sprintf("tmp/%s", op.data)
	var got fate
	switch op.what {
	case "replace":
		read := nameOp{what: "get", group: op.group, place: op.place}
		if got = d.names.do(id, read, func() (string, error) { return d.whole(way.run(ctx, &read, temporary)) }); got != done {
			break
		}
		op.old, op.tag = read.old, read.tag
		got = d.names.do(id, op, func() (string, error) { return way.run(ctx, &op, temporary) })
	case "get":
		got = d.names.do(id, op, func() (string, error) { return d.whole(way.run(ctx, &op, temporary)) })
	default:
		got = d.names.do(id, op, func() (string, error) { return way.run(ctx, &op, temporary) })
	}
	if got != unknown {
		d.done.Add(1)
	}
	return got
}

// contents is what is put for an operation's data: so much of it that some are
// blocks, and that a mixture of two is seen.
func contents(data string) []byte {
	n := 1 + int(md5.Sum([]byte(data))[0])%3*20_000
	return bytes.Repeat([]byte(data+"\n"), n)
}

// whole is the data of which body is the contents.
func (d *doors) whole(body string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	data, _, _ := strings.Cut(body, "\n")
	if body != string(contents(data)) {
		d.t.Errorf("%d bytes that begin with %q are nothing that was put", len(body), data)
	}
	return data, nil
}

// same compares what the doors show when nobody writes.
func (d *doors) same() {
	c := dial(d.t, d.n.Endpoint)
	var byS3, bySFTP []string
	pages := awss3.NewListObjectsV2Paginator(d.s3, &awss3.ListObjectsV2Input{Bucket: aws.String(doorsBucket), MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		for _, o := range page.Contents {
			if strings.HasSuffix(*o.Key, "/") {
				continue
			}
			text, err := getObject(d.t.Context(), d.s3, doorsBucket, *o.Key)
			if err != nil || int64(len(text)) != *o.Size {
				d.t.Errorf("%s: %d bytes, listed with %d: %v", *o.Key, len(text), *o.Size, err)
			}
			sum := md5.Sum([]byte(text))
			if tag := strings.Trim(*o.ETag, `"`); !strings.Contains(tag, "-") && tag != hex.EncodeToString(sum[:]) {
				d.t.Errorf("%s has the ETag %s", *o.Key, tag)
			}
			byS3 = append(byS3, fmt.Sprintf("%s %x", *o.Key, sum))
		}
	}
	for _, dir := range append(sharedDirs[:], "tmp") {
		entries, err := c.ReadDir(doorsBucket + "/" + dir)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, e := range entries {
			sum := md5.Sum(fetch(d.t, c, doorsBucket+"/"+dir+"/"+e.Name()))
			bySFTP = append(bySFTP, fmt.Sprintf("%s/%s %x", dir, e.Name(), sum))
		}
	}
	slices.Sort(bySFTP)
	if !slices.Equal(byS3, bySFTP) {
		d.t.Errorf("S3 has\n%q, SFTP has\n%q", byS3, bySFTP)
	}
}

// s3Door is the door of S3.
type s3Door struct{ c *awss3.Client }

func (d *doors) byS3() (door, error) {
	_, err := d.s3.HeadBucket(d.t.Context(), &awss3.HeadBucketInput{Bucket: aws.String(doorsBucket)})
	return s3Door{d.s3}, err
}

func (s3Door) ops() []string {
	return []string{"put", "create", "complete", "replace", "get", "get", "remove"}
}

func (o s3Door) run(ctx context.Context, op *nameOp, _ string) (string, error) {
	for {
		text, err := o.once(ctx, op)
		switch s3Code(err) {
		case "ConditionalRequestConflict": // nothing came of it
			continue
		case "NoSuchKey":
			err = fs.ErrNotExist
		case "PreconditionFailed":
			err = fs.ErrExist
		}
		return text, err
	}
}

func (o s3Door) once(ctx context.Context, op *nameOp) (string, error) {
	bucket, key := aws.String(doorsBucket), aws.String(op.path(op.place))
	switch op.what {
	case "get":
		out, err := o.c.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			return "", err
		}
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		op.tag = aws.ToString(out.ETag)
		op.old, _, _ = strings.Cut(string(b), "\n")
		return string(b), err
	case "remove":
		_, err := o.c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: key, IfMatch: aws.String("*")})
		return "", err
	case "complete":
		return "", o.inParts(ctx, bucket, key, op.data)
	}
	in := &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(contents(op.data))}
	switch op.what {
	case "create":
		in.IfNoneMatch = aws.String("*")
	case "replace":
		in.IfMatch = aws.String(op.tag)
	}
	_, err := o.c.PutObject(ctx, in)
	return "", err
}

// inParts creates by an upload of one part.
func (o s3Door) inParts(ctx context.Context, bucket, key *string, data string) error {
	up, err := o.c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		return err
	}
	part, err := o.c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(contents(data))})
	if err != nil {
		return err
	}
	_, err = o.c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{
			ETag: part.ETag, PartNumber: aws.Int32(1), ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC64NVME: part.ChecksumCRC64NVME,
		}}},
	})
	return err
}

// sftpDoor is the door of SFTP.
type sftpDoor struct{ *sftpclient.Client }

func (d *doors) bySFTP() (door, error) {
	c, err := connect(d.n.Endpoint)
	return sftpDoor{c}, err
}

func (sftpDoor) ops() []string { return []string{"put", "create", "move", "get", "remove"} }

func (f sftpDoor) run(_ context.Context, op *nameOp, temporary string) (string, error) {
	if op.what == "put" || op.what == "create" {
		w, err := f.Create(doorsBucket + "/" + temporary)
		if err != nil {
			return "", err
		}
		if _, err := w.Write(contents(op.data)); err != nil {
			w.Close()
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		defer func() { _ = f.Remove(doorsBucket + "/" + temporary) }() // gone, if it was put
	}
	return op.in(doorsBucket).run(f.Client, doorsBucket+"/"+temporary)
}

// sshfsDoor is the door of sshfs.
type sshfsDoor struct{ dir string }

func (sshfsDoor) ops() []string { return []string{"put", "move", "get", "remove"} }

func (m sshfsDoor) run(_ context.Context, op *nameOp, temporary string) (string, error) {
	path := filepath.Join(m.dir, op.path(op.place))
	switch op.what {
	case "put":
		temporary = filepath.Join(m.dir, temporary)
		if err := edit(temporary, os.O_CREATE|os.O_WRONLY, func(f *os.File) error {
			_, err := f.Write(contents(op.data))
			return errors.Join(err, f.Sync())
		}); err != nil {
			return "", err
		}
		return "", os.Rename(temporary, path)
	case "move":
		return "", os.Rename(path, filepath.Join(m.dir, op.path(1-op.place)))
	case "remove":
		return "", os.Remove(path)
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
