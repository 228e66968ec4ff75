package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// load reads file as the tahoe.cfg of a fresh BASEDIR.
func load(t *testing.T, file string, src config.Sources) (c config.Config, warnings []string, dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	src.BaseDir = dir
	c, warnings, err = config.Load(src)
	return c, warnings, dir, err
}

func TestDefaults(t *testing.T) {
	c, warnings, err := config.Load(config.Sources{BaseDir: "/nowhere"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	if !c.SFTPD.Enabled || c.SFTPD.Port.String() != "127.0.0.1:8022" || c.SFTPD.AccountsFile != "/nowhere/private/accounts" ||
		c.Blockstore.Tree.Fields["dir"] != "/nowhere/blocks" || c.Metastore.DB.File != "/nowhere/metastore.sqlite" || c.Node.LogLevel != slog.LevelInfo || c.Filestore.ChunkSize != 1<<20 ||
		c.SFTPD.HandshakeTimeout != 2*time.Minute || c.SFTPD.Umask != 0o22 {
		t.Errorf("got %+v", c)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := "[sftpd]\nport = \"127.0.0.1:1\"\nmax_conns = 11\nmax_handles = 21\n[node]\nallow_soft_aes = true\n"
	src := config.Sources{
		Environ: []string{"TRUCKEE_SFTPD_PORT=127.0.0.1:2", "TRUCKEE_SFTPD_MAX_CONNS=12", "TRUCKEE_BASEDIR=/x", "HOME=/y"},
		Flags:   map[string]string{"sftp": "127.0.0.1:3"},
	}
	c, _, _, err := load(t, file, src)
	if err != nil {
		t.Fatal(err)
	}
	if c.SFTPD.Port.Port != 3 || c.SFTPD.MaxConns != 12 || c.SFTPD.MaxHandles != 21 || c.SFTPD.MaxChannels != 10 || !c.Node.AllowSoftAES {
		t.Errorf("got %+v", c)
	}
}

func TestTypes(t *testing.T) {
	file := `
[node]
log_level = "debug"
shutdown_timeout = "1m30s"
nickname = "g1"
[sftpd]
port = 0
host_keys = ["a", "/b", "~/c"]
umask = "077"
accounts.file = "x/y"
[filestore]
chunk_size = 262144
cache_memory = "1 GiB"
spool_limit = "2GB"
`
	t.Setenv("HOME", "/home/me")
	c, warnings, dir, err := load(t, file, config.Sources{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %q", err, warnings)
	}
	wantKeys := []config.Path{config.Path(dir + "/a"), "/b", "/home/me/c"}
	if c.Node.LogLevel != slog.LevelDebug || c.Node.ShutdownTimeout != 90*time.Second || c.Node.Nickname != "g1" ||
		c.SFTPD.Port != (config.Listen{}) || !reflect.DeepEqual(c.SFTPD.HostKeys, wantKeys) || c.SFTPD.Umask != 0o77 ||
		c.SFTPD.AccountsFile != config.Path(dir+"/x/y") ||
		c.Filestore.ChunkSize != 256<<10 || c.Filestore.CacheMemory != 1<<30 || c.Filestore.SpoolLimit != 2e9 {
		t.Errorf("got %+v", c)
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct{ file, want string }{
		{"[sftpd]\n\nprot = 1\n", "tahoe.cfg:3: unknown key prot in [sftpd]; did you mean port?"},
		{"[sftpd]\naccounts.fil = \"x\"", "tahoe.cfg:2: unknown key accounts.fil in [sftpd]; did you mean accounts.file?"},
		{"[sftpd.accounts]\nfile = \"x\"\nzzz = 1", "tahoe.cfg:3: unknown key accounts.zzz in [sftpd]"},
		{"[sftp]\nport = 1", "tahoe.cfg:1: unknown section [sftp]; did you mean [sftpd]?"},
		{"[zebra]", "tahoe.cfg:1: unknown section [zebra]"},
		{"# x\nport = 1", `tahoe.cfg:2: "port" stands in no [section]`},
		{"[[sftpd]]\nport = 1", "tahoe.cfg:1: \"sftpd\" stands in no [section]"},
		{"[sftpd]\nport = {a.b.c.d.e.f = 1}", "unknown key port.a.b.c"},
		{"[sftpd]\nport = 1.5", "tahoe.cfg:2: sftpd.port: it is text"},
		{"[sftpd]\nenabled = \"maybe\"", `tahoe.cfg:2: sftpd.enabled: "maybe" is neither true nor false`},
		{"[sftpd]\nenabled = 1", "tahoe.cfg:2: sftpd.enabled: it is true or false"},
		{"[sftpd]\nport = \"unix:/x\"", "no number from 0 to 65535"},
		{"[sftpd]\nport = \"here\"", "is no address"},
		{"[sftpd]\nport = \"tcp:99999\"", "one port from 0 to 65535"},
		{"[sftpd]\nport = \"tcp:1:backlog=5\"", "only port and interface are known"},
		{"[sftpd]\nmax_conns = 0", "sftpd.max_conns: it is at least 1"},
		{"[sftpd]\nmax_conns = \"many\"", `"many" is no whole number`},
		{"[sftpd]\nhost_keys = [1]", "it is a list of file names"},
		{"[sftpd]\nhost_keys = \"\"\nhost_pubkey_file = \"x\"", "without host_privkey_file"},
		{"[sftpd]\nhost_keys = [\"x\"]\nhost_privkey_file = \"x\"", "both set"},
		{"[sftpd]\naccounts.url_timeout = \"2h\"", "at most 1m"},
		{"[sftpd]\naccounts.file = \"\"", "must not be empty"},
		{"[sftpd]\numask = \"999\"", "octal"},
		{"[sftpd]\nhandshake_timeout = 5", "it is a time with its unit"},
		{"[sftpd]\nhandshake_timeout = \"5\"", "is no time with its unit"},
		{"[sftpd]\nidle_timeout = \"-5s\"", "it is at least 0s"},
		{"[node]\nlog_level = \"loud\"", "none of debug"},
		{"[node]\nlog_format = \"xml\"", "known are: text, json"},
		{"[filestore]\nchunk_size = \"300KiB\"", "no power of two"},
		{"[filestore]\nchunk_size = \"8MiB\"", "it is at most 4MiB"},
		{"[filestore]\nflight_memory = \"1MiB\"", "flight_memory: 1MiB is less than 8MiB"},
		{"[filestore]\nspool_limit = \"9999999999TiB\"", "too large"},
		{"[filestore]\nspool_limit = \"-1\"", "is no size"},
		{"[sftpd]\nport = 1\nport = 2", "tahoe.cfg:3: "},
		{"[sftpd\nport = 1", "tahoe.cfg:1: "},
		{"[sftpd]\nport = tcp:1\nmax_conns = 5\n", "tahoe.cfg:3: [sftpd] max_conns is no key of Tahoe-LAFS"},
		{"[sftpd]\nprot = tcp:1\n", "did you mean port?"},
		{"[zebra]\nport = tcp:1\n", "[zebra] is no section of Tahoe-LAFS"},
		{"\x00", "tahoe.cfg:1: "},
	}
	for _, tt := range tests {
		_, _, dir, err := load(t, tt.file, config.Sources{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.file, err, tt.want)
			continue
		}
		if kind.Of(err) != kind.Invalid {
			t.Errorf("%q: kind of %v is %v", tt.file, err, kind.Of(err))
		}
		if strings.HasPrefix(tt.want, "tahoe.cfg") && !strings.HasPrefix(err.Error(), dir+"/tahoe.cfg:") {
			t.Errorf("%q: %v doesn't begin with its place", tt.file, err)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	for environ, want := range map[string]string{
		"TRUCKEE_SFTPD_PROT=1": "unknown environment variable TRUCKEE_SFTPD_PROT; did you mean TRUCKEE_SFTPD_PORT?",
		"TRUCKEE_BASE_DIR=/x":  "did you mean TRUCKEE_BASEDIR?",
		"TRUCKEE_XYZZY=1":      "unknown environment variable TRUCKEE_XYZZY",
		"TRUCKEE_SFTPD_PORT=x": "TRUCKEE_SFTPD_PORT: sftpd.port: ",
	} {
		_, _, err := config.Load(config.Sources{BaseDir: "/nowhere", Environ: []string{environ}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", environ, err, want)
		}
	}
}

func TestListen(t *testing.T) {
	for text, want := range map[string]string{
		"tcp:8022:interface=127.0.0.1":    "127.0.0.1:8022",
		"tcp:interface=127.0.0.1:port=22": "127.0.0.1:22",
		"tcp:8022":                        ":8022",
		"8022":                            ":8022",
		":8022":                           ":8022",
		"localhost:0":                     "localhost:0",
		"[::1]:8022":                      "[::1]:8022",
		`tcp6:8022:interface=\:\:1`:       "[::1]:8022",
		"tcp6:8022":                       "[::]:8022",
		"":                                "",
		"tcp:":                            "",
		"tcp:1:2":                         "",
		"tcp:-1":                          "",
		"host":                            "",
		"host:ssh":                        "",
	} {
		l, err := config.ParseListen(text)
		if (err != nil) != (want == "") || err == nil && l.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, l, err, want)
		}
	}
}

func TestSizeText(t *testing.T) {
	for _, text := range []string{"0", "1", "1KiB", "1025", "64MiB", "3GiB", "16TiB"} {
		s, err := config.ParseSize(text)
		if err != nil || s.String() != text {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
}
