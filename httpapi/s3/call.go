package s3

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/postform"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// call is one request on its way through the server, and what is known of it so
// far.
type call struct {
	target
	server *Server
	w      *answer
	r      *http.Request // its RemoteAddr is the client's, also behind proxies
	id     string        // the request's id, which the answer and the log have
	began  time.Time
	secure bool // the client speaks TLS, with us or with a trusted proxy

	op      *operation
	who     identity
	hoisted bool              // parameters of a presigned URL became headers
	payload payloadForm       // how the body came, as the signature declares it
	bucket  *filestore.Bucket // of the target, once it was found
	bytes   *counted          // the body, as it comes
	room    held              // of the document that the body is
	form    *postform.Form    // that the object comes in; nil: none
	instead int               // the status of an object that is shown for another; zero: none

	record   audit.Record // the handlers add what they know
	recorded bool
}

// identity is who asks.
type identity struct {
	account accounts.Account
	key     string    // the access key id. Empty: nobody in particular
	signed  bool      // by a signature: response-* parameters count
	since   time.Time // when it was signed; zero if that isn't known
	place   sigv4.Place
	version int // of the signature; zero: there is none
}

func (i identity) anonymous() bool { return i.key == "" }

// answer counts what is sent.
type answer struct {
	http.ResponseWriter
	body   *counted // of the request
	status int      // zero: nothing was sent yet
	sent   int64
}

// unwantedTimeout is how long a client may take to send what is left of a body
// that nobody reads: net/http waits for that, or for a good part of it, before it
// lets an answer go.
const unwantedTimeout = 10 * time.Second

// bound lets nobody keep the connection by not taking the answer, or by not sending
// a body for which it was refused.
func (a *answer) bound() {
	now := time.Now()
	control := http.NewResponseController(a.ResponseWriter)
	_ = control.SetWriteDeadline(now.Add(2 * bodyTimeout)) // not every ResponseWriter can
	if !a.body.ended {
		_ = control.SetReadDeadline(now.Add(unwantedTimeout))
	}
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 || a.status == http.StatusContinue {
		a.status = status
		a.bound()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
		a.bound()
	}
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	if r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		// net/http lets nobody wait who has nothing to send. The aws cli takes the
		// answer that comes then, but doesn't see the next one on the connection.
		w.WriteHeader(http.StatusContinue)
	}
	var b [40]byte
	_, _ = rand.Read(b[:])
	c := &call{server: s, w: &answer{ResponseWriter: w}, r: r, began: s.now(), id: strings.ToUpper(hex.EncodeToString(b[:8]))}
	r.RemoteAddr, c.secure = s.comesFrom(r)
	c.bytes = &counted{ReadCloser: r.Body, ended: r.ContentLength == 0}
	c.w.body = c.bytes
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // that of the answer before
	h := w.Header()
	h.Set("X-Amz-Request-Id", c.id)
	h.Set("X-Amz-Id-2", base64.StdEncoding.EncodeToString(b[8:]))
	h.Set("Server", "Truckee")
	return c
}

// run takes the request through all that comes before its handler, and the
// handler.
func (c *call) run(ctx context.Context) error {
	site, err := c.readTarget()
	if err != nil && site {
		return c.sitePage(err)
	}
	if err != nil {
		return err
	}
	if err := c.moderate(c.source()); err != nil {
		return err
	}
	if c.r.Method == http.MethodOptions {
		return c.preflight(ctx)
	}
	c.crossOrigin(ctx)
	if c.server.Audit != nil {
		if err := c.server.Audit.Ready(); err != nil {
			return err
		}
	}
	if site {
		return c.serveSite(ctx)
	}
	if err := c.unambiguous(); err != nil {
		return c.astray(err)
	}
	op, routing := c.server.find(&c.target, c.r)
	c.op = op
	if routing == nil && c.postsForm() {
		return c.postObject(ctx)
	}
	if err := c.authenticate(ctx); err != nil {
		return c.astray(err)
	}
	if c.hoisted { // one of the headers may make it another operation
		op, routing = c.server.find(&c.target, c.r)
		c.op = op
	}
	if routing != nil {
		return c.astray(routing)
	}
	if c.target.bucket != "" && !op.open {
		if err := c.findBucket(ctx); err != nil {
			return err
		}
	}
	if op.action != "" {
		if err := c.authorise(ctx, access{action: op.action, bucket: c.bucket, key: c.key}); err != nil {
			return err
		}
	}
	if err := op.handle(c, ctx); err != nil {
		return c.hidden(ctx, err)
	}
	return nil
}

