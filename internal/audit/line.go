package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// A line is a record as it is kept: one JSON object, of which the last field
// holds the SHA-256 of the line before, without its newline. Whoever changes a
// line, or takes one out, breaks the chain at the next.
type line struct {
	Seq     uint64  `json:"seq"`
	Time    string  `json:"time"` // RFC 3339, UTC
	Service Service `json:"service"`
	Session string  `json:"session,omitempty"`
	Account string  `json:"account,omitempty"`
	Remote  string  `json:"remote,omitempty"`
	Op      Op      `json:"op"`
	Request string  `json:"request,omitempty"`
	Path    string  `json:"path,omitempty"`
	Target  string  `json:"target,omitempty"`
	Object  string  `json:"object,omitempty"`
	Read    int64   `json:"read,omitempty"`
	Written int64   `json:"written,omitempty"`
	From    int64   `json:"from,omitempty"`
	To      int64   `json:"to,omitempty"`
	Size    int64   `json:"size,omitempty"`
	Digest  string  `json:"digest,omitempty"`
	Seconds float64 `json:"seconds"`
	Outcome string  `json:"outcome"`
	Detail  string  `json:"detail,omitempty"`
	Prev    string  `json:"prev"`
}

// The records that a Log writes of its own accord, with the service "audit".
const (
	itself  Service = "audit"
	opBegin Op      = "begin" // a process writes from here on; what stood last may have been cut
	opEnd   Op      = "end"   // it has ended
	opLost  Op      = "lost"  // records that could not be kept: Detail says how many
)

const (
	// maxText bounds a text of a record, in bytes.
	maxText = 8 << 10
	// maxLine bounds a line: nine texts, each byte of which may take six.
	maxLine = 1 << 20
)

// newLine is r as a line without its place in the chain.
func newLine(r Record, now time.Time) *line {
	if r.Err != nil {
		r.Digest = "" // of nothing that anybody can read
	}
	return &line{
		Time: now.UTC().Format(time.RFC3339Nano), Service: r.Service, Session: text(r.Session), Account: text(r.Account), Remote: text(r.Remote),
		Op: r.Op, Request: text(r.Request), Path: text(r.Path), Target: text(r.Target), Object: text(r.Object),
		Read: r.Read, Written: r.Written, From: r.From, To: r.To, Size: r.Size, Digest: text(r.Digest),
		Seconds: float64(r.Took.Microseconds()) / 1e6, Outcome: Outcome(r.Err), Detail: text(r.Detail),
	}
}

// size is about what the line takes in memory.
func (l *line) size() int64 {
	return int64(300 + len(l.Session) + len(l.Account) + len(l.Remote) + len(l.Request) + len(l.Path) + len(l.Target) + len(l.Detail))
}

// text bounds a text, makes it UTF-8, and hides capabilities in it.
func text(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return hideCaps(strings.ToValidUTF8(s, "\uFFFD"))
}

// hiddenCap stands for a capability that somebody put into a path.
const hiddenCap = "URI:***"

// hideCaps replaces every capability in s, and whatever begins as one, up to the
// end of the path's component. A slash can't be in a capability.
func hideCaps(s string) string {
	if !mayHoldCap(s) {
		return s
	}
	components := strings.Split(s, "/")
	for i, c := range components {
		if mayHoldCap(c) {
			components[i] = hiddenCap
		}
	}
	return strings.Join(components, "/")
}

// mayHoldCap finds "URI:", and the same as URLs write it.
func mayHoldCap(s string) bool {
	for rest := s; ; {
		i := strings.IndexAny(rest, "uU")
		if i < 0 || len(rest) < i+4 {
			return false
		}
		rest = rest[i:]
		if strings.EqualFold(rest[:3], "uri") && (rest[3] == ':' || len(rest) >= 6 && strings.EqualFold(rest[3:6], "%3a")) {
			return true
		}
		rest = rest[1:]
	}
}

// marshal gives the line without a newline.
func (l *line) marshal() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		panic(err) // strings and numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// noHash is the hash before the first line.
const noHash = "0000000000000000000000000000000000000000000000000000000000000000"

// hashOf is what the next line says of this one.
func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
