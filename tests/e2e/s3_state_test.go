package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

// sdk is AWS's SDK for Go with its defaults.
func (c *customer) sdk(change ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(c.endpoint), UsePathStyle: true, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.key, c.secret, ""),
	}, change...)
}

// What Terraform's and OpenTofu's S3 backends send with use_lockfile: the lock is an
// object that is put only where there is none; who gets 412 reads it to tell whose it
// is. The state has a checksum, and the lock goes when the state is there.
func TestS3StateLock(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	client := c.sdk(func(o *s3.Options) { o.AppID = "hashicorp-terraform" })
	ctx, bucket, state, lock := t.Context(), aws.String("states"), aws.String("env/prod/terraform.tfstate"), aws.String("env/prod/terraform.tfstate.tflock")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	serial := func() (n int) { // of the state that is there
		t.Helper()
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: state, ChecksumMode: types.ChecksumModeEnabled})
		if none := new(types.NoSuchKey); errors.As(err, &none) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		if _, err := fmt.Fscanf(out.Body, `{"serial": %d}`, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// Two that take turns: each locks, adds one to what it reads, and unlocks.
	const each = 10
	var workers errgroup.Group
	refused := make([]int, 2)
	for w := range 2 {
		workers.Go(func() error {
			for done := 0; done < each; {
				_, err := client.PutObject(ctx, &s3.PutObjectInput{
					Bucket: bucket, Key: lock, ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
					ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Body: strings.NewReader(fmt.Sprintf(`{"ID": "%d"}`, w)),
				})
				if code := smithy.APIError(nil); errors.As(err, &code) {
					if code.ErrorCode() != "PreconditionFailed" && code.ErrorCode() != "ConditionalRequestConflict" {
						return err
					}
					refused[w]++
					if err := heldByOther(ctx, client, bucket, lock, w); err != nil {
						return err
					}
					continue
				}
				if err != nil {
					return err
				}
				if _, err := client.PutObject(ctx, &s3.PutObjectInput{
					Bucket: bucket, Key: state, ContentType: aws.String("application/json"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
					ServerSideEncryption: types.ServerSideEncryptionAes256, Body: strings.NewReader(fmt.Sprintf(`{"serial": %d}`, serial()+1)),
				}); err != nil {
					return err
				}
				done++
				if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: lock}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := serial(); n != 2*each {
		t.Errorf("the serial is %d after %d changes; locks were refused %d times", n, 2*each, refused)
	}
}

// heldByOther reads the lock that another has, unless that has gone meanwhile.
func heldByOther(ctx context.Context, client *s3.Client, bucket, lock *string, me int) error {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: lock})
	if none := new(types.NoSuchKey); errors.As(err, &none) {
		return nil
	}
	if err != nil {
		return err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if err == nil && string(text) == fmt.Sprintf(`{"ID": "%d"}`, me) {
		err = fmt.Errorf("a lock of its own was refused to %d", me)
	}
	return err
}

// The program itself, if there is one: while an apply waits another is refused, and
// nothing is lost.
func TestClientFarTerraform(t *testing.T) {
	t.Parallel()
	far(t)
	program, err := exec.LookPath("terraform")
	if err != nil {
		program, err = exec.LookPath("tofu")
	}
	if err != nil {
		t.Skip("neither terraform nor tofu is installed")
	}
	c := newCustomer(t)
	c.env = append(c.env, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_CLI_CONFIG_FILE=/dev/null")
	c.run(c.python("aws"), "s3", "mb", "s3://states")
	for _, dir := range []string{"one", "two"} {
		c.file(dir+"/main.tf", fmt.Appendf(nil, `terraform {
  backend "s3" {
    bucket                      = "states"
    key                         = "env/terraform.tfstate"
    region                      = "us-east-1"
    endpoints                   = { s3 = %q }
    use_path_style              = true
    use_lockfile                = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    skip_metadata_api_check     = true
  }
}
variable "wait" { default = "" }
variable "text" {}
resource "terraform_data" "it" {
  input            = var.text
  triggers_replace = var.text
  provisioner "local-exec" { command = "touch ../begun; while [ -n '${var.wait}' ] && ! [ -e '${var.wait}' ]; do sleep 0.1; done" }
}
output "text" { value = terraform_data.it.output }
`, c.endpoint))
	}
	terraform := func(dir string, args ...string) (string, error) {
		return c.try(program, append([]string{"-chdir=" + dir}, args...)...)
	}
	for _, dir := range []string{"one", "two"} {
		if out, err := terraform(dir, "init", "-no-color"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	first := make(chan error, 1)
	go func() {
		out, err := terraform("one", "apply", "-auto-approve", "-no-color", "-var", "text=first", "-var", "wait=../go")
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		first <- err
	}()
	for {
		if _, err := os.Stat(filepath.Join(c.home, "begun")); err == nil {
			break
		}
		select {
		case err := <-first:
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	out, err := terraform("two", "apply", "-auto-approve", "-no-color", "-var", "text=second")
	if err == nil || !strings.Contains(out, "Error acquiring the state lock") || !strings.Contains(out, "412") {
		t.Errorf("a second apply beside the first: %v\n%s", err, out)
	}
	c.file("go", nil)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if out, err := terraform("two", "output", "-raw", "text"); err != nil || out != "first" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := terraform("two", "apply", "-auto-approve", "-no-color", "-var", "text=second"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := terraform("one", "output", "-raw", "text"); err != nil || out != "second" {
		t.Errorf("%q, %v", out, err)
	}
	if out := c.run(c.python("aws"), "s3", "ls", "--recursive", "s3://states"); strings.Contains(out, "tflock") || !strings.Contains(out, "env/terraform.tfstate") {
		t.Error(out)
	}
}
