package arch_test

import (
	"path"
	"slices"
	"strings"
)

// A room is a folder of the module with all below it, and what it may import
// of ours beside the internal leaves. "x/..." is x and all below it, "x" is x
// alone. The first room that holds a package counts.
type room struct {
	name     string
	imports  []string
	siblings bool // the folders in it may import one another
}

// rooms is the table of doors. Blockstore, metastore and their drivers can't
// name a key, which is the argument that what they hold is ciphertext.
var rooms = []room{
	{name: "cmd", imports: []string{"cmd/...", "sftpd/...", "httpapi/...", "accounts/...", "filestore/...", "caps", "blockstore/...", "metastore/...", "internal/..."}},

	// Frontends see neither a block, a node nor a slot, and never each other.
	{name: "sftpd", imports: []string{"sftpd/...", "filestore", "accounts", "caps"}, siblings: true},
	// What an S3 request means, apart from what is done about it.
	{name: "httpapi/s3/sigv4"},
	{name: "httpapi/s3/checksum"},
	{name: "httpapi/s3/policy"},
	{name: "httpapi/s3/settings"},
	{name: "httpapi/s3/acl", imports: []string{"httpapi/s3/settings"}},
	{name: "httpapi/s3/postform", imports: []string{"httpapi/s3/settings"}},
	// What is done to buckets without being asked.
	{name: "httpapi/s3/lifecycle", imports: []string{"filestore", "httpapi/s3/settings"}},
	{name: "httpapi/s3", imports: []string{"httpapi", "filestore", "accounts", "caps"}, siblings: true},
	{name: "httpapi", imports: []string{"httpapi", "filestore", "accounts", "caps"}},

	// Chunks and file trees know no directory, directories no file system.
	{name: "filestore/filetree", imports: []string{"caps", "blockstore"}},
	{name: "filestore/dirtree", imports: []string{"caps", "blockstore", "filestore/filetree"}},
	// What is walked by verify keys, of one moment.
	{name: "filestore/snapshot", imports: []string{"blockstore", "metastore"}},
	// Check and collection open nothing for anybody: they know no filestore.
	{name: "filestore/collect", imports: []string{"caps", "blockstore", "metastore", "filestore/filetree", "filestore/dirtree", "filestore/snapshot"}},
	{name: "filestore", imports: []string{"filestore/...", "caps", "blockstore", "metastore"}, siblings: true},

	{name: "accounts", imports: []string{"accounts/...", "caps", "metastore"}, siblings: true},
	{name: "caps"},

	// The conformance checks; a driver imports the interface and nothing else.
	{name: "blockstore/blockstoretest", imports: []string{"blockstore", "blockstore/storecheck"}},
	// That of metastores compares them with the one in memory, row by row.
	{name: "metastore/metastoretest", imports: []string{"metastore", "metastore/dump", "metastore/memory"}},
	// Layouts of several stores share what they know of members.
	{name: "blockstore/raid0", imports: []string{"blockstore", "blockstore/array"}},
	{name: "blockstore/raid1", imports: []string{"blockstore", "blockstore/array"}},
	{name: "blockstore/raid5", imports: []string{"blockstore", "blockstore/array"}},
	{name: "blockstore", imports: []string{"blockstore"}},
	{name: "metastore", imports: []string{"metastore"}},

	// What a node is told: a blockstore, in that package's words.
	{name: "internal/config", imports: []string{"blockstore"}},
	// A running node, put together of what cmd opened: no leaf, so for cmd
	// only, and no driver either.
	{name: "internal/node", imports: []string{"internal/config", "filestore", "filestore/highwater", "accounts", "caps", "blockstore", "metastore"}},
	// What commands do on an open node: for cmd only, too.
	{name: "internal/command", imports: []string{
		"internal/node", "internal/config", "filestore", "accounts", "caps", "blockstore", "blockstore/storecheck", "metastore", "metastore/dump",
	}},
	// Leaves, which every room may import: of ours, they import other leaves.
	{name: "internal"},

	// What people start from and change: nothing of ours, so that it can be taken away.
	{name: "contrib"},
	{name: "tests", imports: []string{"tests/...", "cmd/...", "sftpd/...", "httpapi/...", "accounts/...", "filestore/...", "caps", "blockstore/...", "metastore/...", "internal/..."}},
}

func roomOf(dir string) (room, bool) {
	for _, r := range rooms {
		if within(dir, r.name) {
			return r, true
		}
	}
	return room{}, false
}

// isDriver reports whether p is a way to store, and no conformance suite, file
// format or part of several ways.
func isDriver(p string) bool {
	suite := strings.HasSuffix(p, "test") || strings.HasSuffix(p, "check") || p == "blockstore/array" || p == "metastore/dump"
	return (strings.HasPrefix(p, "blockstore/") || strings.HasPrefix(p, "metastore/")) && !suite
}

