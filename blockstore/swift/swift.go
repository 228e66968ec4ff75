// Package swift keeps blocks in a container of OpenStack Swift, through
// ncw/swift with auth v1, v2 or v3. Of a container's ACL it needs read, write and
// listing (.rlistings).
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "swift"
//	auth_url = "https://keystone.example.org/v3"
//	tenant = "storage"
//	container = "blocks"
//	user = "truckee"
//	domain = "Default"
//
// Objects have the names of blockstore.ObjectNames (docs/formats.md 7), as in package s3.
//
// Swift answers a PUT with 201 when a majority of its replicas has synced the
// object to disk, and MD5 sums go along in both directions. Its listings follow
// later if the container's servers are busy: List may miss a block for a while
// that Get finds, and show one that is gone. The driver doesn't retry, but for
// asking for a new token when the old one has ended: whoever uses it does
// (package internal/retry).
package swift

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/gate"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
	"github.com/truckee-fs/truckee/internal/transport"
)

// Options say where the container is, and who comes.
type Options struct {
	// AuthURL is the authentication service's; without a scheme it is https. Its
	// path tells the version (v1, v2, v3), unless AuthVersion does.
	AuthURL     string
	AuthVersion int

	// Tenant is the account (v1) or project (v2, v3). Auth v1 has one name for
	// both, <tenant>:<user>, which may stand whole in User; where that is refused,
	// Open tries <user>:<tenant>, as Parsec builds it.
	Tenant    string
	Container string
	User      string
	Password  string // or API key

	Domain        string // of the user (v3)
	ProjectDomain string // of the project (v3); empty: Domain
	Region        string // empty: the first that the catalog has
	Prefix        string // put before every object's name, with a slash behind it

	CAFile   string        // authorities of the server's certificate, PEM; empty: the system's
	Timeout  time.Duration // how long a request may go without a byte moving; 0: 30 s
	InFlight int           // connections, and so requests at a time; 0: 64
	Log      *slog.Logger  // nil: none
}

// Store is a blockstore.Store in a container.
type Store struct {
	conn      *swift.Connection
	otherUser string // to log in by if the first name is refused
	container string
	names     blockstore.ObjectNames
	where     string // the authentication service, for messages
	stall     time.Duration
	secrets   []string // hidden wherever an error goes by
	log       *slog.Logger
	gate      gate.Gate
	idle      func()

	batches blockstore.Batches
	offered atomic.Bool // the server has bulk delete
}

var (
	_ blockstore.Store        = (*Store)(nil)
	_ blockstore.RangeGetter  = (*Store)(nil)
	_ blockstore.BatchDeleter = (*Store)(nil)
	_ blockstore.Marker       = (*Store)(nil)
)

// Open proves that the container is there and may be listed, and otherwise fails
// with a sentence that names it and the way out: Invalid options, NotExist,
// Denied, or Unavailable if the servers don't answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(&o)
	if err != nil {
		return nil, err
	}
	if err := s.prove(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func open(o *Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	to := transport.Options{Stall: o.Timeout, Conns: o.InFlight}
	if o.CAFile != "" {
		var err error
		if to.CAs, err = transport.CAs(o.CAFile); err != nil {
			return nil, fmt.Errorf("swift: %w", err)
		}
	}
	pool := transport.New(to)
	other := ""
	if o.AuthVersion == 1 && o.Tenant != "" && !strings.Contains(o.User, ":") {
		other = o.User + ":" + o.Tenant
		o.User = o.Tenant + ":" + o.User
	}
	return &Store{
		otherUser: other,
		conn: &swift.Connection{
			AuthUrl: o.AuthURL, AuthVersion: o.AuthVersion, UserName: o.User, ApiKey: o.Password,
			Tenant: o.Tenant, Domain: o.Domain, TenantDomain: o.ProjectDomain, Region: o.Region,
			Transport: keep{transport.Direct(pool)},
			// Requests end by our own time-outs, long before the library's.
			ConnectTimeout: time.Hour, Timeout: time.Hour,
			Retries: 1, // a new token for one that has ended
		},
		container: o.Container, names: blockstore.ObjectNames{Prefix: o.Prefix}, where: mask.URL(o.AuthURL), stall: o.Timeout,
		secrets: []string{o.Password}, log: o.Log, idle: pool.CloseIdleConnections,
	}, nil
}

// keep keeps the library from two habits: to drop all idle connections with
// each new token, for which it must not see that they can be; and to follow
// redirections, password or token in hand.
type keep struct{ http.RoundTripper }

func (k keep) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s redirects to %s", r.URL.Host, mask.URL(resp.Header.Get("Location")))
	}
	return resp, nil
}

// CloseIdleConnections does nothing.
func (keep) CloseIdleConnections() {}

// complete checks the options and fills in what is left out.
func (o *Options) complete() error {
	if !strings.Contains(o.AuthURL, "://") {
		o.AuthURL = "https://" + o.AuthURL
	}
	u, err := url.Parse(o.AuthURL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return kind.Errorf(kind.Invalid, "swift: the authentication address %s is no http or https address", mask.URL(o.AuthURL))
	}
	if o.Container == "" || strings.Contains(o.Container, "/") {
		return kind.Errorf(kind.Invalid, "swift: %q is no name of a container", o.Container)
	}
	if o.AuthVersion == 0 {
		o.AuthVersion = versionIn(u.Path)
	}
	if o.AuthVersion < 1 || o.AuthVersion > 3 {
		return kind.Errorf(kind.Invalid, "swift: the address %s doesn't tell the version of authentication (v1, v2, v3); set auth_version", mask.URL(o.AuthURL))
	}
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.InFlight <= 0 {
		o.InFlight = 64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// versionIn finds the version in the path of an authentication address: /v3,
// /auth/v1.0, /identity/v2.0. 0 if there is none.
func versionIn(path string) int {
	for part := range strings.SplitSeq(path, "/") {
		if len(part) >= 2 && part[0] == 'v' && part[1] >= '1' && part[1] <= '9' && (len(part) == 2 || part[2] == '.') {
			return int(part[1] - '0')
		}
	}
	return 0
}

// Close implements blockstore.Store.
func (s *Store) Close() error {
	if s.gate.Close() {
		s.idle()
	}
	return nil
}
