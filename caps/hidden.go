package caps

// hidden keeps a value out of reach of whatever prints by reflection. Package
// fmt follows no function: it prints an address, whatever the verb and the
// nesting. A pointer isn't enough, for a verb that doesn't fit (%t, %f, ...)
// prints what a nested pointer points to, since fmt then starts again at the
// top. A struct with such a field can't be compared by == either, which is
// wanted: secrets are compared in constant time.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

// show returns the value, the zero T if nothing was hidden.
func (h hidden[T]) show() T {
	if h == nil {
		var zero T
		return zero
	}
	return h()
}
