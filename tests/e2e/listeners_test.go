package e2e

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// Beside the usual port there is one for old devices and one behind a load
// balancer, each with what it needs and no more.
func TestListeners(t *testing.T) {
	t.Parallel()
	n, err := testbed.NewTruckee(t.Context(), binary, t.TempDir(), clientKey)
	if err != nil {
		t.Fatal(err)
	}
	var ports [2]int
	for i := range ports {
		if ports[i], err = testbed.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	listeners := fmt.Sprintf("127.0.0.1:%d profile=legacy from=127.0.0.0/8; 127.0.0.1:%d proxy=strict proxies=127.0.0.0/8 from=192.0.2.0/24", ports[0], ports[1])
	if err := n.Start(t.Context(), "--sftpd-listeners", listeners); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()

	old := func(port int) error {
		e := n.Endpoint
		e.Port = port
		_, err := e.SFTP(t.Context(), "ls\n", "-o", "KexAlgorithms=diffie-hellman-group14-sha1", "-o", "HostKeyAlgorithms=ssh-rsa", "-o", "Ciphers=3des-cbc", "-o", "MACs=hmac-sha1")
		return err
	}
	if err := old(ports[0]); err != nil {
		t.Errorf("an old client at the listener for it: %v", err)
	}
	if err := old(n.Port); err == nil {
		t.Error("an old client is served at the usual port")
	}
	tells(t, n, "offers broken algorithms", "login by weak algorithms", "diffie-hellman-group14-sha1", "no algorithm in common")

	pem, err := ssh.ParsePrivateKey([]byte(readFile(t, clientKey)))
	if err != nil {
		t.Fatal(err)
	}
	behind := func(header string) error {
		nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports[1]))
		if err != nil {
			return err
		}
		defer nc.Close()
		if _, err := nc.Write([]byte(header)); err != nil {
			return err
		}
		c, _, _, err := ssh.NewClientConn(nc, "x", &ssh.ClientConfig{
			User: testbed.Account, Auth: []ssh.AuthMethod{ssh.PublicKeys(pem)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err == nil {
			c.Close()
		}
		return err
	}
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x08\x0a\x00\x00\x01\x11\x22\x00\x16"
	for header, ok := range map[string]bool{
		"PROXY TCP4 192.0.2.7 10.0.0.1 4386 22\r\n": true, v2: true,
		"PROXY TCP4 203.0.113.7 10.0.0.1 4386 22\r\n": false, "": false,
	} {
		if err := behind(header); (err == nil) != ok {
			t.Errorf("%q: %v", header, err)
		}
	}
	tells(t, n, "client_address=192.0.2.7:4386")
}
