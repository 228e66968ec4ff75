package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// The clients that people have, each through what it does differently from the
// others (trap numbers are those of the interop list in docs/sftp.md).

// need skips the test where a client isn't installed, unless none may be.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		testbed.Program(t, p)
	}
}

// guest is a node, and a home directory for clients that keep files in one.
type guest struct {
	t *testing.T
	n *testbed.Truckee
	testbed.Endpoint
	home string
	env  []string
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	dir := t.TempDir()
	g := &guest{t: t, n: newNode(t, dir), home: filepath.Join(dir, "home")}
	g.Endpoint = g.n.Endpoint
	if err := os.MkdirAll(g.home, 0o700); err != nil {
		t.Fatal(err)
	}
	return g
}

// run runs a client in its home, and returns what it printed.
func (g *guest) run(name string, args ...string) string {
	g.t.Helper()
	out, err := g.try(name, args...)
	if err != nil {
		g.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(out, 30))
	}
	return out
}

func (g *guest) try(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(g.t.Context(), name, args...)
	cmd.Dir = g.home
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }) // the machine's, which S3 clients would take
	cmd.Env = append(own, append([]string{"HOME=" + g.home, "XDG_CONFIG_HOME=" + g.home, "SSH_AUTH_SOCK="}, g.env...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ssh is the command by which clients that use OpenSSH's connect.
func (g *guest) ssh() string {
	return fmt.Sprintf("ssh -F /dev/null -p %d -i %s -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR", g.Port, g.Key)
}

// scp runs OpenSSH's scp.
func (g *guest) scp(args ...string) (string, error) {
	all := append(strings.Fields(g.ssh())[1:], args...)
	for i, a := range all {
		if a == "-p" && i < 4 {
			all[i] = "-P"
		}
	}
	return g.try("scp", all...)
}

// at is a path at the server, as scp, rsync and others name it.
func (g *guest) at(path string) string { return g.User + "@127.0.0.1:" + path }

// file makes a local file.
func (g *guest) file(name string, data []byte) string {
	g.t.Helper()
	path := filepath.Join(g.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// smallTree is a tree of some hundred files of all sizes, with odd names.
func (g *guest) smallTree(name string) string {
	g.t.Helper()
	for i := range 200 {
		g.file(filepath.Join(name, fmt.Sprintf("d%d", i%7), fmt.Sprintf("file %d", i)), pattern(i*i*7, byte(i)))
	}
	g.file(filepath.Join(name, "empty"), nil)
	g.file(filepath.Join(name, "caf\u00e9 %41 'quoted' \"twice\" $HOME *"), []byte("odd"))
	g.file(filepath.Join(name, strings.Repeat("n", 255)), []byte("long"))
	return filepath.Join(g.home, name)
}

// pattern is n bytes that depend on seed and on their place.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*7) ^ seed
	}
	return b
}

// noise is n bytes that nobody can compress or find twice.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func (g *guest) sameFile(got, want string) {
	g.t.Helper()
	a, err := fileSum(got)
	if err != nil {
		g.t.Fatal(err)
	}
	b, err := fileSum(want)
	if err != nil {
		g.t.Fatal(err)
	}
	if a != b {
		g.t.Errorf("%s differs from %s", got, want)
	}
}

func TestClientOpenSSH(t *testing.T) {
	t.Parallel()
	g := newGuest(t)
	big := g.file("big", pattern(3<<20, 1))
	half := g.file("half", pattern(3<<20, 1)[:1<<20])
	out := g.sftp(`
put ` + half + ` /f
reput ` + big + ` /f
get /f back
mkdir d
put -p ` + big + ` d/p
rename d/p d/q
ln d/q d/hard
ln -s q d/soft
cp d/q d/copy
chmod 600 d/q
get d/copy back2
get d/hard back3
get d/soft back4
ls -l d
df
pwd
-rmdir d
-mkdir d
`)
	for _, back := range []string{"back", "back2", "back3", "back4"} {
		g.sameFile(filepath.Join(g.home, back), big)
	}
	for _, want := range []string{"tester", "-rw-------", "lrwxrwxrwx", "Remote working directory: /", "%"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	g.file("got", pattern(3<<20, 1)[:1<<19])
	g.sftp("reget /f got\n")
	g.sameFile(filepath.Join(g.home, "got"), big)
	t.Run("sftp-server as a command", func(t *testing.T) {
		cmd := g.SFTPCommand(t.Context(), "pwd\n", "-s", "/usr/lib/openssh/sftp-server")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "directory: /") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func (g *guest) sftp(batch string) string {
	g.t.Helper()
	cmd := g.SFTPCommand(g.t.Context(), batch)
	cmd.Dir = g.home
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("sftp: %v\n%s", err, out)
	}
	return string(out)
}

// Both dialects of scp: over SFTP, and the old one.
func TestClientSCP(t *testing.T) {
	t.Parallel()
	for name, dialect := range map[string]string{"sftp": "-s", "old": "-O"} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t)
			tree := g.smallTree("tree")
			if err := os.Chmod(filepath.Join(tree, "empty"), 0o440); err != nil {
				t.Fatal(err)
			}
			must := func(args ...string) {
				t.Helper()
				if out, err := g.scp(append([]string{dialect}, args...)...); err != nil {
					t.Fatalf("scp %q: %v\n%s", args, err, out)
				}
			}
			must("-r", "-p", tree, g.at("/"))
			must("-r", "-p", g.at("/tree"), filepath.Join(g.home, "back"))
			sameTree(t, fingerprint(t, filepath.Join(g.home, "back")), fingerprint(t, tree))
			want, err := os.Stat(filepath.Join(tree, "empty"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.Stat(filepath.Join(g.home, "back", "empty")); err != nil || got.Mode() != want.Mode() || got.ModTime().Unix() != want.ModTime().Unix() {
				t.Errorf("attributes: %v, %v", got, err)
			}
			big := g.file("big", pattern(5<<20, 3))
			must(big, half(t, g), g.at("/tree")) // several into a directory
			must(big, g.at("/tree/half"))        // over a file
			must(g.at("~/tree/half"), filepath.Join(g.home, "back half"))
			g.sameFile(filepath.Join(g.home, "back half"), big)
			if out, err := g.scp(dialect, g.at("/nothing"), g.home); err == nil || !strings.Contains(out, "No such file or directory") {
				t.Errorf("of nothing: %v, %s", err, out)
			}
			if out, err := g.scp(dialect, big, g.at("/no/such/dir")); err == nil {
				t.Errorf("into nothing: %s", out)
			}
			if out, err := g.scp(dialect, g.at("/tree"), g.home); err == nil {
				t.Errorf("a directory without -r: %s", out)
			}
		})
	}
}

func half(t *testing.T, g *guest) string {
	t.Helper()
	return g.file("half", pattern(1000, 9))
}

// lftp pipelines, and disconnects when answers come out of order (trap 18).
func TestClientLftp(t *testing.T) {
	t.Parallel()
	need(t, "lftp")
	g := newGuest(t)
	tree := g.smallTree("tree")
	big := g.file("big", pattern(20<<20, 1))
	script := fmt.Sprintf(`
set sftp:connect-program "%s -a -x"
set net:max-retries 1
set cmd:fail-exit yes
open -u %s,x -p %d sftp://127.0.0.1
mirror -R --parallel=3 %s t
mirror --parallel=3 t back
mv t moved
put %s -o big
pget -n 4 big -o big.back
put %s -o big
reput %s -o big
chmod 600 big
mkdir -p a/b/c
rm -r a
cls -l big
mirror -R --only-newer %s moved
`, strings.Replace(g.ssh(), fmt.Sprintf("-p %d ", g.Port), "", 1), g.User, g.Port, tree, big, big, big, tree)
	out := g.run("lftp", "-c", script)
	sameTree(t, fingerprint(t, filepath.Join(g.home, "back")), fingerprint(t, tree))
	g.sameFile(filepath.Join(g.home, "big.back"), big)
	if !strings.Contains(out, "-rw-------") {
		t.Errorf("cls: %s", out)
	}
}

// PuTTY's clients, by SFTP and by the old scp.
func TestClientPuTTY(t *testing.T) {
	t.Parallel()
	need(t, "psftp", "pscp", "puttygen")
	g := newGuest(t)
	tree := g.smallTree("tree")
	key := filepath.Join(g.home, "key.ppk")
	g.run("puttygen", g.Key, "-o", key, "-O", "private")
	common := []string{"-batch", "-P", strconv.Itoa(g.Port), "-i", key, "-hostkey", g.hostKey(), "-noagent"}
	batch := g.file("batch", []byte("mkdir b\ncd b\nput \""+filepath.Join(g.home, "tree", "d1", "file 1")+"\" one\nren one two\nget two two.back\nchmod 640 two\ndir\npwd\ndel two\ncd ..\nrmdir b\n"))
	g.run("psftp", append(append([]string{}, common...), "-b", batch, g.User+"@127.0.0.1")...)
	g.sameFile(filepath.Join(g.home, "two.back"), filepath.Join(tree, "d1", "file 1"))
	for _, dialect := range []string{"-sftp", "-scp"} {
		g.sftp("mkdir in" + dialect + "\n")
		args := append(append([]string{dialect, "-q"}, common...), "-r", "-p")
		g.run("pscp", append(args, tree, g.at("/in"+dialect))...)
		back := filepath.Join(g.home, "back"+dialect)
		if err := os.Mkdir(back, 0o700); err != nil {
			t.Fatal(err)
		}
		g.run("pscp", append(args, g.at("/in"+dialect+"/tree"), back)...)
		sameTree(t, fingerprint(t, filepath.Join(back, "tree")), fingerprint(t, tree))
	}
}

// hostKey is the fingerprint of the node's ed25519 host key.
func (g *guest) hostKey() string {
	g.t.Helper()
	out := g.run("ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", strconv.Itoa(g.Port), "127.0.0.1")
	for line := range strings.Lines(out) {
		if strings.Contains(line, "ssh-ed25519") {
			keys := g.file("hostkeys", []byte(line))
			return strings.Fields(g.run("ssh-keygen", "-l", "-f", keys))[1]
		}
	}
	g.t.Fatalf("no host key in %q", out)
	return ""
}

const python = "/usr/bin/python3" // Debian's, which its packages are for

func (g *guest) python(module, script string) {
	g.t.Helper()
	if _, err := g.try(python, "-c", "import "+module); err != nil {
		need(g.t, "python3-"+module)
	}
	path, err := filepath.Abs(filepath.Join("testdata", script))
	if err != nil {
		g.t.Fatal(err)
	}
	g.run(python, path, strconv.Itoa(g.Port), g.User, g.Key, g.home)
}

// paramiko confirms each put by a stat, reads ahead, and waits for ever for what
// was promised (traps 11 and 12).
func TestClientParamiko(t *testing.T) {
	t.Parallel()
	newGuest(t).python("paramiko", "paramiko_client.py")
}

// asyncssh has everything in flight at once.
func TestClientAsyncSSH(t *testing.T) {
	t.Parallel()
	g := newGuest(t)
	g.python("asyncssh", "asyncssh_client.py")
	sameTree(t, fingerprint(t, filepath.Join(g.home, "back")), fingerprint(t, filepath.Join(g.home, "tree")))
}

// JSch's last release before its fork knows neither ed25519 nor RSA with SHA-2:
// it is here by ECDSA (traps 20 and 21).
func TestClientJSch(t *testing.T) {
	t.Parallel()
	const jar = "/usr/share/java/jsch.jar"
	need(t, "java", "javac", jar)
	g := newGuest(t)
	key := filepath.Join(g.home, "ecdsa")
	g.run("ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", key)
	if _, err := g.n.Run(t.Context(), nil, "account", "add", "jsch", "--key", key+".pub"); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(filepath.Join("testdata", "JSchClient.java"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { // the running server notices the account
		_, err := g.try("ssh", "-F", "/dev/null", "-p", strconv.Itoa(g.Port), "-i", key, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
			"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "jsch@127.0.0.1", "pwd")
		return err == nil
	})
	g.run("java", "-Xmx256m", "-cp", jar, source, strconv.Itoa(g.Port), "jsch", key)
}

// curl is libssh2: several reads in flight, and rename refused or not by code 4
// (trap 5).
func TestClientCurl(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	if out, err := exec.Command("curl", "-V").Output(); err != nil || !strings.Contains(string(out), "sftp") {
		if os.Getenv("TRUCKEE_TEST_REQUIRE") == "1" {
			t.Fatal("this curl has no SFTP")
		}
		t.Skip("this curl has no SFTP")
	}
	g := newGuest(t)
	big := g.file("big", pattern(10<<20, 1))
	back := filepath.Join(g.home, "back")
	curl := func(args ...string) string {
		t.Helper()
		return g.run("curl", append([]string{"-sS", "--insecure", "--key", g.Key, "--pubkey", g.Key + ".pub", "-u", g.User + ":"}, args...)...)
	}
	url := func(scheme, path string) string { return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, g.Port, path) }
	curl("-T", big, url("sftp", "/big"))
	curl(url("sftp", "/big"), "-o", back)
	g.sameFile(back, big)
	g.file("back", pattern(10<<20, 1)[:1<<20])
	curl("-C", "-", url("sftp", "/big"), "-o", back)
	g.sameFile(back, big)
	g.file("short", pattern(10<<20, 1)[:1<<20])
	curl("-T", filepath.Join(g.home, "short"), url("sftp", "/grows"))
	curl("-C", "-", "-T", big, url("sftp", "/grows")) // a resumed upload
	curl(url("sftp", "/grows"), "-o", back)
	g.sameFile(back, big)
	curl("-a", "-T", filepath.Join(g.home, "short"), url("sftp", "/grows")) // appends
	curl("-r", "0-99", url("sftp", "/big"), "-o", back)
	if i, err := os.Stat(back); err != nil || i.Size() != 100 {
		t.Errorf("a range: %v, %v", i, err)
	}
	listing := curl(url("sftp", "/"), "-Q", "rename /big /renamed", "-Q", "chmod 600 /renamed", "-Q", "mkdir /dir", "-Q", "ln /renamed /link")
	for _, want := range []string{"-rw-------    1 0        0           10485760", "drwxr-xr-x", "lrwxrwxrwx", " link -> /renamed", " grows"} {
		if !strings.Contains(listing, want) {
			t.Errorf("no %q in\n%s", want, listing)
		}
	}
	curl("--ftp-create-dirs", "-T", big, url("sftp", "/new/dirs/big"))
	curl("-T", big, url("scp", "/by-scp"))
	curl(url("scp", "/by-scp"), "-o", back)
	g.sameFile(back, big)
}

// rclone finds out what it talks to by exec, and then relies on it (traps 16, 17
// and 24).
func TestClientRclone(t *testing.T) {
	t.Parallel()
	need(t, "rclone")
	g := newGuest(t)
	tree := g.smallTree("tree")
	if err := os.Remove(filepath.Join(tree, strings.Repeat("n", 255))); err != nil { // crypt makes names longer
		t.Fatal(err)
	}
	password := strings.TrimSpace(g.run("rclone", "obscure", "secret"))
	config := g.file("rclone.conf", fmt.Appendf(nil, "[t]\ntype = sftp\nhost = 127.0.0.1\nport = %d\nuser = %s\nkey_file = %s\n[c]\ntype = crypt\nremote = t:/crypt\npassword = %s\n",
		g.Port, g.User, g.Key, password))
	rclone := func(args ...string) string {
		t.Helper()
		return g.run("rclone", append([]string{"--config", config, "--retries", "1"}, args...)...)
	}
	rclone("sync", tree, "t:/r")
	rclone("check", tree, "t:/r") // by checksum: both sides know MD5
	if out := rclone("-v", "sync", tree, "t:/r"); !strings.Contains(out, "nothing to transfer") && !strings.Contains(out, "Transferred:") {
		t.Errorf("second sync: %s", out)
	}
	sum, err := exec.Command("sha1sum", filepath.Join(tree, "d1", "file 1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if out := rclone("hashsum", "sha1", "t:/r/d1/file 1"); !strings.HasPrefix(out, string(sum[:40])) {
		t.Errorf("hashsum: %s", out)
	}
	if out := rclone("about", "t:"); !strings.Contains(out, "Total:") || !strings.Contains(out, "Free:") {
		t.Errorf("about: %s", out)
	}
	rclone("moveto", "t:/r", "t:/moved")
	rclone("copy", "t:/moved", filepath.Join(g.home, "back"))
	sameTree(t, fingerprint(t, filepath.Join(g.home, "back")), fingerprint(t, tree))
	rclone("delete", "t:/moved/d1")
	rclone("purge", "t:/moved")
	if out := rclone("lsf", "t:"); out != "" {
		t.Errorf("left: %s", out)
	}
	rclone("copy", tree, "c:")
	rclone("check", "--download", tree, "c:")
	rclone("sync", "t:/crypt", "t:/crypt2", "--sftp-concurrency", "8") // from server to server
	config2 := rclone("config", "show", "t")
	if !strings.Contains(config2, "md5sum_command = md5sum") || !strings.Contains(config2, "shell_type = unix") {
		t.Errorf("found out: %s", config2)
	}
}

// restic writes packs under their names, renames and removes, and locks by
// files (traps 6 and 15).
func TestClientRestic(t *testing.T) {
	t.Parallel()
	need(t, "restic")
	g := newGuest(t)
	tree := g.smallTree("tree")
	restic := g.restic()
	restic("init")
	restic("backup", tree)
	g.file("tree/more", pattern(3<<20, 5))
	restic("backup", tree)
	restic("forget", "--keep-last", "1", "--prune")
	restic("check", "--read-data")
	restic("restore", "latest", "--target", filepath.Join(g.home, "restored"))
	sameTree(t, fingerprint(t, filepath.Join(g.home, "restored", tree)), fingerprint(t, tree))
}

// restic gives a repository's commands, in it as in its home.
func (g *guest) restic() func(args ...string) {
	g.env = append(g.env, "RESTIC_PASSWORD=secret")
	return func(args ...string) {
		g.t.Helper()
		g.run("restic", g.resticArgs(args...)...)
	}
}

func (g *guest) resticArgs(args ...string) []string {
	return append([]string{"--no-cache", "-o", "sftp.command=" + g.ssh() + " " + g.User + "@127.0.0.1 -s sftp", "-r", "sftp:" + g.at("/restic")}, args...)
}

// A gateway that is killed in the midst of a backup leaves a repository that
// restic finds whole, and that the next backup completes.
func TestClientResticSurvivesAKill(t *testing.T) {
	t.Parallel()
	need(t, "restic")
	g := newGuest(t)
	restic := g.restic()
	restic("init")
	tree := g.smallTree("tree")
	restic("backup", tree)
	for i := range 24 {
		g.file(fmt.Sprintf("tree/large %d", i), noise(8<<20))
	}
	c := dial(t, g.Endpoint)
	packs := func() (n int) {
		for w := c.Walk("/restic/data"); w.Step(); {
			if w.Err() == nil && w.Stat().Mode().IsRegular() {
				n++
			}
		}
		return n
	}
	before := packs()
	broken := make(chan error)
	go func() {
		// So slowly that it can't be over before the kill.
		_, err := g.try("restic", g.resticArgs("backup", "--limit-upload", "8192", tree)...)
		broken <- err
	}()
	eventually(t, func() bool { return packs() >= before+3 })
	if err := g.n.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-broken; err == nil {
		t.Error("the backup ended well without a server")
	}
	start(t, g.n)
	restic("unlock")
	restic("check", "--read-data")
	restic("backup", tree)
	restic("check", "--read-data")
	restic("restore", "latest", "--target", filepath.Join(g.home, "restored"))
	sameTree(t, fingerprint(t, filepath.Join(g.home, "restored", tree)), fingerprint(t, tree))
	checkDeep(t, g.n)
}

// Backups and copies on a mount: borg locks by directories and trusts fsync,
// rsync renames its temporary files and sets times (traps 13 and 15).
func TestClientsOnSSHFS(t *testing.T) {
	t.Parallel()
	g := newGuest(t)
	tree := g.smallTree("tree")
	m := mount(t, g.Endpoint)
	t.Run("rsync", func(t *testing.T) {
		need(t, "rsync")
		g.t = t
		g.run("rsync", "-a", tree+"/", filepath.Join(m, "rsync"))
		sameTree(t, fingerprint(t, filepath.Join(m, "rsync")), fingerprint(t, tree))
		if out := g.run("rsync", "-ai", tree+"/", filepath.Join(m, "rsync")); out != "" {
			t.Errorf("a second run transfers\n%s", tail(out, 10))
		}
		g.file("tree/d1/file 1", []byte("changed"))
		g.run("rsync", "-a", "--inplace", "--delete", tree+"/", filepath.Join(m, "rsync"))
		sameTree(t, fingerprint(t, filepath.Join(m, "rsync")), fingerprint(t, tree))
	})
	t.Run("borg", func(t *testing.T) {
		need(t, "borg")
		g.t = t
		g.env = []string{"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "BORG_BASE_DIR=" + g.home}
		repo := filepath.Join(m, "borg")
		g.run("borg", "init", "-e", "none", repo)
		g.run("borg", "create", repo+"::a", tree)
		g.file("tree/more", pattern(3<<20, 5))
		g.run("borg", "create", repo+"::b", tree)
		g.run("borg", "prune", "--keep-last", "1", repo)
		g.run("borg", "compact", repo)
		g.run("borg", "check", "--verify-data", repo)
		back := filepath.Join(g.home, "borgback")
		if err := os.Mkdir(back, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "borg", "extract", repo+"::b")
		cmd.Dir = back
		cmd.Env = append(os.Environ(), append(g.env, "HOME="+g.home)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("borg extract: %v\n%s", err, out)
		}
		sameTree(t, fingerprint(t, filepath.Join(back, tree)), fingerprint(t, tree))
	})
	g.t = t
	checkDeep(t, g.n)
}
