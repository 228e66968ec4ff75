package command

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// S3KeyAdd gives an account an access key for S3, and makes the account if it
// isn't there.
type S3KeyAdd struct {
	Name string

	// ID and Key are given where they come from elsewhere; empty: they are drawn,
	// and printed, the only time.
	ID  string
	Key Secret

	ReadOnly bool
	Expires  string // as the accounts file has it; empty: never
	From     string // addresses, as the accounts file has them; empty: all
}

func (*S3KeyAdd) name() string { return "account.s3key.add" }

func (o *S3KeyAdd) run(ctx context.Context, n *node.Node, s control.Streams) error {
	if err := accounts.CheckName(o.Name); err != nil {
		return kind.Errorf(kind.Invalid, "%w", err)
	}
	id, key := o.ID, string(o.Key)
	if drawn := id == "" && key == ""; drawn {
		id, key = accounts.NewS3Key()
	}
	root, fresh, err := (&AccountAdd{Name: o.Name}).root(ctx, n, s)
	if err != nil {
		return err
	}
	err = n.EditAccounts(func(e *accounts.Editor) error {
		return e.AddS3Key(o.Name, id, key, root, append(o.options(), e.PolicyOptions(o.Name)...)...)
	})
	if err != nil {
		return err
	}
	what := "on the root that it has"
	if fresh {
		what = "with a new, empty root"
	}
	if _, err := fmt.Fprintf(s.Err, "account %q: access key added, %s\n", o.Name, what); err != nil {
		return err
	}
	if o.Key != "" {
		_, err = fmt.Fprintf(s.Out, "access key id: %s\n", id)
		return err
	}
	_, err = fmt.Fprintf(s.Out, "access key id: %s\nsecret access key: %s\n", id, key)
	return err
}

func (o *S3KeyAdd) options() []string {
	var words []string
	if o.ReadOnly {
		words = append(words, "readonly=yes")
	}
	if o.Expires != "" {
		words = append(words, "expires="+escapeOption(o.Expires))
	}
	if o.From != "" {
		words = append(words, "from="+escapeOption(o.From))
	}
	return words
}

// escapeOption is a value as it stands in the accounts file.
func escapeOption(value string) string {
	return strings.NewReplacer("%", "%25", " ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D").Replace(value)
}

// S3KeyList prints access keys, without their secrets: of one account, or of all.
type S3KeyList struct{ Name string }

func (*S3KeyList) name() string { return "account.s3key.list" }

func (o *S3KeyList) run(_ context.Context, n *node.Node, s control.Streams) error {
	if o.Name != "" {
		if _, err := n.Accounts.Lookup(o.Name); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, a := range n.Accounts.Accounts() {
		if o.Name != "" && a.Name != o.Name {
			continue
		}
		for _, k := range a.S3Keys {
			fmt.Fprintf(w, "%s\t%s\t%s\n", a.Name, k.ID, stateOf(k, a.Root.Authority(), time.Now()))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return stale(n)
}

// stateOf says in words what a key allows.
func stateOf(k accounts.S3Key, root caps.Authority, now time.Time) string {
	var words []string
	if k.Disabled {
		words = append(words, "disabled")
	}
	switch {
	case k.Expires.IsZero():
	case now.Before(k.Expires):
		words = append(words, "expires "+k.Expires.UTC().Format(time.RFC3339))
	default:
		words = append(words, "expired "+k.Expires.UTC().Format(time.RFC3339))
	}
	if k.ReadOnly || root == caps.AuthorityRead {
		words = append(words, "read-only")
	} else {
		words = append(words, "read and write")
	}
	return strings.Join(words, ", ")
}

// S3KeyRemove takes an access key away.
type S3KeyRemove struct{ Name, ID string }

func (*S3KeyRemove) name() string { return "account.s3key.remove" }

func (o *S3KeyRemove) run(_ context.Context, n *node.Node, s control.Streams) error {
	if err := n.EditAccounts(func(e *accounts.Editor) error { return e.RemoveS3Key(o.Name, o.ID) }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "account %q: access key %s removed\n", o.Name, o.ID)
	return err
}

// S3KeyDisable makes an access key count no more, or count again.
type S3KeyDisable struct {
	Name, ID string
	Enable   bool
}

func (*S3KeyDisable) name() string { return "account.s3key.disable" }

func (o *S3KeyDisable) run(_ context.Context, n *node.Node, s control.Streams) error {
	err := n.EditAccounts(func(e *accounts.Editor) error { return e.DisableS3Key(o.Name, o.ID, !o.Enable) })
	if err != nil {
		return err
	}
	what := "disabled"
	if o.Enable {
		what = "enabled"
	}
	_, err = fmt.Fprintf(s.Out, "account %q: access key %s %s\n", o.Name, o.ID, what)
	return err
}
