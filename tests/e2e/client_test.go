package e2e

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	sftpclient "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// dial connects a client in this process, for tests that must know exactly
// which answers had arrived when something happened.
func dial(t *testing.T, e testbed.Endpoint) *sftpclient.Client {
	t.Helper()
	c, err := connect(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// connect logs in; Close of the client ends the connection.
func connect(e testbed.Endpoint) (*sftpclient.Client, error) {
	pem, err := os.ReadFile(e.Key)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	conn, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)), &ssh.ClientConfig{
		User:            e.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the test made the key itself, on loopback
		Timeout:         10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	c, err := sftpclient.NewClient(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	go func() { _ = c.Wait(); conn.Close() }()
	return c, nil
}
