package testbed

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database makes an empty database of its own on the shared PostgreSQL (see
// Service) and returns its URL. When the test ends it is dropped, whoever is
// still connected.
func Database(t testing.TB) string {
	t.Helper()
	server := Service(t, "TRUCKEE_TEST_POSTGRES")
	name := "test_" + strings.ToLower(rand.Text()[:16])
	onServer(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("TRUCKEE_TEST_POSTGRES is no URL")
	}
	u.Path = "/" + name
	return u.String()
}

func onServer(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
