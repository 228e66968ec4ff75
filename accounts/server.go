package accounts

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Server is an Authenticator that asks an account server, as Tahoe-LAFS's
// frontends did (accounts.url): an HTTP POST of multipart/form-data with the
// fields action=authenticate, email=NAME and passwd=PASSWORD. The answer is
// status 200 and a body of one string: the account's root capability, or 0 for
// a refusal. White space around it is ignored. It knows no public keys.
type Server struct {
	url    *url.URL
	client *http.Client
	opts   ServerOptions
	cache  *answers
	room   chan struct{} // a token for each question under way
}

// ServerOptions of OpenServer. Zero values mean the defaults named.
type ServerOptions struct {
	// CAFile names PEM certificates of authorities that are trusted for the
	// server's certificate besides the system's.
	CAFile string

	// Insecure permits plain HTTP to another machine, which hands every
	// password to whoever listens on the way.
	Insecure bool

	// Timeout bounds one question. Zero: 10 seconds.
	Timeout time.Duration

	// Remember is how long a granted login is granted again without asking; a
	// refusal of the same name ends that at once. Zero: every login asks.
	Remember time.Duration

	// Log receives what an operator must know. Nil: none.
	Log *slog.Logger

	// CanOpen tells whether this build can open a root of this form. Nil: all.
	CanOpen func(caps.Cap) bool
}

// maxAnswer is the longest answer that is read, in bytes: a capability with
// room to spare.
const maxAnswer = 1024

// maxQuestions is how many questions are under way at a time.
const maxQuestions = 16

// OpenServer returns the account server at rawURL; nothing is asked yet.
// Invalid, with what to do, for a URL that is none, or that would send passwords
// to another machine without TLS. User and password in the URL are sent as HTTP
// basic authentication, and never logged.
func OpenServer(rawURL string, o ServerOptions) (*Server, error) {
	u, err := url.Parse(rawURL)
	if err != nil { // its text repeats the URL, and with it a password
		return nil, kind.Errorf(kind.Invalid, "accounts.url is no URL: write it as https://HOST/PATH")
	}
	if err := checkURL(u, o.Insecure); err != nil {
		return nil, err
	}
	roots, err := trusted(o.CAFile)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		url: u, opts: o, cache: newAnswers(o.Remember), room: make(chan struct{}, maxQuestions),
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:               nil, // a proxy would see the passwords of a loopback server
				DialContext:         (&net.Dialer{Timeout: o.Timeout}).DialContext,
				TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				MaxIdleConnsPerHost: maxQuestions,
				IdleConnTimeout:     time.Minute,
				ForceAttemptHTTP2:   true,
				DisableCompression:  true, // the bound on the answer is one on what was sent
			},
			// Whoever can send a redirect could have the password sent anywhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// checkURL refuses what isn't safe to send passwords to.
func checkURL(u *url.URL, insecure bool) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.Opaque != "":
		return kind.Errorf(kind.Invalid, "accounts.url must be https://HOST/PATH, or http:// on this machine")
	case u.Fragment != "":
		return kind.Errorf(kind.Invalid, "accounts.url has a fragment (#…), which no server sees: leave it out")
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return kind.Errorf(kind.Invalid, "accounts.url is http:// to another machine, which hands every password to whoever listens on the way: use https://, or set accounts.url_insecure if the way is safe by other means")
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// trusted is the system's authorities and those in the file; nil means the
// system's.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("accounts.url_ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, kind.Errorf(kind.Invalid, "accounts.url_ca: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// String names the server without what in its URL may be secret.
func (s *Server) String() string {
	return (&url.URL{Scheme: s.url.Scheme, Host: s.url.Host, Path: s.url.Path}).String()
}

// Authenticate implements Authenticator. Denied: the server said 0, or the
// credential is a key. Unavailable: it can't be reached, or gave no answer that
// means anything; the log says which.
func (s *Server) Authenticate(ctx context.Context, name string, c Credential) (Account, error) {
	password, ok := c.(Password)
	if !ok || CheckName(name) != nil || len(password) > MaxPassword {
		return Account{}, fmt.Errorf("accounts: log in: %w", kind.Denied)
	}
	if root, ok := s.cache.granted(name, password); ok {
		return Account{Name: name, Root: root}, nil
	}
	select {
	case s.room <- struct{}{}:
		defer func() { <-s.room }()
	case <-ctx.Done():
		return Account{}, fmt.Errorf("accounts: log in: %w: %w", kind.Canceled, ctx.Err())
	}
	asked := s.cache.asking()
	root, err := s.ask(ctx, name, password)
	switch kind.Of(err) {
	case 0:
		s.cache.grant(asked, name, password, root)
		return Account{Name: name, Root: root}, nil
	case kind.Denied:
		s.cache.refuse(name)
	case kind.Canceled:
	default:
		s.opts.Log.Error("the account server gave no answer: nobody whom it knows can log in", "server", s.String(), "error", err)
	}
	return Account{}, fmt.Errorf("accounts: log in: %w", err)
}

// ask puts the question.
func (s *Server) ask(ctx context.Context, name string, password Password) (caps.Cap, error) {
	asking, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	req, err := s.question(asking, name, password)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return s.answer(resp.StatusCode, body)
}

// question is the POST that Tahoe-LAFS's account servers expect.
func (s *Server) question(ctx context.Context, name string, password Password) (*http.Request, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, field := range [...][2]string{{"action", "authenticate"}, {"email", name}, {"passwd", string(password)}} {
		if err := w.WriteField(field[0], field[1]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), &form)
	if err != nil {
		return nil, kind.Errorf(kind.Invalid, "accounts.url can't be asked")
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("User-Agent", "truckee")
	return req, nil
}

// failure is why no answer came, without the URL that net/http puts in front.
func (s *Server) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask the account server: %w: %w", kind.Canceled, ctx.Err())
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return kind.Errorf(kind.Unavailable, "no answer within %v", s.opts.Timeout)
	}
	return kind.Errorf(kind.Unavailable, "%w", err)
}

// answer reads what the server said. No error repeats it: it may be a capability.
func (s *Server) answer(status int, body []byte) (caps.Cap, error) {
	text := strings.TrimSpace(string(body))
	switch {
	case status >= 300 && status < 400:
		return nil, kind.Errorf(kind.Unavailable, "status %d: a redirect, which isn't followed since it would take the password along: set accounts.url to where it leads", status)
	case status != http.StatusOK:
		return nil, kind.Errorf(kind.Unavailable, "status %d instead of 200", status)
	case len(body) > maxAnswer:
		return nil, kind.Errorf(kind.Unavailable, "an answer of more than %d bytes", maxAnswer)
	case text == "0":
		return nil, kind.Denied
	}
	root, err := caps.Parse(text)
	if _, unknown := root.(caps.Unknown); err != nil || unknown {
		return nil, kind.Errorf(kind.Unavailable, "an answer that is neither 0 nor a capability that this version knows")
	}
	if err := CheckRoot(root); err != nil {
		return nil, kind.Errorf(kind.Unavailable, "a capability that can't be the root of an account: %w", err)
	}
	if s.opts.CanOpen != nil && !s.opts.CanOpen(root) {
		return nil, kind.Errorf(kind.Unavailable, "a root that this version can't open yet: %v", root)
	}
	return root, nil
}

// Close drops the connections that are kept open.
func (s *Server) Close() { s.client.CloseIdleConnections() }
