package postgresql

import "context"

// Setting reads a setting as the store's own connections have it.
func (s *Store) Setting(ctx context.Context, name string, value *string) error {
	return s.pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(value)
}
