package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/config"
)

// The [sftpd] section of Tahoe-LAFS's manual, amid a client's other sections.
const tahoeFile = `# -*- mode: conf; coding: utf-8 -*-
[client]
introducer.furl = pb://abc@tcp:example.com:1234/introducer
shares.needed = 3
peers.preferred = a,
   b

[node]
nickname = my gateway
tub.port = tcp:1234
web.port: tcp:3456:interface=127.0.0.1

[storage]
; nothing here
enabled = false

[storageclient.plugins.x]
any = thing

[sftpd]
enabled = True
port = tcp:8022:interface=127.0.0.1
host_pubkey_file = private/ssh_host_rsa_key.pub
host_privkey_file = private/ssh_host_rsa_key
accounts.file = private/accounts
`

func TestTahoeFile(t *testing.T) {
	c, warnings, dir, err := load(t, tahoeFile, config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if !c.SFTPD.Enabled || c.SFTPD.Port.String() != "127.0.0.1:8022" || c.Node.Nickname != "my gateway" ||
		c.SFTPD.HostPubkeyFile != config.Path(dir+"/private/ssh_host_rsa_key.pub") ||
		c.SFTPD.HostPrivkeyFile != config.Path(dir+"/private/ssh_host_rsa_key") ||
		c.SFTPD.AccountsFile != config.Path(dir+"/private/accounts") {
		t.Errorf("got %+v", c)
	}
	all := strings.Join(warnings, "\n")
	for _, want := range []string{"INI", "tahoe.cfg:3: [client] introducer.furl", "[client] peers.preferred", "[node] web.port", "[storage] enabled", "[storageclient.plugins.x] any"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in:\n%s", want, all)
		}
	}
	if strings.Contains(all, "pb://") || strings.Contains(all, "nickname") || len(warnings) != 8 {
		t.Errorf("%d warnings:\n%s", len(warnings), all)
	}
}

// A file of Tahoe-LAFS may happen to be TOML.
func TestTahoeKeysInTOML(t *testing.T) {
	_, warnings, _, err := load(t, "[client]\nshares.needed = 3\n[helper]\n", config.Sources{})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "tahoe.cfg:2: [client] shares.needed") {
		t.Errorf("%v, warnings %q", err, warnings)
	}
}

func TestAccountsURLOfTahoe(t *testing.T) {
	c, _, _, err := load(t, "[sftpd]\nport = tcp:8022\naccounts.url = https://example.com/login\n", config.Sources{})
	if err != nil || c.SFTPD.AccountsURL != "https://example.com/login" {
		t.Errorf("got %q, %v", c.SFTPD.AccountsURL, err)
	}
}

// FuzzFile: whatever tahoe.cfg holds, Load returns; what it accepts holds the
// bounds of the table.
func FuzzFile(f *testing.F) {
	f.Add(tahoeFile)
	f.Add(config.Example())
	f.Add("[sftpd]\nport = \"[::1]:1\"\naccounts = {file = \"x\"}\nhost_keys = [\"a\"]\n[filestore]\nchunk_size = 524288\n")
	f.Add("[[sftpd]]\n[a.b.c.d.e]\nx = 1979-05-27\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := config.Load(config.Sources{BaseDir: dir})
		if err != nil {
			return
		}
		if c.SFTPD.MaxConns < 1 || c.Filestore.ChunkSize < 256<<10 || c.Filestore.ChunkSize > 4<<20 || c.SFTPD.AccountsFile == "" {
			t.Errorf("%q gives %+v", text, c)
		}
	})
}
