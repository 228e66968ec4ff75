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
