package main

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/ncw/swift/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// Script commands on the servers that package tests/services starts.
func serviceCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// database VARIABLE: make a database, and set the variable to its address.
		"database": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], testbed.Database(t)) },
		// url ADDRESS: write it to the file url.
		"url": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(os.WriteFile(ts.MkAbs("url"), []byte(args[0]+"\n"), 0o600))
		},
		// bucket VARIABLE: draw the name of a bucket, which isn't made, and set the
		// variable to it as -b has it, and VARIABLE_NAME to its name.
		"bucket": func(ts *testscript.TestScript, _ bool, args []string) {
			name := "truckee-" + strings.ToLower(rand.Text()[:16])
			ts.Setenv(args[0]+"_NAME", name)
			ts.Setenv(args[0], configured("s3", "TRUCKEE_TEST_S3_ENDPOINT", "TRUCKEE_TEST_S3_REGION", name, "TRUCKEE_TEST_S3_KEY", "TRUCKEE_TEST_S3_SECRET"))
		},
		// mkbucket NAME: make it.
		"mkbucket": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(makeBucket(t.Context(), args[0]))
		},
		// container VARIABLE: make a container of Swift, and set the variable to it.
		"container": func(ts *testscript.TestScript, _ bool, args []string) {
			name := "truckee-" + strings.ToLower(rand.Text()[:16])
			c := &swift.Connection{
				AuthUrl:  os.Getenv("TRUCKEE_TEST_SWIFT_AUTH_URL"),
				UserName: os.Getenv("TRUCKEE_TEST_SWIFT_TENANT") + ":" + os.Getenv("TRUCKEE_TEST_SWIFT_USER"),
				ApiKey:   os.Getenv("TRUCKEE_TEST_SWIFT_PASSWORD"),
			}
			ts.Check(c.ContainerCreate(t.Context(), name, nil))
			ts.Setenv(args[0], configured("swift", "TRUCKEE_TEST_SWIFT_AUTH_URL", "TRUCKEE_TEST_SWIFT_TENANT", name, "TRUCKEE_TEST_SWIFT_USER", "TRUCKEE_TEST_SWIFT_PASSWORD"))
		},
	}
}

// configured joins fields, variables of the environment among them, as -b wants them.
func configured(word string, fields ...string) string {
	for i, f := range fields {
		if strings.HasPrefix(f, "TRUCKEE_TEST_") {
			f = os.Getenv(f)
		}
		fields[i] = strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(f)
	}
	return word + ":" + strings.Join(fields, ":")
}

func makeBucket(ctx context.Context, name string) error {
	endpoint, region := os.Getenv("TRUCKEE_TEST_S3_ENDPOINT"), os.Getenv("TRUCKEE_TEST_S3_REGION")
	client := awss3.New(awss3.Options{
		BaseEndpoint: &endpoint, Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("TRUCKEE_TEST_S3_KEY"), os.Getenv("TRUCKEE_TEST_S3_SECRET"), ""),
	})
	_, err := client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &name})
	return err
}
