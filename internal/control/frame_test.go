package control

import (
	"bytes"
	"testing"
)

// FuzzFrames: a stream of frames never crashes the reader or makes it take more
// than a frame's bound, and what it reads is written back as the same bytes.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{'H', 0, 0, 0, 2, '{', '}'})
	f.Add([]byte{'X', 0, 0, 0, 12, '{', '"', 's', 't', 'a', 't', 'u', 's', '"', ':', '1', '}', 'I', 0, 0, 0, 0})
	f.Add([]byte{'I', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		for {
			at := len(b) - in.Len()
			typ, body, err := readFrame(in)
			if err != nil {
				return
			}
			var out bytes.Buffer
			if err := writeFrame(&out, typ, body); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), b[at:len(b)-in.Len()]) {
				t.Fatalf("frame at %d is written back as other bytes", at)
			}
			if r, out, err := parseHello(typ, body); err == nil && out == nil && r.Op == "" {
				t.Fatal("a request without an operation")
			}
			_, _ = parseOutcome(body)
		}
	})
}
