package filestore

import (
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// literalOf returns the contents of an entry that carries a literal file of
// another family along: one that is too long to be an inline file.
func literalOf(e *dirtree.Entry) ([]byte, bool) {
	if r, ok := e.Foreign.Read.(caps.Read); ok && e.Kind == dirtree.Foreign {
		return r.Literal()
	}
	return nil, false
}

func isLiteral(e *dirtree.Entry) bool {
	_, ok := literalOf(e)
	return ok
}

// foreignErr says why what e carries along can't be opened.
func foreignErr(e *dirtree.Entry) error {
	what := "a capability that this version doesn't know"
	if r := e.Foreign.Read; r != nil && r.Authority() != caps.AuthorityNone {
		what = fmt.Sprintf("a capability of Tahoe-LAFS (%v)", r.Form())
	}
	return fmt.Errorf("%s can't be opened here: %w", what, kind.Unsupported)
}
