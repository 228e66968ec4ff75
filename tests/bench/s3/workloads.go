package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"
)

// workload is one line of the table.
type workload struct {
	name, unit    string
	lowerIsBetter bool
	prepare       func(ctx context.Context, s *server, bucket string) error // once
	each          func(ctx context.Context, s *server, bucket string) error // before each round
	run           func(ctx context.Context, s *server, bucket string) (float64, error)
}

const (
	large    = 10 << 20
	small    = 4 << 10
	mixed    = 128 << 10
	partSize = 8 << 20
)

func randomBody(n int) body {
	data := make([]byte, n)
	rand.Read(data)
	return newBody(data)
}

func (b *bench) workloads() []workload {
	var all []workload
	for _, clients := range []int{1, 16, 64} {
		all = append(all, b.put("10 MiB", large, clients), b.get("10 MiB", large, 32, clients),
			b.put("4 KiB", small, clients), b.get("4 KiB", small, 1000, clients))
	}
	return append(all, b.head(), b.list(), b.remove(), b.mixed(), b.complete(), b.awsUp(), b.awsDown())
}

// rate is a workload's figure: MiB/s of objects that are large, else operations a second.
func rate(size int, perSecond float64) float64 {
	if size >= 1<<20 {
		return perSecond * float64(size) / (1 << 20)
	}
	return perSecond
}

func unitOf(size int) string {
	if size >= 1<<20 {
		return "MiB/s"
	}
	return "op/s"
}

func (b *bench) put(name string, size, clients int) workload {
	data := randomBody(size)
	return workload{
		name: fmt.Sprintf("PUT %s, %d clients", name, clients), unit: unitOf(size),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			v, err := b.load(ctx, clients, 0, func(ctx context.Context, c, n int) error {
				_, _, err := s.do(ctx, "PUT", fmt.Sprintf("%s/put/%d/%d", bucket, c, n%1000), data, false)
				return err
			})
			return rate(size, v), err
		},
	}
}

// fill puts so many objects.
func fill(size, count int) func(ctx context.Context, s *server, bucket string) error {
	data := randomBody(size)
	return func(ctx context.Context, s *server, bucket string) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(16)
		for i := range count {
			g.Go(func() error {
				_, _, err := s.do(ctx, "PUT", fmt.Sprintf("%s/there/%07d", bucket, i), data, false)
				return err
			})
		}
		return g.Wait()
	}
}

func there(bucket string, count int) string {
	return fmt.Sprintf("%s/there/%07d", bucket, mathrand.IntN(count))
}

func (b *bench) get(name string, size, count, clients int) workload {
	return workload{
		name: fmt.Sprintf("GET %s, %d clients", name, clients), unit: unitOf(size), prepare: fill(size, count),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			v, err := b.load(ctx, clients, 0, func(ctx context.Context, _, _ int) error {
				_, _, err := s.do(ctx, "GET", there(bucket, count), body{}, false)
				return err
			})
			return rate(size, v), err
		},
	}
}

func (b *bench) head() workload {
	return workload{
		name: "HEAD, 16 clients", unit: "op/s", prepare: fill(small, 1000),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			return b.load(ctx, 16, 0, func(ctx context.Context, _, _ int) error {
				_, _, err := s.do(ctx, "HEAD", there(bucket, 1000), body{}, false)
				return err
			})
		},
	}
}

func (b *bench) list() workload {
	return workload{
		name: fmt.Sprintf("LIST of %d keys, in pages of 1000", b.keys), unit: "keys/s", prepare: fill(0, b.keys),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			keys := 0
			v, err := b.load(ctx, 1, 1, func(ctx context.Context, _, _ int) error {
				n, err := listAll(ctx, s, bucket)
				keys = n
				return err
			})
			if err == nil && keys != b.keys {
				err = fmt.Errorf("%d keys of %d were listed", keys, b.keys)
			}
			return v * float64(keys), err
		},
	}
}

