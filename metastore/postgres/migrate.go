package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
)

// The files bring a schema from one version to the next. They are NNNN_name.sql,
// counted from 0001 without a hole. One that was released is never changed.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema.
type Migration struct {
	Name    string    // the file's, without .sql: "0001_tables"
	Applied time.Time // when it was applied; zero: it is missing
	Now     bool      // it was applied by this call
}

// migrations reads the files.
func migrations(files fs.FS) (names, texts []string, err error) {
	entries, err := fs.ReadDir(files, "migrations")
	if err != nil {
		return nil, nil, err
	}
	for i, e := range entries {
		name, isSQL := strings.CutSuffix(e.Name(), ".sql")
		digits, what, _ := strings.Cut(name, "_")
		number, err := strconv.Atoi(digits)
		if !isSQL || err != nil || len(digits) != 4 || number != i+1 || what == "" {
			return nil, nil, fmt.Errorf("postgres: migration %s is not number %04d: %w", e.Name(), i+1, kind.Other)
		}
		text, err := fs.ReadFile(files, "migrations/"+e.Name())
		if err != nil {
			return nil, nil, err
		}
		if strings.TrimSpace(string(text)) == "" {
			return nil, nil, fmt.Errorf("postgres: migration %s is empty: %w", e.Name(), kind.Other)
		}
		names, texts = append(names, name), append(texts, string(text))
	}
	return names, texts, nil
}

// Migrate brings the schema up to date, each step in a transaction of its own,
// and reports all steps. With dryRun it changes nothing. Of several that run at
// once one works and the others wait. The first error ends it: it names the step,
// nothing of which was applied, and the report has those before.
//
// Errors: as Open's, but for a missing or old schema. Unsupported if the schema is
// newer than this program; Invalid if another program's tables are in the way.
func Migrate(ctx context.Context, o Options, dryRun bool) ([]Migration, error) {
	return o.migrate(ctx, dryRun, false)
}

// Create sets up a metastore where there is none, as `truckee init` does, in one
// transaction: cut short, it leaves nothing, and not an old schema that only
// Migrate would bring on. Exist if there is a metastore, which is left as it is.
func Create(ctx context.Context, o Options) error {
	_, err := o.migrate(ctx, false, true)
	return err
}

func (o Options) migrate(ctx context.Context, dryRun, fresh bool) (steps []Migration, err error) {
	c, err := o.parse()
	if err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	if err := c.checkServer(ctx, conn); err != nil {
		return nil, err
	}
	names, texts, err := migrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	m := &migrator{config: c, conn: conn, names: names, texts: texts}
	if dryRun {
		return m.steps(ctx)
	}
	// Another migration may take its time, and so may this one's statements.
	_, err = conn.Exec(ctx, "SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false), pg_advisory_lock($1, $2)",
		c.lockKey(), lockMigrate)
	if err != nil {
		return nil, failed(ctx, "wait for another migration", err)
	}
	if steps, err = m.steps(ctx); err != nil {
		return nil, err
	}
	if fresh && len(steps) > 0 && !steps[0].Applied.IsZero() {
		return nil, kind.Errorf(kind.Exist, "postgres: %s: schema %q holds a metastore already", c.where, c.schema)
	}
	if !fresh {
		return steps, m.applyAll(ctx, conn, steps)
	}
	var refused error // with its kind; what the transaction adds has none
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		refused = m.applyAll(ctx, tx, steps)
		return refused
	})
	if refused == nil && err != nil {
		refused = failed(ctx, "make the tables", err)
	}
	return steps, refused
}

type migrator struct {
	*config
	conn         *pgx.Conn
	names, texts []string
}

