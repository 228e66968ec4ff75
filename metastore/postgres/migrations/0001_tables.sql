-- Ids are bytea of 32 bytes (drafts and gateways: 16), times ns since 1970 UTC,
-- owner NULL is owner zero. docs/formats.md 9 tells what the columns mean.

-- The newest time that a view was given. No change gets one below it, whatever
-- the machine's clock does.
CREATE TABLE clock (
	newest  bigint NOT NULL
);
INSERT INTO clock VALUES (0);

-- Simple enough for the planner to put it in its caller's place.
CREATE FUNCTION now_ns(newest bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
	'SELECT greatest((extract(epoch FROM clock_timestamp()) * 1000000000)::bigint, newest)';

-- Commits below floor can't be pinned any more.
CREATE TABLE identity (
	uuid    bytea NOT NULL,
	nonce   bytea NOT NULL,
	floor   bigint NOT NULL
);
INSERT INTO identity VALUES (uuid_send(gen_random_uuid()), '\x00000000000000000000000000000000', 0);

-- What commits change all the time is inserted, never updated: a view that is open
-- for hours keeps every version of a row, and whoever looks for the newest would have
-- to pass all of them.

-- A row a commit. The newest one's seq is the commit counter: it is inserted under
-- the lock of commits, and never deleted before the next one. replaced names the
-- records that the commit replaced: n x { id[32], seq u64 big-endian }; dead the
-- directory nodes that died by it: n x id[32].
CREATE TABLE log (
	seq      bigint PRIMARY KEY,
	at       bigint NOT NULL,
	slots    boolean NOT NULL,
	replaced bytea,
	dead     bytea,
	batch    bytea
);
ALTER TABLE log ALTER COLUMN replaced SET STORAGE EXTERNAL;
ALTER TABLE log ALTER COLUMN dead SET STORAGE EXTERNAL;
INSERT INTO log (seq, at, slots) VALUES (1, 0, false);

-- A slot's row is what its changes lock. Its newest record is the one with the
-- highest seq.
CREATE TABLE slot (
	id      bytea PRIMARY KEY,
	owner   bytea
);
CREATE TABLE record (
	id      bytea NOT NULL,
	seq     bigint NOT NULL,
	prev    bigint NOT NULL,
	at      bigint NOT NULL,
	epoch   bigint NOT NULL,
	ver     bigint NOT NULL,
	rec     bytea NOT NULL,
	PRIMARY KEY (id, seq)
);
-- Empty but for the time of an import.
CREATE TABLE imported (
	id      bytea PRIMARY KEY,
	seq     bigint NOT NULL,
	owner   bytea,
	rec     bytea NOT NULL
);

-- What lies in data is encrypted: it does not compress, and is kept in the row
-- as long as it fits into a page.
CREATE TABLE node (
	id      bytea PRIMARY KEY,
	slot    bytea,
	born    bigint NOT NULL,
	data    bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE node ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE blk (
	id      bytea PRIMARY KEY,
	len     bigint NOT NULL,
	state   smallint NOT NULL,
	inline  boolean NOT NULL,
	seen    bigint NOT NULL,
	owner   bytea,
	draft   bytea,
	condemned_at   bigint,
	condemned_seq  bigint
) WITH (fillfactor = 80);

-- The sums of blk in states new and live, as differences that nobody waits for;
-- they are folded into one from time to time.
CREATE TABLE total (
	blocks  bigint NOT NULL,
	bytes   bigint NOT NULL
);

CREATE TABLE draft (
	id      bytea PRIMARY KEY,
	gateway bytea NOT NULL,
	lease   bigint NOT NULL
);
CREATE INDEX draft_gateway ON draft (gateway);

CREATE TABLE gateway (
	id      bytea PRIMARY KEY,
	lease   bigint NOT NULL,
	ttl     bigint NOT NULL,
	oldest  bigint NOT NULL
);

CREATE TABLE root (
	id      bytea PRIMARY KEY,
	sealed  bytea NOT NULL,
	source  text NOT NULL,
	seen    bigint NOT NULL
);

CREATE TABLE pin (
	seq     bigint PRIMARY KEY,
	until   bigint NOT NULL,
	why     text NOT NULL
);

-- The row with the highest n counts; the one with n = 0 is what its changes lock.
CREATE TABLE charge (
	root    bytea NOT NULL,
	n       bigint NOT NULL,
	files   bigint NOT NULL,
	bytes   bigint NOT NULL,
	PRIMARY KEY (root, n)
);

CREATE TABLE repair (
	member  text COLLATE "C" NOT NULL,
	id      bytea NOT NULL,
	PRIMARY KEY (member, id)
);

-- The lease to collect: nobody's when gateway is NULL.
CREATE TABLE lead (
	gateway bytea,
	until   bigint NOT NULL
);
INSERT INTO lead VALUES (NULL, 0);
