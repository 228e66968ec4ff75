package sqlite

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// settings of every connection. The database is in WAL mode by then.
//
// Pages are 4 KiB: most pages that a commit changes hold only a row or an index
// entry of its own, and each is written whole. Checkpoints are the
// checkpointer's. cell_size_check finds damaged pages before they are used.
const settings = `
PRAGMA synchronous = FULL;
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
PRAGMA wal_autocheckpoint = 0;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
`

// Page caches, in KiB. A point read needs the inner pages of one or two
// B-trees; the writer also the leaves that the next commits are likely to change.
// The memory in use is nearly twice as much: the library's allocator rounds up to
// powers of two, so that a page with its header takes 8 KiB.
const (
	writerCache = 4 << 10
	readerCache = 512
	viewCache   = 2 << 10
)

// state is what the writer knows of the database's single rows, as of its last
// commit: nobody else writes them.
type state struct {
	seq    uint64 // the newest commit
	node   int64  // the highest n of node
	blocks int64  // rows of blk in state new and live
	bytes  int64  // the sum of their len
	pages  int64  // of the database
}

// writer is the connection that writes, with its statements.
type writer struct {
	c  *conn
	st state
	reads
	blocks

	walEnd   int64 // the log's end after the last commit
	kickedAt int64 // its end when the last checkpoint was due

	begin, commit, rollback          *stmt
	slotInsert, slotUpdate           *stmt
	logInsert                        *stmt
	nodeInsert, keyInsert            *stmt
	liveInsert, nodeForget           *stmt
	blockInsert, blockLink           *stmt
	blockDelete, blockCondemn        *stmt
	blockState, blockAbsolve         *stmt
	nodeDelete, keyDelete            *stmt
	rootUpsert, rootDelete           *stmt
	chargeUpsert                     *stmt
	blockShare, slotShare            *stmt
	nonceUpdate, leadGet, leadUpsert *stmt
	repairInsert, repairDelete       *stmt
	repairForget                     *stmt
	sealedUpsert, sealedDelete       *stmt
	floorRaise, floorGet             *stmt
	pinHeld, pinsGet                 *stmt
	draftGet, draftUpsert            *stmt
	draftDelete, draftRenew          *stmt
	gatewayGet, gatewayUpsert        *stmt
	gatewayOldest                    *stmt
	totalUpdate                      *stmt
	deadFind, deadGet, deadUpdate    *stmt
	nodeInfo, logForget, logDelete   *stmt
	draftsLapsed, gatewaysLapsed     *stmt
	pinsExpired                      *stmt
	pinUpsert, pinDelete             *stmt
}

// newWriter sets the connection up: version check, WAL mode, migrations, statements.
func newWriter(c *conn) (*writer, error) {
	version, err := checkVersion(c)
	if err != nil {
		c.keepWAL()
		return nil, err
	}
	if err := c.exec("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;" + settings); err != nil {
		return nil, err
	}
	if err := c.exec(fmt.Sprintf("PRAGMA cache_size = -%d", writerCache)); err != nil {
		return nil, err
	}
	w := &writer{c: c, blocks: blocksOf(c)}
	if err := migrate(c, &w.blocks, version); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	return w, w.load()
}

