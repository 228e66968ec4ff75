package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

func TestKindsOfTheServersErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]kind.Kind{
		"53100": kind.NoSpace,     // disk full
		"53300": kind.Unavailable, // too many connections
		"57P01": kind.Unavailable, // admin shutdown
		"57P03": kind.Unavailable, // cannot connect now
		"57014": kind.Unavailable, // statement timeout
		"55P03": kind.Unavailable, // lock timeout
		"25006": kind.Unavailable, // a standby
		"40001": kind.Unavailable, // serialization failure, after all attempts
		"58030": kind.Unavailable, // I/O error
		"08006": kind.Unavailable, // connection failure
		"28P01": kind.Unavailable, // the password was changed
		"42501": kind.Unavailable, // a right was taken
		"3D000": kind.Unavailable, // the database was dropped
		"42P01": kind.Corrupt,     // a table was dropped
		"XX001": kind.Corrupt,     // data corrupted
		"54000": kind.TooLarge,    // a limit of the server's
		"22021": kind.Invalid,     // no UTF-8
		"0A000": kind.Unsupported,
		"42601": kind.Other, // syntax error: a bug
		"XX000": kind.Other,
		"5":     kind.Other,
	}
	for code, want := range tests {
		if err := postgres.FailedWith(code, "ERROR"); kind.Of(err) != want {
			t.Errorf("%s: %v is of kind %v, want %v", code, err, kind.Of(err), want)
		}
	}
}

// TestCanceledOrNot: who gave up hears so only if it was not the
// server that refused.
func TestCanceledOrNot(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := postgres.FailedConnection(gone); kind.Of(err) != kind.Canceled {
		t.Errorf("a caller that gave up: %v", err)
	}
	if err := postgres.FailedConnection(t.Context()); kind.Of(err) != kind.Unavailable {
		t.Errorf("a connection that broke: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	const url = "postgresql://user:s3cr3t-pass@127.0.0.1:1/database"
	tests := map[string]postgres.Options{
		"no address":          {},
		"another database":    {URL: "mysql://user:s3cr3t-pass@host/database"},
		"words":               {URL: "host=a password=s3cr3t-pass"},
		"bad escape":          {URL: "postgres://user:%s3cr3t-pass@host/database"},
		"bad port":            {URL: "postgres://user:x/s3cr3t-pass@host:port/database"},
		"bad parameter":       {URL: url + "?sslmode=s3cr3t-pass"},
		"one connection":      {URL: url, MaxConns: 1},
		"min above max":       {URL: url, MinConns: 5, MaxConns: 3},
		"min below zero":      {URL: url, MinConns: -1},
		"too many":            {URL: url, MaxConns: 1 << 20},
		"system schema":       {URL: url, Schema: "pg_truckee"},
		"long schema":         {URL: url, Schema: strings.Repeat("s", 64)},
		"schema with a zero":  {URL: url, Schema: "a\x00b"},
		"control in the host": {URL: "postgres://user:s3cr3t-pass@ho\nst/database"},
	}
	for name, o := range tests {
		_, err := postgres.Open(t.Context(), o)
		if kind.Of(err) != kind.Invalid {
			t.Errorf("%s: %v, want kind Invalid", name, err)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
}
