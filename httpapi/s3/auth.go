package s3

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// authenticate finds out who asks. A request that claims nothing is anonymous; one
// whose claim is wrong is refused, whatever anybody may do.
func (c *call) authenticate(ctx context.Context) error {
	if key := c.r.Header["X-Access-Key"]; c.server.HeaderAuth && len(key) == 1 {
		return c.authenticateHeaders(ctx, key[0])
	}
	r := c.signedRequest()
	claim, err := sigv4.Find(r, c.server.SignatureV2)
	if err != nil {
		return c.refused(ctx, "", err)
	}
	if claim == nil {
		return c.payload.declare(c.r.Header.Get("X-Amz-Content-Sha256"), nil)
	}
	secret, err := c.secretOf(ctx, claim)
	if err != nil {
		return c.refused(ctx, claim.AccessKey, err)
	}
	chain, err := claim.Verify(r, secret)
	if err != nil {
		c.claimedWrongly(claim.AccessKey, err)
		return c.refused(ctx, claim.AccessKey, err)
	}
	if err := c.moderate("key " + claim.AccessKey); err != nil {
		return err
	}
	c.who.signedBy(claim)
	form := claim.Payload
	if claim.Place == sigv4.InQuery && claim.Version == 4 { // version 2 signs few parameters
		if err := c.hoist(); err != nil {
			return err
		}
		if form == "" {
			form = c.r.Header.Get("X-Amz-Content-Sha256")
		}
	}
	return c.payload.declare(form, chain)
}

// signedBy notes a claim that was confirmed.
func (i *identity) signedBy(claim *sigv4.Claim) {
	i.signed, i.since, i.place, i.version = true, claim.Time, claim.Place, claim.Version
}

// signedRequest is what a signature covers.
func (c *call) signedRequest() *sigv4.Request {
	r := &sigv4.Request{
		Method: c.r.Method, Path: c.path, RawQuery: c.rawQuery, Host: c.host, Header: c.r.Header, ContentLength: c.r.ContentLength,
		Bucket: c.target.bucket, Virtual: c.virtual, Keys: &c.server.keys,
	}
	// By which name the client knows this server says which bucket it means.
	if bucket, virtual := bucketOfHost(c.r.Host, c.server.Domains); c.host != c.r.Host && virtual == c.virtual && (!virtual || bucket == c.target.bucket) {
		r.Hosts = append(r.Hosts, c.r.Host)
	}
	return r
}

// addressed is the host that the client asked for: what a proxy forwards for, if
// it is one of those under which this server is known.
func (s *Server) addressed(host string, forwarded []string) string {
	if len(forwarded) == 0 {
		return host
	}
	name, _, _ := strings.Cut(forwarded[len(forwarded)-1], ",")
	name = strings.TrimSpace(name)
	known := slices.ContainsFunc(s.PublicHosts, func(public string) bool {
		if domain, any := strings.CutPrefix(public, "*"); any {
			return strings.HasSuffix(strings.ToLower(name), strings.ToLower(domain))
		}
		return strings.EqualFold(name, public)
	})
	if known {
		return name
	}
	return host
}

// secretOf finds the secret that a claim has to be confirmed by, and with it who
// the caller is if it is.
func (c *call) secretOf(ctx context.Context, claim *sigv4.Claim) ([]byte, error) {
	if err := claim.Fresh(c.server.now()); err != nil {
		return nil, err
	}
	if err := claim.InRegion(c.server.region(), c.server.Regions...); err != nil {
		return nil, err
	}
	if claim.Token != "" {
		return nil, fail(InvalidToken, "")
	}
	return c.identify(ctx, claim.AccessKey)
}

// identify finds an access key: its secret, and whom it stands for.
func (c *call) identify(ctx context.Context, key string) ([]byte, error) {
	if err := c.mayClaim(key); err != nil {
		return nil, err
	}
	account, secret, err := c.server.Keys.S3Key(ctx, key)
	switch {
	case errors.Is(err, kind.NotExist), errors.Is(err, kind.Denied):
		return nil, fail(InvalidAccessKeyID, "").with("AWSAccessKeyId", key).because(err)
	case err != nil:
		return nil, err
	}
	var from netip.Addr
	if at, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
		from = at.Addr().Unmap()
	}
	if err := account.Check(from, c.server.now()); err != nil {
		return nil, fail(AccessDenied, "").because(err)
	}
	c.who = identity{account: account, key: key}
	return secret, nil
}

