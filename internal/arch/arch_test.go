package arch_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modulePath is the path of our module; imports below it are ours.
const modulePath = "github.com/truckee-fs/truckee"

// source is one Go file.
type source struct {
	file    string // path from the module's root, with slashes
	dir     string // its folder: the package's path in the module
	test    bool   // _test.go
	syntax  *ast.File
	fset    *token.FileSet
	imports []imported
}

type imported struct {
	path string // of ours: the path in the module; otherwise the whole path
	ours bool
	pos  token.Pos
}

// at describes a place in s, with a message.
func (s *source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", s.file, s.fset.Position(pos).Line) + fmt.Sprintf(format, args...)
}

// name is the name that the file gives its package.
func (s *source) name() string { return s.syntax.Name.Name }

// below reports whether the file lies in one of the folders, or below it.
func (s *source) below(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return within(s.dir, dir) })
}

// within reports whether a path is dir or lies below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// rule is one law of the house.
type rule struct {
	name   string
	check  func([]*source) []string // the violations
	broken []module                 // each breaks the rule
	fine   module                   // keeps it, narrowly
}

// module is planted code: texts by file.
type module map[string]string

func rules() []rule {
	return slices.Concat(directions(), outside(), secrets(), comments(), habits(), logs())
}

func TestTheModuleKeepsEveryRule(t *testing.T) {
	t.Parallel()
	files := load(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, violation := range r.check(files) {
				t.Error(violation)
			}
		})
	}
}

// A rule that never fires holds nothing.
func TestEveryRuleFires(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			if len(r.broken) == 0 || len(r.fine) == 0 {
				t.Error("nothing is planted to see it fire")
			}
			for i, m := range r.broken {
				if len(r.check(plant(t, m))) == 0 {
					t.Errorf("plant %d breaks the rule and it doesn't fire:\n%v", i, m)
				}
			}
			for _, violation := range r.check(plant(t, r.fine)) {
				t.Errorf("it fires on code that keeps it: %s", violation)
			}
		})
	}
}

// load parses the module that this test is part of.
func load(t *testing.T) []*source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	var files []*source
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")
		switch {
		case d.IsDir() && p != root && (hidden || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || hidden || !strings.HasSuffix(d.Name(), ".go"):
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files = append(files, parse(t, filepath.ToSlash(rel), string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files found below %s", len(files), root)
	}
	return files
}

func plant(t *testing.T, m module) []*source {
	t.Helper()
	var files []*source
	for file, text := range m {
		files = append(files, parse(t, file, text))
	}
	slices.SortFunc(files, func(a, b *source) int { return cmp.Compare(a.file, b.file) })
	return files
}

func parse(t *testing.T, file, text string) *source {
	t.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{file: file, dir: path.Dir(file), test: strings.HasSuffix(file, "_test.go"), syntax: syntax, fset: fset}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		i := imported{path: p, pos: spec.Pos()}
		if rest, ok := strings.CutPrefix(p, modulePath+"/"); ok {
			i.path, i.ours = rest, true
		}
		s.imports = append(s.imports, i)
	}
	return s
}

// each gathers what check says of every file.
func each(check func(*source) []string) func([]*source) []string {
	return func(files []*source) []string {
		var violations []string
		for _, s := range files {
			violations = append(violations, check(s)...)
		}
		return violations
	}
}

// function splits the name of a called package function: log, Fatal. Both are
// empty for anything else.
func function(call *ast.CallExpr) (pkg, name string) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	ident, ok := selector.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return ident.Name, selector.Sel.Name
}

// isMethod reports whether call is x.name() without arguments.
func isMethod(call *ast.CallExpr, name string) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == name && len(call.Args) == 0
}
