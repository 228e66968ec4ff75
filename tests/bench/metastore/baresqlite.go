package main

import (
	"database/sql"
	"errors"

	_ "modernc.org/sqlite"
)

// bareSQLite inserts rows; those that wait share a transaction.
type bareSQLite struct {
	db       *sql.DB
	waiting  chan insert
	finished chan struct{}
}

type insert struct {
	key, node, row []byte
	done           chan error
}

func openBareSQLite(path string) (*bareSQLite, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
		"CREATE TABLE bare_node (key BLOB PRIMARY KEY, data BLOB NOT NULL)",
		"CREATE TABLE bare_row (key BLOB PRIMARY KEY, data BLOB NOT NULL)",
	} {
		if _, err := db.Exec(s); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	b := &bareSQLite{db: db, waiting: make(chan insert, 64), finished: make(chan struct{})}
	statements := make([]*sql.Stmt, 2)
	for i, s := range []string{"INSERT INTO bare_node VALUES (?, ?)", "INSERT INTO bare_row VALUES (?, ?)"} {
		if statements[i], err = db.Prepare(s); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	go b.write(statements[0], statements[1])
	return b, nil
}

func (b *bareSQLite) commit() error {
	i := insert{done: make(chan error, 1)}
	i.key, i.node, i.row = bareRows()
	b.waiting <- i
	return <-i.done
}

// write is the one writer: it takes all that waits at a time.
func (b *bareSQLite) write(node, row *sql.Stmt) {
	defer close(b.finished)
	for first := range b.waiting {
		group := []insert{first}
		for more := true; more; {
			select {
			case i, open := <-b.waiting:
				if more = open; open {
					group = append(group, i)
				}
			default:
				more = false
			}
		}
		err := b.transaction(group, node, row)
		for _, i := range group {
			i.done <- err
		}
	}
}

func (b *bareSQLite) transaction(group []insert, node, row *sql.Stmt) error {
	tx, err := b.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	for _, i := range group {
		if _, err := tx.Stmt(node).Exec(i.key, i.node); err != nil {
			return err
		}
		if _, err := tx.Stmt(row).Exec(i.key, i.row); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (b *bareSQLite) close() error {
	close(b.waiting)
	<-b.finished
	return b.db.Close()
}