// authenticateHeaders takes an access key with its secret, as MyFSIO's clients
// send them.
func (c *call) authenticateHeaders(ctx context.Context, key string) error {
	secret, err := c.identify(ctx, key)
	if err != nil {
		return c.refused(ctx, key, err)
	}
	given, want := sha256.Sum256([]byte(c.r.Header.Get("X-Secret-Key"))), sha256.Sum256(secret)
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		err := fail(SignatureDoesNotMatch, "The secret key does not belong to the access key.")
		c.claimedWrongly(key, err)
		return c.refused(ctx, key, err)
	}
	if err := c.moderate("key " + key); err != nil {
		return err
	}
	c.who.signed = true
	return c.payload.declare(c.r.Header.Get("X-Amz-Content-Sha256"), nil)
}

// refused is the answer to a claim that does not hold.
func (c *call) refused(ctx context.Context, key string, err error) error {
	c.who = identity{}
	if k := kind.Of(err); k == kind.Unavailable || k == kind.Canceled {
		return err
	}
	c.record.Op, c.record.Account = audit.Refused, key
	var e *sigv4.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Canonical != "" && c.server.DebugSignatures {
		c.log(ctx, slog.LevelInfo, "S3 signature does not match", "access_key", key, "expected", maskSecrets(e.Canonical))
	}
	f := fail(code(e.Code), "%s", e.Message).because(kind.Denied)
	f.fields = e.Fields
	return f
}

// maskSecrets takes out of a canonical request what is itself a secret: the keys
// of SSE-C, tokens of sessions.
func maskSecrets(canonical string) string {
	lines := strings.Split(canonical, "\n")
	for i, line := range lines {
		if strings.Contains(line, "&") || i == 2 {
			lines[i] = maskParameters(line)
		}
		name, _, ok := strings.Cut(line, ":")
		if ok && (strings.Contains(name, "customer-key") || strings.Contains(name, "security-token") || name == "x-secret-key" || name == "cookie") {
			lines[i] = name + ":(masked)"
		}
	}
	return strings.Join(lines, "\n")
}

// maskParameters does the same in a query: a presigned URL has there what stands
// for headers.
func maskParameters(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, ok := strings.Cut(part, "=")
		if lower := strings.ToLower(name); ok && (strings.Contains(lower, "customer-key") || strings.Contains(lower, "security-token")) {
			parts[i] = name + "=(masked)"
		}
	}
	return strings.Join(parts, "&")
}

// hoist makes headers of the parameters that stand for them in a presigned URL:
// SDKs write there what they would send in headers beginning with x-amz-.
func (c *call) hoist() error {
	for _, p := range c.query {
		name := strings.ToLower(p.name)
		if !strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(p.name, "X-Amz-") && authParameters[p.name] {
			continue
		}
		// A checksum here is of no body that anybody had when the URL was signed: the
		// SDK for JavaScript writes that of an empty one. AWS passes it over.
		if strings.HasPrefix(name, "x-amz-checksum-") {
			continue
		}
		if err := firstOf(checkHeaderName(p.name), checkHeaderValue(p.name, p.value)); err != nil {
			return err
		}
		if len(c.r.Header.Values(name)) == 0 {
			c.r.Header.Set(name, p.value)
			c.hoisted = true
		}
	}
	return nil
}

// checkHeaderValue refuses what came in another place than a header and is to be one,
// where none could have said it: an answer that gives it back is one that clients can't
// read.
func checkHeaderValue(name, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fail(InvalidArgument, "A field has a value that no header can have.").with("ArgumentName", name)
	}
	return nil
}

func checkHeaderName(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return fail(InvalidArgument, "A field has a name that no header can have.")
	}
	return nil
}

var authParameters = map[string]bool{
	"X-Amz-Algorithm": true, "X-Amz-Credential": true, "X-Amz-Signature": true, "X-Amz-Date": true, "X-Amz-SignedHeaders": true,
	"X-Amz-Expires": true, "X-Amz-Security-Token": true, "X-Amz-Content-Sha256": true,
}
