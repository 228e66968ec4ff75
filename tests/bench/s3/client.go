package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client sends signed requests to one server, on connections that it keeps.
type client struct {
	endpoint, key, secret string
	http                  *http.Client
}

func newClient(endpoint, key, secret string) *client {
	t := &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true, WriteBufferSize: 128 << 10, ReadBufferSize: 128 << 10}
	return &client{endpoint, key, secret, &http.Client{Transport: t}}
}

// body is bytes with their SHA-256.
type body struct {
	data []byte
	sum  string
}

func newBody(data []byte) body {
	sum := sha256.Sum256(data)
	return body{data, hex.EncodeToString(sum[:])}
}

// do sends a request and reads the answer, which it returns if keep; any status but
// those of success is an error.
func (c *client) do(ctx context.Context, method, path string, b body, keep bool) (answer []byte, h http.Header, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(b.data))
	if err != nil {
		return nil, nil, err
	}
	if b.sum == "" {
		b.sum = emptySum
	}
	sign(r, c.key, c.secret, b.sum, time.Now())
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if keep || resp.StatusCode >= 300 {
		answer, err = io.ReadAll(resp.Body)
	} else {
		var n int64
		n, err = io.Copy(io.Discard, resp.Body)
		if err == nil && method == http.MethodGet && resp.ContentLength >= 0 && n != resp.ContentLength {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %.60s: %s: %.300s", method, path, resp.Status, answer)
	}
	return answer, resp.Header, err
}
