package command

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// Target names a file or directory: below the root of an account, or below a
// directory of which the capability is given.
type Target struct {
	Account string
	Cap     Secret // if Account is empty
	Path    Names
}

// ParseTarget reads NAME:/PATH, or with a capability given just /PATH.
func ParseTarget(text string, c Secret) (Target, error) {
	t := Target{Cap: c}
	if c == "" {
		name, rest, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return Target{}, kind.Errorf(kind.Invalid, "%.80q is not of the form NAME:/PATH", text)
		}
		t.Account, text = name, rest
	}
	t.Path = SplitPath(text)
	return t, nil
}

// SplitPath cleans a path as the shell's user means it: "." and ".." are
// resolved by the text, above the root is the root.
func SplitPath(text string) []string {
	clean := path.Clean("/" + text)
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

// Join is the target of a name below t.
func (t Target) Join(names ...string) Target {
	t.Path = append(append(Names(nil), t.Path...), names...)
	return t
}

// String gives NAME:/PATH, without the capability.
func (t Target) String() string {
	return t.Account + ":" + t.path().String()
}

func (t Target) path() filestore.Path { return filestore.Path(t.Path) }

func (t Target) mount(ctx context.Context, n *node.Node) (*filestore.Tree, error) {
	if t.Account != "" {
		a, err := n.Accounts.Lookup(t.Account)
		if err != nil {
			return nil, err
		}
		return n.Mount(ctx, a)
	}
	c, err := parseCap(t.Cap)
	if err != nil {
		return nil, err
	}
	return n.FS.Mount(ctx, c, filestore.MountOptions{Source: "cli"})
}

// fault adds what an error is about.
func (t Target) fault(err error) error { return fmt.Errorf("%s: %w", t, err) }
