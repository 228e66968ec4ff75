package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/tests/testbed"
)

const (
	leakName     = "LeakName"
	leakContents = "LeakContents;"
	rightWord    = "right-password-of-somebody"
	wrongWord    = "wrong-password-of-somebody"
)

// TestNothingLeaks does what people do, well and badly, and searches everything
// that a node tells of it, as loudly as it can: the log, audit records, metrics,
// health and status. None has a key, a capability, a password or contents, and only
// audit records have names of files.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, monitor, audit := newTeller(t, dir)
	secrets := misbehave(t, n, dir)
	secrets = append(secrets, ownSecrets(t, n)...)

	told := map[string]string{"metrics": answerOf(t, monitor+"/metrics"), "readyz": answerOf(t, monitor+"/readyz")}
	for what, words := range map[string][]string{"status": {"status", "--clients"}, "status as JSON": {"status", "--clients", "--json"}} {
		text, err := n.Run(t.Context(), nil, words...)
		if err != nil {
			t.Error(err)
		}
		told[what] = text
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	told["log"] = n.Log()
	if b, err := os.ReadFile(audit); err == nil {
		told["audit"] = string(b)
	}
	for what, sign := range map[string]string{
		"metrics": "truckee_audit_records_total ", "readyz": `"ready":true`, "status": "sessions", "status as JSON": `"sha256"`,
		"log": `"msg":"sftp login"`, "audit": `"path":"/` + leakName + `-put"`,
	} {
		if !strings.Contains(told[what], sign) {
			t.Errorf("the %s has no %s: %.2000s", what, sign, told[what])
		}
	}
	for what, text := range told {
		for _, s := range secrets {
			if i := strings.Index(text, s); i >= 0 {
				t.Errorf("the %s has the secret %q: …%.200s…", what, s, text[max(0, i-300):])
			}
		}
		if i := strings.Index(text, leakName); i >= 0 && what != "audit" {
			t.Errorf("the %s has the name of a file: …%.300s…", what, text[max(0, i-400):])
		}
	}
	if out, err := n.Run(t.Context(), nil, "audit", "verify", audit); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// newTeller makes a node that tells all that it can, and says where.
func newTeller(t *testing.T, dir string) (n *testbed.Truckee, monitor, audit string) {
	t.Helper()
	n, err := testbed.NewTruckee(t.Context(), binary, dir, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Run(t.Context(), strings.NewReader(rightWord), "account", "add", "somebody", "--password-stdin"); err != nil {
		t.Fatal(err)
	}
	port, err := testbed.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	err = n.Start(t.Context(), "--log-level", "debug", "--log-format", "json", "--audit-file", "audit.jsonl", "--metrics", at, "--sftpd-uri-paths")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n, "http://" + at, filepath.Join(n.BaseDir, "audit.jsonl")
}

// misbehave uses the node in every way that could make it tell too much, and
// returns the secrets that it met.
func misbehave(t *testing.T, n *testbed.Truckee, dir string) (secrets []string) {
	t.Helper()
	local := filepath.Join(dir, leakName+"-local")
	if err := os.WriteFile(local, []byte(strings.Repeat(leakContents, 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	name := func(what string) string { return leakName + "-" + what }
	sftp(t, n.Endpoint, strings.Join([]string{
		"mkdir " + name("dir"), "put " + local + " " + name("put"), "get " + name("put") + " " + local + ".back",
		"rename " + name("put") + " " + name("dir") + "/" + name("moved"), "ln -s " + name("target") + " " + name("link"), "chmod 600 " + name("dir"),
		"-get " + name("none"), "-rmdir " + name("dir"), "-mkdir " + name("dir"), "-rm " + name("none"), "-put " + local + " " + name("none") + "/x", "-get " + name("link"),
		"-put " + local + " " + name("dir"), "ls -l " + name("dir"), "-rename " + name("none") + " " + name("other"),
	}, "\n")+"\n")
	for _, password := range []string{wrongWord, rightWord} {
		c, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)), &ssh.ClientConfig{
			User: "somebody", Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if (err == nil) != (password == rightWord) {
			t.Errorf("login by %q: %v", password, err)
		}
		if err == nil {
			c.Close()
		}
	}
	var caps []string
	for _, of := range []string{"/", "/" + name("dir"), "/" + name("dir") + "/" + name("moved")} {
		text, err := n.Run(t.Context(), nil, "cap", "of", testbed.Account+":"+of)
		if err != nil {
			t.Fatal(err)
		}
		caps = append(caps, strings.TrimSpace(text))
	}
	for _, c := range caps {
		secrets = append(secrets, keyForms(t, c)...)
		typo := c[:len(c)-1] + "!"
		batch := ""
		for _, path := range []string{"/uri/" + c, "/uri/" + c + "/" + name("moved"), "/uri/" + typo, "/" + c, c + "/x", "/uri/" + strings.ReplaceAll(c, ":", "%3A")} {
			batch += fmt.Sprintf("-ls %[1]s\n-get %[1]s %[2]s.back\n-put %[2]s %[1]s\n-mkdir %[1]s\n-rm %[1]s\n-rename %[1]s /%[3]s\n-ln -s %[1]s /%[3]s\n-chmod 600 %[1]s\n", path, local, name("x"))
		}
		sftp(t, n.Endpoint, batch)
		for _, command := range []string{"md5sum /uri/" + c, "cat '/uri/" + c + "'", c, "scp -f /uri/" + typo, "cd /uri/" + c + " && df"} {
			cmd := n.SSHCommand(t.Context(), command)
			cmd.Stdin = strings.NewReader("\x00\x00\x00\x00")
			_ = cmd.Run()
		}
		for _, words := range [][]string{{"fs", "ls", "--cap-file", "-", "/"}, {"fs", "cat", "--cap-file", "-", "/" + name("none")}, {"check", "--cap-file", "-"}, {"cap", "show"}} {
			_, _ = n.Run(t.Context(), strings.NewReader(c), words...)
		}
	}
	half := dial(t, n.Endpoint)
	f, err := half.Create(name("half"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(leakContents)); err != nil {
		t.Fatal(err)
	}
	_ = half.Close() // without closing the file
	return append(secrets, leakContents, rightWord, wrongWord, base64.StdEncoding.EncodeToString([]byte(rightWord)))
}

// ownSecrets are those that lie in private/.
func ownSecrets(t *testing.T, n *testbed.Truckee) (secrets []string) {
	t.Helper()
	for _, name := range []string{"master.key", "accounts", "first-password", "ssh_host_ed25519_key"} {
		b, err := os.ReadFile(filepath.Join(n.BaseDir, "private", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(b)) {
			switch {
			case strings.HasPrefix(word, "URI:"):
				secrets = append(secrets, keyForms(t, word)...)
			case strings.HasPrefix(word, "truckee-master-1:"):
				key, err := base32Decode(strings.Split(word, ":")[1])
				if err != nil {
					t.Fatal(err)
				}
				secrets = append(secrets, strings.Split(word, ":")[1], string(key), hex.EncodeToString(key))
			case name == "first-password", strings.HasPrefix(word, "$argon2"), name == "ssh_host_ed25519_key" && len(word) > 60:
				secrets = append(secrets, word)
			}
		}
	}
	if len(secrets) < 10 {
		t.Fatalf("only %d secrets found", len(secrets))
	}
	return secrets
}

// answerOf is what a GET gives.
func answerOf(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %.300s", url, resp.Status, err, b)
	}
	return string(b)
}
