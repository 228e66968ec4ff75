package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// List lists a directory, or shows one entry.
type List struct {
	Target
	Long bool // with mode, size and time
	JSON bool // one ListEntry a line, for programs
	Self bool // the entry itself, not what is in it; a symbolic link isn't followed
}

// ListEntry is what List prints as JSON.
type ListEntry struct {
	Name   Bytes
	Kind   filestore.Kind
	Size   int64
	Mode   uint32
	Mtime  time.Time
	Target Bytes // of a symbolic link
}

func (*List) name() string { return "fs.ls" }

func (o *List) run(ctx context.Context, n *node.Node, s control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	stat := tree.Stat
	if o.Self {
		stat = tree.Lstat
	}
	info, err := stat(ctx, o.path())
	if err != nil {
		return o.fault(err)
	}
	p := newPrinter(s.Out, o.Long, o.JSON)
	if info.Kind != filestore.KindDir || o.Self {
		if err := p.print(info); err != nil {
			return err
		}
		return p.flush()
	}
	for info, err := range tree.List(ctx, o.path()) {
		if err != nil {
			return errors.Join(p.flush(), o.fault(err))
		}
		if err := p.print(info); err != nil {
			return err
		}
	}
	return p.flush()
}

// printer prints entries, many at a time, since each write may be a message to
// another process.
type printer struct {
	out  *bufio.Writer
	tab  *tabwriter.Writer
	json *json.Encoder
	rows int
}

// tabRows is how many entries are set in columns together: all of a large
// directory would have to be held in memory.
const tabRows = 1000

func newPrinter(out io.Writer, long, asJSON bool) *printer {
	p := &printer{out: bufio.NewWriterSize(out, 64<<10)}
	switch {
	case asJSON:
		p.json = json.NewEncoder(p.out)
	case long:
		p.tab = tabwriter.NewWriter(p.out, 0, 0, 1, ' ', tabwriter.AlignRight)
	}
	return p
}

func (p *printer) print(i filestore.Info) error {
	if p.rows++; p.tab != nil && p.rows%tabRows == 0 {
		if err := p.tab.Flush(); err != nil {
			return err
		}
	}
	if p.json != nil {
		return p.json.Encode(ListEntry{Bytes(i.Name), i.Kind, i.Size, i.Mode, i.Mtime, Bytes(i.Target)})
	}
	name := Printable(i.Name)
	if i.Name == "" {
		name = "." // a file that was named by its own capability
	}
	if i.Kind == filestore.KindDir {
		name += "/"
	}
	if p.tab == nil {
		_, err := fmt.Fprintln(p.out, name)
		return err
	}
	if i.Kind == filestore.KindSymlink {
		name += " -> " + Printable(i.Target)
	}
	_, err := fmt.Fprintf(p.tab, "%s\t %d\t %s\t %s\n", modeText(i), i.Size, i.Mtime.Local().Format("2006-01-02 15:04:05"), name)
	return err
}

func (p *printer) flush() error {
	if p.tab != nil {
		if err := p.tab.Flush(); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

// Printable shows a name so that it can't act on the terminal.
func Printable(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// modeText is the mode as ls -l shows it.
func modeText(i filestore.Info) string {
	first := map[filestore.Kind]byte{filestore.KindFile: '-', filestore.KindDir: 'd', filestore.KindSymlink: 'l'}[i.Kind]
	if first == 0 {
		first = '?'
	}
	b := []byte{first, '-', '-', '-', '-', '-', '-', '-', '-', '-'}
	for bit := range 9 {
		if i.Mode&(1<<(8-bit)) != 0 {
			b[1+bit] = "rwx"[bit%3]
		}
	}
	return string(b)
}

// Cat writes a file to standard output.
type Cat struct{ Target }

func (*Cat) name() string { return "fs.cat" }

func (o *Cat) run(ctx context.Context, n *node.Node, s control.Streams) (err error) {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	f, err := tree.Open(ctx, o.path(), filestore.OpenOptions{Read: true})
	if err != nil {
		return o.fault(err)
	}
	defer func() { err = errors.Join(err, f.Close(context.WithoutCancel(ctx))) }()
	buf := make([]byte, copySize)
	for off := int64(0); ; {
		n, err := f.ReadAt(ctx, buf, off)
		if n > 0 {
			if _, err := s.Out.Write(buf[:n]); err != nil {
				return err
			}
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return o.fault(err)
		}
		if n == 0 {
			return o.fault(kind.Errorf(kind.Other, "nothing was read before the end"))
		}
	}
}

// copySize is how much is copied at a time, in bytes.
const copySize = 256 << 10

// Usage prints how many files, directories and bytes are below a path, without
// what is in frozen directories and in those that have their home elsewhere.
type Usage struct{ Target }

func (*Usage) name() string { return "fs.du" }

func (o *Usage) run(ctx context.Context, n *node.Node, s control.Streams) error {
	tree, err := o.mount(ctx, n)
	if err != nil {
		return err
	}
	var files, dirs, bytes int64
	err = walk(ctx, tree, o.path(), func(_ filestore.Path, i filestore.Info) error {
		if i.Kind == filestore.KindDir {
			dirs++
		} else {
			files++
			bytes += i.Size
		}
		return nil
	})
	if err != nil {
		return o.fault(err)
	}
	_, err = fmt.Fprintf(s.Out, "%d bytes in %d files, %d directories\n", bytes, files, dirs)
	return err
}

// walk visits p and all that is below it, directories before what is in them.
// Symbolic links aren't followed, nor is what is in frozen directories and in
// those that have their home elsewhere: so no way leads in a circle, and what is
// done to all that is met is done to nobody else's.
func walk(ctx context.Context, tree *filestore.Tree, p filestore.Path, visit func(filestore.Path, filestore.Info) error) error {
	info, err := tree.Lstat(ctx, p)
	if err != nil {
		return err
	}
	// A list of what is still to be visited, not recursion: depth is data.
	type place struct {
		path filestore.Path
		info filestore.Info
	}
	for todo := []place{{p, info}}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := visit(at.path, at.info); err != nil {
			return err
		}
		if at.info.Kind != filestore.KindDir || len(at.path) > len(p) && (at.info.Frozen || at.info.Linked) {
			continue
		}
		for child, err := range tree.List(ctx, at.path) {
			if err != nil {
				return err
			}
			childPath := append(append(filestore.Path(nil), at.path...), child.Name)
			if child.Kind == filestore.KindDir {
				todo = append(todo, place{childPath, child})
			} else if err := visit(childPath, child); err != nil {
				return err
			}
		}
	}
	return nil
}