func (w *writer) prepare() error {
	if err := w.reads.prepare(w.c); err != nil {
		return err
	}
	return w.c.prepareAll([]statement{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.slotInsert, "INSERT INTO slot (id, seq, epoch, ver, owner, rec) VALUES (?,?,?,?,?,?)"},
		{&w.slotUpdate, "UPDATE slot SET seq = ?2, epoch = ?3, ver = ?4, rec = ?5, owner = ?6 WHERE id = ?1"},
		{&w.logInsert, "INSERT INTO log (seq, at, slots, dead) VALUES (?,?,?,?)"},
		{&w.nodeInsert, "INSERT INTO node (n, id, slot, born, data) VALUES (?,?,?,?,?)"},
		{&w.keyInsert, "INSERT INTO blk (id, n) VALUES (?,?) ON CONFLICT (id) DO NOTHING"},
		{&w.liveInsert, "INSERT INTO blk (id, n, state, inline, len, seen, owner) VALUES (?,?,2,1,?,?,?) ON CONFLICT (id) DO NOTHING"},
		{&w.nodeDelete, "DELETE FROM node WHERE n = (SELECT n FROM blk WHERE id = ?)"},
		{&w.nodeForget, "UPDATE blk SET n = NULL WHERE id = ?"},
		{&w.keyDelete, "DELETE FROM blk WHERE id = ? AND state IS NULL"},
		{&w.blockInsert, "INSERT INTO blk (id, len, state, inline, seen, owner, draft) VALUES (?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"},
		{&w.blockDelete, "DELETE FROM blk WHERE id = ?"},
		{&w.blockLink, "UPDATE blk SET state = 2, draft = NULL, condemned_at = NULL, condemned_seq = NULL, seen = ?2, owner = CASE WHEN owner IS ?3 THEN owner END WHERE id = ?1"},
		{&w.blockCondemn, "UPDATE blk SET condemned_at = ?2, condemned_seq = ?3 WHERE id = ?1"},
		{&w.blockAbsolve, "UPDATE blk SET condemned_at = NULL, condemned_seq = NULL WHERE id = ?1 AND state <= 2 AND condemned_at IS NOT NULL"},
		{&w.blockState, "UPDATE blk SET state = ?2 WHERE id = ?1"},
		{&w.rootUpsert, "INSERT INTO root (id, sealed, source, seen) VALUES (?,?,?,?) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen"},
		{&w.rootDelete, "DELETE FROM root WHERE id = ?"},
		{&w.chargeUpsert, "INSERT INTO charge (root, files, bytes) VALUES (?,?,?) ON CONFLICT (root) DO UPDATE SET files = excluded.files, bytes = excluded.bytes"},
		{&w.blockShare, "UPDATE blk SET owner = NULL WHERE id = ? AND owner IS NOT NULL"},
		{&w.slotShare, "UPDATE slot SET owner = NULL WHERE id = ? AND owner IS NOT NULL"},
		{&w.nonceUpdate, "UPDATE identity SET nonce = ?2 WHERE nonce = ?1"},
		{&w.floorRaise, "UPDATE identity SET floor = ?1 WHERE floor < ?1"},
		{&w.floorGet, "SELECT floor FROM identity"},
		{&w.pinHeld, "SELECT 1 FROM pin WHERE seq = ? AND until > ?"},
		{&w.pinsGet, pinsSQL},
		{&w.leadGet, "SELECT gateway, until FROM lead"},
		{&w.leadUpsert, "INSERT OR REPLACE INTO lead (one, gateway, until) VALUES (1,?,?)"},
		{&w.repairInsert, "INSERT INTO repair (member, id) VALUES (?,?) ON CONFLICT DO NOTHING"},
		{&w.repairDelete, "DELETE FROM repair WHERE member = ? AND id = ?"},
		{&w.repairForget, "DELETE FROM repair WHERE member = ? AND id = ?2 AND NOT EXISTS (SELECT 1 FROM blk WHERE id = ?2 AND state <= 2)"},
		{&w.sealedUpsert, "INSERT INTO sealed (kind, key, rev, data) VALUES (?,?,?,?) ON CONFLICT (kind, key) DO UPDATE SET rev = excluded.rev, data = excluded.data"},
		{&w.sealedDelete, "DELETE FROM sealed WHERE kind = ? AND key = ?"},
		{&w.draftGet, "SELECT lease FROM draft WHERE id = ?"},
		{&w.draftUpsert, "INSERT INTO draft (id, gateway, lease) VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET gateway = excluded.gateway, lease = excluded.lease"},
		{&w.draftDelete, "DELETE FROM draft WHERE id = ?"},
		{&w.draftRenew, "UPDATE draft SET lease = ?2 WHERE gateway = ?1"},
		{&w.gatewayGet, "SELECT lease, ttl FROM gateway WHERE id = ?"},
		{&w.gatewayUpsert, "INSERT OR REPLACE INTO gateway (id, lease, ttl, oldest) VALUES (?,?,?,?)"},
		{&w.gatewayOldest, "SELECT min(oldest) FROM gateway WHERE lease > ? HAVING count(*) > 0"},
		{&w.totalUpdate, "UPDATE charge SET files = ?, bytes = ? WHERE root = x''"},
		{&w.deadFind, "SELECT seq, dead FROM log WHERE dead IS NOT NULL AND instr(dead, ?) > 0"},
		{&w.deadGet, "SELECT dead FROM log WHERE seq = ?"},
		{&w.nodeInfo, nodeInfoSQL},
		{&w.logForget, "UPDATE log SET slots = ?2 WHERE seq = ?1"},
		{&w.logDelete, "DELETE FROM log WHERE seq = ?1 AND slots IS NULL AND dead IS NULL AND seq < ?2"},
		{&w.draftsLapsed, "DELETE FROM draft WHERE lease < ?"},
		{&w.gatewaysLapsed, "DELETE FROM gateway WHERE lease < ?"},
		{&w.pinsExpired, "DELETE FROM pin WHERE until <= ?"},
		{&w.deadUpdate, "UPDATE log SET dead = ?2 WHERE seq = ?1"},
		{&w.pinUpsert, "INSERT INTO pin (seq, until, why) VALUES (?,?,?) ON CONFLICT (seq) DO UPDATE SET until = excluded.until, why = excluded.why WHERE excluded.until >= until"},
		{&w.pinDelete, "DELETE FROM pin WHERE seq = ?"},
	})
}