// mayImport is the table, read for one import.
func mayImport(r room, target string) bool {
	if t, _ := roomOf(target); t.name == "internal" {
		return r.name != "caps" || target == "internal/kind"
	}
	if r.siblings && within(target, r.name) {
		return true
	}
	return slices.ContainsFunc(r.imports, func(door string) bool {
		if top, all := strings.CutSuffix(door, "/..."); all {
			return within(target, top)
		}
		return target == door
	})
}

func directions() []rule {
	return []rule{
		{
			name:  "every package is in a room",
			check: each(inARoom),
			broken: []module{
				{"server/a.go": "package server"},
				{"main.go": "package main"},
			},
			fine: module{"filestore/filetree/a.go": "package filetree", "internal/x/a.go": "package x"},
		},
		{
			name:  "imports go downwards",
			check: each(importsGoDownwards),
			broken: []module{
				imports("caps", "blockstore"),
				imports("caps", "filestore"),
				imports("caps", "internal/config"),
				imports("blockstore", "caps"),
				imports("blockstore", "filestore"),
				imports("blockstore", "metastore"),
				imports("blockstore/local", "caps"),
				imports("blockstore/local", "accounts"),
				imports("blockstore/local", "blockstore/memory"),
				imports("blockstore/local", "blockstore/array"),
				imports("blockstore/raid1", "blockstore/local"),
				imports("blockstore/array", "blockstore/raid1"),
				imports("blockstore/local", "metastore"),
				imports("blockstore/storecheck", "blockstore/memory"),
				imports("metastore", "caps"),
				imports("metastore", "accounts"),
				imports("metastore/sqlite", "caps"),
				imports("metastore/sqlite", "filestore"),
				imports("metastore/postgres", "metastore/sqlite"),
				imports("filestore", "accounts"),
				imports("filestore/collect", "filestore"),
				imports("filestore/snapshot", "caps"),
				imports("filestore", "sftpd"),
				imports("filestore", "blockstore/local"),
				imports("filestore/filetree", "metastore"),
				imports("filestore/filetree", "filestore/dirtree"),
				imports("filestore/filetree", "filestore"),
				imports("filestore/dirtree", "metastore"),
				imports("filestore/dirtree", "filestore"),
				imports("accounts", "filestore"),
				imports("accounts", "blockstore"),
				imports("accounts", "metastore/sqlite"),
				imports("sftpd", "httpapi"),
				imports("sftpd", "blockstore"),
				imports("sftpd", "metastore"),
				imports("sftpd", "filestore/dirtree"),
				imports("sftpd/wire", "metastore"),
				imports("httpapi", "sftpd"),
				imports("httpapi", "metastore"),
				imports("httpapi", "httpapi/s3"),
				imports("httpapi/s3", "httpapi/web"),
				imports("httpapi/s3", "blockstore"),
				imports("httpapi/s3/sigv4", "httpapi/s3"),
				imports("httpapi/s3/policy", "filestore"),
				imports("httpapi/s3/checksum", "caps"),
				imports("internal/config", "caps"),
				imports("internal/config", "cmd/truckee"),
				imports("internal/config", "internal/node"),
				imports("internal/node", "metastore/sqlite"),
				imports("internal/node", "cmd/truckee"),
				imports("internal/node", "internal/command"),
				imports("internal/config", "blockstore/local"),
				imports("internal/config", "metastore"),
				imports("sftpd", "internal/config"),
				imports("internal/command", "blockstore/local"),
				imports("internal/command", "metastore/sqlite"),
				imports("sftpd", "internal/command"),
				imports("filestore", "internal/node"),
				imports("cmd/truckee", "tests/testbed"),
				imports("cmd/truckee", "contrib/x"),
				imports("filestore", "cmd/truckee"),
				imports("filestore", "tests/testbed"),
			},
			fine: merge(
				imports("cmd/truckee", "sftpd"), imports("cmd/truckee", "blockstore/local"), imports("cmd/truckee", "metastore/sqlite"),
				imports("sftpd", "filestore"), imports("sftpd", "accounts"), imports("sftpd", "caps"), imports("sftpd", "sftpd/wire"),
				imports("httpapi/s3", "httpapi"), imports("httpapi/s3", "filestore"), imports("httpapi/s3", "httpapi/s3/sigv4"),
				imports("accounts", "caps"), imports("accounts", "metastore"),
				imports("filestore", "filestore/dirtree"), imports("filestore", "blockstore"), imports("filestore", "metastore"),
				imports("filestore/dirtree", "filestore/filetree"), imports("filestore/highwater", "filestore"),
				imports("caps", "internal/kind"), imports("blockstore/local", "blockstore"), imports("blockstore/local", "internal/retry"), imports("blockstore/raid1", "blockstore/array"),
				imports("blockstore/blockstoretest", "blockstore/storecheck"), imports("metastore/sqlite", "metastore"),
				imports("internal/config", "internal/kind"), imports("internal/node", "internal/config"), imports("internal/node", "filestore"), imports("cmd/truckee", "internal/node"),
				imports("internal/command", "internal/node"), imports("internal/command", "blockstore"), imports("internal/config", "blockstore"), imports("internal/command", "filestore"), imports("tests/e2e", "cmd/truckee"),
			),
		},
		{
			name:  "storage can't name a key",
			check: storageCannotNameAKey,
			broken: []module{
				merge(imports("blockstore/local", "internal/a"), imports("internal/a", "internal/b"), imports("internal/b", "caps")),
				merge(imports("metastore", "accounts"), imports("accounts", "caps")),
				{"metastore/sqlite/a_test.go": `package sqlite; import _ "` + modulePath + `/filestore"`},
			},
			fine: merge(imports("blockstore/local", "internal/a"), imports("internal/a", "internal/b"), imports("filestore", "caps")),
		},
		{
			name:  "drivers are named in cmd only",
			check: each(driversInCmd),
			broken: []module{
				imports("filestore", "blockstore/s3"),
				imports("internal/config", "metastore/sqlite"),
				imports("blockstore/blockstoretest", "blockstore/memory"),
				imports("metastore/metastoretest", "metastore/sqlite"),
			},
			fine: merge(imports("cmd/truckee", "metastore/postgres"), imports("metastore/metastoretest", "metastore/memory"), imports("internal/command", "metastore/dump"), imports("tests/testbed", "blockstore/s3"),
				imports("tests/e2e", "blockstore/storecheck"), module{"filestore/a_test.go": `package filestore; import _ "` + modulePath + `/blockstore/memory"`}),
		},
	}
}

