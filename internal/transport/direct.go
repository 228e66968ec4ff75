package transport

import (
	"context"
	"net/http"
)

type bodyKey struct{}

// WithBody gives the context of requests that send that body, whatever their
// client's library wraps around it (Direct).
func WithBody(ctx context.Context, b *Body) context.Context {
	return context.WithValue(ctx, bodyKey{}, b)
}

// Direct sends the bodies that WithBody names as they are: libraries wrap bodies
// for time-outs and repetitions, and what is wrapped is copied on its way to the
// connection.
func Direct(rt http.RoundTripper) http.RoundTripper { return direct{rt} }

type direct struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	b, ok := r.Context().Value(bodyKey{}).(*Body)
	if !ok || r.Body == nil || r.ContentLength <= 0 || r.ContentLength != b.size() {
		return d.RoundTripper.RoundTrip(r)
	}
	defer r.Body.Close()
	bare := r.WithContext(r.Context()) // a copy
	bare.Body = b
	return d.RoundTripper.RoundTrip(bare)
}
