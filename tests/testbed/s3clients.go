package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Clients of S3 at today's versions, which Debian has old ones of, or none. They
// come from their languages' registries into the user's cache, in directories
// that name their versions.
var (
	pythonClients = []string{"awscli==1.46.3", "boto3==1.44.5"}
	nodeClients   = []string{"@aws-sdk/client-s3@3.1169.0", "@aws-sdk/lib-storage@3.1169.0", "@aws-sdk/s3-request-presigner@3.1162.0"}
)

// PythonClients is the directory of the programs of a Python environment with
// the aws cli and boto3: aws and python.
func PythonClients() (string, error) {
	dir, err := cached("python", pythonClients)
	return filepath.Join(dir, "bin"), err
}

// NodeClients is what NODE_PATH has to be for the SDK for JavaScript.
func NodeClients() (string, error) {
	dir, err := cached("node", nodeClients)
	return filepath.Join(dir, "node_modules"), err
}

// InstallS3Clients fetches them, unless they are there.
func InstallS3Clients(ctx context.Context) error {
	python, err := cached("python", pythonClients)
	if err != nil {
		return err
	}
	node, err := cached("node", nodeClients)
	if err != nil {
		return err
	}
	return errors.Join(
		install(ctx, python, func(dir string) [][]string {
			pip := []string{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"}
			return [][]string{{"python3", "-m", "venv", dir}, append(pip, pythonClients...)}
		}),
		install(ctx, node, func(dir string) [][]string {
			npm := []string{"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir}
			return [][]string{append(npm, nodeClients...)}
		}))
}

// install runs the commands that fill dir. What breaks off leaves nothing that
// looks whole.
func install(ctx context.Context, dir string, commands func(dir string) [][]string) error {
	whole := filepath.Join(dir, "whole")
	if _, err := os.Stat(whole); err == nil {
		return nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	for _, words := range commands(dir) {
		if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
		}
	}
	return os.WriteFile(whole, nil, 0o644)
}

// cached is a directory of the tests in the user's cache.
func cached(what string, versions []string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	name := what + "-" + strings.NewReplacer("/", "-", "@", "").Replace(strings.Join(versions, "-"))
	return filepath.Join(cache, "truckee-tests", name), nil
}
