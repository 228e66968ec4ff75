package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// storage reads tahoe.cfg and the file of the secrets of a fresh BASEDIR.
func storage(t *testing.T, file, secrets string, src config.Sources) (config.Config, []string, string, error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tahoe.cfg", file)
	if secrets != "" {
		write("private/storage.secrets", secrets)
	}
	write("token", "F1leS3cret\n")
	src.BaseDir = dir
	c, warnings, err := config.Load(src)
	return c, warnings, dir, err
}

const nested = `
[blockstore]
driver = "raid1"
write = "majority"
wait = "30s"
[blockstore.0]
driver = "s3"
endpoint = "s3.example.com"
region = "r"
bucket_name = "b"
access_key = "k"
secret_file = "token"
path_style = true
in_flight = 16
[blockstore.1]
driver = "raid0"
[blockstore.1.0]
driver = "local"
dir = "one"
[blockstore.1.1]
driver = "postgresql"
url = "postgresql://u@h/db"
[blockstore.2]
driver = "cached"
dir = "cache"
size = "1GiB"
[blockstore.2.0]
driver = "swift"
auth_url = "http://h/auth/v1.0"
container = "c"
user = "u:t"
`

const nestedSecrets = `
[metastore]
password = "Dbpa55"
[blockstore.1.1]
password = "B1ockpa55"
[blockstore.2.0]
password = "Sw1ft"
`

