package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// goodsOf makes a small directory of local files of all sizes.
func goodsOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "goods")
	if err := os.MkdirAll(filepath.Join(dir, "deep", "deeper"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"empty": 0, "tiny": 10, "deep/inline": 5000, "deep/deeper/chunk": 300_000, "large": 5 << 20} {
		writeRandom(t, filepath.Join(dir, name), int64(size))
	}
	return dir
}

// putAll brings a directory to the node, under a name.
func putAll(t *testing.T, n *testbed.Truckee, dir, name string) {
	t.Helper()
	sftp(t, n.Endpoint, fmt.Sprintf("put -r %s %s\n", dir, name))
}

// holdsAll gets it back, and compares.
func holdsAll(t *testing.T, n *testbed.Truckee, name, dir string) {
	t.Helper()
	back := filepath.Join(t.TempDir(), "back")
	sftp(t, n.Endpoint, fmt.Sprintf("get -r %s %s\n", name, back))
	sameTree(t, fingerprint(t, back), fingerprint(t, dir))
}

func stop(t *testing.T, n *testbed.Truckee) {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestBackupAndRestore loses the database after a backup that was taken while
// clients wrote. What was there when it was taken is there again, though much
// was removed, overwritten and collected since; what came later is gone.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	blocks, database := sharedS3(t), testbed.Database(t)
	n := create(t, t.TempDir(), "--db", database, "-b", blocks.flag())
	start(t, n)
	goods := goodsOf(t)
	putAll(t, n, goods, "goods")
	over, wrote := make(chan struct{}), make(chan int)
	c := dial(t, n.Endpoint)
	go func() {
		i := 0
		for ; ; i++ {
			select {
			case <-over:
				wrote <- i
				return
			default:
			}
			data := []byte(strings.Repeat(fmt.Sprintf("%08d", i), 5000))
			if err := store(c, fmt.Sprintf("beside-%d", i%20), data); err != nil {
				t.Error(err)
			}
		}
	}()
	backup := filepath.Join(t.TempDir(), "backup")
	truckee(t, n, "backup", backup)
	close(over)
	t.Logf("%d files were written beside the backup", <-wrote)
	sftp(t, n.Endpoint, "put "+filepath.Join(goods, "tiny")+" goods/large\nrm goods/tiny\nmkdir later\nrm beside-*\n")
	for range 2 {
		truckee(t, n, "gc", "--yes", "--grace", "1ns")
	}
	stop(t, n)
	emptyDatabase(t, database)
	if err := n.Start(t.Context()); err == nil {
		t.Fatal("the node serves without its database")
	}
	truckee(t, n, "restore", backup)
	start(t, n)
	checkDeep(t, n)
	holdsAll(t, n, "goods", goods)
	if out := sftp(t, n.Endpoint, "ls -1\n"); strings.Contains(out, "later") {
		t.Errorf("what came after the backup is there: %s", out)
	}
	putAll(t, n, goods, "goods2")
	holdsAll(t, n, "goods2", goods)
	checkDeep(t, n)
	for range 2 {
		truckee(t, n, "gc", "--yes", "--grace", "1ns")
	}
	checkDeep(t, n)
}

// emptyDatabase is the accident.
func emptyDatabase(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA truckee CASCADE"); err != nil {
		t.Fatal(err)
	}
}

