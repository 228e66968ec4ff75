package blockstore

import (
	"slices"
	"strings"
)

// Form says how one driver is configured: as a string (docs/manual.md,
// Blockstores) and as a table of tahoe.cfg.
type Form struct {
	// Driver is its name, in lower case. Words are those that begin its string,
	// in any case; the first is the one that is shown.
	Driver string
	Words  []string

	// Text shows the string: "s3:[<endpoint>]:…". Empty: it is for tables only.
	Text string

	// Args are the fields that the string gives, in order, between colons.
	Args []string

	Fields []Field

	// MinNodes is how many nodes it needs at least; 0: it has none. MaxNodes 0: any number.
	MinNodes, MaxNodes int

	// Later: it is not built yet.
	Later bool
}

// FieldType is what a field's value must look like. Values are text.
type FieldType uint8

// The types of fields.
const (
	TypeText     FieldType = iota
	TypePath               // a file name; relative ones are taken from BASEDIR
	TypeBool               // true or false
	TypeNumber             // a whole number above zero
	TypeSize               // bytes, "64MiB"
	TypeDuration           // "30s"
	TypeURL                // https:// if it has no scheme
	TypeDatabase           // postgresql://…; its password is a secret
)

// Field is one value that a driver is told.
type Field struct {
	Name  string
	Alias string // a name that other systems use
	Type  FieldType
	Help  string

	Default  string // as text, for the manual: the driver decides
	Words    []string
	Required bool

	// Secret values are shown by nobody, and kept in a file of their own.
	Secret bool

	// Login: it tells who comes, not where the blocks lie. Two configurations
	// that differ in nothing else name the same store.
	Login bool
}

// remote are the fields of every driver behind a network.
func remote(fields ...Field) []Field {
	return append(fields,
		Field{Name: "timeout", Type: TypeDuration, Login: true, Default: "30s", Help: "How long a request may go without a byte moving."},
		Field{Name: "in_flight", Type: TypeNumber, Login: true, Default: "64", Help: "Requests at a time."},
	)
}

// hedged are the fields of a RAID that can read elsewhere.
func hedged(fields ...Field) []Field {
	return array(append(fields, Field{Name: "hedge_after", Type: TypeDuration, Login: true, Help: "How long a node may take before another one is asked, too. Default: by how quick it was lately."})...)
}

// array are the fields of every RAID.
func array(fields ...Field) []Field {
	return append(fields,
		Field{Name: "read_timeout", Type: TypeDuration, Login: true, Default: "30s", Help: "How long a node may take to give a block."},
		Field{Name: "write_timeout", Type: TypeDuration, Login: true, Default: "60s", Help: "How long a node may take to store a block."},
	)
}

