package kind_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestOf(t *testing.T) {
	tests := []struct {
		err  error
		want kind.Kind
	}{
		{nil, 0},
		{kind.NotExist, kind.NotExist},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", kind.Corrupt)), kind.Corrupt},
		{fmt.Errorf("outer: %w: %w", kind.Unavailable, kind.NotExist), kind.Unavailable},
		{context.Canceled, kind.Canceled},
		{fmt.Errorf("get: %w", context.DeadlineExceeded), kind.Canceled},
		{errors.New("plain"), kind.Other},
	}
	for _, tt := range tests {
		if got := kind.Of(tt.err); got != tt.want {
			t.Errorf("Of(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestEveryKindHasItsOwnText(t *testing.T) {
	seen := map[string]kind.Kind{}
	for _, k := range kind.All() {
		if k.Error() == "unknown error kind" {
			t.Errorf("kind %d has no text", k)
		}
		if other, dup := seen[k.Error()]; dup {
			t.Errorf("kinds %d and %d share the text %q", k, other, k)
		}
		seen[k.Error()] = k
	}
}

func TestStandardSentinelsMatch(t *testing.T) {
	wrapped := func(k kind.Kind) error { return fmt.Errorf("op: %w", k) }
	tests := []struct {
		err    error
		target error
	}{
		{wrapped(kind.NotExist), fs.ErrNotExist},
		{wrapped(kind.Exist), fs.ErrExist},
		{wrapped(kind.Denied), fs.ErrPermission},
		{wrapped(kind.ReadOnly), fs.ErrPermission},
		{wrapped(kind.Invalid), fs.ErrInvalid},
		{wrapped(kind.Closed), fs.ErrClosed},
		{wrapped(kind.Unsupported), errors.ErrUnsupported},
		{wrapped(kind.Canceled), context.Canceled},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.target) {
			t.Errorf("errors.Is(%v, %v) = false", tt.err, tt.target)
		}
	}
	if errors.Is(wrapped(kind.Exist), fs.ErrNotExist) {
		t.Error("Exist matches fs.ErrNotExist")
	}
}
