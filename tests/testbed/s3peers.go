package testbed

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The S3 servers that truckee is held against, as the module proxy has them. Of
// rclone only what serves a directory through its encryption is built.
const (
	minioModule   = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
	rcloneVersion = "v1.76.0"
)

// S3Server is an S3 server that is measured.
type S3Server struct {
	Name, Endpoint, Key, Secret string
	p                           *process
}

// Pid is the server's process.
func (s *S3Server) Pid() int { return s.p.pid }

// Stop ends the server.
func (s *S3Server) Stop() error { return s.p.stop(syscall.SIGTERM, 20*time.Second) }

// InstallS3Peers builds MinIO and rclone into the user's cache, unless they are
// there. That takes a quarter of an hour of one processor.
func InstallS3Peers(ctx context.Context) error {
	minio, err := s3Peer("minio", minioModule)
	if err != nil {
		return err
	}
	rclone, err := s3Peer("rclone", rcloneVersion)
	if err != nil {
		return err
	}
	return errors.Join(
		install(ctx, filepath.Dir(minio), func(dir string) [][]string {
			return [][]string{{"env", "-C", os.TempDir(), "CGO_ENABLED=0", "GOBIN=" + dir, "go", "install", "-trimpath", minioModule}}
		}),
		install(ctx, filepath.Dir(rclone), func(dir string) [][]string {
			in := []string{"env", "-C", dir, "CGO_ENABLED=0", "go"}
			return [][]string{
				{"sh", "-c", `printf '%s' "$1" >"$0/main.go"`, dir, rcloneMain},
				append(in, "mod", "init", "rclone"), append(in, "get", "github.com/rclone/rclone@"+rcloneVersion), append(in, "mod", "tidy"),
				append(in, "build", "-trimpath", "-o", rclone, "."),
			}
		}))
}

const rcloneMain = `package main

import (
	_ "github.com/rclone/rclone/backend/crypt"
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/obscure"
	_ "github.com/rclone/rclone/cmd/serve/s3"
)

func main() { cmd.Main() }
`

// s3Peer is the program of a peer.
func s3Peer(name, version string) (string, error) {
	_, v, found := strings.Cut(version, "@")
	if !found {
		v = version
	}
	dir, err := cached("peer-"+name, []string{v})
	return filepath.Join(dir, name), err
}

// StartMinIO starts MinIO on one directory in dir, if encrypted with a key of its own
// that it encrypts all objects under.
func StartMinIO(ctx context.Context, dir string, encrypted bool) (*S3Server, error) {
	program, err := s3Peer("minio", minioModule)
	if err != nil {
		return nil, err
	}
	s := &S3Server{Name: "MinIO", Key: "bench", Secret: rand.Text()}
	env := append(environment(), "HOME="+dir, "MINIO_ROOT_USER="+s.Key, "MINIO_ROOT_PASSWORD="+s.Secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=on")
	if encrypted {
		var key [32]byte
		rand.Read(key[:])
		s.Name = "MinIO, encrypted"
		env = append(env, "MINIO_KMS_SECRET_KEY=bench:"+base64.StdEncoding.EncodeToString(key[:]), "MINIO_KMS_AUTO_ENCRYPTION=on")
	}
	return s, s.start(ctx, dir, func(addr string) *exec.Cmd {
		cmd := exec.Command(program, "server", "--quiet", "--address", addr, filepath.Join(dir, "data"))
		cmd.Env = env
		return cmd
	})
}

// StartRcloneS3 starts `rclone serve s3` over its crypt on a directory in dir.
func StartRcloneS3(ctx context.Context, dir string) (*S3Server, error) {
	program, err := s3Peer("rclone", rcloneVersion)
	if err != nil {
		return nil, err
	}
	secret, err := exec.CommandContext(ctx, program, "obscure", "bench").Output()
	if err != nil {
		return nil, fmt.Errorf("rclone obscure: %w", err)
	}
	s := &S3Server{Name: "rclone crypt", Key: "bench", Secret: rand.Text()}
	return s, s.start(ctx, dir, func(addr string) *exec.Cmd {
		cmd := exec.Command(program, "serve", "s3", "crypt:", "--addr", addr, "--auth-key", s.Key+","+s.Secret, "--config", filepath.Join(dir, "rclone.conf"))
		cmd.Env = append(environment(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "RCLONE_CONFIG_CRYPT_TYPE=crypt",
			"RCLONE_CONFIG_CRYPT_REMOTE="+filepath.Join(dir, "data"), "RCLONE_CONFIG_CRYPT_PASSWORD="+strings.TrimSpace(string(secret)))
		return cmd
	})
}

// StartVersityS3 starts Versity on a directory in dir, as NewVersity does.
func StartVersityS3(ctx context.Context, dir string) (*S3Server, error) {
	v, err := NewVersity(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &S3Server{Name: "versitygw", Endpoint: v.Endpoint(), Key: v.Key, Secret: v.Secret, p: v.p}, nil
}

func (s *S3Server) start(ctx context.Context, dir string, command func(addr string) *exec.Cmd) error {
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s.Endpoint = "http://" + addr
	if s.p, err = startProcess(s.Name, filepath.Join(dir, "log"), command(addr)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.p.waitUntil(ctx, func(ctx context.Context) error { return answers(ctx, port) }); err != nil {
		_ = s.Stop()
		return err
	}
	return nil
}
