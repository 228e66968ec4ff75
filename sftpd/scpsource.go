package sftpd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// send runs `scp -f`. The client begins.
func (t *transfer) send(paths []string) error {
	if ok, err := t.response(); err != nil || !ok {
		return err
	}
	for _, name := range paths {
		p, err := t.path(name)
		if err != nil {
			t.fail("%s: %s", name, errnoText(err))
			continue
		}
		if err := t.source(p, t.baseName(p), nil); err != nil {
			return err
		}
	}
	return nil
}

// baseName is how the client is told a path's last component. The root has
// none, and clients refuse ".".
func (t *transfer) baseName(p filestore.Path) string {
	if len(p) == 0 {
		return t.user
	}
	return alias(p[len(p)-1])
}

// source sends what stands at p. above are the directories that it is in, so
// that a symbolic link to one of them does not send them for ever. Its error
// ends the transfer; what can't be sent is only told.
func (t *transfer) source(p filestore.Path, name string, above []filestore.FileID) error {
	i, err := t.tree.Stat(t.ctx, p)
	switch {
	case err != nil:
		t.fail("%s: %s", p, errnoText(err))
		return nil
	case i.Kind == filestore.KindDir:
		return t.sourceDir(p, name, &i, above)
	case i.Kind != filestore.KindFile:
		t.fail("%s: not a regular file", p)
		return nil
	}
	f, err := t.tree.Open(t.ctx, p, filestore.OpenOptions{Read: true})
	if err == nil {
		defer f.Discard()
		i, err = f.Stat(t.ctx)
	}
	if err != nil {
		t.fail("%s: %s", p, errnoText(err))
		return nil
	}
	if ok, err := t.announce('C', name, &i, i.Size); err != nil || !ok {
		return err
	}
	broken, err := t.giveBytes(f, i.Size)
	if err != nil {
		return err
	}
	if broken == nil {
		broken = f.Close(t.ctx)
	}
	if broken != nil {
		t.fail("%s: %s", p, errnoText(broken))
	} else if err := t.ok(); err != nil {
		return err
	}
	_, err = t.response()
	return err
}

// announce sends the records before a file or directory, and reports whether the
// client wants it.
func (t *transfer) announce(kind byte, name string, i *filestore.Info, size int64) (bool, error) {
	a := wireAttrs(i)
	if t.preserve {
		if _, err := fmt.Fprintf(t.out, "T%d 0 %d 0\n", a.Mtime, a.Atime); err != nil {
			return false, err
		}
		if ok, err := t.response(); err != nil || !ok {
			return false, err
		}
	}
	name = strings.ReplaceAll(name, "\n", `\^J`)
	if _, err := fmt.Fprintf(t.out, "%c%04o %d %s\n", kind, a.Mode&permBits, size, name); err != nil {
		return false, err
	}
	return t.response()
}

// giveBytes sends size bytes of f: zeros in place of what can't be read, since
// that many have been announced. broken is the file's error, err the
// connection's.
func (t *transfer) giveBytes(f file, size int64) (broken, err error) {
	for off := int64(0); off < size; {
		b := t.buf[:min(int64(len(t.buf)), size-off)]
		if broken == nil {
			var n int
			n, broken = f.ReadAt(t.ctx, b, off)
			t.tally.gave(n)
			if n == len(b) {
				broken = nil
			} else if broken == nil || errors.Is(broken, io.EOF) {
				broken = fmt.Errorf("the file has become shorter: %w", kind.Conflict)
			}
			clear(b[n:])
			if broken != nil {
				b, off = b[:n], off+int64(n)
			} else {
				off += int64(len(b))
			}
		} else {
			clear(b)
			off += int64(len(b))
		}
		if _, err := t.out.Write(b); err != nil {
			return broken, err
		}
	}
	return broken, nil
}

// sourceDir sends a directory and all that is in it.
func (t *transfer) sourceDir(p filestore.Path, name string, i *filestore.Info, above []filestore.FileID) error {
	switch {
	case !t.recursive:
		t.fail("%s: not a regular file", p)
		return nil
	case slices.Contains(above, i.FileID) || len(above) >= maxSCPDepth:
		t.fail("%s: %s", p, errnoText(kind.Loop))
		return nil
	}
	if ok, err := t.announce('D', name, i, 0); err != nil || !ok {
		return err
	}
	above = append(slices.Clip(above), i.FileID)
	for e, err := range t.tree.List(t.ctx, p) {
		if err != nil {
			t.fail("%s: %s", p, errnoText(err))
			break
		}
		shown, component := shownAs(&e)
		if err := t.source(append(slices.Clip(p), component), shown, above); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(t.out, "E\n"); err != nil {
		return err
	}
	_, err := t.response()
	return err
}
