package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
)

// List implements blockstore.Store, a thousand blocks a request. It holds no
// connection between two of them. A server that lists in another order than by
// name is Unsupported.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.names.Blocks())}
		if !after.IsZero() {
			in.StartAfter = aws.String(s.names.Block(after))
		}
		for {
			out, err := s.page(ctx, in)
			if err != nil {
				yield(blockstore.Info{}, err)
				return
			}
			for _, o := range out.Contents {
				id, ok := s.names.ID(aws.ToString(o.Key))
				if !ok {
					continue // somebody else's
				}
				if bytes.Compare(id[:], after[:]) <= 0 {
					yield(blockstore.Info{}, fmt.Errorf("s3: list: %s lists objects out of the order of their names: %w", s.where, kind.Unsupported))
					return
				}
				after = id
				if !yield(blockstore.Info{ID: id, Size: aws.ToInt64(o.Size)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if next := aws.ToString(out.NextContinuationToken); next == "" || next == aws.ToString(in.ContinuationToken) {
				yield(blockstore.Info{}, fmt.Errorf("s3: list: %s says that there is more and not where: %w", s.where, kind.Unavailable))
				return
			}
			in.StartAfter, in.ContinuationToken = nil, out.NextContinuationToken
		}
	}
}

func (s *Store) page(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	r, err := s.begin(ctx, call{"list", "bucket " + s.bucket})
	if err != nil {
		return nil, err
	}
	defer r.end()
	out, err := s.client.ListObjectsV2(r.ctx, in)
	return out, r.failed(err)
}

// prove lists one object, which shows that server, bucket, credentials and
// clock are right, and unlike HEAD is answered with reasons.
func (s *Store) prove(ctx context.Context) error {
	_, err := s.page(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.names.Blocks()), MaxKeys: aws.Int32(1)})
	switch k := kind.Of(err); {
	case err == nil:
		return nil
	case noBucket(err):
		return kind.Errorf(kind.NotExist, "there is no bucket %q at %s: create it, or correct its name in the configuration of the blockstore", s.bucket, s.where)
	case wrongClock(err):
		return kind.Errorf(k, "the clock of this machine differs from that of %s by more than S3 allows, a quarter of an hour: set the one that is wrong (%w)", s.where, err)
	case k == kind.Denied:
		return kind.Errorf(k, "%s refuses to list bucket %q: check access key and secret, and that they are given s3:ListBucket, s3:GetObject and s3:PutObject (%w)", s.where, s.bucket, err)
	case k == kind.Unavailable:
		return kind.Errorf(k, "%s does not answer for bucket %q: %w", s.where, s.bucket, err)
	default:
		return fmt.Errorf("bucket %q at %s can't be used: %w", s.bucket, s.where, err)
	}
}

// perBatch is how many blocks go into one request to delete. S3 allows 1000; a
// slow server shall answer before the call is given up.
const perBatch = 500

// DeleteBatch implements blockstore.BatchDeleter.
func (s *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	return s.batches.Delete(ctx, s, ids, perBatch, s.deleteBatch, func() {
		s.log.Info("the server deletes no batches: going on one by one", "server", s.where)
	})
}

func (s *Store) deleteBatch(ctx context.Context, ids []blockstore.ID) error {
	r, err := s.begin(ctx, call{"delete", fmt.Sprintf("%d blocks", len(ids))})
	if err != nil {
		return err
	}
	defer r.end()
	objects := make([]types.ObjectIdentifier, len(ids))
	for i, id := range ids {
		objects[i].Key = aws.String(s.names.Block(id))
	}
	out, err := s.client.DeleteObjects(r.ctx,
		&s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)}},
		// Servers older than S3's newer checksums demand the MD5.
		s3.WithAPIOptions(smithyhttp.AddContentChecksumMiddleware))
	if err != nil {
		return r.failed(err)
	}
	var errs []error
	for _, e := range out.Errors {
		if k := kindOfCode(aws.ToString(e.Code)); k != kind.NotExist {
			text := fmt.Sprintf("s3: delete %s: %s %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
			errs = append(errs, &failure{mask.Text(text, s.secrets...), aws.ToString(e.Code), k})
		}
	}
	return errors.Join(errs...)
}
