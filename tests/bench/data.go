package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// randomFile makes a file of n random bytes if it isn't there yet.
func randomFile(path string, n int64) error {
	if info, err := os.Stat(path); err == nil && info.Size() == n {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, n); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// manyFiles makes a directory of n files of size random bytes each.
func manyFiles(dir string, n, size int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for i := range n {
		if err := randomFile(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), int64(size)); err != nil {
			return err
		}
	}
	return nil
}
