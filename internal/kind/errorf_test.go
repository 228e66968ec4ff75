package kind_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestErrorf(t *testing.T) {
	cause := errors.New("the cause")
	err := kind.Errorf(kind.NotExist, "line %d: %w", 5, cause)
	if err.Error() != "line 5: the cause" {
		t.Errorf("text %q", err)
	}
	if kind.Of(err) != kind.NotExist || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, cause) {
		t.Errorf("kind %v of %v", kind.Of(err), err)
	}
	if outer := kind.Errorf(kind.Invalid, "outer: %w", err); kind.Of(outer) != kind.Invalid {
		t.Errorf("kind %v of %v", kind.Of(outer), outer)
	}
}
