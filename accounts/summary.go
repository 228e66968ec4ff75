package accounts

import (
	"slices"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Summary is what may be shown of an account.
type Summary struct {
	Name     string
	Root     caps.Cap // prints redacted
	Password string   // "argon2id", "bcrypt", "plain" or "" for none
	Keys     []Key
	S3Keys   []S3Key // by their ids
}

// Accounts returns all accounts, by name.
func (f *File) Accounts() []Summary {
	f.Refresh()
	s := f.current.Load()
	all := make([]Summary, 0, len(s.names))
	for _, name := range slices.Sorted(slices.Values(s.names)) {
		e := s.byName[name]
		sum := Summary{Name: name, Root: e.root, S3Keys: s.s3KeysOf(e)}
		if e.password != nil {
			sum.Password = e.password.scheme
		}
		for _, k := range e.keys {
			sum.Keys = append(sum.Keys, k.Key)
		}
		all = append(all, sum)
	}
	return all
}

// Lookup returns an account without any proof, for commands whose user owns the
// node. The root is the lines' own. NotExist if there is none of that name.
func (f *File) Lookup(name string) (Account, error) {
	f.Refresh()
	e := f.current.Load().byName[name]
	if e == nil {
		return Account{}, kind.Errorf(kind.NotExist, "accounts: no account %q", name)
	}
	return Account{Name: name, Root: e.root}, nil
}
