package arch_test

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

func habits() []rule {
	return []rule{
		{
			name:   "no init functions",
			check:  each(noInit),
			broken: []module{{"caps/a.go": "package caps\nfunc init() {}"}, {"caps/a_test.go": "package caps\nfunc init() {}"}},
			fine:   module{"caps/a.go": "package caps\ntype t struct{}\nfunc (t) init() {}\nfunc initialise() {}"},
		},
		{
			name:  "only programs exit",
			check: each(onlyProgramsExit),
			broken: []module{
				{"filestore/a.go": `package filestore; import "os"; func f() { os.Exit(1) }`},
				{"filestore/a.go": `package filestore; import "log"; func f() { log.Fatalf("x") }`},
				{"filestore/a.go": `package filestore; import "log"; func f() { log.Panicln("x") }`},
				{"filestore/a_test.go": `package filestore; import "log"; func f() { log.Fatal("x") }`},
				{"filestore/a_test.go": `package filestore; import "os"; func f() { os.Exit(1) }`},
			},
			fine: module{
				"cmd/truckee/main.go": `package main; import "os"; func main() { os.Exit(1) }`,
				"tests/bench/main.go": `package main; import "os"; func main() { os.Exit(1) }`,
				"contrib/x/main.go":   `package main; import "log"; func main() { log.Fatal(1) }`,
				"tests/e2e/a_test.go": `package e2e; import "os"; func TestMain(m *testing.M) { os.Exit(m.Run()) }`,
				"filestore/a.go":      `package filestore; func f(t T) { t.Fatal(1); log.Print(1) }`,
			},
		},
		{
			name:  "nobody branches on the text of an error",
			check: each(noErrorTexts),
			broken: []module{
				{"filestore/a.go": `package filestore; var _ = strings.Contains(err.Error(), "x")`},
				{"filestore/a.go": `package filestore; var _ = strings.HasPrefix(strings.ToLower(err.Error()), "x")`},
				{"filestore/a.go": `package filestore; var _ = err.Error() == "x"`},
				{"filestore/a.go": `package filestore; var _ = "x" != f().Error()`},
				{"filestore/a.go": `package filestore; func f() { switch err.Error() { case "x": } }`},
				{"filestore/a.go": `package filestore; var _ = re.MatchString(err.Error())`},
			},
			fine: module{
				"filestore/a.go":      `package filestore; var _ = errors.Is(err, x); var _ = log(err.Error()); var _ = strings.Contains(name, "x"); var _ = strings.ToUpper(err.Error())`,
				"filestore/a_test.go": `package filestore; var _ = strings.Contains(err.Error(), "secret")`,
			},
		},
		{
			name:  "testing is imported by tests and suites only",
			check: each(testingInTests),
			broken: []module{
				{"filestore/a.go": `package filestore; import "testing"`},
				{"blockstore/storecheck/a.go": `package storecheck; import "testing"`},
				{"filestore/a.go": `package filestore; import "testing/fstest"`},
				{"filestore/a.go": `package filestore; import "net/http/httptest"`},
			},
			fine: module{
				"filestore/a_test.go":             `package filestore; import "testing"`,
				"blockstore/blockstoretest/a.go":  `package blockstoretest; import "testing"`,
				"metastore/metastoretest/a.go":    `package metastoretest; import "testing"`,
				"tests/testbed/a.go":              `package testbed; import "testing"`,
				"tests/bench/main.go":             `package main; import "testing"`,
				"blockstore/storecheck/faulty.go": `package storecheck; import "context"`,
			},
		},
		{
			name:  "names say what a thing is",
			check: each(namesSayWhat),
			broken: []module{
				{"internal/util/a.go": "package util"},
				{"internal/x/a.go": "package helpers"},
				{"filestore/common/a.go": "package filecommon"},
				{"filestore/manager.go": "package filestore"},
				{"filestore/helpers_test.go": "package filestore"},
				{"filestore/block_utils.go": "package filestore"},
			},
			fine: module{"filestore/rename.go": "package filestore", "filestore/commonprefix.go": "package filestore", "internal/x/a_linux_test.go": "package x"},
		},
	}
}

func noInit(s *source) (violations []string) {
	for _, decl := range s.syntax.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			violations = append(violations, s.at(f.Pos(), "an init function"))
		}
	}
	return violations
}

// onlyProgramsExit allows os.Exit to main packages and to TestMain.
func onlyProgramsExit(s *source) (violations []string) {
	if s.name() == "main" && s.below("cmd", "tests", "contrib") && !s.test {
		return nil
	}
	for _, decl := range s.syntax.Decls {
		f, _ := decl.(*ast.FuncDecl)
		testMain := s.test && f != nil && f.Name.Name == "TestMain"
		ast.Inspect(decl, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			pkg, name := function(call)
			exits := pkg == "os" && name == "Exit" && !testMain
			dies := pkg == "log" && (strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic"))
			if exits || dies {
				violations = append(violations, s.at(call.Pos(), "%s.%s outside a program", pkg, name))
			}
			return true
		})
	}
	return violations
}

// noErrorTexts finds what compares or searches the result of Error(). Tests
// may: what a message says, and what it must not, is theirs to check.
func noErrorTexts(s *source) (violations []string) {
	if s.test || s.below("tests") {
		return nil
	}
	isText := func(expr ast.Expr) (found bool) {
		if expr == nil {
			return false
		}
		ast.Inspect(expr, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isMethod(call, "Error") {
				found = true
			}
			return !found
		})
		return found
	}
	questions := []string{"Contains", "ContainsAny", "HasPrefix", "HasSuffix", "EqualFold", "Compare", "Count", "Index", "LastIndex", "Cut", "CutPrefix", "CutSuffix"}
	searches := func(call *ast.CallExpr) bool {
		pkg, name := function(call)
		return (pkg == "strings" || pkg == "bytes") && slices.Contains(questions, name) || strings.HasPrefix(name, "Match")
	}
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		found := false
		switch n := n.(type) {
		case *ast.CallExpr:
			found = searches(n) && slices.ContainsFunc(n.Args, isText)
		case *ast.BinaryExpr:
			found = (n.Op == token.EQL || n.Op == token.NEQ) && (isText(n.X) || isText(n.Y))
		case *ast.SwitchStmt:
			found = isText(n.Tag)
		}
		if found {
			violations = append(violations, s.at(n.Pos(), "a decision by the text of an error"))
		}
		return true
	})
	return violations
}

func testingInTests(s *source) (violations []string) {
	suite := strings.HasSuffix(s.dir, "storetest")
	if s.test || suite || s.below("tests") {
		return nil
	}
	for _, i := range s.imports {
		if within(i.path, "testing") || i.path == "net/http/httptest" {
			violations = append(violations, s.at(i.pos, "%s is imported outside tests", i.path))
		}
	}
	return violations
}

// namesSayWhat looks at the package's name, its folder, and the words of the
// file's name.
func namesSayWhat(s *source) (violations []string) {
	empty := []string{"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
	names := append(strings.Split(s.dir, "/"), strings.TrimSuffix(s.name(), "_test"))
	names = append(names, strings.Split(strings.TrimSuffix(path.Base(s.file), ".go"), "_")...)
	for _, name := range names {
		if slices.Contains(empty, name) {
			violations = append(violations, s.at(1, "%q says nothing about what is in it", name))
		}
	}
	return violations
}
