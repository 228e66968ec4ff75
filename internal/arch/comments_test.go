package arch_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
)

func comments() []rule {
	return []rule{
		{
			name:  "every package has one comment",
			check: packagesAreDescribed,
			broken: []module{
				{"caps/a.go": "package caps"},
				{"caps/a.go": "// Copyright.\n\npackage caps"},
				{"caps/a.go": "// Caps are caps.\npackage caps"},
				{"caps/a.go": "// Package caps is one.\npackage caps", "caps/b.go": "// Package caps is two.\npackage caps"},
				{"caps/a.go": "package caps", "caps/a_test.go": "// Package caps is described in a test.\npackage caps"},
				{"cmd/truckee/main.go": "// Package main is the binary.\npackage main"},
			},
			fine: module{
				"caps/a.go": "// Package caps is one.\npackage caps", "caps/b.go": "package caps", "caps/a_test.go": "package caps_test",
				"cmd/truckee/main.go": "// Command truckee is the binary.\npackage main",
				"tests/e2e/a_test.go": "// Package e2e_test tries it all.\npackage e2e_test",
			},
		},
		{
			name:  "every exported identifier has a comment",
			check: each(exportsAreDescribed),
			broken: []module{
				{"caps/a.go": "package caps\nfunc Parse() {}"},
				{"caps/a.go": "package caps\n// parses things.\nfunc Parse() {}"},
				{"caps/a.go": "package caps\ntype Key struct{}"},
				{"caps/a.go": "package caps\n// Key is a key.\ntype Key struct{}\nfunc (k *Key) Raw() {}"},
				{"caps/a.go": "package caps\n// A Set is one.\ntype Set[T any] struct{}\nfunc (s Set[T]) Len() {}"},
				{"caps/a.go": "package caps\nvar Max = 1"},
				{"caps/a.go": "package caps\nconst (\n\tA = 1\n\tB = 2 // two\n)"},
			},
			fine: module{
				"caps/a.go": "package caps\n// Parse parses.\nfunc Parse() {}\n// A Key is a key.\ntype Key struct{}\n// Raw is raw.\nfunc (k Key) Raw() {}\n" +
					"// The limits.\nconst (\n\tMin = 1\n\tMax = 2\n)\nconst (\n\tOne = 1 // the first\n\ttwo = 2\n)\nfunc parse() {}\ntype key struct{}\nfunc (k key) Exported() {}",
				"caps/a_test.go": "package caps\nfunc TestX() {}",
			},
		},
	}
}

// packagesAreDescribed wants a comment in one file of each package that begins
// as godoc shows it. A folder of tests alone describes itself in one of them.
func packagesAreDescribed(files []*source) (violations []string) {
	type pkg struct {
		first     *source
		described int
	}
	packages := map[string]*pkg{}
	program := func(dir string) bool {
		return slices.ContainsFunc(files, func(s *source) bool { return s.dir == dir && !s.test })
	}
	for _, s := range files {
		if s.test && program(s.dir) {
			continue
		}
		p := packages[s.dir]
		if p == nil {
			p = &pkg{first: s}
			packages[s.dir] = p
		}
		if s.syntax.Doc == nil {
			continue
		}
		p.described++
		want := "Package " + s.name() + " "
		if s.name() == "main" {
			want = "Command " + path.Base(s.dir) + " "
		}
		if !strings.HasPrefix(s.syntax.Doc.Text(), want) {
			violations = append(violations, s.at(s.syntax.Package, "the package's comment doesn't begin with %q", want))
		}
	}
	for _, p := range packages {
		if p.described != 1 {
			violations = append(violations, p.first.at(p.first.syntax.Package, "the package has %d comments", p.described))
		}
	}
	slices.Sort(violations)
	return violations
}

// exportsAreDescribed wants a comment at every exported function, method of an
// exported type, and type, which begins with its name; and at every exported
// constant or variable, or at its group.
func exportsAreDescribed(s *source) (violations []string) {
	if s.test {
		return nil
	}
	named := func(doc *ast.CommentGroup, name *ast.Ident) {
		text := doc.Text()
		for _, article := range []string{"A ", "An ", "The "} {
			text = strings.TrimPrefix(text, article)
		}
		if word, _, _ := strings.Cut(strings.ReplaceAll(text, "\n", " "), " "); strings.TrimRight(word, ",.:;") != name.Name {
			violations = append(violations, s.at(name.Pos(), "the comment of %s is missing or doesn't begin with its name", name.Name))
		}
	}
	for _, decl := range s.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.IsExported() && (decl.Recv == nil || ast.IsExported(receiver(decl.Recv.List[0].Type))) {
				named(decl.Doc, decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					doc := spec.Doc
					if doc == nil && !decl.Lparen.IsValid() {
						doc = decl.Doc
					}
					if spec.Name.IsExported() {
						named(doc, spec.Name)
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						if name.IsExported() && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
							violations = append(violations, s.at(name.Pos(), "%s has no comment", name.Name))
						}
					}
				}
			}
		}
	}
	return violations
}

// receiver is the name of a method's type.
func receiver(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiver(expr.X)
	case *ast.IndexExpr:
		return receiver(expr.X)
	case *ast.IndexListExpr:
		return receiver(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return ""
}
