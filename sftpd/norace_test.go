//go:build !race

package sftpd

const manyEntries = 100_000
