package arch_test

import (
	"go/ast"
	"slices"
)

// revealers are the files that may take a capability's text, by Reveal: where
// capabilities are stored sealed, and where a user asked for one.
var revealers = []string{
	"accounts/line.go",          // the accounts file holds them
	"filestore/bucketrow.go",    // seals buckets' directories into the metastore
	"filestore/dirtree/link.go", // seals foreign ones into directories
	"filestore/row.go",          // seals roots into the metastore
	"internal/command/cap.go",   // the commands that exist to print them
}

// keyUsers are the packages that may take a key's bytes, by Raw: where they
// become ciphers and sealed references.
var keyUsers = []string{
	"filestore",
	"filestore/collect", // hashes verify keys into what it remembers
	"filestore/dirtree",
	"filestore/filetree",
}

func secrets() []rule {
	return []rule{
		{
			name:  "capabilities are revealed in listed files only",
			check: func(files []*source) []string { return onlyWhereListed(files, "Reveal", revealers, fileOf) },
			broken: []module{
				merge(reveal("Reveal", revealers...), reveal("Reveal", "sftpd/log.go")),
				merge(reveal("Reveal", revealers...), module{"filestore/x.go": "package filestore\nvar f = caps.Write.Reveal"}),
				{"sftpd/a.go": "package sftpd"}, // entries of the list that aren't needed
			},
			fine: merge(reveal("Reveal", revealers...), reveal("Reveal", "sftpd/log_test.go", "caps/weaken.go")),
		},
		{
			name:  "keys are taken in listed packages only",
			check: func(files []*source) []string { return onlyWhereListed(files, "Raw", keyUsers, dirOf) },
			broken: []module{
				merge(raw(keyUsers), reveal("Raw", "accounts/a.go")),
				merge(raw(keyUsers), reveal("Raw", "metastore/sqlite/a.go")),
				{"sftpd/a.go": "package sftpd"},
			},
			fine: merge(raw(keyUsers), reveal("Raw", "filestore/filetree/b.go", "sftpd/a_test.go", "caps/key.go")),
		},
	}
}

func fileOf(s *source) string { return s.file }
func dirOf(s *source) string  { return s.dir }

// onlyWhereListed finds uses of a method, called or taken as a value, in
// places that aren't listed, and places that are listed for nothing.
func onlyWhereListed(files []*source, method string, listed []string, place func(*source) string) (violations []string) {
	used := map[string]bool{}
	for _, s := range files {
		if s.test || s.below("caps", "tests") {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != method {
				return true
			}
			used[place(s)] = true
			if !slices.Contains(listed, place(s)) {
				violations = append(violations, s.at(selector.Pos(), "%s is used here, which the list in internal/arch doesn't allow", method))
			}
			return true
		})
	}
	for _, p := range listed {
		if !used[p] {
			violations = append(violations, p+": listed in internal/arch for "+method+", and doesn't use it")
		}
	}
	return violations
}

func reveal(method string, files ...string) module {
	m := module{}
	for _, f := range files {
		m[f] = "package p\n\nfunc f(x secret) { use(x." + method + "()) }\n"
	}
	return m
}

func raw(dirs []string) module {
	m := module{}
	for _, dir := range dirs {
		m = merge(m, reveal("Raw", dir+"/a.go"))
	}
	return m
}
