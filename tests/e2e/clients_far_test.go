package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Clients that no Debian package brings: they come from their languages'
// registries, and run in the long set only.

// far skips the test outside of the long set.
func far(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("TRUCKEE_TEST_SOAK") != "1" {
		t.Skip("in the long set only: make soak")
	}
	need(t, programs...)
}

// testdata is the absolute path of what the tests bring along.
func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// jars fetches the Java clients of testdata/java/pom.xml.
func (g *guest) jars() string {
	g.t.Helper()
	dir := filepath.Join(g.home, "jars")
	home, err := os.UserHomeDir() // Maven's cache stays where it is
	if err != nil {
		g.t.Fatal(err)
	}
	g.run("mvn", "-q", "-B", "-f", testdata(g.t, "java/pom.xml"), "-Dmaven.repo.local="+filepath.Join(home, ".m2", "repository"),
		"dependency:copy-dependencies", "-DoutputDirectory="+dir)
	return filepath.Join(dir, "*")
}

// Today's JSch, which knows ed25519 by Bouncy Castle.
func TestClientFarJSch(t *testing.T) {
	t.Parallel()
	far(t, "java", "mvn")
	g := newGuest(t)
	g.run("java", "-Xmx256m", "-cp", g.jars(), testdata(t, "JSchClient.java"), strconv.Itoa(g.Port), g.User, g.Key)
}

func TestClientFarSSHJ(t *testing.T) {
	t.Parallel()
	far(t, "java", "mvn")
	g := newGuest(t)
	g.run("java", "-Xmx256m", "-cp", g.jars(), testdata(t, "java/SSHJClient.java"), strconv.Itoa(g.Port), g.User, g.Key, g.home)
}

func TestClientFarNode(t *testing.T) {
	t.Parallel()
	far(t, "node", "npm")
	g := newGuest(t)
	g.run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", "--prefix", g.home, "ssh2-sftp-client@12.1.1")
	g.env = append(g.env, "NODE_PATH="+filepath.Join(g.home, "node_modules"))
	g.run("node", testdata(t, "node_client.js"), strconv.Itoa(g.Port), g.User, g.Key, g.home)
}

// The aws cli of early 2024, before checksums by default.
func TestClientFarS3Of2024(t *testing.T) {
	t.Parallel()
	far(t, "python3")
	c := newCustomer(t)
	venv := filepath.Join(c.home, "venv")
	c.run("python3", "-m", "venv", venv)
	c.run(filepath.Join(venv, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "awscli==1.32.30", "boto3==1.34.30")
	aws := filepath.Join(venv, "bin", "aws")
	tree := c.smallTree("tree")
	c.file("tree/big", noise(20<<20))
	c.run(aws, "s3", "mb", "s3://old")
	c.run(aws, "s3", "sync", "--quiet", "tree", "s3://old/tree")
	c.run(aws, "s3", "sync", "--quiet", "s3://old/tree", "back")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "back")), fingerprint(t, tree))
	c.run(aws, "s3", "rb", "--force", "s3://old")
}

// mc, which takes minutes to build.
func TestClientFarMC(t *testing.T) {
	t.Parallel()
	far(t, "go")
	c := newCustomer(t)
	mc := c.goInstall("github.com/minio/mc@latest", "mc")
	run := func(args ...string) string {
		t.Helper()
		return c.run(mc, append([]string{"--quiet", "-C", filepath.Join(c.home, "mc-config")}, args...)...)
	}
	tree := c.smallTree("tree")
	c.file("tree/big", noise(80<<20))
	run("alias", "set", "t", c.endpoint, c.key, c.secret, "--api", "s3v4")
	run("mb", "t/with-mc")
	run("mirror", "tree", "t/with-mc/tree")
	run("mirror", "t/with-mc/tree", "back")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "back")), fingerprint(t, tree))
	if out := run("diff", "tree", "t/with-mc/tree"); out != "" {
		t.Error(out)
	}
	run("cp", "t/with-mc/tree/big", "t/with-mc/copied")
	run("tag", "set", "t/with-mc/copied", "a=b")
	if out := run("stat", "t/with-mc/copied"); !matches(out, `80 MiB`) {
		t.Error(out)
	}
	run("anonymous", "set", "download", "t/with-mc")
	c.run("curl", "-sSf", "-o", "by-curl", c.endpoint+"/with-mc/tree/big")
	c.sameFile(filepath.Join(c.home, "by-curl"), filepath.Join(tree, "big"))
	run("ilm", "rule", "add", "--expire-days", "30", "--prefix", "old/", "--noncurrent-expire-days", "5", "t/with-mc")
	if out := run("ilm", "rule", "export", "t/with-mc"); !matches(out, `"NoncurrentDays":5`) {
		t.Error(out)
	}
	run("version", "enable", "t/with-mc")
	run("rm", "t/with-mc/copied")
	run("undo", "t/with-mc/copied")
	run("stat", "t/with-mc/copied")
	run("rb", "--force", "t/with-mc")

	c.file("small", []byte("data"))
	run("mb", "--with-lock", "t/with-lock")
	run("put", "small", "t/with-lock/o")
	run("retention", "set", "governance", "1d", "t/with-lock/o")
	run("legalhold", "set", "t/with-lock/o")
	if out := run("retention", "info", "t/with-lock/o"); !matches(out, `GOVERNANCE`) {
		t.Error(out)
	}
	run("legalhold", "clear", "t/with-lock/o")
	run("retention", "clear", "t/with-lock/o")
	run("rm", "--bypass", "--versions", "--force", "t/with-lock/o")
	run("rb", "t/with-lock")
	checkDeep(t, c.n)
}

// goInstall builds a program, whatever version is today's.
func (g *guest) goInstall(module, program string) string {
	g.t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		g.t.Fatal(err)
	}
	g.env = append(g.env, "GOBIN="+g.home, "GOFLAGS=-ldflags=-w", "GOCACHE="+filepath.Join(home, ".cache", "go-build"), "GOPATH="+filepath.Join(home, "go"))
	g.run("go", "install", module)
	return filepath.Join(g.home, program)
}
