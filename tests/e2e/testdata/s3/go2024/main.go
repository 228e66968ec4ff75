// Command go2024 does what programs of early 2024 do by AWS's SDK for Go and by
// MinIO's client of then: no checksums by default, MD5s where S3 demanded them,
// signed chunks over plain HTTP. Arguments: endpoint, access key, secret.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	endpoint, key, secret := os.Args[1], os.Args[2], os.Args[3]
	big := make([]byte, 17<<20)
	_, _ = rand.Read(big)
	if err := errors.Join(byAWS(endpoint, key, secret, big), byMinIO(endpoint, key, secret, big)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("2024: whole")
}

func byAWS(endpoint, key, secret string, big []byte) error {
	ctx, bucket := context.Background(), aws.String("aws-of-2024")
	c := s3.New(s3.Options{
		BaseEndpoint: &endpoint, UsePathStyle: true, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small/é +"), Body: bytes.NewReader(big[:1000])}); err != nil {
		return err
	}
	up := manager.NewUploader(c, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
	if _, err := up.Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("big"), Body: io.LimitReader(bytes.NewReader(big), int64(len(big)))}); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if _, err := up.Upload(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("summed"), Body: bytes.NewReader(big), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	}); err != nil {
		return fmt.Errorf("upload with checksums: %w", err)
	}
	for _, name := range []string{"big", "summed"} {
		back := manager.NewWriteAtBuffer(nil)
		_, err := manager.NewDownloader(c).Download(ctx, back, &s3.GetObjectInput{Bucket: bucket, Key: &name, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil || !bytes.Equal(back.Bytes(), big) {
			return fmt.Errorf("download %s: %d bytes, %w", name, len(back.Bytes()), err)
		}
	}
	l, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	if err != nil || len(l.Contents) != 3 {
		return fmt.Errorf("list: %d, %w", len(l.Contents), err)
	}
	var gone types.Delete
	for _, o := range l.Contents {
		gone.Objects = append(gone.Objects, types.ObjectIdentifier{Key: o.Key})
	}
	if _, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &gone}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	return err
}

func byMinIO(endpoint, key, secret string, big []byte) error {
	ctx, bucket := context.Background(), "minio-of-2024"
	at, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	c, err := minio.New(at.Host, &minio.Options{Creds: miniocredentials.NewStaticV4(key, secret, "")})
	if err != nil {
		return err
	}
	if err := c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
		return err
	}
	for _, o := range []minio.PutObjectOptions{{}, {SendContentMd5: true}, {DisableContentSha256: true}, {PartSize: 5 << 20, ConcurrentStreamParts: true, NumThreads: 3}} {
		if _, err := c.PutObject(ctx, bucket, "a/b", bytes.NewReader(big), int64(len(big)), o); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		r, err := c.GetObject(ctx, bucket, "a/b", minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, big) {
			return fmt.Errorf("get: %d bytes, %w", len(got), err)
		}
	}
	if _, err := c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "both"}, minio.CopySrcOptions{Bucket: bucket, Object: "a/b"}, minio.CopySrcOptions{Bucket: bucket, Object: "a/b"}); err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	for r := range c.RemoveObjects(ctx, bucket, c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}), minio.RemoveObjectsOptions{}) {
		return fmt.Errorf("remove: %w", r.Err)
	}
	return c.RemoveBucket(ctx, bucket)
}
