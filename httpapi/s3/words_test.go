package s3_test

import (
	"strconv"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

type awsPresigned = v4.PresignedHTTPRequest

func escape(key string) string { return sigv4.Escape(key, true) }

func domain(names ...string) func(*s3.Server) { return func(s *s3.Server) { s.Domains = names } }

func itoa(n int) string { return strconv.Itoa(n) }
