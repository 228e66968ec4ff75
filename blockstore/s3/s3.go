// Package s3 keeps blocks in a bucket of Amazon S3 or of any server that speaks
// its protocol, through aws-sdk-go-v2. It needs the rights PutObject, GetObject
// and ListBucket; without DeleteObject, Delete is Denied and everything else
// works.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "s3"
//	endpoint = "s3.example.org:9000"   # without one: Amazon's of the region
//	region = "eu-central-1"
//	bucket = "blocks"
//
// Objects have the names of blockstore.ObjectNames (docs/formats.md 7), whose order
// is that of the ids, which List relies on.
//
// The driver doesn't retry: whoever uses it does (package internal/retry). It
// assumes what S3 promises since 2020: who reads after a write sees it.
package s3

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/gate"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
	"github.com/truckee-fs/truckee/internal/transport"
)

// Options say where the bucket is, and who comes.
type Options struct {
	// Endpoint is the server's address: a URL, or host[:port], which means
	// https. Empty: Amazon's of the region.
	Endpoint string
	Region   string // empty: us-east-1 at an Endpoint, else what the environment says
	Bucket   string
	Prefix   string // put before every object's name, with a slash behind it

	// Key and Secret are the credentials. With neither, those that the AWS SDK
	// finds: environment, profile, web identity, container or instance role.
	Key, Secret, SessionToken string

	// PathStyle puts the bucket into the path instead of the host name. nil:
	// true at an Endpoint.
	PathStyle *bool

	CAFile   string        // authorities of the server's certificate, PEM; empty: the system's, or AWS_CA_BUNDLE
	Timeout  time.Duration // how long a request may go without a byte moving; 0: 30 s
	InFlight int           // connections, and so requests at a time; 0: 64
	Log      *slog.Logger  // nil: none
}

// Store is a blockstore.Store in a bucket.
type Store struct {
	client  *s3.Client
	bucket  string
	names   blockstore.ObjectNames
	plain   bool // http: no TLS covers the bodies
	stall   time.Duration
	secrets []string // hidden wherever an error goes by
	where   string   // the server, for messages
	log     *slog.Logger
	gate    gate.Gate
	idle    func()

	noChecksum atomic.Bool  // the server refuses checksums in headers
	bodies     atomic.Int32 // whether signatures cover them
	batches    blockstore.Batches
}

var (
	_ blockstore.Store        = (*Store)(nil)
	_ blockstore.RangeGetter  = (*Store)(nil)
	_ blockstore.BatchDeleter = (*Store)(nil)
	_ blockstore.Marker       = (*Store)(nil)
)

// Open proves that the bucket is there and may be listed, and otherwise fails
// with a sentence that names it and the way out: Invalid options, NotExist,
// Denied, or Unavailable if the server doesn't answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(ctx, &o)
	if err != nil {
		return nil, err
	}
	if err := s.prove(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func open(ctx context.Context, o *Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	to := transport.Options{Stall: o.Timeout, Conns: o.InFlight}
	if o.CAFile != "" {
		var err error
		if to.CAs, err = transport.CAs(o.CAFile); err != nil {
			return nil, fmt.Errorf("s3: %w", err)
		}
	}
	pool := transport.New(to)
	cfg := aws.Config{Region: o.Region, Credentials: credentials.NewStaticCredentialsProvider(o.Key, o.Secret, o.SessionToken)}
	if o.Key == "" {
		var err error
		if cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(o.Region)); err != nil {
			return nil, fmt.Errorf("s3: AWS configuration: %w: %s", kind.Invalid, err)
		}
	}
	if cfg.Region == "" {
		return nil, kind.Errorf(kind.Invalid, "s3: no region given, and none in the AWS configuration")
	}
	cfg.HTTPClient = &http.Client{
		Transport: transport.Direct(pool),
		// A signature is for one address; what a redirection says is in its status.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s := &Store{
		client: s3.NewFromConfig(cfg, o.client), bucket: o.Bucket, names: blockstore.ObjectNames{Prefix: o.Prefix}, plain: o.plain(), stall: o.Timeout, idle: pool.CloseIdleConnections,
		secrets: []string{o.Secret, o.SessionToken, o.Key}, where: o.Endpoint, log: o.Log,
	}
	if s.where == "" {
		s.where = "Amazon S3 in " + cfg.Region
	}
	return s, nil
}

// complete checks the options and fills in what is left out.
func (o *Options) complete() error {
	if o.Bucket == "" {
		return kind.Errorf(kind.Invalid, "s3: no bucket given")
	}
	if (o.Key == "") != (o.Secret == "") {
		return kind.Errorf(kind.Invalid, "s3: of access key and secret one is empty; give both, or none to use the AWS SDK's own search")
	}
	if o.Endpoint != "" {
		if !strings.Contains(o.Endpoint, "://") {
			o.Endpoint = "https://" + o.Endpoint
		}
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return kind.Errorf(kind.Invalid, "s3: the endpoint %s is no http or https address", mask.URL(o.Endpoint))
		}
		if o.Region == "" {
			o.Region = "us-east-1"
		}
	}
	if o.Prefix = strings.Trim(o.Prefix, "/"); o.Prefix != "" {
		o.Prefix += "/"
	}
	if o.PathStyle == nil {
		o.PathStyle = aws.Bool(o.Endpoint != "")
	}
	if o.CAFile == "" {
		o.CAFile = os.Getenv("AWS_CA_BUNDLE")
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

func (o *Options) plain() bool { return strings.HasPrefix(o.Endpoint, "http://") }

// client sets what the SDK shall do otherwise than by default.
func (o *Options) client(c *s3.Options) {
	if o.Endpoint != "" {
		c.BaseEndpoint = aws.String(o.Endpoint)
	}
	c.UsePathStyle = *o.PathStyle
	c.Retryer = aws.NopRetryer{}
	// By default the SDK sends checksums behind the body, in an encoding that
	// older servers store as if it were data.
	c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	c.ContinueHeaderThresholdBytes = -1
	if !o.plain() {
		// TLS covers the body: a SHA-256 of it in the signature would say it again
		// at half the cost of a put.
		unsigned(c)
	}
}

// unsigned leaves the body out of the signature.
func unsigned(c *s3.Options) {
	c.APIOptions = append(c.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}
