package sqlite

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// applicationID marks a database file as ours (offset 68 of the file): "TkMS".
const applicationID = 0x546b4d53

// migrations bring a database from version i to i+1. What is here is never
// changed, only added to: databases in the field were made by it.
//
// The tables are those of formats 9, with what one writer and one fsync a
// commit make of them:
//
//   - log is slotlog, commitseq and the nodes' died in one: a row a commit, so
//     that a commit writes one page for all three, always the last one. Its slots
//     are the records that the commit wrote, each id[32], the seq of the slot's
//     record before it (0: none), epoch u32, version u64, record[320] (integers
//     big-endian), so that a slot's records form a chain from its newest one
//     down; its dead are the ids of the nodes that died by it. The last row is
//     never dropped: its seq is the newest commit. A new database has row 1: no
//     seq is zero.
//   - blk is the index of node, too, so that a node that is a block has one place in
//     a tree with random keys and not two: n is its row there, NULL for what lies in
//     the blockstore, or was deleted. A directory node's row has nothing but n, and
//     a state of NULL. Rows of node are appended; slot is NULL for nodes that are no
//     directory's.
//   - slot.seq names the log row with the slot's newest record.
//   - the row of charge whose root has no bytes sums the rows of blk in state new and
//     live.
//   - identity.floor: commits below it can't be pinned any more.
//   - lead is the lease to collect: no row, nobody has taken it yet.
//   - dirmove has no row to lock here: there is one writer.
//
// The step to version 5 rewrites what may be millions of rows. It goes through the
// blocks and the old index of nodes in the order of their ids, so that it meets each
// page of the new index once.
//
// Times are ns since 1970, UTC.
var migrations = []string{`
CREATE TABLE slot (
	id      BLOB PRIMARY KEY,
	seq     INTEGER NOT NULL,
	epoch   INTEGER NOT NULL,
	ver     INTEGER NOT NULL,
	owner   BLOB,
	rec     BLOB NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE log (
	seq     INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	slots   BLOB,
	dead    BLOB
) STRICT;
INSERT INTO log (seq, at) VALUES (1, 0);
CREATE TABLE node (
	n       INTEGER PRIMARY KEY,
	key     BLOB NOT NULL UNIQUE,
	tail    BLOB NOT NULL,
	slot    BLOB,
	born    INTEGER NOT NULL,
	data    BLOB NOT NULL
) STRICT;
CREATE TABLE blk (
	id      BLOB PRIMARY KEY,
	len     INTEGER NOT NULL,
	state   INTEGER NOT NULL,
	inline  INTEGER NOT NULL,
	seen    INTEGER NOT NULL,
	owner   BLOB,
	draft   BLOB,
	condemned_at  INTEGER,
	condemned_seq INTEGER
) WITHOUT ROWID, STRICT;
CREATE TABLE total (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	blocks  INTEGER NOT NULL,
	bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO total VALUES (1, 0, 0);
CREATE TABLE draft (
	id      BLOB PRIMARY KEY,
	gateway BLOB NOT NULL,
	lease   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE gateway (
	id      BLOB PRIMARY KEY,
	lease   INTEGER NOT NULL,
	ttl     INTEGER NOT NULL,
	oldest  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE root (
	id      BLOB PRIMARY KEY,
	sealed  BLOB NOT NULL,
	source  TEXT NOT NULL,
	seen    INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE pin (
	seq     INTEGER PRIMARY KEY,
	until   INTEGER NOT NULL,
	why     TEXT NOT NULL
) STRICT;
`, `
CREATE TABLE identity (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	uuid    BLOB NOT NULL,
	nonce   BLOB NOT NULL
) STRICT;
INSERT INTO identity VALUES (1, randomblob(16), zeroblob(16));
CREATE TABLE lead (
	one     INTEGER PRIMARY KEY CHECK (one = 1),
	gateway BLOB NOT NULL,
	until   INTEGER NOT NULL
) STRICT;
CREATE TABLE charge (
	root    BLOB PRIMARY KEY,
	files   INTEGER NOT NULL,
	bytes   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE repair (
	member  TEXT NOT NULL,
	id      BLOB NOT NULL,
	PRIMARY KEY (member, id)
) WITHOUT ROWID, STRICT;
`, `
ALTER TABLE identity ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
UPDATE identity SET floor = (SELECT max(seq) FROM log);
`, `
CREATE TABLE sealed (
	n       INTEGER PRIMARY KEY,
	kind    INTEGER NOT NULL,
	key     BLOB NOT NULL,
	rev     INTEGER NOT NULL,
	data    BLOB NOT NULL,
	UNIQUE (kind, key)
) STRICT;
CREATE INDEX sealed_rev ON sealed (kind, rev, key);
`, `
CREATE TABLE node5 (
	n       INTEGER PRIMARY KEY,
	id      BLOB NOT NULL,
	slot    BLOB,
	born    INTEGER NOT NULL,
	data    BLOB NOT NULL
) STRICT;
CREATE TABLE blk5 (
	id      BLOB PRIMARY KEY,
	n       INTEGER,
	state   INTEGER,
	inline  INTEGER,
	len     INTEGER,
	seen    INTEGER,
	owner   BLOB,
	draft   BLOB,
	condemned_at  INTEGER,
	condemned_seq INTEGER
) WITHOUT ROWID, STRICT;
INSERT INTO node5 SELECT n, CAST(key || tail AS BLOB), slot, born, data FROM node ORDER BY n;
INSERT INTO blk5 SELECT id, (SELECT n FROM node WHERE key = substr(blk.id, 1, 16)), state, inline, len, seen, owner, draft, condemned_at, condemned_seq
	FROM blk ORDER BY id;
INSERT INTO blk5 (id, n) SELECT CAST(key || tail AS BLOB), n FROM node
	WHERE NOT EXISTS (SELECT 1 FROM blk WHERE id > key AND id < CAST(key || x'ffffffffffffffffffffffffffffffffff' AS BLOB)) ORDER BY key;
DROP TABLE blk;
DROP TABLE node;
ALTER TABLE node5 RENAME TO node;
ALTER TABLE blk5 RENAME TO blk;
INSERT INTO charge SELECT x'', blocks, bytes FROM total;
DROP TABLE total;
`}

