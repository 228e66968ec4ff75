package e2e

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// S3's clients, with what they do by themselves: their defaults of today have
// broken many a server.

// customer is a guest with a key for S3.
type customer struct {
	*guest
	key, secret string
	endpoint    string
}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	g := newGuest(t)
	key, secret, err := g.n.S3Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &customer{guest: g, key: key, secret: secret, endpoint: g.n.S3()}
	g.env = append(g.env, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+c.endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+filepath.Join(g.home, "aws-config"), "AWS_MAX_ATTEMPTS=1")
	g.file("aws-config", []byte("[default]\ns3 =\n  addressing_style = path\n  signature_version = s3v4\n"))
	return c
}

// python is a program of the environment with today's clients.
func (c *customer) python(program string) string {
	c.t.Helper()
	dir, err := testbed.PythonClients()
	if err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join(dir, program)
	need(c.t, path)
	return path
}

func TestS3Boto3(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	out := c.run(c.python("python"), testdata(t, "s3/boto3_client.py"), c.endpoint, c.home)
	if !strings.Contains(out, "boto3: whole") {
		t.Error(out)
	}
	checkDeep(t, c.n)
}

func TestS3JavaScript(t *testing.T) {
	t.Parallel()
	modules, err := testbed.NodeClients()
	if err != nil {
		t.Fatal(err)
	}
	need(t, "node", modules)
	c := newCustomer(t)
	c.run("node", testdata(t, "s3/node_client.mjs"), c.endpoint, modules)
}

func TestS3AWSCLI(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	aws := func(args ...string) string {
		t.Helper()
		return c.run(c.python("aws"), args...)
	}
	tree := c.smallTree("tree")
	c.file("big", noise(40<<20))
	aws("s3", "mb", "s3://cli")
	aws("s3", "cp", "--quiet", "big", "s3://cli/dir/big")
	aws("s3", "cp", "--quiet", "s3://cli/dir/big", "back")
	c.sameFile(filepath.Join(c.home, "back"), filepath.Join(c.home, "big"))
	aws("s3", "sync", "--no-progress", "tree", "s3://cli/tree")
	if again := aws("s3", "sync", "tree", "s3://cli/tree"); again != "" {
		t.Errorf("a second sync found something: %s", again)
	}
	aws("s3", "sync", "--quiet", "s3://cli/tree", "tree.back")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "tree.back")), fingerprint(t, tree))
	aws("s3", "mv", "--quiet", "s3://cli/dir/big", "s3://cli/moved")
	if out := aws("s3", "ls", "s3://cli"); !matches(out, `PRE tree/\n`) || !matches(out, ` 41943040 moved\n`) || strings.Contains(out, "dir/") {
		t.Error(out)
	}
	link := strings.TrimSpace(aws("s3", "presign", "s3://cli/moved"))
	c.run("curl", "-sSf", "-o", "by-curl", link)
	c.sameFile(filepath.Join(c.home, "by-curl"), filepath.Join(c.home, "big"))
	aws("s3api", "put-object", "--bucket", "cli", "--key", "sha", "--body", "big", "--checksum-algorithm", "SHA256")
	if out := aws("s3api", "head-object", "--bucket", "cli", "--key", "sha", "--checksum-mode", "ENABLED"); !strings.Contains(out, "ChecksumSHA256") {
		t.Error(out)
	}
	// What S3 puts, SFTP sees, and the other way.
	c.sftp("get cli/moved by-sftp\nput big cli/put-by-sftp\nmkdir cli/empty\n")
	c.sameFile(filepath.Join(c.home, "by-sftp"), filepath.Join(c.home, "big"))
	aws("s3", "cp", "--quiet", "s3://cli/put-by-sftp", "back2")
	c.sameFile(filepath.Join(c.home, "back2"), filepath.Join(c.home, "big"))
	aws("s3", "rm", "--quiet", "--recursive", "s3://cli/")
	c.sftp("rmdir cli/empty\n")
	aws("s3", "rb", "s3://cli")
	if out := aws("s3", "ls"); out != "" {
		t.Error(out)
	}
	checkDeep(t, c.n)
}

