package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	// git must neither read nor need the caller's configuration.
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.org")
	return cmd
}

// sources is a real tree: Go's own source code, some eleven thousand files.
func sources(t *testing.T) string {
	t.Helper()
	return filepath.Join(strings.TrimSpace(run(t, "", "go", "env", "GOROOT")), "src")
}

func TestSourceTreeThroughSFTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	src := sources(t)
	want := fingerprint(t, src)
	sftp(t, n.Endpoint, fmt.Sprintf("put -r %s src\n", src))
	t.Run("comes back the same", func(t *testing.T) {
		back := filepath.Join(t.TempDir(), "back")
		sftp(t, n.Endpoint, fmt.Sprintf("get -r src %s\n", back))
		sameTree(t, fingerprint(t, back), want)
	})
	t.Run("also after a restart", func(t *testing.T) {
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		start(t, n)
		back := filepath.Join(t.TempDir(), "back")
		sftp(t, n.Endpoint, fmt.Sprintf("get -r src %s\n", back))
		sameTree(t, fingerprint(t, back), want)
	})
	t.Run("also by a mount", func(t *testing.T) {
		sameTree(t, fingerprint(t, filepath.Join(mount(t, n.Endpoint), "src")), want)
	})
	t.Run("check finds it whole beside the running node", func(t *testing.T) {
		checkDeep(t, n)
	})
}

func TestTarOnSSHFS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	src := sources(t)
	archive := filepath.Join(dir, "src.tar")
	run(t, src, "tar", "cf", archive, ".")
	m := mount(t, n.Endpoint)
	run(t, m, "tar", "xf", archive)
	sameTree(t, fingerprint(t, m), fingerprint(t, src))
	t.Run("modes and times are kept", func(t *testing.T) {
		for _, name := range []string{"make.bash", "go.mod", "os"} {
			want, err := os.Stat(filepath.Join(src, name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.Stat(filepath.Join(m, name))
			if err != nil {
				t.Fatal(err)
			}
			if got.Mode() != want.Mode() {
				t.Errorf("%s: mode %v, want %v", name, got.Mode(), want.Mode())
			}
			if got.ModTime().Unix() != want.ModTime().Unix() {
				t.Errorf("%s: mtime %v, want %v", name, got.ModTime(), want.ModTime())
			}
		}
	})
}

func TestGitOnSSHFS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	// The tree, made into a repository: git clone, status and commit rename, lock,
	// append and map files in ways that tar doesn't.
	origin := filepath.Join(dir, "origin")
	run(t, "", "cp", "-r", sources(t), origin)
	run(t, origin, "git", "init", "-q", "-b", "main")
	run(t, origin, "git", "add", "-A")
	run(t, origin, "git", "commit", "-q", "-m", "import")
	m := mount(t, n.Endpoint)
	clone := filepath.Join(m, "clone")
	run(t, m, "git", "clone", "-q", "--no-local", origin, clone)
	if out := run(t, clone, "git", "status", "--porcelain"); out != "" {
		t.Errorf("git status after the clone:\n%s", tail(out, 10))
	}
	if err := os.WriteFile(filepath.Join(clone, "new.txt"), []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, clone, "git", "add", "new.txt")
	run(t, clone, "git", "commit", "-q", "-m", "add new.txt")
	run(t, clone, "git", "fsck", "--full", "--strict", "--no-dangling")
	if err := os.RemoveAll(filepath.Join(origin, ".git")); err != nil {
		t.Fatal(err)
	}
	want := fingerprint(t, origin)
	got := fingerprint(t, clone)
	for path := range got {
		if path == ".git" || strings.HasPrefix(path, ".git"+string(filepath.Separator)) || path == "new.txt" {
			delete(got, path)
		}
	}
	sameTree(t, got, want)
}

func TestTwoGiB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := newNode(t, dir)
	const size = 2 << 30
	local := filepath.Join(dir, "two")
	f, err := os.Create(local)
	if err != nil {
		t.Fatal(err)
	}
	// Every 8 bytes differ, so that no two blocks of it could be swapped unseen.
	buf := make([]byte, 1<<20)
	for i := range size / len(buf) {
		for j := 0; j < len(buf); j += 8 {
			v := uint64(i*len(buf)+j) * 0x9E3779B97F4A7C15
			for k := range 8 {
				buf[j+k] = byte(v >> (8 * k))
			}
		}
		if _, err := f.Write(buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := fileSum(local)
	if err != nil {
		t.Fatal(err)
	}
	sftp(t, n.Endpoint, fmt.Sprintf("put %s two\n", local))
	back := filepath.Join(dir, "back")
	sftp(t, n.Endpoint, fmt.Sprintf("get two %s\n", back))
	got, err := fileSum(back)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Error("2 GiB came back different")
	}
	usage, err := n.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(200 << 20); usage.PeakRSS > limit {
		t.Errorf("the server's memory peaked at %d MiB on %d cores, limit %d MiB", usage.PeakRSS>>20, runtime.NumCPU(), limit>>20)
	}
}
