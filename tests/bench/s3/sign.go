package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// emptySum is the SHA-256 of no bytes.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign signs a request by Signature Version 4, with the SHA-256 of its body, so that
// a server has to verify every byte. Paths here need no escaping, and queries are in
// order.
func sign(r *http.Request, key, secret, sum string, now time.Time) {
	day, at := now.UTC().Format("20060102"), now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", at)
	r.Header.Set("X-Amz-Content-Sha256", sum)
	const names = "host;x-amz-content-sha256;x-amz-date"
	canonical := strings.Join([]string{
		r.Method, r.URL.EscapedPath(), r.URL.RawQuery,
		"host:" + r.URL.Host, "x-amz-content-sha256:" + sum, "x-amz-date:" + at, "", names, sum,
	}, "\n")
	scope := day + "/us-east-1/s3/aws4_request"
	hash := sha256.Sum256([]byte(canonical))
	k := []byte("AWS4" + secret)
	for _, part := range [...]string{day, "us-east-1", "s3", "aws4_request", strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hex.EncodeToString(hash[:])}, "\n")} {
		m := hmac.New(sha256.New, k)
		m.Write([]byte(part))
		k = m.Sum(nil)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/"+scope+", SignedHeaders="+names+", Signature="+hex.EncodeToString(k))
}
