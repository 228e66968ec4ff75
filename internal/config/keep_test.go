package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/config"
)

// What -b and --db said at first is what tahoe.cfg says from then on.
func TestKeep(t *testing.T) {
	t.Parallel()
	pg := map[string]string{"db": "postgresql://u:Dbpa%2055@h/db?sslmode=disable"}
	for name, tt := range map[string]struct {
		file, secrets string
		src           config.Sources
		want          []string // lines of tahoe.cfg
		secret        []string // lines of the file of the secrets
	}{
		"s3 and postgresql": {
			src: config.Sources{Blockstores: []string{`s3:http\://h\:9000:r:b:AKIA:S3c"r\\et`}, Flags: pg},
			want: []string{
				"[blockstore]", `driver = "s3"`, `bucket = "b"`, `endpoint = "http://h:9000"`, `region = "r"`,
				"[metastore]", `db = "postgresql://u@h/db?sslmode=disable"`,
			},
			secret: []string{"[blockstore]", `key = "AKIA"`, `secret = "S3c\"r\\et"`, "[metastore]", `password = "Dbpa 55"`},
		},
		"nodes": {
			src:    config.Sources{Blockstores: []string{"RAID1:0:local:one", "RAID1:1:postgresql://u:p@h/x", "RAID1:2:swift:h:t:c:u:Sw"}},
			want:   []string{"[blockstore.0]", `dir = "one"`, "[blockstore.1]", `url = "postgresql://u@h/x"`, "[blockstore.2]", `auth_url = "https://h"`},
			secret: []string{"[blockstore.1]", `password = "p"`, "[blockstore.2]", `password = "Sw"`},
		},
		"beside what is there": {
			file:   "# mine\n[sftpd]\nport = \":1\"\n[blockstore] # blocks\nwait = \"3s\"\n[node]\nnickname = \"n\"",
			src:    config.Sources{Blockstores: []string{"s3::r:b:K:S"}},
			want:   []string{"# mine", `port = ":1"`, "[blockstore] # blocks", `driver = "s3"`, `wait = "3s"`, `nickname = "n"`},
			secret: []string{`key = "K"`},
		},
		"only the secrets are missing": {
			file:   "[blockstore]\ndriver = \"s3\"\nregion = \"r\"\nbucket = \"b\"\nkey = \"K\"\n[metastore]\ndb = \"postgresql://u@h/db\"\n",
			src:    config.Sources{Blockstores: []string{"s3::r:b:K:S"}, Flags: pg},
			want:   []string{`bucket = "b"`},
			secret: []string{`secret = "S"`, `password = "Dbpa 55"`},
		},
		"the default": {
			src: config.Sources{Blockstores: []string{"local:blocks"}, Flags: map[string]string{"db": "sqlite:metastore.sqlite"}},
		},
		"a file of the password": {
			src:  config.Sources{Flags: map[string]string{"db": "postgresql://u@h/db", "db-password-file": "token"}},
			want: []string{`password_file = "token"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, dir, err := storage(t, tt.file, tt.secrets, tt.src)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // again is nothing
				if err := config.Keep(dir, c); err != nil {
					t.Fatal(err)
				}
			}
			check := func(name string, want []string, limit int) string {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if len(want) == 0 && os.IsNotExist(err) {
					return ""
				}
				st, statErr := os.Stat(filepath.Join(dir, name))
				if err != nil || statErr != nil || st.Mode().Perm() != 0o600 {
					t.Fatalf("%v, %v", err, st)
				}
				for _, line := range want {
					if strings.Count("\n"+string(b)+"\n", "\n"+line+"\n") != 1 {
						t.Errorf("%s: %q isn't there once:\n%s", name, line, b)
					}
				}
				return string(b)
			}
			text := check("tahoe.cfg", tt.want, 0)
			check("private/storage.secrets", tt.secret, 0)
			for _, secret := range []string{"S3c", "AKIA", "Dbpa", "Sw"} {
				if strings.Contains(text, secret) {
					t.Errorf("tahoe.cfg has a secret:\n%s", text)
				}
			}
			again, _, err := config.Load(config.Sources{BaseDir: dir})
			if err != nil || !again.Blockstore.Tree.SamePlace(c.Blockstore.Tree) || !again.Metastore.DB.SamePlace(c.Metastore.DB) || again.Metastore.DB.Password() != c.Metastore.DB.Password() {
				t.Errorf("read again: %v, %v, %v", again.Blockstore.Tree, again.Metastore.DB, err)
			}
			if a, b := again.Blockstore.Tree.Secrets(), c.Blockstore.Tree.Secrets(); strings.Join(a, " ") != strings.Join(b, " ") {
				t.Error("read again, the secrets are others")
			}
		})
	}
}

func TestKeepChangesNothingThatItCantRead(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"[sftpd]\nport = tcp:8022\n",          // Tahoe-LAFS's
		"metastore = {max_connections = 8}\n", // an inline table can't be added to
	} {
		c, _, dir, err := storage(t, file, "", config.Sources{Flags: map[string]string{"db": "postgresql://u@h/db"}})
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if err := config.Keep(dir, c); err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("%q: %v", file, err)
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "tahoe.cfg")); string(b) != file {
			t.Errorf("%q became %q", file, b)
		}
	}
}

func TestSecretsThatAreNoTextArentKeptAsOthers(t *testing.T) {
	t.Parallel()
	c, _, dir, err := storage(t, "", "", config.Sources{Blockstores: []string{"s3::r:b:k:S3c\xffret"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Keep(dir, c); err == nil || !strings.Contains(err.Error(), "secret_file") || strings.Contains(err.Error(), "S3c") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "private/storage.secrets")); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

func TestKeepDatabase(t *testing.T) {
	t.Parallel()
	const file = "[metastore]\nmax_connections = 9\ndb = \"sqlite:x\"\n[sftpd]\nport = \":1\"\n"
	c, _, dir, err := storage(t, file, "[metastore]\npassword = \"old\"\n", config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"postgresql://u:new@h/db", "sqlite:y", "postgresql://u:newer@h/db"} {
		db, err := config.ParseDatabase(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := config.KeepDatabase(dir, c, db); err != nil {
			t.Fatal(err)
		}
		again, _, err := config.Load(config.Sources{BaseDir: dir})
		got := again.Metastore.DB.Address()
		if err != nil || got != db.Address() || again.Metastore.MaxConns != 9 || again.SFTPD.Port.Port != 1 ||
			db.Engine == config.EngineSQLite && string(again.Metastore.DB.File) != dir+"/y" {
			t.Errorf("%s: %v, %v", address, again.Metastore, err)
		}
	}
}

func TestKeepBlockstore(t *testing.T) {
	t.Parallel()
	file := "# top\n" + strings.TrimPrefix(nested, "\n") + "[sftpd]\nport = \":1\"\n"
	c, _, dir, err := storage(t, file, "[metastore]\npassword = \"kept\"\n[blockstore.1.1]\npassword = \"x\"\n", config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, texts := range [][]string{{"s3::r:b:K3y:S3c"}, {"local:other"}, {"RAID1:0:local:a", "RAID1:1:swift:h:t:c:u:p"}} {
		tree, err := config.ParseBlockstores(dir, texts)
		if err != nil {
			t.Fatal(err)
		}
		if err := config.KeepBlockstore(dir, c, tree); err != nil {
			t.Fatal(err)
		}
		again, _, err := config.Load(config.Sources{BaseDir: dir})
		if err != nil || !again.Blockstore.Tree.SamePlace(tree) || strings.Join(again.Blockstore.Tree.Secrets(), " ") != strings.Join(tree.Secrets(), " ") ||
			again.Blockstore.Wait.String() != "30s" || again.SFTPD.Port.Port != 1 || again.Metastore.Password != "kept" {
			t.Errorf("%v: %+v, %v", texts, again.Blockstore, err)
		}
		b, _ := os.ReadFile(filepath.Join(dir, "tahoe.cfg"))
		if !strings.HasPrefix(string(b), "# top\n") || strings.Contains(string(b), "[blockstore.1.0]") || strings.Contains(string(b), "S3c") {
			t.Errorf("%s", b)
		}
	}
}

// A node may move there and back as often as it likes.
func TestKeepDatabaseLeavesNothing(t *testing.T) {
	t.Parallel()
	c, _, dir, err := storage(t, "[sftpd]\nport = \":1\"\n", "", config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for _, text := range []string{"postgresql://u:Dbpa55@h/db", "sqlite:other"} {
			db, err := config.ParseDatabase(text)
			if err == nil {
				err = config.KeepDatabase(dir, c, db)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, config.FileName))
		if want := "[sftpd]\nport = \":1\"\n\n[metastore]\ndb = \"sqlite:other\"\n"; err != nil || string(b) != want {
			t.Fatalf("after move %d: %q, %v, want %q", i, b, err, want)
		}
	}
}
