package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// securityKey is an sk-ssh-ed25519 key in software (OpenSSH's PROTOCOL.u2f).
type securityKey struct {
	key   ed25519.PrivateKey
	flags byte // 1: touched
}

const skType = "sk-ssh-ed25519@openssh.com"

func (k securityKey) PublicKey() ssh.PublicKey {
	p, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{skType, k.key.Public().(ed25519.PublicKey), "ssh:"}))
	if err != nil {
		panic(err)
	}
	return p
}

func (k securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	tail := []byte{k.flags, 0, 0, 0, 7} // and a counter
	signed := append(append(app[:], tail...), message[:]...)
	return &ssh.Signature{Format: skType, Blob: ed25519.Sign(k.key, signed), Rest: tail}, nil
}

// skAgent is an ssh-agent that holds one security key.
type skAgent struct {
	agent.Agent // of no keys
	key         securityKey
}

func (a skAgent) List() ([]*agent.Key, error) {
	p := a.key.PublicKey()
	return []*agent.Key{{Format: p.Type(), Blob: p.Marshal(), Comment: "software"}}, nil
}

func (a skAgent) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.key.Sign(nil, data)
}

// serve answers OpenSSH's client until the test ends, and returns the socket.
func (a skAgent) serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "agent")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = agent.ServeAgent(a, c)
			}()
		}
	}()
	return path
}

// OpenSSH's client and certificates, with security keys that are touched and
// may ask for a PIN: a line's verify=yes, taken over from authorized_keys, and a
// certificate's verify-required.
func TestSecurityKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sk := securityKey{key: private}
	public := string(ssh.MarshalAuthorizedKey(sk.PublicKey()))
	for _, name := range []string{"ca", "strict", "common", "plain"} {
		keygen(t, dir, "-t", "ed25519", "-N", "", "-f", name)
	}
	for name, line := range map[string]string{
		"any":    public,
		"pin":    "verify-required " + public,
		"ca":     "cert-authority " + readFile(t, filepath.Join(dir, "ca.pub")),
		"strict": "cert-authority,verify-required " + readFile(t, filepath.Join(dir, "strict.pub")),
	} {
		if out, err := n.Run(t.Context(), nil, "account", "add", name, "--key", writeFile(t, dir, name+".line", line)); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := n.Start(t.Context(), "--sftpd-user-ca-keys", filepath.Join(dir, "common.pub")); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()

	touched, asked := sk, sk
	touched.flags, asked.flags = 1, 1|4
	for name, tt := range map[string]struct {
		user string
		key  *securityKey // nil: an ordinary key
		sign []string     // ssh-keygen's arguments for a certificate
		ok   bool
	}{
		"touched":              {"any", &touched, nil, true},
		"asked":                {"any", &asked, nil, true},
		"required, touched":    {"pin", &touched, nil, false},
		"required, asked":      {"pin", &asked, nil, true},
		"certificate":          {"ca", &touched, []string{"ca"}, true},
		"certificate asks":     {"ca", &touched, []string{"ca", "-O", "verify-required"}, false},
		"and is asked":         {"ca", &asked, []string{"ca", "-O", "verify-required"}, true},
		"of an ordinary key":   {"ca", nil, []string{"ca", "-O", "verify-required"}, false},
		"its line asks":        {"strict", &touched, []string{"strict"}, false},
		"asked by its line":    {"strict", &asked, []string{"strict"}, true},
		"line, ordinary key":   {"strict", nil, []string{"strict"}, false},
		"common authority":     {"any", &touched, []string{"common"}, true},
		"common, another asks": {"pin", &touched, []string{"common"}, false},
		"common, asked":        {"pin", &asked, []string{"common"}, true},
	} {
		own := t.TempDir()
		e := n.Endpoint
		e.User, e.Key = tt.user, filepath.Join(own, "key")
		env := os.Environ()
		if tt.key != nil {
			writeFile(t, own, "key.pub", public)
			env = append(env, "SSH_AUTH_SOCK="+skAgent{Agent: agent.NewKeyring(), key: *tt.key}.serve(t))
		} else {
			writeFile(t, own, "key.pub", readFile(t, filepath.Join(dir, "plain.pub")))
			if err := os.WriteFile(e.Key, []byte(readFile(t, filepath.Join(dir, "plain"))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(tt.sign) > 0 {
			args := append([]string{"-I", "it", "-n", tt.user, "-s", filepath.Join(dir, tt.sign[0])}, tt.sign[1:]...)
			keygen(t, own, append(args, "key.pub")...)
		}
		cmd := e.SFTPCommand(t.Context(), "ls\n")
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); (err == nil) != tt.ok {
			t.Errorf("%s: %v: %s", name, err, out)
		} else if err != nil && !strings.Contains(string(out), "Permission denied") {
			t.Errorf("%s: %s", name, out)
		}
	}
	tells(t, n, "has not asked for its PIN", "must be of a security key")
}
