package e2e

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	sftpclient "github.com/pkg/sftp"
)

// versioned is a bucket by both of its doors.
type versioned struct {
	t      *testing.T
	s3     *awss3.Client
	sftp   *sftpclient.Client
	bucket string
}

// shown lists the versions as "key contents", "*" at the latest, "x" for a marker.
func (v versioned) shown() []string {
	v.t.Helper()
	var all []string
	in := &awss3.ListObjectVersionsInput{Bucket: &v.bucket, MaxKeys: aws.Int32(2)}
	for range 100 {
		out, err := v.s3.ListObjectVersions(v.t.Context(), in)
		if err != nil {
			v.t.Fatal(err)
		}
		for _, o := range out.Versions {
			all = append(all, *o.Key+" "+v.contents(*o.Key, *o.VersionId)+star(o.IsLatest))
		}
		for _, m := range out.DeleteMarkers {
			all = append(all, *m.Key+" x"+star(m.IsLatest))
		}
		if !aws.ToBool(out.IsTruncated) {
			slices.Sort(all) // versions and markers come in lists of their own
			return all
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
	}
	v.t.Fatal("the listing doesn't end")
	return nil
}

func star(latest *bool) string {
	if aws.ToBool(latest) {
		return "*"
	}
	return ""
}

func (v versioned) contents(key, version string) string {
	v.t.Helper()
	out, err := v.s3.GetObject(v.t.Context(), &awss3.GetObjectInput{Bucket: &v.bucket, Key: &key, VersionId: &version})
	if err != nil {
		v.t.Fatalf("get %s %s: %v", key, version, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(b)
}

func (v versioned) expect(want ...string) {
	v.t.Helper()
	slices.Sort(want)
	if got := v.shown(); !slices.Equal(got, want) {
		v.t.Fatalf("versions\n%q, want\n%q", got, want)
	}
}

// write makes a file of its own by SFTP.
func (v versioned) write(p, text string) error {
	f, err := v.sftp.Create("/" + v.bucket + "/" + p)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte(text)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// TestVersionsByBothDoors: what S3 and SFTP do to one bucket makes versions that S3
// shows, SFTP shows what is current, all of it survives kill -9 and collection; and
// what is locked by S3 can't be changed by SFTP.
func TestVersionsByBothDoors(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	n := newNode(t, t.TempDir())
	id, secret, err := n.S3Key(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := s3Client(n, id, secret)
	v := versioned{t, c, dial(t, n.Endpoint), "kept"}
	if _, err := c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &v.bucket, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(putObject(ctx, c, v.bucket, "d/a", "one"))
	must(v.write("d/a", "two"))
	must(v.write("d/b", "bee"))
	must(v.sftp.Rename("/kept/d/b", "/kept/d/c"))
	must(v.sftp.Remove("/kept/d/c"))
	v.expect("d/a one", "d/a two*", "d/b x*", "d/b bee", "d/c x*", "d/c bee")
	if got := shownBySFTP(t, v.sftp, "/kept/d"); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("SFTP shows %q", got)
	}

	until := time.Now().Add(time.Hour)
	_, err = c.PutObjectRetention(ctx, &awss3.PutObjectRetentionInput{
		Bucket: &v.bucket, Key: aws.String("d/a"),
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: &until},
	})
	must(err)
	for what, err := range map[string]error{
		"overwrite":            v.write("d/a", "three"),
		"truncate":             v.sftp.Truncate("/kept/d/a", 0),
		"remove":               v.sftp.Remove("/kept/d/a"),
		"rename":               v.sftp.Rename("/kept/d/a", "/kept/d/z"),
		"rename over it":       renameOver(v, "/kept/d/a"),
		"set its permissions":  v.sftp.Chmod("/kept/d/a", 0o600),
		"rename its directory": v.sftp.Rename("/kept/d", "/kept/e"),
	} {
		if !errors.Is(err, fs.ErrPermission) && (what != "rename its directory" || err == nil) {
			t.Errorf("%s: %v, want it denied", what, err)
		}
	}
	versions, err := c.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: &v.bucket, Prefix: aws.String("d/a")})
	must(err)
	_, err = c.DeleteObject(ctx, &awss3.DeleteObjectInput{
		Bucket: &v.bucket, Key: aws.String("d/a"), VersionId: versions.Versions[0].VersionId, BypassGovernanceRetention: aws.Bool(true),
	})
	if s3Code(err) != "AccessDenied" {
		t.Errorf("removal of the locked version: %v", err)
	}

	must(n.Kill())
	start(t, n)
	v.s3, v.sftp = s3Client(n, id, secret), dial(t, n.Endpoint)
	for range 2 {
		if out, err := n.Run(ctx, nil, "gc", "--yes", "--grace", "0s"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	checkDeep(t, n)
	v.expect("d/a one", "d/a two*", "d/b x*", "d/b bee", "d/c x*", "d/c bee")
	must(putObject(ctx, v.s3, v.bucket, "d/a", "three"))
	v.expect("d/a one", "d/a two", "d/a three*", "d/b x*", "d/b bee", "d/c x*", "d/c bee")
	got, err := v.sftp.Open("/kept/d/a")
	must(err)
	defer got.Close()
	if text, err := io.ReadAll(got); err != nil || string(text) != "three" {
		t.Errorf("SFTP reads %q, %v", text, err)
	}
}

// renameOver puts another file in the place of one.
func renameOver(v versioned, target string) error {
	f, err := v.sftp.Create("/other")
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return v.sftp.PosixRename("/other", target)
}

func shownBySFTP(t *testing.T, c *sftpclient.Client, dir string) []string {
	t.Helper()
	infos, err := c.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, i := range infos {
		all = append(all, i.Name())
	}
	slices.Sort(all)
	return all
}
