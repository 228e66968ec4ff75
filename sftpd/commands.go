package sftpd

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (sh *shell) echo(args []string) uint32 {
	end := "\n"
	if len(args) > 0 && args[0] == "-n" {
		args, end = args[1:], ""
	}
	return sh.print(strings.Join(args, " ") + end)
}

func (sh *shell) chdir(args []string) uint32 {
	to := "/"
	if len(args) > 0 {
		to = args[0]
	}
	p, err := sh.path(to)
	if err == nil {
		var i filestore.Info
		if i, err = sh.tree.Stat(sh.ctx, p); err == nil && i.Kind != filestore.KindDir {
			err = kind.NotDir
		}
	}
	if err != nil {
		sh.complain("cd: %s: %s", to, errnoText(err))
		return exitRefused
	}
	sh.dir = "/" + strings.Join(p, "/")
	return exitOK
}

// options splits the options off a command's arguments, all letters of allowed.
func (sh *shell) options(name string, args []string, allowed string) (given string, rest []string, ok bool) {
	for i, a := range args {
		switch {
		case a == "--":
			return given, args[i+1:], true
		case a == "-" || !strings.HasPrefix(a, "-"):
			return given, args[i:], true
		}
		for _, letter := range a[1:] {
			if !strings.ContainsRune(allowed, letter) {
				sh.complain("%s: option %.64q is not served here", name, a)
				return "", nil, false
			}
		}
		given += a[1:]
	}
	return given, nil, true
}

// df prints the same numbers as statvfs, in blocks of 1024 bytes. rclone reads
// the second line's fields; old sshfs asks for `df -P -k /`.
func (sh *shell) df(args []string) uint32 {
	_, paths, ok := sh.options("df", args, "Pk")
	if !ok {
		return exitRefused
	}
	for _, name := range paths {
		p, err := sh.path(name)
		if err == nil {
			_, err = sh.tree.Stat(sh.ctx, p)
		}
		if err != nil {
			sh.complain("df: %s: %s", name, errnoText(err))
			return exitRefused
		}
	}
	v, err := volumeOf(sh.ctx, sh.tree)
	if err != nil {
		sh.complain("df: %s", errnoText(err))
		return exitRefused
	}
	const k = 1024
	total, free := v.blocks*(v.blockSize/k), v.free*(v.blockSize/k)
	used := total - min(free, total)
	percent := uint64(0)
	if total > 0 {
		percent = (used*100 + total - 1) / total
	}
	return sh.print("Filesystem     1024-blocks      Used Available Capacity Mounted on\n" +
		fmt.Sprintf("%-14s %11d %9d %9d %7d%% %s\n", "truckee", total, used, free, percent, "/"))
}

// sums answers md5sum and its like, in the format of GNU's.
func (sh *shell) sums(command string, args []string) (status uint32) {
	given, names, ok := sh.options(command, args, "bt")
	if !ok {
		return exitRefused
	}
	mark := " "
	if strings.HasSuffix(given, "b") {
		mark = "*"
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	buf := make([]byte, digestBuffer)
	for _, name := range names {
		sum, err := sh.sum(strings.TrimSuffix(command, "sum"), name, buf)
		if err != nil {
			sh.complain("%s: %s: %s", command, name, errnoText(err))
			status = exitRefused
			continue
		}
		line := sum + " " + mark + name
		if strings.ContainsAny(name, "\\\n\r") {
			line = `\` + sum + " " + mark + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
		}
		if sh.print(line+"\n") != exitOK {
			return exitRefused
		}
	}
	return status
}

// sum hashes a file, or the standard input.
func (sh *shell) sum(algorithm, name string, buf []byte) (string, error) {
	digest, _ := newDigest(algorithm)
	if name != "-" {
		select {
		case sh.heavyOnes <- struct{}{}:
			defer func() { <-sh.heavyOnes }()
		case <-sh.ctx.Done():
			return "", context.Cause(sh.ctx)
		}
		p, err := sh.path(name)
		if err != nil {
			return "", err
		}
		f, err := sh.tree.Open(sh.ctx, p, filestore.OpenOptions{Read: true})
		if err != nil {
			return "", err
		}
		defer f.Discard()
		if _, err = io.CopyBuffer(digest, toEnd(sh.ctx, f, 0), buf); err == nil {
			err = f.Close(sh.ctx)
		}
		if err != nil {
			return "", err
		}
	} else if _, err := io.CopyBuffer(digest, onlyReader{sh.in}, buf); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}
