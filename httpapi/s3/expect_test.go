package s3_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
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

// Who sends all of a large body before looking for an answer gets the refusal, too,
// and who waits for leave to send gets it at once. The connection stays where what
// was passed over is little.
func TestRefusalsReachWhoSendsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const large = 16 << 20 // more than the sockets hold
	chunk := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, header, body string
		times              int
		end                string
		stays              bool
	}{
		{"of a length", fmt.Sprintf("Content-Length: %d", large), chunk, large >> 20, "", false},
		{"in chunks", "Transfer-Encoding: chunked", "100000\r\n" + chunk + "\r\n", large >> 20, "0\r\n\r\n", false},
		{"little", "Content-Length: 1000", strings.Repeat("x", 1000), 1, "", true},
		{"little, in chunks", "Transfer-Encoding: chunked", "5\r\nhello\r\n", 1, "0\r\n\r\n", true},
		{"on leave", fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d", large), "", 0, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "PUT /bucket/key HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", tt.header)
			for range tt.times {
				if _, err := io.WriteString(conn, tt.body); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.WriteString(conn, tt.end); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(conn)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 404 || !strings.Contains(string(body), "NoSuchBucket") || resp.Close == tt.stays {
				t.Errorf("%d, close %v, %s, %v", resp.StatusCode, resp.Close, body, err)
			}
			if tt.stays {
				return
			}
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			if n, err := answers.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection stays: %d, %v", n, err)
			}
		})
	}
}