// beginner is a connection, or a transaction, in which Begin makes a savepoint.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// applyAll applies what isn't applied, up to the first error.
func (m *migrator) applyAll(ctx context.Context, db beginner, steps []Migration) error {
	for i := range steps {
		if !steps[i].Applied.IsZero() {
			continue
		}
		if err := m.apply(ctx, db, i, &steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) table(name string) string { return pgx.Identifier{c.schema, name}.Sanitize() }

// steps lists all migrations with what was applied. It refuses a schema that
// knows one that we don't.
func (m *migrator) steps(ctx context.Context) ([]Migration, error) {
	steps := make([]Migration, len(m.names))
	for i, name := range m.names {
		steps[i].Name = name
	}
	var has bool
	if err := m.conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", m.table("migration")).Scan(&has); err != nil {
		return nil, failed(ctx, "look for tables", err)
	}
	if !has {
		return steps, nil
	}
	rows, err := m.conn.Query(ctx, "SELECT version, name, applied FROM "+m.table("migration")+" ORDER BY version")
	if err != nil {
		return nil, failed(ctx, "read migrations", err)
	}
	var version int
	var name string
	var applied time.Time
	_, err = pgx.ForEachRow(rows, []any{&version, &name, &applied}, func() error {
		if version > len(steps) {
			return kind.Errorf(kind.Unsupported, "postgres: %s: the schema has version %d (%s), this program knows versions up to %d: use a newer program",
				m.where, version, name, len(steps))
		}
		if version < 1 || steps[version-1].Name != name {
			return kind.Errorf(kind.Invalid, "postgres: %s: migration %d of the schema is %q, which this program does not know", m.where, version, name)
		}
		steps[version-1].Applied = applied.UTC()
		return nil
	})
	if err != nil {
		return nil, failed(ctx, "read migrations", err)
	}
	return steps, nil
}

// apply applies one migration.
func (m *migrator) apply(ctx context.Context, db beginner, i int, step *Migration) error {
	var applied time.Time
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if i == 0 {
			if err := m.begin(ctx, tx); err != nil {
				return err
			}
		}
		if err := execAll(ctx, tx, m.texts[i]); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "INSERT INTO migration (version, name) VALUES ($1, $2) RETURNING applied", i+1, m.names[i]).Scan(&applied)
	})
	switch codeOf(err) {
	case "":
	case duplicateTable, duplicateFunction:
		return kind.Errorf(kind.Invalid, "postgres: %s: a table of another program is in the way in schema %q (%v); choose another schema", m.where, m.schema, err)
	case insufficientPrivilege:
		return kind.Errorf(kind.Denied, "postgres: %s: user %q may not make the tables (%v); let it: GRANT CREATE ON DATABASE %s TO %s", m.where,
			m.pool.ConnConfig.User, err, m.pool.ConnConfig.Database, m.pool.ConnConfig.User)
	}
	if err != nil {
		return fmt.Errorf("postgres: migration %s: %w", step.Name, failed(ctx, "apply", err))
	}
	step.Applied, step.Now = applied.UTC(), true
	return nil
}

// begin makes the schema, unless somebody has made it for us, and the table of migrations.
func (m *migrator) begin(ctx context.Context, tx pgx.Tx) error {
	schema := pgx.Identifier{m.schema}.Sanitize()
	var has bool
	if err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema).Scan(&has); err != nil {
		return err
	}
	if !has {
		if err := execAll(ctx, tx, "CREATE SCHEMA "+schema); err != nil {
			return err
		}
	}
	return execAll(ctx, tx, "CREATE TABLE migration (version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT clock_timestamp())")
}

// execAll runs several statements without parameters.
func execAll(ctx context.Context, tx pgx.Tx, statements string) error {
	_, err := tx.Conn().PgConn().Exec(ctx, statements).ReadAll()
	return err
}

// checkSchema refuses a schema that this program can't work on.
func (c *config) checkSchema(ctx context.Context, conn *pgx.Conn) error {
	names, texts, err := migrations(migrationFiles)
	if err != nil {
		return err
	}
	steps, err := (&migrator{config: c, conn: conn, names: names, texts: texts}).steps(ctx)
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range steps {
		if s.Applied.IsZero() {
			missing++
		}
	}
	switch {
	case missing == 0:
		return nil
	case missing == len(steps):
		return kind.Errorf(kind.NotExist, "postgres: %s: schema %q holds no metastore; make one with `truckee init`, or with `truckee migrate` in an empty database",
			c.where, c.schema)
	}
	return kind.Errorf(kind.Unsupported, "postgres: %s: the schema lacks %d migration(s); stop the other gateways, make a backup and run `truckee migrate`",
		c.where, missing)
}
