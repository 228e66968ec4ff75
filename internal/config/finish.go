package config

import (
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
)

// leastFlight is room for two of the largest chunks.
const leastFlight Size = 8 << 20

// finish checks what concerns several keys, and makes paths absolute.
func (c *Config) finish(src Sources, environment []string) error {
	if len(c.SFTPD.HostKeys) > 0 && c.SFTPD.HostPrivkeyFile != "" {
		return errors.New("sftpd.host_keys and sftpd.host_privkey_file are both set; use one of them")
	}
	if c.SFTPD.HostPubkeyFile != "" && c.SFTPD.HostPrivkeyFile == "" {
		return errors.New("sftpd.host_pubkey_file is set without host_privkey_file")
	}
	if n := c.Filestore.ChunkSize; n&(n-1) != 0 {
		return fmt.Errorf("filestore.chunk_size: %s is no power of two", n)
	}
	if n := c.Filestore.FlightMemory; n != 0 && n < leastFlight {
		return fmt.Errorf("filestore.flight_memory: %s is less than %s, and not 0", n, leastFlight)
	}
	if (c.S3.Certificate == "") != (c.S3.Key == "") {
		return errors.New("s3.tls_certificate and s3.tls_key are set together, or neither")
	}
	paths := []*Path{
		&c.S3.Certificate, &c.S3.Key,
		&c.SFTPD.HostPrivkeyFile, &c.SFTPD.HostPubkeyFile, &c.SFTPD.AccountsFile, &c.SFTPD.AccountsCA, &c.Filestore.SpoolDir, &c.Audit.File,
		&c.Node.SecretsFile, &c.Metastore.DB.File, &c.Metastore.Kept.File, &c.Metastore.PasswordFile,
	}
	for i := range c.SFTPD.HostKeys {
		paths = append(paths, &c.SFTPD.HostKeys[i])
	}
	for _, p := range paths {
		abs, err := p.in(src.BaseDir)
		if err != nil {
			return err
		}
		*p = abs
	}
	if err := c.Blockstore.finish(src, environment); err != nil {
		return err
	}
	if err := c.Metastore.finish(src.BaseDir); err != nil {
		return err
	}
	if db := c.Metastore.DB; db.Engine != EnginePostgres && c.Blockstore.Tree.NeedsDatabase() {
		return fmt.Errorf("POSTGRESQL keeps blocks in the database of --db, and that is %s: name the one for the blocks, postgresql://…", db)
	}
	return nil
}

// finish takes the blockstores of the command line, or else of the environment,
// or else what is kept.
func (b *Blockstore) finish(src Sources, environment []string) error {
	b.Tree = b.Kept
	texts, from := src.Blockstores, "-b"
	if len(texts) == 0 {
		texts, from = environment, BlockstoreEnv
	}
	if len(texts) == 0 {
		return nil
	}
	given, err := ParseBlockstores(src.BaseDir, texts)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	b.Given, b.Tree = true, given
	if given.SamePlace(b.Kept) {
		b.Tree = merge(b.Kept, given)
	}
	return nil
}

// ParseBlockstores makes a blockstore of what several -b say. Relative
// directories are taken from basedir.
func ParseBlockstores(basedir string, texts []string) (blockstore.Config, error) {
	c, err := blockstore.Parse(texts)
	if err == nil {
		err = absoluteTree(basedir, c)
	}
	return c, err
}

// finish puts the password where it belongs and checks the limits of the pool.
func (m *Metastore) finish(basedir string) error {
	if m.MinConns > m.MaxConns {
		return fmt.Errorf("metastore.min_connections is %d, more than max_connections, %d", m.MinConns, m.MaxConns)
	}
	if m.PasswordFile != "" {
		if m.Password != "" {
			return errors.New("metastore.password and metastore.password_file are both set; use one of them")
		}
		text, err := readSecret(basedir, m.PasswordFile)
		if err != nil {
			return fmt.Errorf("metastore.password_file: %w", err)
		}
		m.Password = Secret(text)
	}
	if m.Password != "" && m.DB.Password() == "" {
		m.DB = m.DB.WithPassword(string(m.Password))
	}
	return nil
}
