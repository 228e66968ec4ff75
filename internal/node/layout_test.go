package node

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func contextThatEnded(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

func TestMakeBase(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files []string
		want  kind.Kind
	}{
		{"empty", nil, 0},
		{"only tahoe.cfg", []string{"tahoe.cfg"}, 0},
		{"a node with more in it", []string{"node", "notes.txt"}, 0},
		{"somebody else's", []string{"notes.txt"}, kind.Exist},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for _, f := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Prepare(Layout{dir}); kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want kind %v", tt.name, err, tt.want)
		}
	}
	deep := filepath.Join(t.TempDir(), "a", "b", "c")
	if err := Prepare(Layout{deep}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(deep); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st, err)
	}
}

func TestGatewayID(t *testing.T) {
	t.Parallel()
	l := Layout{t.TempDir()}
	if id, err := l.readGateway(); err != nil || id != (metastore.GatewayID{}) {
		t.Errorf("incomplete: %x, %v", id, err)
	}
	want := metastore.GatewayID{1, 2}
	if err := l.writeGateway(want); err != nil {
		t.Fatal(err)
	}
	id, err := l.readGateway()
	if err != nil || id != want {
		t.Errorf("%x, %v", id, err)
	}
	for text, want := range map[string]kind.Kind{
		"truckee-node 2\n":               kind.Unsupported,
		"":                               kind.Unsupported,
		"truckee-node 1\n":               kind.Corrupt,
		"truckee-node 1\ngateway 00zz\n": kind.Corrupt,
	} {
		if err := os.WriteFile(l.nodeFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.readGateway(); kind.Of(err) != want {
			t.Errorf("%q: %v, want kind %v", text, err, want)
		}
	}
}

func TestHostKeys(t *testing.T) {
	t.Parallel()
	l := Layout{t.TempDir()}
	if err := l.makePrivate(); err != nil {
		t.Fatal(err)
	}
	if err := newHostKey(l.hostKey("ed25519"), hostKeyTypes[0].make); err != nil {
		t.Fatal(err)
	}
	// A second time it is not replaced.
	if err := newHostKey(l.hostKey("ed25519"), hostKeyTypes[0].make); err == nil {
		t.Error("the host key is made again")
	}
	c := config.SFTPD{HostPrivkeyFile: config.Path(l.hostKey("ed25519"))}
	keys, err := l.loadHostKeys(c)
	if err != nil || len(keys) != 1 || keys[0].PublicKey().Type() != "ssh-ed25519" {
		t.Fatalf("%v, %v", keys, err)
	}
	if _, err := l.loadHostKeys(config.SFTPD{}); kind.Of(err) != kind.NotExist {
		t.Errorf("own keys: %v, want kind %v", err, kind.NotExist)
	}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	l := Layout{t.TempDir()}
	if err := l.makePrivate(); err != nil {
		t.Fatal(err)
	}
	if err := newHostKey(l.hostKey("ed25519"), hostKeyTypes[0].make); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		addr, account string
		show          bool
		want, not     []string
	}{
		{
			"127.0.0.1:8022", "ann", true,
			[]string{"sftp -P 8022 ann@127.0.0.1\n", "sshfs -p 8022 ann@127.0.0.1:/ ~/truckee\n", "pass-word", "SHA256:"},
			[]string{"first-password"},
		},
		{"[::]:22", "ann", false, []string{"sftp -P 22 ann@127.0.0.1\n", "first-password"}, []string{"pass-word"}},
		{"[::1]:22", "o'neil", false, []string{`sftp -P 22 'o'\''neil@[::1]'`}, nil},
		{"host:22", "", true, []string{"sftp -P 22 NAME@host\n", "as /accounts says"}, []string{"pass-word", "first-password"}},
	}
	for _, tt := range tests {
		n := &Node{Layout: l, First: &First{Account: tt.account, Password: "pass-word"}}
		n.Config.SFTPD.HostPrivkeyFile = config.Path(l.hostKey("ed25519"))
		n.Config.SFTPD.AccountsFile = "/accounts"
		var out bytes.Buffer
		if err := (Welcome{Node: n, Addr: tt.addr, ShowPassword: tt.show}).Write(&out); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in:\n%s", tt.addr, want, out.String())
			}
		}
		for _, not := range tt.not {
			if strings.Contains(out.String(), not) {
				t.Errorf("%s: %q in:\n%s", tt.addr, not, out.String())
			}
		}
	}
}

func TestUserNameIsAnAccountName(t *testing.T) {
	t.Parallel()
	if name := UserName(); name == "" || strings.ContainsAny(name, ": \t\n") {
		t.Errorf("%q", name)
	}
}
