package s3

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/audit"
)

// Server answers S3 requests. It is an http.Handler for the whole of a listener:
// every path and every host name belongs to it. Its exported fields are set before
// the first request and not changed after it; the zero value of an option means
// the default named.
type Server struct {
	// Files holds the buckets.
	Files *filestore.FS
	// Keys finds the secret and the account of an access key.
	Keys Keys
	// Mount opens an account's root, in which its buckets are made.
	Mount func(context.Context, accounts.Account) (*filestore.Tree, error)
	// Policies gives how what is written into an account's buckets is stored, and how
	// much of it, by the account's name: it holds for whoever writes there. Nil: all
	// have the zero options.
	Policies func(owner string) filestore.MountOptions
	// Log receives refused and failed requests; never a secret, a signature or
	// contents. Nil: none.
	Log *slog.Logger
	// Audit receives one record a request. Nil: none.
	Audit audit.Recorder
	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	// Region is the name of the region that buckets are in. Empty: us-east-1.
	Region string
	// Regions are further names that a signature's scope may say. A single "*"
	// accepts any.
	Regions []string
	// Domains hold a host name for each bucket: with s3.example.org, the bucket
	// photos is also at photos.s3.example.org.
	Domains []string
	// WebsiteDomains hold a host name for each bucket that is shown as a site:
	// with web.example.org, the site of the bucket photos is photos.web.example.org.
	WebsiteDomains []string
	// PublicHosts are the names and ports under which proxies that change the Host
	// header publish this server: a signature over one of them is accepted where the
	// proxy says in X-Forwarded-Host that it was asked by that name.
	PublicHosts []string
	// Proxies are the networks of proxies whose X-Forwarded-For and X-Forwarded-Proto
	// tell who asks, and whether by TLS. None: nobody's do.
	Proxies []netip.Prefix
	// MinRate is the least rate of a body, in bytes a second, as long as it is waited
	// for: a client that stays below it for two minutes gives up its connection. Zero:
	// none, but one byte in two minutes.
	MinRate int64
	// MaxRequestRate is how many requests a second an access key may make, and an
	// address that isn't this machine's or a proxy's (of IPv6 a network of 64 bits);
	// twice as many at once. Zero: no bound.
	MaxRequestRate int
	// MinPart is the least size of a part that isn't the last of its upload.
	// Zero: 5 MiB. Negative: none.
	MinPart int64
	// HeaderAuth accepts an access key and its secret in the headers X-Access-Key
	// and X-Secret-Key, as MyFSIO does. The secret then travels in each request, so
	// it takes TLS, or a client on the same machine.
	HeaderAuth bool
	// SignatureV2 accepts signatures of version 2, which old clients make. They
	// bind less of the request (nothing of its payload) and use SHA-1.
	SignatureV2 bool
	// PlainClientKeys accepts keys of SSE-C by connections without TLS, which AWS
	// refuses.
	PlainClientKeys bool
	// ObjectWriter makes ObjectWriter the ownership of buckets that set none; the
	// default is BucketOwnerEnforced, as on AWS.
	ObjectWriter bool
	// DebugSignatures puts the canonical request that a wrong signature was
	// compared with into the log.
	DebugSignatures bool
	// Observe is told of each request at its end. Nil: nobody is.
	Observe func(Observation)

	once      sync.Once
	lanes     *lanes     // MD5s of bodies
	keys      sigv4.Keys // of signatures
	routes    map[route]*operation
	subs      map[scope]map[string]bool
	signed    room  // of documents
	anonymous room  // of those that nobody in particular sends
	asked     rates // by addresses and access keys
	wrong     rates // claims of access keys, by addresses

	parsed parsedDocuments
	seen   seen
}

// Observation is what figures are made of.
type Observation struct {
	Operation string // PutObject; "unknown" if the request had none
	Status    int
	Received  int64 // bytes of the body
	Sent      int64
	Took      time.Duration
}

// Keys finds access keys.
type Keys interface {
	// S3Key gives the account that an access key stands for, already weakened to
	// what the key allows, and its secret. NotExist if there is no such key, Denied
	// if it is disabled. The account's Check is observed here.
	S3Key(ctx context.Context, accessKeyID string) (accounts.Account, []byte, error)
}

// DefaultRegion is that of a Server without Region.
const DefaultRegion = "us-east-1"

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.once.Do(s.prepare)
	c := s.newCall(w, r)
	ctx := r.Context()
	defer c.caught(ctx)
	if err := c.run(ctx); err != nil {
		c.refuse(ctx, err)
	}
	c.end(ctx)
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Server) region() string {
	if s.Region == "" {
		return DefaultRegion
	}
	return s.Region
}