// TestFromSQLiteToGatewaysAndBack moves a node's database to PostgreSQL, lets
// another gateway join, and moves it back.
func TestFromSQLiteToGatewaysAndBack(t *testing.T) {
	t.Parallel()
	blocks, database := sharedS3(t), testbed.Database(t)
	n := create(t, t.TempDir(), "-b", blocks.flag())
	start(t, n)
	goods := goodsOf(t)
	putAll(t, n, goods, "one")
	stop(t, n)
	truckee(t, n, "db", "copy", "--to", database)
	truckee(t, n, "migrate", "--dry-run")
	truckee(t, n, "migrate")
	other := join(t, n)
	start(t, n)
	start(t, other)
	holdsAll(t, other, "one", goods)
	putAll(t, other, goods, "two")
	holdsAll(t, n, "two", goods)
	sftp(t, n.Endpoint, "rename one moved\n")
	holdsAll(t, other, "moved", goods)
	checkDeep(t, other)
	stop(t, other)
	stop(t, n)
	truckee(t, n, "db", "copy", "--to", "sqlite:back.sqlite")
	start(t, n)
	checkDeep(t, n)
	holdsAll(t, n, "moved", goods)
	holdsAll(t, n, "two", goods)
	putAll(t, n, goods, "three")
	truckee(t, n, "gc", "--yes", "--grace", "1ns")
	checkDeep(t, n)
}

// TestSecondMetastoreOnOneBucket: the blocks of one node are never collected by
// another that was pointed at the same bucket by mistake, and it says so.
func TestSecondMetastoreOnOneBucket(t *testing.T) {
	t.Parallel()
	blocks := sharedS3(t)
	n := create(t, t.TempDir(), "-b", blocks.flag())
	start(t, n)
	goods := goodsOf(t)
	putAll(t, n, goods, "goods")
	truckee(t, n, "gc")
	stranger := create(t, t.TempDir(), "-b", blocks.flag())
	start(t, stranger)
	putAll(t, stranger, goods, "mine")
	sftp(t, stranger.Endpoint, "rm mine/large\n")
	for range 2 {
		if out, err := stranger.Run(t.Context(), nil, "gc", "--yes", "--grace", "1ns"); err == nil {
			t.Errorf("a second metastore collects:\n%s", out)
		}
	}
	tells(t, stranger, "level=WARN", "another")
	holdsAll(t, n, "goods", goods)
	checkDeep(t, n)
	checkDeep(t, stranger)
	sftp(t, n.Endpoint, "rm goods/large\n")
	for range 2 {
		truckee(t, n, "gc", "--yes", "--grace", "1ns")
	}
	checkDeep(t, n)
	checkDeep(t, stranger)
}

// TestAppendOnlyCredentials: with credentials that can't delete all works, and
// collection reports what could go.
func TestAppendOnlyCredentials(t *testing.T) {
	t.Parallel()
	blocks := sharedS3(t)
	limited := blocks
	limited.key, limited.secret = testbed.Service(t, "TRUCKEE_TEST_S3B_LIMITED_KEY"), testbed.Service(t, "TRUCKEE_TEST_S3B_LIMITED_SECRET")
	policy := strings.NewReplacer("USER", limited.key, "BUCKET", blocks.name).Replace(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Principal": {"AWS": ["USER"]}, "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::BUCKET"]},
		{"Effect": "Allow", "Principal": {"AWS": ["USER"]}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::BUCKET/*"]}]}`)
	if _, err := blocks.client().PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: &blocks.name, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	n := create(t, t.TempDir(), "-b", limited.flag())
	start(t, n)
	goods := goodsOf(t)
	putAll(t, n, goods, "goods")
	putAll(t, n, goods, "keep")
	before, _ := blocks.objects(t)
	sftp(t, n.Endpoint, "rm goods/large\n")
	report := ""
	for range 2 {
		time.Sleep(10 * time.Millisecond)
		report = truckee(t, n, "gc", "--yes", "--grace", "1ns")
	}
	if !strings.Contains(report, "the credentials don't allow to delete them") {
		t.Errorf("gc says:\n%s", report)
	}
	if after, _ := blocks.objects(t); after < before {
		t.Errorf("the bucket held %d objects, and holds %d", before, after)
	}
	if out := truckee(t, n, "blockstore", "test"); !strings.Contains(out, "append-only") {
		t.Errorf("blockstore test says:\n%s", out)
	}
	holdsAll(t, n, "keep", goods)
	checkDeep(t, n)
}