func TestTablesOfBlockstores(t *testing.T) {
	t.Parallel()
	file := nested + "[metastore]\ndb = \"postgresql://u@h/db\"\n"
	c, warnings, dir, err := storage(t, file, nestedSecrets, config.Sources{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	tree := c.Blockstore.Tree
	want := `raid1[s3:https\://s3.example.com:r:b:***:*** raid0[local:` + dir + `/one postgresql://u@h/db] cached[swift:http\://h/auth/v1.0::c:u\:t:***]]`
	if tree.String() != want || c.Blockstore.Wait.String() != "30s" || !c.Blockstore.Stated || c.Blockstore.Given {
		t.Errorf("%+v, want %s", c.Blockstore, want)
	}
	s3, pg, cached := tree.Nodes[0].Fields, tree.Nodes[1].Nodes[1].Fields, tree.Nodes[2]
	if s3["secret"] != "F1leS3cret" || s3["path_style"] != "true" || s3["in_flight"] != "16" || pg["password"] != "B1ockpa55" ||
		cached.Fields["dir"] != dir+"/cache" || cached.Nodes[0].Fields["password"] != "Sw1ft" || tree.Fields["write"] != "majority" {
		t.Error("a field is wrong")
	}
	if c.Metastore.DB.Address() != "postgresql://u:Dbpa55@h/db" {
		t.Error("the database has another address")
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "Dbpa55") || strings.Contains(text, "F1le") || strings.Contains(text, "Sw1ft") {
		t.Errorf("a secret is shown: %s", text)
	}
}

func TestMistakesInTables(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"[blockstore]\ndriver = \"s4\"":                                          `tahoe.cfg:2: [blockstore]: driver: no kind of blockstore is called "s4"; did you mean s3?`,
		"[blockstore]\ndriver = \"azure\"":                                       "tahoe.cfg:2: [blockstore]: driver: blockstores of kind azure are not built yet",
		"[blockstore]\ndriver = 3":                                               "tahoe.cfg:2: [blockstore]: driver is text",
		"[blockstore]\nwiat = \"3s\"":                                            "tahoe.cfg:2: [blockstore]: unknown key wiat; did you mean wait?",
		"[blockstore]\ndriver = \"local\"\nbuckt = \"b\"":                        `tahoe.cfg:3: [blockstore]: a blockstore of kind local has no "buckt"; it has dir`,
		"[blockstore]\ndriver = \"s3\"\nbuckt = \"b\"":                           "tahoe.cfg:3: [blockstore]: unknown key buckt; did you mean bucket?",
		"[blockstore]\ndriver = \"s3\"\nsecret_fil = \"b\"":                      "did you mean secret_file?",
		"[blockstore]\ndriver = \"s3\"":                                          "tahoe.cfg:2: [blockstore]: bucket of a blockstore of kind s3 is missing",
		"[blockstore]\ndriver = \"s3\"\nbucket = \"b\"\nbucket_name = \"c\"":     "tahoe.cfg:4: [blockstore]: bucket is given twice",
		"[blockstore]\ndriver = \"s3\"\nbucket = \"b\"\nin_flight = \"x\"":       "tahoe.cfg:4: [blockstore]: in_flight: it is a whole number",
		"[blockstore]\ndriver = \"s3\"\nbucket = [\"b\"]":                        "tahoe.cfg:3: [blockstore]: bucket: it is text, in quotes",
		"[blockstore]\ndriver = \"s3\"\nbucket = \"b\"\nsecret_file = \"none\"":  "tahoe.cfg:4: [blockstore]: secret_file: open ",
		"[blockstore]\ndriver = \"raid1\"\n[blockstore.0]\ndir = \"x\"":          "tahoe.cfg:4: [blockstore.0] has no driver",
		"[blockstore.0]\ndriver = \"local\"\ndir = \"x\"":                        "[blockstore] has no driver",
		"[blockstore]\ndriver = \"raid1\"\n[blockstore.1]\ndriver = \"memory\"":  "tahoe.cfg:2: [blockstore.0] is missing",
		"[blockstore]\ndriver = \"raid5\"\n[blockstore.0]\ndriver = \"memory\"":  "tahoe.cfg:2: [blockstore]: RAID5 needs at least 3 nodes, and has 1",
		"[blockstore]\ndriver = \"cached\"\ndir = \"x\"\nsize = \"1\"":           "tahoe.cfg:2: [blockstore]: cached needs one node, 0",
		"[blockstore]\ndriver = \"memory\"\n[blockstore.0]\ndriver = \"memory\"": "a blockstore of kind memory has no nodes",
		"[blockstore]\ndriver = \"raid1\"\nwrite = \"two\"":                      "tahoe.cfg:3: [blockstore]: write: it is one of all, majority, one",
		"[blockstore.x]\ndriver = \"local\"":                                     "tahoe.cfg:2: unknown key x.driver in [blockstore]",
		"[blockstore.00]\ndriver = \"local\"":                                    "tahoe.cfg:2: unknown key 00.driver",
		"[blockstore]\n0 = \"local\"":                                            "tahoe.cfg:2: unknown key 0 in [blockstore]",
		"[[blockstore]]\ndriver = \"local\"":                                     "stands in no [section]",
		"[blockstore]\ndriver = \"s3\"\nsecret = S3cr3tS3cr3t":                   "tahoe.cfg:3: this is no TOML; does the value stand in quotes?",
		"[metastore]\ndb = \"mysql://S3cr3tS3cr3t\"":                             "tahoe.cfg:2: metastore.db: no such kind of database; it is sqlite:<file>, postgresql://",
		"[metastore]\ndb = \"sqlite:\"":                                          "the file after sqlite: is missing",
		"[metastore]\ndb = \"postgresql://u:S3cr3tS3cr3t@h:x/db\"":               "is no URL",
		"[metastore]\nmax_connections = 1":                                       "metastore.max_connections: it is at least 2",
		"[metastore]\nmin_connections = 0":                                       "metastore.min_connections: it is at least 1",
		"[metastore]\nmin_connections = 9":                                       "min_connections is 9, more than max_connections, 7",
		"[metastore]\npassword = \"x\"\npassword_file = \"token\"":               "are both set",
	} {
		_, _, _, err := storage(t, file, "", config.Sources{})
		if err == nil || !strings.Contains(err.Error(), want) || kind.Of(err) != kind.Invalid {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%q: a secret is in %v", file, err)
		}
	}
}

func TestTheFileOfTheSecrets(t *testing.T) {
	t.Parallel()
	const s3 = "[blockstore]\ndriver = \"s3\"\nbucket = \"b\"\n"
	for secrets, want := range map[string]string{
		"[blockstore]\nsecret = \"S3cr3t\"":                  "",
		"[blockstore]\nbucket = \"S3cr3t\"":                  "only secrets that tahoe.cfg leaves open stand here, and bucket is none",
		"[blockstore.0]\nsecret = \"S3cr3t\"":                "storage.secrets:2: tahoe.cfg has no [blockstore.0]",
		"[blockstore]\nsecert = \"S3cr3t\"":                  "only secrets",
		"[sftpd]\nport = \"S3cr3t\"":                         "doesn't belong here",
		"[metastore]\ndb = \"S3cr3t\"":                       "doesn't belong here",
		"[blockstore]\nsecret = S3cr3t":                      "this is no TOML",
		"secret = \"S3cr3t\"":                                "stands in no [section]",
		"[blockstore]\nsecret = \"a\"\nsecret_key = \"b\"\n": "only secrets that tahoe.cfg leaves open",
	} {
		_, _, _, err := storage(t, s3, secrets, config.Sources{})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3cr3t")) {
			t.Errorf("%q: %v, want %q", secrets, err, want)
		}
	}
}

