package s3

import (
	"errors"
	"io"
)

// errBroken is a body that ended before its end, or a client that went away.
var errBroken = errors.New("the request broke off")

// counted is a body that knows how much of it has come.
type counted struct {
	io.ReadCloser
	n     int64
	ended bool // it came to its end
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	if err == io.EOF {
		c.ended = true
	}
	return n, err
}

// payloadForm is how a body came.
type payloadForm struct{}
