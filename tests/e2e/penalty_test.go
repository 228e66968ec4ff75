package e2e

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// Who guesses is dropped before the key exchange; who was logged in goes on.
func TestGuessingBans(t *testing.T) {
	t.Parallel()
	n, err := testbed.NewTruckee(t.Context(), binary, t.TempDir(), clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context(), "--sftpd-penalty-exempt", "192.0.2.0/24"); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	inside := dial(t, n.Endpoint)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port))
	for range 3 {
		c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
			User: testbed.Account, Auth: []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.Password("guess"), 10)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err == nil {
			c.Close()
			t.Fatal("a guess logs in")
		}
	}
	// Six wrong ones of the first connection count; the others are not looked at.
	// From one address that isn't enough for a ban, so others are guessed at: at how
	// many depends on the machine, as penalties pass by themselves.
	guessed := 0
	eventually(t, func() bool {
		if c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
			User: fmt.Sprint("eve-", guessed), Auth: []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.Password("guess"), 10)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		}); err == nil {
			c.Close()
			t.Fatal("a guess logs in")
		}
		guessed++
		return strings.Contains(n.Log(), "sftp source banned")
	})
	nc, err := net.Dial("tcp", addr)
	if err == nil {
		defer nc.Close()
		if err := nc.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, err := nc.Read(make([]byte, 1)); k > 0 || err == nil {
			t.Error("a banned source is greeted")
		}
	}
	if _, err := inside.Stat("/"); err != nil {
		t.Errorf("who was in is cut off: %v", err)
	}
	if c := strings.Count(n.Log(), "sftp source banned"); c != 1 {
		t.Errorf("the ban is logged %d times", c)
	}
}
