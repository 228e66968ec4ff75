package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Clients of S3 from their languages' registries, of today and of 2024, before
// checksums were everybody's default.

// keep makes a directory in the cache of the tests, which fill fills if it isn't whole.
func (g *guest) keep(name string, fill func(dir string)) string {
	g.t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		g.t.Fatal(err)
	}
	dir := filepath.Join(cache, "truckee-tests", name)
	whole := filepath.Join(dir, "whole")
	if _, err := os.Stat(whole); err == nil {
		return dir
	}
	if err := os.RemoveAll(dir); err != nil {
		g.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		g.t.Fatal(err)
	}
	fill(dir)
	if err := os.WriteFile(whole, nil, 0o644); err != nil {
		g.t.Fatal(err)
	}
	return dir
}

// goHere has go use the user's caches, whatever the home is.
func (g *guest) goHere() {
	g.t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		g.t.Fatal(err)
	}
	g.env = append(g.env, "GOCACHE="+filepath.Join(home, ".cache", "go-build"), "GOPATH="+filepath.Join(home, "go"), "GOFLAGS=-mod=mod")
}

// AWS's SDK for Java 2 with its defaults, over plain HTTP, where it signs chunks.
func TestClientFarS3Java(t *testing.T) {
	t.Parallel()
	far(t, "java", "mvn")
	// That of 2024 signs the SHA-1 or SHA-256 of nothing where it sends the right one
	// behind signed chunks: nobody can accept that.
	for version, checksums := range map[string][]string{"2.25.11": {"CRC32"}, "2.40.0": {"CRC32", "SHA1", "SHA256"}} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newCustomer(t)
			home, err := os.UserHomeDir() // Maven's cache stays where it is
			if err != nil {
				t.Fatal(err)
			}
			jars := filepath.Join(c.home, "jars")
			c.run("mvn", "-q", "-B", "-f", testdata(t, "s3/java/pom.xml"), "-Dsdk="+version, "-Dmaven.repo.local="+filepath.Join(home, ".m2", "repository"),
				"dependency:copy-dependencies", "-DoutputDirectory="+jars)
			out := c.run("java", append([]string{"-Xmx512m", "-cp", filepath.Join(jars, "*"), testdata(t, "s3/java/S3Program.java"), c.endpoint}, checksums...)...)
			if !strings.Contains(out, "java: whole") {
				t.Error(out)
			}
			checkDeep(t, c.n)
		})
	}
}

// AWS's SDK for Rust, which takes minutes to build once.
func TestClientFarS3Rust(t *testing.T) {
	t.Parallel()
	far(t, "cargo")
	c := newCustomer(t)
	dir := c.keep("rust-s3-1.157.0", func(dir string) {
		source := filepath.Join(c.home, "rust-source") // its lock file is made there
		if err := os.CopyFS(source, os.DirFS(testdata(t, "s3/rust"))); err != nil {
			t.Fatal(err)
		}
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		toolchains := os.Getenv("RUSTUP_HOME")
		if toolchains == "" {
			toolchains = filepath.Join(home, ".rustup")
		}
		c.env = append(c.env, "RUSTUP_HOME="+toolchains, "CARGO_HOME="+filepath.Join(c.home, "cargo"))
		c.run("cargo", "build", "--quiet", "--manifest-path", filepath.Join(source, "Cargo.toml"), "--target-dir", filepath.Join(c.home, "target"))
		c.run("cp", filepath.Join(c.home, "target", "debug", "s3-program"), dir)
	})
	out := c.run(filepath.Join(dir, "s3-program"), c.endpoint, c.key, c.secret, c.home)
	url, end, _ := strings.Cut(out, "\n")
	if strings.TrimSpace(end) != "rust: whole" {
		t.Fatal(out)
	}
	if got := c.run("curl", "-sSf", url); got != "hello" {
		t.Errorf("%q", got)
	}
	checkDeep(t, c.n)
}