// forms lists every driver, those to come included.
var forms = []Form{
	{
		Driver: "memory", Words: []string{"MOCKED", "memory"}, Text: "MOCKED",
	},
	{
		Driver: "local", Words: []string{"local"}, Text: "local:<directory>", Args: []string{"dir"},
		Fields: []Field{{Name: "dir", Type: TypePath, Required: true, Help: "The directory."}},
	},
	{
		Driver: "postgresql", Words: []string{"POSTGRESQL", "postgres"}, Text: "POSTGRESQL or postgresql://<user>:<password>@<host>/<database>",
		Fields: []Field{
			{Name: "url", Type: TypeDatabase, Help: "The database; without it, that of --db."},
			{Name: "password", Secret: true, Login: true, Help: "Its password, if the address has none."},
			{Name: "timeout", Type: TypeDuration, Login: true, Default: "30s", Help: "How long a request may take."},
			{Name: "in_flight", Type: TypeNumber, Login: true, Default: "8", Help: "Connections."},
		},
	},
	{
		Driver: "s3", Words: []string{"s3"}, Text: "s3:[<endpoint>]:<region>:<bucket>:<key>:<secret>",
		Args: []string{"endpoint", "region", "bucket", "key", "secret"},
		Fields: remote(
			Field{Name: "endpoint", Type: TypeURL, Help: "Address of the server; without it, Amazon's of the region."},
			Field{Name: "region", Help: "Region."},
			Field{Name: "bucket", Alias: "bucket_name", Required: true, Help: "Bucket; it must be there."},
			Field{Name: "key", Alias: "access_key", Secret: true, Login: true, Help: "Access key id. With no secret either: what the AWS SDK finds (environment, profile, instance role)."},
			Field{Name: "secret", Alias: "secret_key", Secret: true, Login: true, Help: "Secret access key."},
			Field{Name: "session_token", Secret: true, Login: true, Help: "Session token of temporary credentials."},
			Field{Name: "prefix", Help: "Put before the name of every object: prefix/…"},
			Field{Name: "path_style", Type: TypeBool, Login: true, Help: "The bucket stands in the path, not in the host name. Default: true with an endpoint."},
			Field{Name: "ca_file", Type: TypePath, Login: true, Help: "Certificates of the authorities that the server's is checked by, PEM."},
		),
	},
	{
		Driver: "swift", Words: []string{"swift"}, Text: "swift:<auth_url>:<tenant>:<container>:<user>:<password>",
		Args: []string{"auth_url", "tenant", "container", "user", "password"},
		Fields: remote(
			Field{Name: "auth_url", Type: TypeURL, Required: true, Help: "Address of the authentication service; its version (v1, v2, v3) is told by its path."},
			Field{Name: "tenant", Help: "Tenant, or project."},
			Field{Name: "container", Required: true, Help: "Container; it must be there."},
			Field{Name: "user", Login: true, Help: "User."},
			Field{Name: "password", Secret: true, Login: true, Help: "Password, or API key."},
			Field{Name: "auth_version", Type: TypeNumber, Login: true, Help: "1, 2 or 3, where auth_url doesn't tell."},
			Field{Name: "domain", Login: true, Help: "Domain of the user (v3)."},
			Field{Name: "project_domain", Login: true, Help: "Domain of the project (v3), if it is another."},
			Field{Name: "region", Help: "Region."},
			Field{Name: "prefix", Help: "Put before the name of every object: prefix/…"},
			Field{Name: "ca_file", Type: TypePath, Login: true, Help: "Certificates of the authorities that the server's is checked by, PEM."},
		),
	},
	{
		Driver: "raid0", Words: []string{"RAID0"}, MinNodes: 2,
		Fields: array(),
	},
	{
		Driver: "raid1", Words: []string{"RAID1"}, MinNodes: 2,
		Fields: hedged(Field{Name: "write", Words: []string{"all", "majority", "one"}, Login: true, Default: "all", Help: "How many nodes must have a block before it counts as stored; those that lack it get it later."}),
	},
	{
		Driver: "raid5", Words: []string{"RAID5"}, MinNodes: 3,
		Fields: hedged(Field{Name: "write", Words: []string{"all", "all-but-one"}, Login: true, Default: "all", Help: "How many nodes must have their piece before a block counts as stored."}),
	},
	{
		Driver: "cached", MinNodes: 1, MaxNodes: 1,
		Fields: []Field{
			{Name: "dir", Type: TypePath, Required: true, Login: true, Help: "The directory of the cache. It may be emptied while the node is stopped."},
			{Name: "size", Type: TypeSize, Required: true, Login: true, Help: "What it may hold."},
		},
	},
	{Driver: "azure", Words: []string{"azure"}, Later: true},
	{Driver: "gcs", Words: []string{"gcs"}, Later: true},
	{Driver: "sftp", Words: []string{"sftp"}, Later: true},
	{Driver: "ftp", Words: []string{"ftp"}, Later: true},
	{Driver: "webdav", Words: []string{"webdav"}, Later: true},
}

// Forms lists the drivers, those that are not built yet included.
func Forms() []Form { return slices.Clone(forms) }

// FormOf finds a driver by its name or by one of its words, in any case.
func FormOf(name string) (Form, bool) {
	i := slices.IndexFunc(forms, func(f Form) bool {
		return strings.EqualFold(f.Driver, name) || slices.ContainsFunc(f.Words, func(w string) bool { return strings.EqualFold(w, name) })
	})
	if i < 0 {
		return Form{}, false
	}
	return forms[i], true
}

// Field finds a field by its name or alias.
func (f Form) Field(name string) (Field, bool) {
	i := slices.IndexFunc(f.Fields, func(f Field) bool { return f.Name == name || f.Alias != "" && f.Alias == name })
	if i < 0 {
		return Field{}, false
	}
	return f.Fields[i], true
}

// known are the words of the drivers that are built, as errors list them.
func known() string {
	var words []string
	for _, f := range forms {
		if !f.Later && f.Text != "" {
			words = append(words, f.Text)
		}
	}
	return strings.Join(words, ", ")
}