func TestSecretsThatOthersCanRead(t *testing.T) {
	t.Parallel()
	c, warnings, dir, err := storage(t, "[blockstore]\ndriver = \"s3\"\nbucket = \"b\"\nsecret = \"x\"\n", "[metastore]\npassword = \"x\"\n", config.Sources{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v, %q", c, err, warnings)
	}
	if err := os.Chmod(filepath.Join(dir, "tahoe.cfg"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err = config.Load(config.Sources{BaseDir: dir}); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "chmod 600") {
		t.Errorf("%v, %q", err, warnings)
	}
	if err := os.Chmod(filepath.Join(dir, "private/storage.secrets"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err = config.Load(config.Sources{BaseDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
}

// -b wins over the variable, both over tahoe.cfg; the same place keeps what only
// tahoe.cfg can say.
func TestBlockstoresOfTheCommandLine(t *testing.T) {
	t.Parallel()
	const file = "[blockstore]\ndriver = \"s3\"\nregion = \"r\"\nbucket = \"b\"\nkey = \"k\"\nsecret = \"old\"\nin_flight = 3\n"
	env := []string{"TRUCKEE_BLOCKSTORE=s3::r:b:k:new", "TRUCKEE_CMD_ARGS=x"}
	c, _, _, err := storage(t, file, "", config.Sources{Environ: env})
	if b := c.Blockstore; err != nil || !b.Given || !b.Tree.SamePlace(b.Kept) || b.Tree.Fields["secret"] != "new" || b.Tree.Fields["in_flight"] != "3" || b.Kept.Fields["secret"] != "old" {
		t.Errorf("%v, %v", b, err)
	}
	c, _, dir, err := storage(t, file, "", config.Sources{Environ: env, Blockstores: []string{"RAID1:1:local:x", "RAID1:0:MOCKED"}})
	if b := c.Blockstore; err != nil || b.Tree.SamePlace(b.Kept) || b.Tree.String() != "raid1[MOCKED local:"+dir+"/x]" {
		t.Errorf("%v, %v", b, err)
	}
	for from, src := range map[string]config.Sources{
		"-b: ":                 {Blockstores: []string{"s3:S3cr3t"}},
		"TRUCKEE_BLOCKSTORE: ": {Environ: []string{"TRUCKEE_BLOCKSTORE=s3:S3cr3t"}},
	} {
		_, _, _, err := storage(t, file, "", src)
		if err == nil || !strings.Contains(err.Error(), from) || strings.Contains(err.Error(), "S3cr3t") || kind.Of(err) != kind.Invalid {
			t.Errorf("%v, want %q", err, from)
		}
	}
	// An empty variable is as none.
	c, _, _, err = storage(t, file, "", config.Sources{Environ: []string{"TRUCKEE_BLOCKSTORE= "}})
	if err != nil || c.Blockstore.Given {
		t.Errorf("%v, %v", c.Blockstore, err)
	}
	var _ blockstore.Config = c.Blockstore.Tree
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MOCKED":                       "MOCKED",
		"sqlite:x":                     "sqlite:/b/x",
		"sqlite:///x":                  "sqlite:/x",
		"sqlite:/x":                    "sqlite:/x",
		"postgresql://u:p@h/db":        "postgresql://u:***@h/db",
		"postgres://u:p@h/db":          "postgresql://u:***@h/db",
		"POSTGRESQL://h/db?password=p": "postgresql://h/db?password=***",
		"mysql://":                     "",
		"":                             "",
		"x":                            "",
		"postgresql:x":                 "",

		// Their user or password would end elsewhere for PostgreSQL's libraries.
		"postgresql://u:a@S3cr3t@h/db":           "",
		"postgresql://u:1?S3cr3t@h/db":           "",
		"postgresql://u:1/S3cr3t@h/db":           "",
		"postgresql://u:a%40S3cr3t@h/db":         "postgresql://u:***@h/db",
		"postgresql://u:p@h:1,i:2/db?user=me@h2": "postgresql://u:***@h:1,i:2/db?user=me@h2",
	} {
		c, _, err := config.Load(config.Sources{BaseDir: "/b", Flags: map[string]string{"db": text}})
		if (err == nil) != (want != "") || err == nil && (c.Metastore.DB.String() != want || !c.Metastore.Given) {
			t.Errorf("%q: %v, %v", text, c.Metastore.DB, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "--db: metastore.db: ") || strings.Contains(err.Error(), "S3cr3t") || !strings.Contains(err.Error(), "postgresql://<user>")) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for address, want := range map[string]string{
		"postgresql://u:old@h/db":        "postgresql://u:n%20w@h/db",
		"postgresql://u@h/db?password=x": "postgresql://u:n%20w@h/db",
		"postgresql://h/db?sslmode=x":    "postgresql://h/db?password=n+w&sslmode=x",
		"postgresql:///db?host=/run":     "postgresql:///db?host=%2Frun&password=n+w",
	} {
		d, err := config.ParseDatabase(address)
		if err != nil {
			t.Fatal(err)
		}
		with := d.WithPassword("n w")
		if with.Address() != want || with.Password() != "n w" || with.WithPassword("").Password() != "" || !with.SamePlace(d) {
			t.Errorf("%s: %s", d, with.Address())
		}
	}
}

func FuzzTables(f *testing.F) {
	f.Add(nested, nestedSecrets)
	f.Add("[blockstore]\ndriver=\"raid5\"\n[blockstore.0.0.0.0.0.0]\n", "[blockstore]\nsecret=1")
	f.Fuzz(func(t *testing.T, file, secrets string) {
		c, _, _, err := storage(t, file, secrets, config.Sources{})
		if err != nil {
			return
		}
		if _, err := c.Blockstore.Tree.Complete(); err != nil {
			t.Errorf("%v: %v", c.Blockstore.Tree, err)
		}
	})
}

// POSTGRESQL is a mistake of the configuration where the database is no PostgreSQL.
func TestBlocksInTheDatabase(t *testing.T) {
	t.Parallel()
	pg := map[string]string{"db": "postgresql://u:S3cr3t@h/db"}
	for _, tt := range []struct {
		blockstores []string
		flags       map[string]string
		ok          bool
	}{
		{[]string{"POSTGRESQL"}, nil, false},
		{[]string{"POSTGRESQL"}, map[string]string{"db": "MOCKED"}, false},
		{[]string{"RAID0:0:MOCKED", "RAID0:1:POSTGRESQL"}, nil, false},
		{[]string{"POSTGRESQL"}, pg, true},
		{[]string{"RAID0:0:MOCKED", "RAID0:1:POSTGRESQL"}, pg, true},
		{[]string{"postgresql://u:p@h/db"}, nil, true},
	} {
		_, _, _, err := storage(t, "", "", config.Sources{Blockstores: tt.blockstores, Flags: tt.flags})
		if tt.ok != (err == nil) || err != nil && !strings.Contains(err.Error(), "name the one for the blocks, postgresql://") {
			t.Errorf("%v with %v: %v", tt.blockstores, tt.flags, err)
		}
	}
}