func TestS3Cmd(t *testing.T) {
	t.Parallel()
	need(t, "s3cmd")
	c := newCustomer(t)
	u, err := url.Parse(c.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c.file("s3cfg", fmt.Appendf(nil, "[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n", c.key, c.secret, u.Host, u.Host))
	s3cmd := func(args ...string) string {
		t.Helper()
		return c.run("s3cmd", append([]string{"-c", "s3cfg", "--no-progress"}, args...)...)
	}
	tree := c.smallTree("tree")
	c.file("big", noise(20<<20))
	s3cmd("mb", "s3://s3cmd")
	s3cmd("put", "--multipart-chunk-size-mb=5", "big", "s3://s3cmd/big")
	s3cmd("get", "s3://s3cmd/big", "back")
	c.sameFile(filepath.Join(c.home, "back"), filepath.Join(c.home, "big"))
	s3cmd("sync", "tree/", "s3://s3cmd/tree/")
	s3cmd("sync", "s3://s3cmd/tree/", "tree.back/")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "tree.back")), fingerprint(t, tree))
	s3cmd("cp", "s3://s3cmd/big", "s3://s3cmd/copy")
	s3cmd("mv", "s3://s3cmd/copy", "s3://s3cmd/moved")
	if out := s3cmd("ls", "s3://s3cmd/"); !matches(out, `20971520\s+s3://s3cmd/moved`) || strings.Contains(out, "s3://s3cmd/copy") {
		t.Error(out)
	}
	s3cmd("rb", "--recursive", "--force", "s3://s3cmd")
}

func TestS3Rclone(t *testing.T) {
	t.Parallel()
	need(t, "rclone")
	c := newCustomer(t)
	c.file("rclone.conf", fmt.Appendf(nil, `[t]
type = s3
provider = Other
access_key_id = %s
secret_access_key = %s
endpoint = %s
force_path_style = true
chunk_size = 5Mi
upload_cutoff = 8Mi

[c]
type = crypt
remote = t:rclone/crypt
password = %s
`, c.key, c.secret, c.endpoint, strings.TrimSpace(c.run("rclone", "obscure", "secret"))))
	rclone := func(args ...string) string {
		t.Helper()
		return c.run("rclone", append([]string{"--config", "rclone.conf", "--retries", "1"}, args...)...)
	}
	tree := c.smallTree("tree")
	c.file("tree/big", noise(17<<20))
	rclone("mkdir", "t:rclone")
	rclone("sync", "tree", "t:rclone/tree")
	rclone("check", "--one-way", "tree", "t:rclone/tree")
	rclone("check", "--download", "tree", "t:rclone/tree")
	if out := rclone("sync", "-v", "tree", "t:rclone/tree"); matches(out, `Copied`) {
		t.Errorf("a second sync copied: %s", out)
	}
	rclone("copy", "t:rclone/tree", "t:rclone/second") // on the server
	rclone("sync", "t:rclone/second", "tree.back")
	sameTree(t, fingerprint(t, filepath.Join(c.home, "tree.back")), fingerprint(t, tree))
	rclone("sync", "tree", "c:")
	rclone("cryptcheck", "tree", "c:")
	rclone("moveto", "t:rclone/second/big", "t:rclone/big")
	rclone("purge", "t:rclone/second")
	rclone("bisync", "--resync", "tree", "t:rclone/bi")
	c.file("tree/new", []byte("here"))
	c.file("there", []byte("there"))
	rclone("copyto", "there", "t:rclone/bi/there")
	rclone("bisync", "tree", "t:rclone/bi")
	if got := rclone("cat", "t:rclone/bi/new"); got != "here" {
		t.Errorf("%q", got)
	}
	if got, err := os.ReadFile(filepath.Join(c.home, "tree", "there")); string(got) != "there" {
		t.Errorf("%q, %v", got, err)
	}
	rclone("purge", "t:rclone")
	checkDeep(t, c.n)
}

