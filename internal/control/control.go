package control

import (
	"context"
	"encoding/json"
	"io"
)

// Request says what is to be done: the name of an operation, and its arguments
// as JSON. They may hold secrets and are never logged.
type Request struct {
	Op   string
	Args json.RawMessage
}

// Streams are a command's standard streams.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Outcome is how a request ended: an exit status, and for failures a sentence
// for standard error.
type Outcome struct {
	Status  int    `json:"status"`
	Message string `json:"message,omitempty"`
}

// Handler carries out a request. ctx ends when the client goes away.
type Handler func(ctx context.Context, r Request, s Streams) Outcome

// hello is the body of the first frame.
type hello struct {
	Version int             `json:"version"`
	Op      string          `json:"op"`
	Args    json.RawMessage `json:"args,omitempty"`
}
