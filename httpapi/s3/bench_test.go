package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// roundTrip sends a prepared request again and again.
func (w *world) roundTrip(b *testing.B, r request) {
	b.Helper()
	req := w.sign(r)
	req.Body = io.NopCloser(bytes.NewReader(r.body))
	res, err := w.http.Client().Transport.RoundTrip(req)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res.StatusCode, n, err)
	}
}

func BenchmarkObjects(b *testing.B) {
	w := newWorld(b)
	w.bucket("data")
	for _, size := range []int{4 << 10, 10 << 20} {
		data := randomBytes(size)
		target := fmt.Sprintf("/data/%d", size)
		for _, method := range []string{"PUT", "GET"} {
			b.Run(fmt.Sprintf("%s %d KiB", method, size>>10), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				r := request{method: method, target: target, user: "ann"}
				if method == "PUT" {
					r.body = data
				}
				for b.Loop() {
					w.roundTrip(b, r)
				}
			})
		}
	}
}

func BenchmarkList(b *testing.B) {
	w := newWorld(b)
	w.bucket("data")
	for i := range 1000 {
		w.put("data", fmt.Sprintf("key %06d", i), "x", "Content-Type", "text/plain")
	}
	b.ReportAllocs()
	for b.Loop() {
		w.roundTrip(b, request{method: "GET", target: "/data?list-type=2", user: "ann"})
	}
}
