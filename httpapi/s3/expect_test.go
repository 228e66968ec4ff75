package s3_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// Who waits for leave to send a body hears it, a body of nothing included: the
// aws cli loses the second answer on a connection where it did not.
func TestExpectOfAnEmptyBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprint(conn, "PUT /bucket/key HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
		for _, want := range []int{http.StatusContinue, http.StatusNotFound} {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Fatalf("status %d, not %d", resp.StatusCode, want)
			}
			if want == http.StatusContinue && len(resp.Header) > 0 {
				t.Errorf("with headers %v", resp.Header)
			}
		}
	}
}
