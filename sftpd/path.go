package sftpd

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	// maxName is the longest name that SFTP is shown or may create, in bytes.
	maxName = 255
	// maxPath is the longest path accepted, in bytes.
	maxPath = 64 << 10
)

// parsePath turns the bytes of a request into components. Every path is taken
// from the root; empty components and "." vanish, ".." removes the component
// before it lexically and stays at the root. There is nothing above the root.
func parsePath(raw []byte) (filestore.Path, error) {
	if len(raw) > maxPath {
		return nil, fmt.Errorf("path of %d bytes: %w", len(raw), kind.NameInvalid)
	}
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("path is not UTF-8: %w", kind.NameInvalid)
	}
	s := string(raw)
	p := make(filestore.Path, 0, 1+strings.Count(s, "/"))
	for c := range strings.SplitSeq(s, "/") {
		switch {
		case c == "" || c == ".":
		case c == "..":
			p = p[:max(0, len(p)-1)]
		case len(c) > maxName:
			return nil, fmt.Errorf("name of %d bytes: %w", len(c), kind.NameInvalid)
		case strings.IndexByte(c, 0) >= 0:
			return nil, fmt.Errorf("NUL in a name: %w", kind.NameInvalid)
		default:
			p = append(p, c)
		}
	}
	return p, nil
}

// path reads a path of a request. Names are kept as given, with two
// exceptions: the alias of an entry that exists means that entry, and a
// component that does not exist as given and is not in NFC is looked up in NFC
// too, because clients on macOS decompose what others composed. Other paths,
// nearly all, cost no look-up here.
//
// A slash at the end says that a directory is meant, or a link to one; that
// nothing is there is left to the request to find.
//
// It waits for the changes under way that have to do with the path.
func (s *session) path(ctx context.Context, raw []byte) (filestore.Path, error) {
	p, err := s.name(ctx, raw)
	if err != nil || !slashed(raw) {
		return p, err
	}
	return p, s.isDir(ctx, p)
}

// isDir refuses what is neither a directory nor a link to one.
func (s *session) isDir(ctx context.Context, p filestore.Path) error {
	if i, err := s.tree.Stat(ctx, p); err == nil && i.Kind != filestore.KindDir {
		return fmt.Errorf("a slash behind the name of what is no directory: %w", kind.NotDir)
	}
	return nil
}

// slashed reports whether a path says that it means a directory.
func slashed(raw []byte) bool {
	return bytes.HasSuffix(raw, []byte("/")) || bytes.HasSuffix(raw, []byte("/."))
}

// entry is path for what is removed or moved: a link with a slash behind it is
// neither the link, which is no directory, nor what it leads to.
func (s *session) entry(ctx context.Context, raw []byte) (filestore.Path, error) {
	p, err := s.path(ctx, raw)
	if err != nil || !slashed(raw) {
		return p, err
	}
	if i, err := s.tree.Lstat(ctx, p); err == nil && i.Kind != filestore.KindDir {
		return p, fmt.Errorf("a slash behind the name of a link: %w", kind.NotDir)
	}
	return p, nil
}

// name is path whatever stands at its end.
func (s *session) name(ctx context.Context, raw []byte) (filestore.Path, error) {
	p, err := parsePath(raw)
	if err != nil {
		return p, err
	}
	if plain(raw) {
		s.settle(ctx, p)
		return p, nil
	}
	s.await(nil) // the names may be those of anything
	translate(ctx, s.tree, p)
	return p, nil
}

// lookup is path without a session.
func lookup(ctx context.Context, t tree, raw []byte) (filestore.Path, error) {
	p, err := parsePath(raw)
	if err == nil && !plain(raw) {
		translate(ctx, t, p)
	}
	return p, err
}

// plain reports whether a path can only mean what it says.
func plain(raw []byte) bool { return norm.NFC.IsNormal(raw) && bytes.IndexByte(raw, '%') < 0 }

// translate replaces the components of p that mean another name, up to the first
// that isn't there.
func translate(ctx context.Context, t tree, p filestore.Path) {
	there := func(i int) bool {
		_, err := t.Lstat(ctx, p[:i+1])
		return kind.Of(err) != kind.NotExist && kind.Of(err) != kind.NotDir
	}
	for i, c := range p {
		composed := norm.NFC.String(c)
		if composed == c && strings.IndexByte(c, '%') < 0 {
			continue
		}
		if name, ok := aliased(ctx, t, p[:i+1]); ok {
			p[i] = name
			continue
		}
		if there(i) {
			continue
		}
		if p[i] = composed; composed == c || !there(i) {
			p[i] = c
			return
		}
	}
}
