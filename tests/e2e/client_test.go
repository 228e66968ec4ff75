package e2e

import (
	"net"
	"os"
	"strconv"
	"testing"

	sftpclient "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// dial connects a client in this process, for tests that must know exactly
// which answers had arrived when something happened.
func dial(t *testing.T, e testbed.Endpoint) *sftpclient.Client {
	t.Helper()
	pem, err := os.ReadFile(e.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)), &ssh.ClientConfig{
		User:            e.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the test made the key itself, on loopback
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sftpclient.NewClient(conn)
	if err != nil {
		conn.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); conn.Close() })
	return c
}
