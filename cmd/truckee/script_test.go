package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	_ "modernc.org/sqlite"

	"github.com/truckee-fs/truckee/tests/testbed"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"truckee": main})
}

// Each script is a promise that a command makes to its user. Beside testscript's
// own commands they use those below. The node's folder is $NODE, and its host key
// is made beforehand, since RSA keys take a second.
func TestScripts(t *testing.T) {
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "mode": mode, "hostkey": hostkey, "userkey": userkey,
		"sql": runSQL, "await": await, "login": login, "leaks": leaks, "deep": deep, "big": bigFile, "grab": grab, "cut": cutFile, "chmod600": closeFiles, "fetch": fetch, "awaithttp": awaitHTTP,
		"eventually": eventually,
	}
	maps.Copy(cmds, serviceCommands(t))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds:                cmds,
	})
}

// condition answers [postgres], [swift] and [s3]: there is such a server for tests, see
// package tests/services.
func condition(name string) (bool, error) {
	variable, ok := map[string]string{
		"postgres": "TRUCKEE_TEST_POSTGRES", "swift": "TRUCKEE_TEST_SWIFT_AUTH_URL", "s3": "TRUCKEE_TEST_S3_ENDPOINT",
	}[name]
	if !ok {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	there := os.Getenv(variable) != ""
	if !there && os.Getenv("TRUCKEE_TEST_REQUIRE") == "1" {
		return false, fmt.Errorf("%s is not set, and TRUCKEE_TEST_REQUIRE=1 forbids to skip", variable)
	}
	return there, nil
}

func setup(e *testscript.Env) error {
	var at [3]string
	for i := range at {
		port, err := testbed.FreePort()
		if err != nil {
			return err
		}
		at[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	home, node := filepath.Join(e.WorkDir, "home"), filepath.Join(e.WorkDir, "node")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	key := filepath.Join(e.WorkDir, "hostkey")
	if err := writeKey(key, "", elliptic.P256()); err != nil {
		return err
	}
	// A program under the race detector else rests a second before it ends.
	e.Setenv("GORACE", "atexit_sleep_ms=0")
	e.Setenv("HOME", home)
	e.Setenv("USER", "tester")
	e.Setenv("NODE", node)
	e.Setenv("ADDR", at[0])
	e.Setenv("MONITOR", at[1])
	e.Setenv("S3ADDR", at[2])
	e.Setenv("TRUCKEE_S3_LISTEN", at[2])
	e.Setenv("TRUCKEE_BASEDIR", node)
	e.Setenv("TRUCKEE_SFTPD_PORT", at[0])
	e.Setenv("TRUCKEE_SFTPD_HOST_KEYS", key)
	return nil
}

// fetch METHOD URL STATUS FILE: the URL is answered with that status, and the
// file gets the body.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: fetch METHOD URL STATUS FILE")
	}
	req, err := http.NewRequest(args[0], args[1], nil)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[2] {
		ts.Fatalf("status %d, want %s: %s", resp.StatusCode, args[2], body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), body, 0o600))
}

// exits STATUS PROGRAM ARGS...: the program ends with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("status %d, want %d", got, want)
	}
}

// eventually STATUS REGEXP PROGRAM ARGS...: within a minute the program ends with
// that status, and its standard output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: eventually STATUS REGEXP PROGRAM ARGS...")
	}
	says, err := regexp.Compile(args[1])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); ; {
		status := 0
		err := ts.Exec(args[2], args[3:]...)
		if e := (*exec.ExitError)(nil); errors.As(err, &e) {
			status = e.ExitCode()
		} else {
			ts.Check(err)
		}
		if strconv.Itoa(status) == args[0] && says.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("status %d at last", status)
		}
	}
}

// mode OCTAL FILE...: the files have that mode.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	for _, name := range args[1:] {
		st, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if uint64(st.Mode().Perm()) != want {
			ts.Fatalf("%s has mode %04o, want %04o", name, st.Mode().Perm(), want)
		}
	}
}

// hostkey FILE [PASSPHRASE]: make a host key.
func hostkey(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(writeKey(ts.MkAbs(args[0]), strings.Join(args[1:], " "), elliptic.P256()))
}

func writeKey(path, passphrase string, curve elliptic.Curve) error {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return err
	}
	return writePEM(path, passphrase, key)
}

func writePEM(path, passphrase string, key crypto.Signer) error {
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return err
	}
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".pub", ssh.MarshalAuthorizedKey(pub), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

// userkey FILE: make a user's key, FILE and FILE.pub.
func userkey(ts *testscript.TestScript, neg bool, args []string) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	ts.Check(writePEM(ts.MkAbs(args[0]), "", key))
}

// sql FILE STATEMENT: change a database behind the node's back.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(err)
	ts.Check(db.Close())
}

// await: wait until the node serves.
func await(ts *testscript.TestScript, neg bool, args []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(60 * time.Second)
	for {
		conn, err := net.Dial("tcp", ts.Getenv("ADDR"))
		if err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			n, _ := conn.Read(make([]byte, 4))
			conn.Close()
			if n == 4 { // SSH-
				return
			}
		}
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("the node doesn't serve")
		}
	}
}

// awaithttp URL: wait until somebody answers there.
func awaitHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: awaithttp URL")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(60 * time.Second)
	for {
		resp, err := http.Get(args[0])
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("nobody answers: %v", err)
		}
	}
}

// login NAME (password FILE | key FILE): log in by SSH; ! for a refusal.
func login(ts *testscript.TestScript, neg bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[2]))
	ts.Check(err)
	auth := ssh.Password(strings.TrimSpace(string(b)))
	if args[1] == "key" {
		signer, err := ssh.ParsePrivateKey(b)
		ts.Check(err)
		auth = ssh.PublicKeys(signer)
	}
	client, err := ssh.Dial("tcp", ts.Getenv("ADDR"), &ssh.ClientConfig{
		User: args[0], Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 30 * time.Second,
	})
	if err == nil {
		// Its answer shows that the server has noted the login.
		if s, serr := client.NewSession(); serr == nil {
			s.Close()
		}
		client.Close()
	}
	if (err != nil) != neg {
		ts.Fatalf("login of %s: %v", args[0], err)
	}
}

// leaks FILE TEXTFILE: FILE holds a word of TEXTFILE that is longer than 12 bytes.
func leaks(ts *testscript.TestScript, neg bool, args []string) {
	in, found := ts.ReadFile(args[0]), ""
	for _, word := range strings.Fields(ts.ReadFile(args[1])) {
		if len(word) > 12 && strings.Contains(in, word) {
			found = word
		}
	}
	if (found == "") != neg {
		ts.Fatalf("%s of %s in %s", fmt.Sprintf("%q", found), args[1], args[0])
	}
}

// deep VARIABLE: set it to a folder whose path is longer than a socket's may be.
func deep(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(strings.Repeat("deep/", 10) + strings.Repeat("x", 200))
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Setenv(args[0], filepath.Join(dir, "node"))
}

// big FILE MIB: make a file of so many MiB that nothing compresses.
func bigFile(ts *testscript.TestScript, neg bool, args []string) {
	mib, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, mib<<20)
	_, err = rand.Read(b)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cut FILE N: take its last N bytes away.
func cutFile(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	st, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), st.Size()-n))
}

// chmod600 FILE...: nobody else may read them.
func closeFiles(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(os.Chmod(ts.MkAbs(name), 0o600))
	}
}

// grab VARIABLE FILE REGEXP: set it to the first group of the expression in FILE.
func grab(ts *testscript.TestScript, neg bool, args []string) {
	found := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if found == nil {
		ts.Fatalf("no %s in %s", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}
