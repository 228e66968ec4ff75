package main

import (
	"errors"
	"net"
	"os"
	"strconv"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// client is a connection of this program's own, for what no process shall be
// started for each time.
type client struct {
	*sftp.Client
	conn    *ssh.Client
	session *rawSession // of single packets, once there is one
}

func (t *target) connect() (*client, error) {
	conn, err := t.login()
	if err != nil {
		return nil, err
	}
	c, err := sftp.NewClient(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &client{Client: c, conn: conn}, nil
}

func (t *target) login() (*ssh.Client, error) {
	pem, err := os.ReadFile(t.Key)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	return ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)), &ssh.ClientConfig{
		User: t.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // of a server that this program has started
	})
}

// Close ends the session and the connection.
func (c *client) Close() error {
	err := c.Client.Close()
	if closed := c.conn.Close(); closed != nil && !errors.Is(closed, net.ErrClosed) {
		err = errors.Join(err, closed)
	}
	return err
}
