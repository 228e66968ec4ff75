package config

import (
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
)

// Config is everything that a node can be told. The tags: key in its section,
// default as text, flag if it isn't --SECTION-KEY and env if it isn't
// TRUCKEE_SECTION_KEY ("-" for none), min and max of numbers, sizes
// and durations, one of the words allowed, help for the manual.
type Config struct {
	Node       Node       `section:"node" help:"The process."`
	SFTPD      SFTPD      `section:"sftpd" help:"The SFTP frontend."`
	S3         S3         `section:"s3" help:"The S3 frontend. Access keys are in the accounts file: truckee account s3key add."`
	Blockstore Blockstore `section:"blockstore" help:"Where encrypted blocks lie."`
	Metastore  Metastore  `section:"metastore" help:"The database: slots, tree nodes, the block index."`
	GC         GC         `section:"gc" help:"Collection: giving back the space of what nothing leads to any more."`
	Filestore  Filestore  `section:"filestore" help:"How files are cut, and what memory may be used."`
	Metrics    Metrics    `section:"metrics" help:"Watching the node."`
	Audit      Audit      `section:"audit" help:"Records of who did what: off, unless a place for them is named."`
}

// Audit is about the records of who did what.
type Audit struct {
	File     Path   `key:"file" help:"The file that a record of each login, and of each operation on files, is appended to, as JSON: audit.jsonl, for instance. It has the names of files in the clear. None: no file."`
	MaxSize  Size   `key:"max_size" default:"64MiB" min:"0" help:"Size at which the file is put aside, under a name with the time, and another is begun. Nothing is ever removed. 0: never, because logrotate does it and sends SIGHUP."`
	Required bool   `key:"required" default:"false" help:"Do nothing, and answer nothing, of which no record is on disk: a full disk then stops the service. Off, such records are counted and nobody waits."`
	Reads    bool   `key:"reads" default:"true" help:"Record reads and listings, too. Off, only those that were refused or failed."`
	Digests  bool   `key:"digests" default:"false" help:"Put the SHA-256 of what was written into the record of a write: of SFTP for files that are written in sequence, from the first byte to the last, for half a second of processor time a GiB; of S3 where the client named one. It confirms guessed contents."`
	Syslog   string `key:"syslog" help:"Where every record goes besides: local, udp:HOST:PORT or tcp:HOST:PORT (RFC 3164, facility authpriv)."`
	Stdout   bool   `key:"stdout" default:"false" help:"While serving, print every record on standard output besides."`
}

// Metrics is about watching the node.
type Metrics struct {
	Listen Listen `key:"listen" flag:"metrics" help:"Where to answer /metrics (Prometheus), /healthz and /readyz, over plain HTTP and to everybody who asks: HOST:PORT, on this machine or in a network of your own. None: nowhere."`
}

// Node is about the process.
type Node struct {
	Nickname        string        `key:"nickname" help:"Added to every log record as node=, to tell gateways apart."`
	LogLevel        slog.Level    `key:"log_level" flag:"log-level" default:"info" help:"Least level that is logged: debug, info, warn or error."`
	LogFormat       string        `key:"log_format" flag:"log-format" default:"text" one:"text json" help:"text or json, on standard error."`
	AllowSoftAES    bool          `key:"allow_soft_aes" flag:"allow-soft-aes" default:"false" help:"Start on a processor without AES instructions, where encryption is slow and its timing depends on the key."`
	ShutdownTimeout time.Duration `key:"shutdown_timeout" default:"30s" min:"0s" help:"On SIGTERM, how long open sessions may go on to finish their requests."`
	Dev             bool          `key:"dev" flag:"dev" default:"false" help:"For development: no warnings of stores that forget."`
	SecretsFile     Path          `key:"secrets_file" flag:"-" env:"-" default:"private/storage.secrets" help:"The secrets that [blockstore] and [metastore] leave open, in the same form as this file. It need not exist; if it does, nobody else may read it."`
	MemoryLimit     Size          `key:"memory_limit" default:"128MiB" min:"0" help:"Memory of the whole process beyond which serving collects garbage more eagerly, at the price of processor time: a soft limit, which what is in use exceeds. 0: none. GOMEMLIMIT in the environment wins, and is the Go runtime's share alone."`
}

