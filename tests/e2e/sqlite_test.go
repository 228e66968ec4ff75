package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSQLiteOnSSHFS keeps a database on the mount: page writes in place,
// journals created and removed, fsync, and two connections.
func TestSQLiteOnSSHFS(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	m := mount(t, n.Endpoint)
	db := filepath.Join(m, "test.db")
	run(t, m, "sqlite3", db, "create table t(id integer primary key, body blob); create index i on t(body);")
	var script strings.Builder
	for i := range 40 {
		fmt.Fprintf(&script, "begin; insert into t(body) select randomblob(500) from generate_series(1,50); delete from t where id %% 7 = %d; commit;\n", i%7)
	}
	run(t, m, "sqlite3", "-bail", db, script.String())
	run(t, m, "sqlite3", db, "vacuum;")
	if got := strings.TrimSpace(run(t, m, "sqlite3", db, "pragma integrity_check;")); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	want := run(t, m, "sqlite3", db, "select count(*), sum(length(body)) from t;")
	other := mount(t, n.Endpoint)
	if got := run(t, other, "sqlite3", filepath.Join(other, "test.db"), "select count(*), sum(length(body)) from t;"); got != want {
		t.Errorf("another mount counts %q, want %q", got, want)
	}
}

// TestSQLiteSurvivesCrash kills the gateway while transactions commit: what
// sqlite3 acknowledged, after its fsync through the mount, is there afterwards.
func TestSQLiteSurvivesCrash(t *testing.T) {
	t.Parallel()
	n := newNode(t, t.TempDir())
	acknowledged := func() int {
		m := mount(t, n.Endpoint)
		db := filepath.Join(m, "test.db")
		run(t, m, "sqlite3", db, "create table t(id integer primary key);")
		cmd := exec.CommandContext(t.Context(), "sqlite3", "-bail", db)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewScanner(stdout)
		done := 0
		for i := 1; i <= 60; i++ {
			if i == 50 {
				if err := n.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Fprintf(stdin, "insert into t values(%d); select %d;\n", i, i)
			if !answers.Scan() {
				break
			}
			if done, err = strconv.Atoi(answers.Text()); err != nil {
				t.Fatalf("sqlite3 answered %q", answers.Text())
			}
		}
		stdin.Close()
		_ = cmd.Wait() // fails: its file system is gone
		return done
	}()
	if acknowledged < 49 {
		t.Fatalf("only %d transactions were acknowledged before the crash", acknowledged)
	}
	start(t, n)
	m := mount(t, n.Endpoint)
	db := filepath.Join(m, "test.db")
	if got := strings.TrimSpace(run(t, m, "sqlite3", db, "pragma integrity_check;")); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	got := strings.TrimSpace(run(t, m, "sqlite3", db, "select count(*) from t;"))
	if count, err := strconv.Atoi(got); err != nil || count < acknowledged {
		t.Errorf("%s rows after the crash, %d were acknowledged", got, acknowledged)
	}
	checkDeep(t, n)
}
