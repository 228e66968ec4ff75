package filestore

import "context"

// Parts lists the parts that the object was put in, ascending; none if it was put
// whole. Those of a large upload lie in a block of their own, which is read now.
func (r *ObjectReader) Parts(ctx context.Context) ([]Part, error) {
	parts, err := r.t.fs.partsOf(ctx, r.entry)
	return parts, wrap("list parts", err)
}
