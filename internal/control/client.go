package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Client is a connection to a running node, for one request.
type Client struct{ conn *net.UnixConn }

// Dial connects to the node whose socket is at path. kind.NotExist: there is
// no node running.
func Dial(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Client{conn}, nil
}

// Close ends the connection, and the request if it hasn't ended.
func (c *Client) Close() error { return c.conn.Close() }

// Do sends a request and serves its streams until it ends. The error says that
// the connection broke, so that the outcome isn't known. When ctx ends, the
// request is canceled.
func (c *Client) Do(ctx context.Context, r Request, s Streams) (Outcome, error) {
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	out, err := c.do(r, s)
	if ctxErr := ctx.Err(); err != nil && ctxErr != nil {
		return Outcome{}, fmt.Errorf("control: %w: %w", kind.Canceled, ctxErr)
	}
	return out, err
}

func (c *Client) do(r Request, s Streams) (Outcome, error) {
	body, err := json.Marshal(hello{Version: Version, Op: r.Op, Args: r.Args})
	if err != nil {
		return Outcome{}, fmt.Errorf("control: %w", err)
	}
	if err := writeFrame(c.conn, frameHello, body); err != nil {
		return Outcome{}, fmt.Errorf("control: %w", err)
	}
	buf := make([]byte, maxBody)
	for {
		t, body, err := readFrame(c.conn)
		if err != nil {
			return Outcome{}, fmt.Errorf("control: the node ended before the command did: %w: %w", kind.Unavailable, err)
		}
		switch t {
		case frameOut:
			_, err = s.Out.Write(body)
		case frameErr:
			_, err = s.Err.Write(body)
		case frameWant:
			err = c.sendInput(s.In, buf)
		case frameExit:
			return parseOutcome(body)
		default:
			err = kind.Errorf(kind.Invalid, "control: a frame of type %q", t)
		}
		if err != nil {
			return Outcome{}, err
		}
	}
}

func parseOutcome(body []byte) (Outcome, error) {
	var out Outcome
	if err := json.Unmarshal(body, &out); err != nil {
		return Outcome{}, kind.Errorf(kind.Invalid, "control: the outcome is no JSON")
	}
	return out, nil
}

// sendInput answers one want.
func (c *Client) sendInput(in io.Reader, buf []byte) error {
	n, err := readSome(in, buf)
	switch {
	case n > 0:
		return writeFrame(c.conn, frameInput, buf[:n])
	case errors.Is(err, io.EOF):
		return writeFrame(c.conn, frameInput, nil)
	}
	return writeFrame(c.conn, frameInputError, []byte(err.Error()))
}

// readSome reads at least one byte or returns an error.
func readSome(in io.Reader, buf []byte) (int, error) {
	if in == nil {
		return 0, io.EOF
	}
	for range 100 {
		if n, err := in.Read(buf); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