// readTarget reads what the request addresses, and tells whether that is a site.
func (c *call) readTarget() (site bool, err error) {
	host, domains := c.server.addressed(c.r.Host, c.r.Header["X-Forwarded-Host"]), c.server.Domains
	if _, site = bucketOfHost(host, c.server.WebsiteDomains); site {
		domains = c.server.WebsiteDomains
	}
	c.target, err = parseTarget(c.r, host, domains)
	return site, c.astray(err)
}

// maxStray bounds what the record of a refused request repeats of its path.
const maxStray = 3*maxKey + 128

// astray notes that a request is refused before it is known what it wants: its
// record has the path as it was sent, and nothing of its query, which may hold a
// signature.
func (c *call) astray(err error) error {
	if err == nil || c.op != nil || c.record.Op != "" {
		return err
	}
	c.record.Op, c.record.Account = audit.Refused, c.who.account.Name
	c.record.Path, c.record.Detail = c.path[:min(len(c.path), maxStray)], string(failureOf(err).code)
	return err
}

// findBucket finds the bucket of the target.
func (c *call) findBucket(ctx context.Context) (err error) {
	c.bucket, err = c.lookup(ctx, c.target.bucket)
	return err
}

// lookup finds a bucket by its name.
func (c *call) lookup(ctx context.Context, name string) (*filestore.Bucket, error) {
	b, err := c.server.Files.Bucket(ctx, name)
	if errors.Is(err, kind.NotExist) || errors.Is(err, kind.NameInvalid) {
		return nil, fail(NoSuchBucket, "").with("BucketName", name).because(err)
	}
	if err != nil {
		return nil, err
	}
	if c.server.Policies != nil {
		b = b.WithOptions(c.server.Policies(b.Info().Owner))
	}
	return b, nil
}

// settle keeps the record of the call, once: before the answer begins, so that
// nobody is told of a change of which no record could be kept, or after it where
// the answer is what is recorded.
func (c *call) settle(err error) error {
	if c.recorded || c.server.Audit == nil || c.op == nil && c.record.Op == "" {
		return nil
	}
	c.recorded = true
	r := c.record
	r.Service, r.Session, r.Remote = audit.S3, c.id, c.r.RemoteAddr
	if c.op != nil {
		r.Request = c.op.name
	}
	if r.Op == "" {
		r.Op, r.Account = c.op.audit, c.who.account.Name
	}
	if r.Path == "" {
		r.Path = "/" + c.target.bucket
		if c.key != "" {
			r.Path += "/" + c.key
		}
	}
	if r.Detail == "" {
		r.Detail = versionDetail(c.query.get("versionId"))
	}
	r.Err, r.Took = err, c.server.now().Sub(c.began)
	return c.server.Audit.Record(r)
}

// end is what remains to be done when the answer is on its way.
func (c *call) end(ctx context.Context) {
	c.room.give()
	if err := c.settle(nil); err != nil {
		c.log(ctx, slog.LevelError, "no record kept", "error", err)
	}
	if c.server.Observe == nil {
		return
	}
	name := "unknown"
	if c.op != nil {
		name = c.op.name
	}
	c.server.Observe(Observation{
		Operation: name, Status: c.w.status, Received: c.bytes.n, Sent: c.w.sent, Took: c.server.now().Sub(c.began),
	})
}

// log writes about the call.
func (c *call) log(ctx context.Context, level slog.Level, message string, args ...any) {
	if c.server.Log == nil {
		return
	}
	name := ""
	if c.op != nil {
		name = c.op.name
	}
	args = append([]any{"request", c.id, "operation", name, "remote", c.r.RemoteAddr, "account", c.who.account.Name, "bucket", c.target.bucket, "key", c.key}, args...)
	c.server.Log.Log(ctx, level, message, args...)
}