func TestS3Restic(t *testing.T) {
	t.Parallel()
	need(t, "restic")
	c := newCustomer(t)
	c.env = append(c.env, "RESTIC_PASSWORD=secret", "RESTIC_REPOSITORY=s3:"+c.endpoint+"/restic")
	restic := func(args ...string) {
		t.Helper()
		c.run("restic", append([]string{"--no-cache"}, args...)...)
	}
	tree := c.smallTree("tree")
	c.file("tree/big", noise(30<<20))
	restic("init")
	restic("backup", tree)
	c.file("tree/more", noise(3<<20))
	restic("backup", tree)
	restic("forget", "--keep-last", "1", "--prune")
	restic("check", "--read-data")
	restic("restore", "latest", "--target", filepath.Join(c.home, "restored"))
	sameTree(t, fingerprint(t, filepath.Join(c.home, "restored", tree)), fingerprint(t, tree))
}

// s3fs reads and writes objects as files, and keeps their modes in metadata.
func TestS3FS(t *testing.T) {
	t.Parallel()
	need(t, "s3fs", "fusermount3")
	c := newCustomer(t)
	c.run(c.python("aws"), "s3", "mb", "s3://s3fs")
	passwd := c.file("passwd-s3fs", fmt.Appendf(nil, "%s:%s\n", c.key, c.secret))
	if err := os.Chmod(passwd, 0o600); err != nil {
		t.Fatal(err)
	}
	mnt := filepath.Join(c.home, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	// s3fs takes what it finds in the environment before what is in the file.
	c.run("s3fs", "s3fs", mnt, "-o", "passwd_file="+passwd, "-o", "url="+c.endpoint, "-o", "use_path_request_style", "-o", "multipart_size=5")
	mounted := true
	unmount := func() {
		if mounted {
			mounted = false
			if err := (&testbed.Mount{Dir: mnt}).Unmount(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(unmount)
	tree := c.smallTree("tree")
	c.file("tree/big", noise(12<<20))
	c.run("cp", "-r", tree, filepath.Join(mnt, "tree"))
	sameTree(t, fingerprint(t, filepath.Join(mnt, "tree")), fingerprint(t, tree))
	c.run("mv", filepath.Join(mnt, "tree", "big"), filepath.Join(mnt, "moved"))
	f, err := os.OpenFile(filepath.Join(mnt, "moved"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("the end"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	unmount()
	c.sftp("get s3fs/moved by-sftp\n")
	got, err := os.ReadFile(filepath.Join(c.home, "by-sftp"))
	want, _ := os.ReadFile(filepath.Join(c.home, "tree", "big"))
	if err != nil || !bytes.Equal(got, append(want, "the end"...)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// curl signs by itself.
func TestS3Curl(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	c := newCustomer(t)
	c.file("curlrc", fmt.Appendf(nil, "user = \"%s:%s\"\naws-sigv4 = \"aws:amz:us-east-1:s3\"\nsilent\nshow-error\nfail\n", c.key, c.secret))
	curl := func(args ...string) string {
		t.Helper()
		return c.run("curl", append([]string{"-K", "curlrc"}, args...)...)
	}
	c.file("big", noise(3<<20))
	curl("-X", "PUT", c.endpoint+"/curl")
	curl("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-T", "big", c.endpoint+"/curl/a/big%20one")
	curl("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-o", "back", c.endpoint+"/curl/a/big%20one")
	c.sameFile(filepath.Join(c.home, "back"), filepath.Join(c.home, "big"))
	if out := curl(c.endpoint + "/curl?list-type=2&prefix=a%2F"); !strings.Contains(out, "<Key>a/big one</Key>") {
		t.Error(out)
	}
	if out, err := c.try("curl", "-sS", c.endpoint+"/curl/a/big%20one"); err != nil || !strings.Contains(out, "<Code>AccessDenied</Code>") {
		t.Errorf("without a signature: %v %s", err, out)
	}
	curl("-X", "DELETE", c.endpoint+"/curl/a/big%20one")
	curl("-X", "DELETE", c.endpoint+"/curl")
}
