package arch_test

import (
	"slices"
	"strings"
)

// libraries lists what is imported from outside, and where. A new one needs a
// line here, and so a reason.
var libraries = []struct {
	path  string
	rooms []string // nil: anywhere
}{
	{"golang.org/x/crypto/ssh", []string{"sftpd", "accounts", "internal", "cmd", "tests"}},
	{"golang.org/x/crypto", []string{"accounts", "sftpd", "internal", "cmd", "contrib", "tests"}},
	{"golang.org/x/sys", nil},
	{"golang.org/x/sync", nil},
	{"golang.org/x/text", []string{"sftpd", "httpapi", "filestore", "accounts"}},
	{"golang.org/x/term", []string{"cmd", "tests"}},
	{"github.com/BurntSushi/toml", []string{"internal/config"}},
	{"github.com/hashicorp/golang-lru/v2", []string{"filestore", "blockstore"}},
	{"modernc.org/sqlite", []string{"metastore/sqlite", "tests/bench"}}, // there, to compare with
	{"modernc.org/libc", []string{"metastore/sqlite"}},
	{"github.com/jackc/pgx/v5", []string{"metastore/postgres", "blockstore/postgresql", "internal/primary", "cmd", "tests"}},
	{"github.com/aws/aws-sdk-go-v2", []string{"blockstore/s3"}},
	{"github.com/aws/smithy-go", []string{"blockstore/s3"}},
	{"github.com/ncw/swift/v2", []string{"blockstore/swift"}},
	{"github.com/minio/crc64nvme", []string{"httpapi"}},               // S3's default checksum, by the processor's own instructions
	{"github.com/cespare/xxhash/v2", []string{"httpapi/s3/checksum"}}, // checksums of S3's since 2026
	{"github.com/zeebo/xxh3", []string{"httpapi/s3/checksum"}},
	{"github.com/minio/md5-simd", []string{"httpapi"}},  // MD5s of several uploads in one core's lanes
	{"github.com/minio/minio-go/v7", []string{"tests"}}, // a client to test with
	{"github.com/prometheus/client_golang", []string{"internal/metrics"}},
	{"github.com/rogpeppe/go-internal", []string{"cmd", "tests"}},
	{"github.com/pkg/sftp", []string{"tests"}},               // a client to test with; the server is ours
	{"github.com/anishathalye/porcupine", []string{"tests"}}, // checks histories in tests
}

func outside() []rule {
	return []rule{
		{
			name:  "caps does no I/O and has no clock",
			check: each(capsIsPure),
			broken: []module{
				{"caps/a.go": `package caps; import "os"`},
				{"caps/a.go": `package caps; import "net/url"`},
				{"caps/a.go": `package caps; import "time"`},
				{"caps/a.go": `package caps; import "context"`},
				{"caps/a.go": `package caps; import "crypto/rand"`},
				{"caps/a.go": `package caps; import "math/rand/v2"`},
			},
			fine: module{"caps/a.go": `package caps; import "crypto/sha256"`, "caps/a_test.go": `package caps; import "os"`, "sftpd/a.go": `package sftpd; import "net"`},
		},
		{
			name:  "libraries stay where they belong",
			check: each(librariesStay),
			broken: []module{
				{"filestore/a.go": `package filestore; import "modernc.org/sqlite"`},
				{"metastore/postgres/a.go": `package postgres; import "modernc.org/sqlite"`},
				{"accounts/a.go": `package accounts; import "github.com/BurntSushi/toml"`},
				{"sftpd/a.go": `package sftpd; import "github.com/pkg/sftp"`},
				{"filestore/a.go": `package filestore; import "golang.org/x/crypto/ssh"`},
				{"filestore/a.go": `package filestore; import "github.com/pkg/errors"`},
			},
			fine: module{
				"metastore/sqlite/a.go": `package sqlite; import "modernc.org/sqlite"`, "internal/config/a.go": `package config; import "github.com/BurntSushi/toml"`,
				"sftpd/a_test.go": `package sftpd; import "github.com/pkg/sftp"`, "tests/bench/a.go": `package main; import "github.com/pkg/sftp"`,
				"sftpd/a.go": `package sftpd; import "golang.org/x/crypto/ssh/agent"`, "blockstore/local/a.go": `package local; import "golang.org/x/sys/unix"`,
			},
		},
	}
}

func capsIsPure(s *source) (violations []string) {
	impure := []string{"os", "net", "time", "context", "crypto/rand", "math/rand", "syscall", "database", "embed", "log", "runtime", "sync/atomic", "unsafe"}
	if s.test || !s.below("caps") {
		return nil
	}
	for _, i := range s.imports {
		if i.path != "log/slog" && slices.ContainsFunc(impure, func(dir string) bool { return within(i.path, dir) }) {
			violations = append(violations, s.at(i.pos, "caps may not import %s", i.path))
		}
	}
	return violations
}

func librariesStay(s *source) (violations []string) {
	for _, i := range s.imports {
		first, _, _ := strings.Cut(i.path, "/")
		if i.ours || !strings.Contains(first, ".") {
			continue
		}
		n := slices.IndexFunc(libraries, func(l struct {
			path  string
			rooms []string
		},
		) bool {
			return within(i.path, l.path)
		})
		switch {
		case n < 0:
			violations = append(violations, s.at(i.pos, "%s is no library that we agreed on", i.path))
		case !s.test && libraries[n].rooms != nil && !s.below(libraries[n].rooms...):
			violations = append(violations, s.at(i.pos, "%s is imported in %v only", libraries[n].path, libraries[n].rooms))
		}
	}
	return violations
}
