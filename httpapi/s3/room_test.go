package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Who has no access key can make the server keep so much of documents and no more, as
// slowly as it sends them, and takes nothing from those who have one.
func TestDocumentsOfNobodyAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	document := []byte("<Delete>" + strings.Repeat(" ", 3<<20) + "<Object><Key>k</Key></Object></Delete>")
	type begun struct {
		rest *io.PipeWriter
		done chan reply
	}
	var ends sync.WaitGroup
	defer ends.Wait()
	begin := func() begun {
		body, rest := io.Pipe()
		req := w.sign(request{method: "POST", target: "/bkt?delete"})
		req.ContentLength = int64(len(document))
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(document[:len(document)-1]), body), body}
		b := begun{rest, make(chan reply, 1)}
		ends.Go(func() {
			res, err := w.http.Client().Transport.RoundTrip(req)
			if err != nil {
				t.Error(err)
				close(b.done)
				return
			}
			defer res.Body.Close()
			data, _ := io.ReadAll(res.Body)
			b.done <- reply{res, data}
		})
		return b
	}
	all := [3]begun{begin(), begin(), begin()}
	var first reply
	select {
	case first = <-all[0].done:
	case first = <-all[1].done:
	case first = <-all[2].done:
	}
	if first.StatusCode != http.StatusServiceUnavailable || first.code() != "SlowDown" || first.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", first.StatusCode, first.body, first.Header)
	}
	w.do("ann", "POST", "/bkt?delete", document).want(t, 200)
	for _, b := range all {
		_, _ = b.rest.Write(document[len(document)-1:])
		_ = b.rest.Close()
	}
	// What they had comes back as they end.
	for w.do("", "POST", "/bkt?delete", document).StatusCode == http.StatusServiceUnavailable {
		continue
	}
}