func inARoom(s *source) []string {
	if _, ok := roomOf(s.dir); !ok {
		return []string{s.at(1, "package %s is in none of the rooms", s.dir)}
	}
	return nil
}

// importsGoDownwards leaves tests alone, which may import a driver to run on
// and what they compare with.
func importsGoDownwards(s *source) (violations []string) {
	r, ok := roomOf(s.dir)
	if s.test || !ok {
		return nil
	}
	for _, i := range s.imports {
		if i.ours && !mayImport(r, i.path) {
			violations = append(violations, s.at(i.pos, "%s may not import %s", s.dir, i.path))
		}
	}
	return violations
}

// storageCannotNameAKey follows every import, tests' own ones included.
func storageCannotNameAKey(files []*source) (violations []string) {
	keyed := []string{"caps", "filestore", "accounts", "sftpd", "httpapi", "cmd"}
	imports := map[string][]string{} // by package, without those of tests
	for _, s := range files {
		for _, i := range s.imports {
			if i.ours && !s.test {
				imports[s.dir] = append(imports[s.dir], i.path)
			}
		}
	}
	var reaches func(p string, seen map[string]bool) string
	reaches = func(p string, seen map[string]bool) string {
		if seen[p] {
			return ""
		}
		seen[p] = true
		if slices.ContainsFunc(keyed, func(k string) bool { return within(p, k) }) {
			return p
		}
		for _, next := range imports[p] {
			if found := reaches(next, seen); found != "" {
				return found
			}
		}
		return ""
	}
	for _, s := range files {
		if !s.below("blockstore", "metastore") {
			continue
		}
		for _, i := range s.imports {
			if found := reaches(i.path, map[string]bool{}); i.ours && found != "" {
				violations = append(violations, s.at(i.pos, "%s reaches %s by way of %s", s.dir, found, i.path))
			}
		}
	}
	return violations
}

func driversInCmd(s *source) (violations []string) {
	if s.test || s.below("cmd", "tests") {
		return nil
	}
	for _, i := range s.imports {
		reference := s.dir == "metastore/metastoretest" && i.path == "metastore/memory"
		if i.ours && isDriver(i.path) && !within(s.dir, i.path) && !reference {
			violations = append(violations, s.at(i.pos, "the driver %s is named outside cmd", i.path))
		}
	}
	return violations
}

// imports is the module in which one package imports another.
func imports(from, to string) module {
	file := path.Join(from, "imports-"+strings.ReplaceAll(to, "/", "-")+".go")
	return module{file: "package " + path.Base(from) + "\n\nimport _ \"" + modulePath + "/" + to + "\"\n"}
}

func merge(modules ...module) module {
	all := module{}
	for _, m := range modules {
		for file, text := range m {
			all[file] = text
		}
	}
	return all
}
