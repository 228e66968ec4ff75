-- What the gateway keeps for itself (docs/formats.md 9): ciphertext, which does not
-- compress. rev is the seq of the commit that wrote the row.
CREATE TABLE sealed (
	kind    smallint NOT NULL,
	key     bytea NOT NULL,
	rev     bigint NOT NULL,
	data    bytea NOT NULL,
	PRIMARY KEY (kind, key)
);
ALTER TABLE sealed ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX sealed_rev ON sealed (kind, rev, key);