// schemaVersion is the newest version that this program knows.
var schemaVersion = int64(len(migrations))

// checkVersion refuses databases that are not ours or newer than this program,
// before anything is written to them.
func checkVersion(c *conn) (version int64, err error) {
	app, err := c.queryInt("PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	version, err = c.queryInt("PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	if app != applicationID {
		tables, err := c.queryInt("SELECT count(*) FROM sqlite_schema")
		if err != nil {
			return 0, err
		}
		if app != 0 || tables != 0 || version != 0 {
			return 0, fmt.Errorf("sqlite: the file is a database of another program: %w", kind.Invalid)
		}
	}
	if version > schemaVersion {
		return 0, fmt.Errorf("sqlite: the database has schema version %d, this program knows versions up to %d: use a newer program: %w",
			version, schemaVersion, kind.Unsupported)
	}
	return version, nil
}

// migrate applies what is missing, each step in a transaction of its own.
func migrate(c *conn, b *blocks, version int64) error {
	for ; version < schemaVersion; version++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; PRAGMA application_id = %d",
			migrations[version], version+1, applicationID)
		pages, err := int64(0), c.exec(step)
		if err == nil {
			pages, err = c.queryInt("PRAGMA page_count")
		}
		if err == nil {
			err = b.cover(pages*pageSize, false)
		}
		if err == nil {
			err = c.exec("COMMIT")
		}
		if err != nil {
			return fmt.Errorf("sqlite: migrate to version %d: %w", version+1, err)
		}
	}
	return nil
}
