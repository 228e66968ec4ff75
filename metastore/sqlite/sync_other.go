//go:build !linux

package sqlite

import sqlite3 "modernc.org/sqlite/lib"

// dataSync leaves it to SQLite, which knows what each system needs.
func dataSync(*sqlite3.TunixFile) (done bool, rc int32) { return false, 0 }
