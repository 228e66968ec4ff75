//go:build race

package sftpd

// manyEntries is fewer where the race detector slows everything.
const manyEntries = 10_000
