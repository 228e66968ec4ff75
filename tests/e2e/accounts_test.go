package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// keygen runs ssh-keygen in dir.
func keygen(t *testing.T, dir string, args ...string) {
	t.Helper()
	run(t, dir, "ssh-keygen", append([]string{"-q"}, args...)...)
}

// writeFile writes a file of a test in dir and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// OpenSSH's certificates, made by its ssh-keygen and offered by its sftp.
func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca", "common", "stranger", "user"} {
		keygen(t, dir, "-t", "ed25519", "-N", "", "-f", name)
	}
	authority := writeFile(t, dir, "authority", `cert-authority,principals="bob,ops" `+readFile(t, filepath.Join(dir, "ca.pub")))
	if out, err := n.Run(t.Context(), nil, "account", "add", "bob", "--key", authority); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	revoked := writeFile(t, dir, "revoked", "")
	if err := n.Start(t.Context(), "--sftpd-user-ca-keys", filepath.Join(dir, "common.pub"), "--sftpd-revoked-keys", revoked); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()

	login := func(user string, sign ...string) error {
		t.Helper()
		// A key of its own for each certificate, since OpenSSH looks for NAME-cert.pub.
		own := t.TempDir()
		for _, f := range []string{"user", "user.pub"} {
			if err := os.WriteFile(filepath.Join(own, f), []byte(readFile(t, filepath.Join(dir, f))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(sign) > 0 {
			sign[0] = filepath.Join(dir, sign[0])
			keygen(t, own, append(append([]string{"-I", "it", "-s"}, sign...), "user.pub")...)
		}
		e := n.Endpoint
		e.User, e.Key = user, filepath.Join(own, "user")
		_, err := e.SFTP(t.Context(), "ls\n")
		return err
	}
	for name, tt := range map[string]struct {
		user string
		sign []string
		ok   bool
	}{
		"valid":                   {"bob", []string{"ca", "-n", "bob", "-V", "+1h"}, true},
		"another principal of it": {"bob", []string{"ca", "-n", "ops"}, true},
		"common authority":        {testbed.Account, []string{"common", "-n", testbed.Account}, true},
		"source-address":          {"bob", []string{"ca", "-n", "bob", "-O", "source-address=127.0.0.0/8"}, true},
		"force-command":           {"bob", []string{"ca", "-n", "bob", "-O", "force-command=internal-sftp"}, true},

		"no certificate":           {"bob", nil, false},
		"wrong principal":          {"bob", []string{"ca", "-n", "eve"}, false},
		"no principal":             {"bob", []string{"ca"}, false},
		"expired":                  {"bob", []string{"ca", "-n", "bob", "-V", "20200101:20200102"}, false},
		"not yet valid":            {"bob", []string{"ca", "-n", "bob", "-V", "20990101:20990102"}, false},
		"from elsewhere":           {"bob", []string{"ca", "-n", "bob", "-O", "source-address=192.0.2.0/24"}, false},
		"another force-command":    {"bob", []string{"ca", "-n", "bob", "-O", "force-command=/bin/sh"}, false},
		"verify-required":          {"bob", []string{"ca", "-n", "bob", "-O", "verify-required"}, false},
		"of a host":                {"bob", []string{"ca", "-h", "-n", "bob"}, false},
		"unknown authority":        {"bob", []string{"stranger", "-n", "bob"}, false},
		"another's own authority":  {testbed.Account, []string{"ca", "-n", testbed.Account}, false},
		"common, wrong principal":  {testbed.Account, []string{"common", "-n", "bob"}, false},
		"common, unknown account":  {"zoe", []string{"common", "-n", "zoe"}, false},
		"unknown critical option ": {"bob", []string{"ca", "-n", "bob", "-O", "critical:x@example.org=1"}, false},
	} {
		if err := login(tt.user, tt.sign...); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	tells(t, n, "force-command", "/bin/sh", "x@example.org") // why certificates were refused
	if err := os.WriteFile(revoked, []byte(readFile(t, filepath.Join(dir, "user.pub"))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := login("bob", "ca", "-n", "bob"); err == nil {
		t.Error("a certificate of a revoked key logs in")
	}
	// A key revocation list, in OpenSSH's own form.
	writeFile(t, dir, "spec", "serial: 7\nid: lost\n")
	keygen(t, dir, "-k", "-f", revoked, "-s", "ca.pub", "spec")
	for number, ok := range map[string]bool{"6": true, "7": false, "8": true} {
		if err := login("bob", "ca", "-n", "bob", "-z", number); (err == nil) != ok {
			t.Errorf("certificate %s, of which 7 is revoked: %v", number, err)
		}
	}
	if err := login("bob", "ca", "-n", "bob", "-I", "lost"); err == nil {
		t.Error("a certificate whose id is revoked logs in")
	}
}

// Keys that ask for a password, addresses, time, and security keys, by lines that
// an administrator wrote by hand.
func TestAccountLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	root, err := n.Run(t.Context(), nil, "cap", "of", testbed.Account+":/")
	if err != nil {
		t.Fatal(err)
	}
	root = strings.TrimSpace(root)
	pub := strings.TrimSpace(readFile(t, clientKey+".pub"))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sk := securityKey{key: private}
	skLine := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sk.PublicKey())))
	accounts := filepath.Join(n.BaseDir, "private", "accounts")
	text := readFile(t, accounts) + strings.NewReplacer("KEY", pub, "SK", skLine, "ROOT", root).Replace(`
both sesame ROOT also=key
both KEY ROOT also=password
here KEY ROOT from=127.0.0.0/8,!127.0.0.2
there KEY ROOT from=192.0.2.0/24
gone KEY ROOT expires=20200101Z
touched SK ROOT
idle SK ROOT touch=no
pin SK ROOT verify=yes
one KEY ROOT sessions=1 handles=2
`)
	if err := os.WriteFile(accounts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()

	pem, err := ssh.ParsePrivateKey([]byte(readFile(t, clientKey)))
	if err != nil {
		t.Fatal(err)
	}
	login := func(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
		return ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)), &ssh.ClientConfig{
			User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
	}
	key := ssh.PublicKeys(pem)
	touched, asked, alone := sk, sk, sk
	touched.flags, asked.flags, alone.flags = 1, 1|4, 4
	for name, tt := range map[string]struct {
		user string
		auth []ssh.AuthMethod
		ok   bool
	}{
		"key, then password":             {"both", []ssh.AuthMethod{key, ssh.Password("sesame")}, true},
		"key alone":                      {"both", []ssh.AuthMethod{key}, false},
		"password alone":                 {"both", []ssh.AuthMethod{ssh.Password("sesame")}, false},
		"key, then a wrong password":     {"both", []ssh.AuthMethod{key, ssh.Password("guess")}, false},
		"another's key, then password":   {"both", []ssh.AuthMethod{ssh.PublicKeys(sk), ssh.Password("sesame")}, false},
		"from here":                      {"here", []ssh.AuthMethod{key}, true},
		"from there":                     {"there", []ssh.AuthMethod{key}, false},
		"expired":                        {"gone", []ssh.AuthMethod{key}, false},
		"security key, touched":          {"touched", []ssh.AuthMethod{ssh.PublicKeys(touched)}, true},
		"security key, not touched":      {"touched", []ssh.AuthMethod{ssh.PublicKeys(sk)}, false},
		"security key, needs no touch":   {"idle", []ssh.AuthMethod{ssh.PublicKeys(sk)}, true},
		"security key, touched although": {"idle", []ssh.AuthMethod{ssh.PublicKeys(touched)}, true},
		"security key, by PIN":           {"pin", []ssh.AuthMethod{ssh.PublicKeys(asked)}, true},
		"security key, by PIN although":  {"touched", []ssh.AuthMethod{ssh.PublicKeys(asked)}, true},
		"security key without PIN":       {"pin", []ssh.AuthMethod{ssh.PublicKeys(touched)}, false},
		"security key, PIN and no touch": {"pin", []ssh.AuthMethod{ssh.PublicKeys(alone)}, false},
	} {
		c, err := login(tt.user, tt.auth...)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			c.Close()
		}
	}

	// OpenSSH's client goes the chain, too.
	askpass := writeFile(t, dir, "askpass", "#!/bin/sh\necho sesame\n")
	e := n.Endpoint
	e.User = "both"
	cmd := e.SFTPCommand(t.Context(), "mkdir made-by-both\n")
	for i, a := range cmd.Args {
		if a == "BatchMode=yes" {
			cmd.Args[i] = "BatchMode=no"
		}
	}
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("OpenSSH: %v: %s", err, out)
	}

	// One connection and two handles.
	e.User = "one"
	c := dial(t, e)
	for i := range 3 {
		f, err := c.Create(fmt.Sprint("/file", i))
		if (err == nil) != (i < 2) {
			t.Errorf("file %d: %v", i, err)
		}
		if err == nil {
			defer f.Close()
		}
	}
	if second, err := connect(e); err == nil {
		if _, err := second.Getwd(); err == nil {
			t.Error("a second connection is served")
		}
		second.Close()
	}
}