// SFTPD is about the SFTP frontend.
type SFTPD struct {
	Enabled          bool          `key:"enabled" default:"true" help:"Serve SFTP."`
	Port             Listen        `key:"port" flag:"sftp" default:"127.0.0.1:8022" help:"Where to listen: HOST:PORT, or Tahoe-LAFS's tcp:PORT:interface=ADDRESS. Without a host or interface, on all addresses."`
	Listeners        Listeners     `key:"listeners" help:"More addresses to listen on, each with words: profile=modern, compatible or legacy (algorithms), proxy=off, optional or strict (the PROXY protocol), proxies=NETWORKS (the load balancers that it is believed from), from=NETWORKS (whose clients are served). As in [\"0.0.0.0:2222 profile=legacy from=10.0.0.0/8\"]; with a flag or variable, semicolons between."`
	HostKeys         []Path        `key:"host_keys" help:"Host key files, OpenSSH private keys without a passphrase. None: private/ssh_host_ed25519_key, …_ecdsa_key and …_rsa_key, which the first start makes."`
	HostPrivkeyFile  Path          `key:"host_privkey_file" help:"One host key file, as Tahoe-LAFS names it."`
	HostPubkeyFile   Path          `key:"host_pubkey_file" help:"Its public key, as Tahoe-LAFS names it: it must belong to host_privkey_file."`
	AccountsFile     Path          `key:"accounts.file" default:"private/accounts" help:"The accounts file: who may log in, by what, to which root capability."`
	AccountsURL      string        `key:"accounts.url" help:"The account server that is asked about names that the accounts file doesn't have: https://HOST/PATH, or http:// on this machine. It gets a POST of multipart/form-data with action=authenticate, email=NAME, passwd=PASSWORD, and answers with the root capability or 0."`
	AccountsCA       Path          `key:"accounts.url_ca" help:"A file of PEM certificates of authorities that the account server's certificate may come from, besides the system's."`
	AccountsInsecure bool          `key:"accounts.url_insecure" default:"false" help:"Permit http:// to an account server on another machine: everybody on the way reads every password."`
	AccountsTimeout  time.Duration `key:"accounts.url_timeout" default:"10s" min:"1s" max:"1m" help:"How long the account server may take to answer."`
	AccountsRemember time.Duration `key:"accounts.url_remember" default:"10s" min:"0s" max:"10m" help:"How long a login that the account server granted is granted again without asking. A refusal of the name ends that at once."`
	PasswordAuth     bool          `key:"password_auth" default:"true" help:"Let people log in by a password alone. Off, a password counts only after a key whose line says also=password."`
	UserCAKeys       Path          `key:"user_ca_keys" help:"A file of public keys of authorities, one a line: an OpenSSH user certificate that one of them signed logs in to the account that it names as a principal."`
	RevokedKeys      Path          `key:"revoked_keys" help:"A file of what nobody logs in by any more: public keys, of users and authorities, or their fingerprints (SHA256:…), one a line; or a key revocation list, as ssh-keygen -k makes it."`
	Penalties        bool          `key:"penalties" default:"true" help:"Ban sources from which too many logins fail, for as long as they have earned."`
	PenaltyExempt    Networks      `key:"penalty_exempt" default:"127.0.0.0/8,::1" help:"Networks that are never banned, with commas between: load balancers and tunnels, behind which everybody has one address."`
	MaxConns         int           `key:"max_conns" default:"1000" min:"1" help:"Connections at a time, logged in or not."`
	MaxHandshakes    int           `key:"max_handshakes" default:"100" min:"1" help:"Connections at a time that have not logged in yet."`
	MaxSessions      int           `key:"max_sessions" default:"100" min:"1" help:"Connections at a time of one account."`
	MaxChannels      int           `key:"max_channels" default:"10" min:"1" help:"Channels at a time in one connection."`
	MaxHandles       int           `key:"max_handles" default:"1000" min:"1" help:"Files and directories open at a time in one channel."`
	LoginAttempts    int           `key:"login_attempts" default:"6" min:"1" help:"Wrong passwords and signatures that end a connection."`
	KeyQueries       int           `key:"key_queries" default:"20" min:"1" help:"Keys that a client may offer without signing: agents offer all that they hold."`
	HandshakeTimeout time.Duration `key:"handshake_timeout" default:"2m" min:"1s" help:"Time from connection to login."`
	KeepAlive        time.Duration `key:"keepalive" default:"1m" min:"0s" help:"Silence after which a client is asked for a sign of life; the third unanswered one cuts the connection. 0s: never."`
	IdleTimeout      time.Duration `key:"idle_timeout" default:"0s" min:"0s" help:"Cut a connection that sent no request for so long and has no file open for writing. 0s: never, since mounts rest for hours."`
	URIPaths         bool          `key:"uri_paths" default:"false" help:"Let clients open any capability that they can name, as /uri/CAPABILITY, as in Tahoe-LAFS. Off, an account sees its root and nothing else."`
	ChmodDiminishes  bool          `key:"chmod_diminishes" default:"false" help:"Let chmod u-w on a directory or mutable file replace the link to it by its read capability, for good, as in Tahoe-LAFS. Off, it refuses changes until chmod u+w."`
	Umask            Mode          `key:"umask" default:"022" help:"Permission bits taken off what clients create, octal."`
}

