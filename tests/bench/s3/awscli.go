package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// awsUp and awsDown are `aws s3 cp` of a large file, with the client's defaults: parts
// of 8 MiB, ten at a time.
func (b *bench) awsUp() workload {
	return workload{
		name: fmt.Sprintf("aws s3 cp %d MiB up", b.file>>20), unit: "s", lowerIsBetter: true,
		prepare: func(context.Context, *server, string) error { return b.randomFile() },
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			return b.aws(ctx, s, b.fileName(), "s3:/"+bucket+"/file")
		},
	}
}

func (b *bench) awsDown() workload {
	return workload{
		name: fmt.Sprintf("aws s3 cp %d MiB down", b.file>>20), unit: "s", lowerIsBetter: true,
		prepare: func(ctx context.Context, s *server, bucket string) error {
			if err := b.randomFile(); err != nil {
				return err
			}
			_, err := b.aws(ctx, s, b.fileName(), "s3:/"+bucket+"/file")
			return err
		},
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			back := filepath.Join(b.dir, "back")
			defer os.Remove(back)
			v, err := b.aws(ctx, s, "s3:/"+bucket+"/file", back)
			if err == nil {
				err = sameSize(back, b.file)
			}
			return v, err
		},
	}
}

func sameSize(path string, want int64) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() != want {
		err = fmt.Errorf("%d bytes of %d came back", info.Size(), want)
	}
	return err
}

func (b *bench) fileName() string { return filepath.Join(b.dir, "file") }

// randomFile makes the file, unless it is there.
func (b *bench) randomFile() error {
	if sameSize(b.fileName(), b.file) == nil {
		return nil
	}
	f, err := os.Create(b.fileName())
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, b.file); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// aws runs `aws s3 cp` and gives the seconds that it took.
func (b *bench) aws(ctx context.Context, s *server, from, to string) (float64, error) {
	dir, err := testbed.PythonClients()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "aws"), "s3", "cp", "--only-show-errors", from, to)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+s.key, "AWS_SECRET_ACCESS_KEY="+s.secret, "AWS_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+s.endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("aws s3 cp: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return time.Since(begin).Seconds(), nil
}
