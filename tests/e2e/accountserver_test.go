package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	sftpclient "github.com/pkg/sftp"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// The account server of contrib/, over TLS, lets people in whom the accounts
// file doesn't know. When it is down, they hear of a failed login, the log says
// why, and those of the file go on.
func TestAccountServer(t *testing.T) {
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
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, []byte("zoe "+string(hash)+" "+root), 0o600); err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, dir)
	addr, stop := startAccountServer(t, dir, "-cert", cert, "-key", cert, "-users", users)
	err = n.Start(t.Context(), "--sftpd-accounts-url", "https://"+addr+"/", "--sftpd-accounts-url-ca", cert, "--sftpd-accounts-url-remember", "0s")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()

	login := func(name, password string) (*sftpclient.Client, error) {
		conn, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)), &ssh.ClientConfig{
			User: name, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		return sftpclient.NewClient(conn)
	}
	c, err := login("zoe", "open sesame")
	if err != nil {
		t.Fatalf("zoe: %v\n%s", err, n.Log())
	}
	if err := c.Mkdir("/of-zoe"); err != nil {
		t.Error(err)
	}
	if _, err := dial(t, n.Endpoint).Stat("/of-zoe"); err != nil {
		t.Errorf("the file's account sees another root: %v", err)
	}
	for name, password := range map[string]string{"zoe": "wrong", "nobody": "open sesame", testbed.Account: "open sesame"} {
		if _, err := login(name, password); err == nil {
			t.Errorf("%s came in by %q", name, password)
		}
	}
	stop()
	if _, err := login("zoe", "open sesame"); err == nil {
		t.Error("zoe came in although nobody could be asked")
	}
	tells(t, n, "the account server gave no answer")
	if log := n.Log(); strings.Contains(log, "sesame") || strings.Contains(log, strings.TrimSpace(root)) {
		t.Errorf("the log says too much:\n%s", log)
	}
	if _, err := dial(t, n.Endpoint).Stat("/"); err != nil {
		t.Errorf("the file's account: %v", err)
	}
}

// startAccountServer builds and starts the server of contrib/.
func startAccountServer(t *testing.T, dir string, flags ...string) (addr string, stop func()) {
	t.Helper()
	program := filepath.Join(dir, "account-server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/truckee-fs/truckee/contrib/account-server").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-listen", "127.0.0.1:0"}, flags...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(stop)
	line, err := bufio.NewReader(log).ReadString('\n')
	_, addr, ok := strings.Cut(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the account server said %q, %v", line, err)
	}
	return addr, stop
}

// certificate makes a certificate of 127.0.0.1 and its key, in one PEM file.
func certificate(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "account-server.pem")
	b := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