// S3 is about the S3 frontend.
type S3 struct {
	Enabled         bool          `key:"enabled" default:"true" help:"Serve S3."`
	Listen          Listen        `key:"listen" flag:"s3" default:"127.0.0.1:5000" help:"Where to listen: HOST:PORT, or tcp:PORT:interface=ADDRESS. Plain HTTP, unless there is a certificate: on this machine, in a network of your own, or behind a proxy that speaks TLS. If nothing is said here and somebody else has the port, the node serves without S3 and says so."`
	Certificate     Path          `key:"tls_certificate" help:"A file of PEM certificates, the server's first: speak TLS. It is read again when it changes."`
	Key             Path          `key:"tls_key" help:"Its private key, PEM."`
	Domains         List          `key:"domain" help:"Host names below which each bucket has a host of its own: with s3.example.org, the bucket photos is at photos.s3.example.org, too."`
	WebsiteDomains  List          `key:"website_domain" help:"Host names below which each bucket that has a website configuration is a site: with web.example.org, the bucket photos is http://photos.web.example.org/. Its objects have to be readable by everybody."`
	PublicHosts     List          `key:"public_hosts" help:"HOST or HOST:PORT under which proxies publish this server, if they change the Host header: signatures over these names are accepted where the proxy says in X-Forwarded-Host that it was asked by them."`
	Region          string        `key:"region" default:"us-east-1" help:"The region that buckets are in."`
	Regions         List          `key:"regions" help:"More regions that clients may sign for; * is any."`
	Ownership       string        `key:"object_ownership" default:"BucketOwnerEnforced" one:"BucketOwnerEnforced ObjectWriter" help:"The ownership of buckets that say none: BucketOwnerEnforced, where ACLs mean nothing, or ObjectWriter."`
	HeaderAuth      bool          `key:"header_auth" default:"false" help:"Accept a key and its secret in the headers X-Access-Key and X-Secret-Key, as MyFSIO does: over TLS, or from this machine."`
	SignatureV2     bool          `key:"signature_v2" default:"false" help:"Accept signatures of version 2, for old clients. They protect less, by SHA-1."`
	PlainClientKeys bool          `key:"sse_c_without_tls" default:"false" help:"Accept encryption keys of clients (SSE-C) over plain HTTP, for a proxy that speaks TLS: whoever is on the way reads them."`
	MinPart         Size          `key:"multipart_min_part" default:"5MiB" min:"0" help:"Least size of a part of an upload but its last. 0: none."`
	UploadsExpire   time.Duration `key:"uploads_expire" default:"168h" min:"0s" help:"Uploads to which no part was added for so long are aborted. 0s: never, but by rules of the bucket's lifecycle."`
	LifecycleDay    time.Duration `key:"lifecycle_day" default:"24h" min:"1s" help:"How long a day of lifecycle rules is: shorter ones are for tests."`
	MaxConns        int           `key:"max_conns" default:"1000" min:"1" help:"Connections at a time; more have to wait."`
	MaxPerAddress   int           `key:"max_conns_per_address" default:"500" min:"0" help:"Connections at a time of one address, of IPv6 of one /64; more are closed at once. Those of this machine and of trusted_proxies aren't counted. 0: no bound."`
	MinRate         Size          `key:"min_rate" default:"256" min:"0" help:"Bytes a second that the body of a request has to come with, over two minutes in which it is waited for: slower ones are cut off, since each holds a connection. 0: one byte in two minutes."`
	MaxRequests     int           `key:"max_request_rate" default:"0" min:"0" help:"Requests a second of one access key, and of one address (of IPv6 one /64); twice as many at once. More are answered 503 SlowDown. Addresses of this machine and of trusted_proxies aren't counted. 0: no bound."`
	Proxies         Networks      `key:"trusted_proxies" help:"Networks of HTTP proxies, with commas between, of which X-Forwarded-For and X-Forwarded-Proto are believed: they tell where a client comes from, for the conditions aws:SourceIp and aws:SecureTransport of policies, the from= of accounts, and the records. Whoever can connect from there can say what it likes."`
	DebugSignatures bool          `key:"debug_signatures" default:"false" help:"Log what a wrong signature was compared with: the request's names and headers, no secret."`

	Stated bool // somebody has said where to listen
}