// load reads the state.
func (w *writer) load() error {
	seq, err := w.c.queryInt("SELECT max(seq) FROM log")
	if err != nil {
		return err
	}
	w.st.seq = uint64(seq)
	if w.st.node, err = w.c.queryInt("SELECT max(n) FROM node"); err != nil {
		return err
	}
	if w.st.blocks, err = w.c.queryInt("SELECT files FROM charge WHERE root = x''"); err != nil {
		return err
	}
	if w.st.bytes, err = w.c.queryInt("SELECT bytes FROM charge WHERE root = x''"); err != nil {
		return err
	}
	w.st.pages, err = w.c.queryInt("PRAGMA page_count")
	w.adopt(w.st.pages * pageSize)
	return err
}

// tx is a running transaction of the writer.
type tx struct {
	*writer
	st  state // as it will be
	now int64
	// dirty: something was written.
	dirty bool
	// careful: what a request brings is looked up before anything of it is written.
	careful bool
}

// apply runs ops in one transaction. Each op's err says how it fared: nil only
// when it is durable. When the transaction as a whole can't be, the ops are
// tried each alone where that may help: the database may have room for most. What
// makes room gets the room that is kept for it.
func (s *Store) apply(ops []*op) {
	if ops = s.admit(ops); len(ops) == 0 {
		return
	}
	s.saveRoom()
	s.attempt(ops)
	for _, o := range ops {
		if o.frees && kind.Of(o.err) == kind.NoSpace && o.panicked == nil {
			s.makeRoom()
			s.saveRoom()
			s.attempt([]*op{o})
		}
	}
}

func (s *Store) attempt(ops []*op) {
	err := s.transact(ops, false)
	if kind.Of(err) == kind.Conflict && len(ops) > 1 {
		err = s.transact(ops, true)
	}
	if err == nil {
		return
	}
	if k := kind.Of(err); len(ops) > 1 && (k == kind.NoSpace || k == kind.Conflict) {
		for _, o := range ops {
			if err := s.transact([]*op{o}, false); err != nil {
				o.err = err
			}
		}
		return
	}
	for _, o := range ops {
		o.err = err
	}
}

// transact gives an error only if nothing of ops was applied, or (Unavailable)
// nobody knows.
func (s *Store) transact(ops []*op, careful bool) error {
	w := s.w
	w.c.failed = nil
	if err := w.begin.run(); err != nil {
		return err
	}
	t := &tx{writer: w, st: w.st, now: s.timestamp(), careful: careful}
	for _, o := range ops {
		t.call(o)
		if w.c.failed != nil {
			t.abandon()
			return w.c.failed
		}
	}
	if !t.dirty {
		t.abandon()
		return nil
	}
	if t.st.blocks != w.st.blocks || t.st.bytes != w.st.bytes {
		w.totalUpdate.setInt(1, t.st.blocks)
		w.totalUpdate.setInt(2, t.st.bytes)
		if err := w.totalUpdate.run(); err != nil {
			t.abandon()
			return err
		}
	}
	if err := s.claim(t, ops); err != nil {
		t.abandon()
		return err
	}
	if err := w.commit.run(); err != nil {
		t.abandon()
		if kind.Of(err) == kind.NoSpace {
			return err // the log's last frame was not written
		}
		return fmt.Errorf("sqlite: commit: %w: %w", kind.Unavailable, err)
	}
	w.st = t.st
	s.seq.Store(t.st.seq)
	s.afterCommit()
	return nil
}

// call runs one op, and keeps what a callback panics with.
func (t *tx) call(o *op) {
	defer func() { o.panicked = recover() }()
	o.err = o.run(t)
}

// abandon rolls back. SQLite may have done so by itself already: then this
// fails, and that is of no interest.
func (t *tx) abandon() {
	failed := t.c.failed
	_ = t.rollback.run()
	t.c.failed = failed
}