// listAll counts the keys of a bucket.
func listAll(ctx context.Context, s *server, bucket string) (keys int, err error) {
	token := ""
	for {
		query := "?list-type=2&max-keys=1000"
		if token != "" {
			query = "?continuation-token=" + strings.ReplaceAll(url.QueryEscape(token), "+", "%20") + "&list-type=2&max-keys=1000"
		}
		page, _, err := s.do(ctx, "GET", bucket+query, body{}, true)
		if err != nil {
			return keys, err
		}
		keys += bytes.Count(page, []byte("<Key>"))
		if token = element(page, "NextContinuationToken"); token == "" {
			return keys, nil
		}
	}
}

// element is the text of a document's first element of a name.
func element(doc []byte, name string) string {
	_, rest, found := strings.Cut(string(doc), "<"+name+">")
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, "<")
	return strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&quot;", `"`, "&lt;", "<", "&gt;", ">").Replace(text)
}

func (b *bench) remove() workload {
	const count = 4000
	return workload{
		name: "DELETE, 16 clients", unit: "op/s", each: fill(small, count),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			keys := make(chan int, count)
			for i := range count {
				keys <- i
			}
			return b.load(ctx, 16, count, func(ctx context.Context, _, _ int) error {
				_, _, err := s.do(ctx, "DELETE", fmt.Sprintf("%s/there/%07d", bucket, <-keys), body{}, false)
				return err
			})
		},
	}
}

// mixed is 45 % GET, 30 % HEAD, 15 % PUT and 10 % DELETE of what was put.
func (b *bench) mixed() workload {
	const count, clients = 500, 16
	data := randomBody(mixed)
	return workload{
		name: "mixed 128 KiB, 16 clients", unit: "op/s", prepare: fill(mixed, count),
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			var own [clients][]string
			return b.load(ctx, clients, 0, func(ctx context.Context, c, n int) error {
				method, path, d := "GET", there(bucket, count), body{}
				switch p := mathrand.IntN(100); {
				case p < 45:
				case p < 75:
					method = "HEAD"
				case p < 90 || len(own[c]) == 0:
					method, path, d = "PUT", fmt.Sprintf("%s/own/%d-%d", bucket, c, n), data
					own[c] = append(own[c], path)
				default:
					method, path = "DELETE", own[c][0]
					own[c] = own[c][1:]
				}
				_, _, err := s.do(ctx, method, path, d, false)
				return err
			})
		},
	}
}

// complete is the time of a CompleteMultipartUpload of 1 GiB in 128 parts.
func (b *bench) complete() workload {
	const parts = 128
	data := randomBody(partSize)
	var id string
	var done strings.Builder
	return workload{
		name: "CompleteMultipartUpload of 1 GiB in 128 parts", unit: "ms", lowerIsBetter: true,
		each: func(ctx context.Context, s *server, bucket string) error {
			answer, _, err := s.do(ctx, "POST", bucket+"/joined?uploads=", body{}, true)
			if err != nil {
				return err
			}
			if id = element(answer, "UploadId"); id == "" {
				return errors.New("no upload id")
			}
			var tags [parts]string
			g, gctx := errgroup.WithContext(ctx)
			g.SetLimit(4)
			for i := range parts {
				g.Go(func() error {
					_, h, err := s.do(gctx, "PUT", fmt.Sprintf("%s/joined?partNumber=%d&uploadId=%s", bucket, i+1, url.QueryEscape(id)), data, false)
					if err == nil {
						tags[i] = h.Get("Etag")
					}
					return err
				})
			}
			if err := g.Wait(); err != nil {
				return err
			}
			done.Reset()
			done.WriteString("<CompleteMultipartUpload>")
			for i, tag := range tags {
				fmt.Fprintf(&done, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, tag)
			}
			done.WriteString("</CompleteMultipartUpload>")
			return nil
		},
		run: func(ctx context.Context, s *server, bucket string) (float64, error) {
			v, err := b.load(ctx, 1, 1, func(ctx context.Context, _, _ int) error {
				answer, _, err := s.do(ctx, "POST", bucket+"/joined?uploadId="+url.QueryEscape(id), newBody([]byte(done.String())), true)
				if err == nil && element(answer, "ETag") == "" {
					err = fmt.Errorf("answered: %.200s", answer)
				}
				return err
			})
			return 1000 / v, err
		},
	}
}