// Blockstore is about where blocks lie. What the driver needs are further keys of
// the section, of which blockstore.Forms is the table.
type Blockstore struct {
	Wait time.Duration `key:"wait" flag:"blockstore-wait" default:"0s" min:"0s" help:"How long a start waits for a blockstore that doesn't answer or isn't there yet."`

	Tree   blockstore.Config // in use: Kept, or what -b and TRUCKEE_BLOCKSTORE say
	Kept   blockstore.Config // what tahoe.cfg says, or else the default
	Stated bool              // tahoe.cfg says it
	Given  bool              // -b or TRUCKEE_BLOCKSTORE do
}

// Metastore is about the database.
type Metastore struct {
	DB           Database      `key:"db" flag:"db" env:"TRUCKEE_DB" default:"sqlite:metastore.sqlite" help:"sqlite:<file>: one file of this machine. postgresql://<user>:<password>@<host>/<database>: for several gateways. MOCKED: memory, for development; everything is gone at the end."`
	Password     Secret        `key:"password" flag:"-" env:"TRUCKEE_DB_PASSWORD" help:"Password for PostgreSQL, if the address has none."`
	PasswordFile Path          `key:"password_file" flag:"db-password-file" env:"TRUCKEE_DB_PASSWORD_FILE" help:"A file that holds it."`
	MinConns     int           `key:"min_connections" flag:"db-min-connections" env:"TRUCKEE_DB_MIN_CONNECTIONS" default:"5" min:"1" help:"Connections to PostgreSQL that are kept open."`
	MaxConns     int           `key:"max_connections" flag:"db-max-connections" env:"TRUCKEE_DB_MAX_CONNECTIONS" default:"7" min:"2" help:"Connections to PostgreSQL at a time. One of them listens for what other gateways change."`
	Attempts     int           `key:"connection_attempts" flag:"maximum-database-connection-attempts" env:"TRUCKEE_MAXIMUM_DATABASE_CONNECTION_ATTEMPTS" default:"10" min:"1" help:"How often a start tries to reach PostgreSQL."`
	Pause        time.Duration `key:"connection_pause" flag:"pause-before-retry-database-connection" env:"TRUCKEE_PAUSE_BEFORE_RETRY_DATABASE_CONNECTION" default:"1s" min:"0s" help:"The pause between two attempts."`

	Kept         Database // what tahoe.cfg says, or else the default
	KeptPassword bool     // tahoe.cfg or the file of the secrets have one
	Stated       bool     // tahoe.cfg says it
	Given        bool     // --db or TRUCKEE_DB do
}

// GC is about collection.
type GC struct {
	Enabled  bool          `key:"enabled" default:"true" help:"Collect while serving. Of several gateways on one database one does it at a time. Without it only the command gc collects."`
	Interval time.Duration `key:"interval" default:"24h" min:"1m" help:"From one collection to the next."`
	Grace    time.Duration `key:"grace" default:"168h" min:"1m" help:"How long a block stays after the first collection that nothing led to it in. Longer than any backup of the database is old that you would restore beside the present blocks without having taken it by truckee backup."`
	Pace     int           `key:"pace" default:"20000" min:"0" help:"How many nodes and rows a second are looked at, at most, so that clients don't notice. 0: no bound."`
}

// Filestore is about files, and the memory that they may take.
type Filestore struct {
	ChunkSize    Size `key:"chunk_size" default:"1MiB" min:"256KiB" max:"4MiB" help:"Chunk size of new files, a power of two."`
	InlineBlock  Size `key:"inline_block" default:"8KiB" max:"64KiB" help:"Blocks up to this size lie in the metastore. 0: none."`
	CacheMemory  Size `key:"cache_memory" default:"24MiB" min:"1MiB" help:"Memory for decrypted chunks, and as much again for directories."`
	DraftMemory  Size `key:"draft_memory" default:"8MiB" min:"1MiB" help:"Memory for the unsaved bytes of one open file; beyond it they go, encrypted, to the spool."`
	DirtyMemory  Size `key:"dirty_memory" default:"16MiB" min:"1MiB" help:"Memory for the unsaved bytes of all open files."`
	FlightMemory Size `key:"flight_memory" default:"0" help:"Memory for blocks on their way to the blockstore, of which one file may take a third: at least 8MiB. 0: 8MiB for blocks on this machine, 96MiB for a store behind a network, which wants many at a time."`
	SpoolDir     Path `key:"spool_dir" default:"spool" help:"The directory of the encrypted spool, which dies with the process."`
	SpoolLimit   Size `key:"spool_limit" default:"16GiB" min:"0" help:"What the spool may hold."`
}