// AWS's SDK for Go and MinIO's client, of January 2024.
func TestClientFarS3Go2024(t *testing.T) {
	t.Parallel()
	far(t, "go")
	c := newCustomer(t)
	c.goHere()
	program := filepath.Join(c.home, "go2024")
	c.run("go", "build", "-C", testdata(t, "s3/go2024"), "-mod=readonly", "-o", program, ".")
	if out := c.run(program, c.endpoint, c.key, c.secret); !strings.Contains(out, "2024: whole") {
		t.Error(out)
	}
	checkDeep(t, c.n)
}

// The SDK for JavaScript of February 2024.
func TestClientFarS3JavaScript2024(t *testing.T) {
	t.Parallel()
	far(t, "node", "npm")
	c := newCustomer(t)
	dir := c.keep("node-2024", func(dir string) {
		c.run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir,
			"@aws-sdk/client-s3@3.515.0", "@aws-sdk/lib-storage@3.515.0", "@aws-sdk/s3-request-presigner@3.515.0")
	})
	c.run("node", testdata(t, "s3/node_client.mjs"), c.endpoint, filepath.Join(dir, "node_modules"))
}

// boto3 of December 2024, the last one without checksums by default.
func TestClientFarS3Boto2024(t *testing.T) {
	t.Parallel()
	far(t, "python3")
	c := newCustomer(t)
	dir := c.keep("boto3-1.35.90", func(dir string) {
		c.run("python3", "-m", "venv", dir)
		c.run(filepath.Join(dir, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "boto3==1.35.90")
	})
	if out := c.run(filepath.Join(dir, "bin", "python"), testdata(t, "s3/boto3_client.py"), c.endpoint, c.home); !strings.Contains(out, "boto3: whole") {
		t.Error(out)
	}
}

// kopia is built from its module, which takes minutes once.
func TestClientFarKopia(t *testing.T) {
	t.Parallel()
	far(t, "go")
	c := newCustomer(t)
	c.goHere()
	const version = "v0.22.3"
	dir := c.keep("kopia-"+version, func(dir string) {
		var module struct{ Dir string }
		if err := json.Unmarshal([]byte(c.run("go", "mod", "download", "-json", "github.com/kopia/kopia@"+version)), &module); err != nil {
			t.Fatal(err)
		}
		source := filepath.Join(c.home, "kopia-source")
		if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil { // the module cache is read-only
			t.Fatal(err)
		}
		c.run("go", "build", "-C", source, "-ldflags=-w", "-tags=nohtmlui", "-o", filepath.Join(dir, "kopia"), ".")
	})
	c.run(c.python("aws"), "s3", "mb", "s3://kopia")
	c.env = append(c.env, "KOPIA_PASSWORD=secret", "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_CONFIG_PATH="+filepath.Join(c.home, "kopia.config"),
		"KOPIA_CACHE_DIRECTORY="+filepath.Join(c.home, "kopia-cache"), "KOPIA_LOG_DIR="+filepath.Join(c.home, "kopia-logs"))
	kopia := func(args ...string) string {
		t.Helper()
		return c.run(filepath.Join(dir, "kopia"), args...)
	}
	tree := c.smallTree("tree")
	c.file("tree/big", noise(50<<20))
	kopia("repository", "create", "s3", "--bucket=kopia", "--prefix=repo/", "--endpoint="+strings.TrimPrefix(c.endpoint, "http://"), "--disable-tls",
		"--access-key="+c.key, "--secret-access-key="+c.secret)
	kopia("snapshot", "create", tree)
	c.file("tree/more", noise(3<<20))
	kopia("snapshot", "create", tree)
	kopia("snapshot", "verify", "--verify-files-percent=100")
	kopia("maintenance", "run", "--full")
	kopia("repository", "validate-provider")
	var snapshots []struct{ ID string }
	if err := json.Unmarshal([]byte(kopia("snapshot", "list", "--json", tree)), &snapshots); err != nil || len(snapshots) != 2 {
		t.Fatalf("%d snapshots, %v", len(snapshots), err)
	}
	kopia("restore", snapshots[1].ID, filepath.Join(c.home, "restored"))
	sameTree(t, fingerprint(t, filepath.Join(c.home, "restored")), fingerprint(t, tree))
	checkDeep(t, c.n)
}
