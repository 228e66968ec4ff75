package kind

import "fmt"

// Errorf makes an error of kind k whose text is the message alone, for sentences
// that already say to a person what k says to code. What %w wraps stays in the
// chain below k.
func Errorf(k Kind, format string, args ...any) error {
	return classified{k, fmt.Errorf(format, args...)}
}

type classified struct {
	kind Kind
	err  error
}

func (c classified) Error() string   { return c.err.Error() }
func (c classified) Unwrap() []error { return []error{c.kind, c.err} }
