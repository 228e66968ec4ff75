package arch_test

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logKeyForm is how a key of a log record is spelt.
var logKeyForm = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func logs() []rule {
	return []rule{{
		name:  "keys of log records stand in the manual",
		check: func(files []*source) []string { return logKeysInManual(files, manualLogKeys()) },
		broken: []module{
			{"sftpd/a.go": `package sftpd; func f() { log.Warn("x", "nobody_knows", 1) }`},
			{"sftpd/a.go": `package sftpd; func f() { c.log.Info("x", "error", err, "errorText", 1) }`},
			{"sftpd/a.go": `package sftpd; func f() { s.logger().Error("x", key, 1) }`},
			{"sftpd/a.go": `package sftpd; func f() { log = log.With("nobody_knows", 1) }`},
			{"filestore/a.go": `package filestore; import "log/slog"; var a = slog.String("nobody_knows", "x")`},
		},
		fine: module{
			"sftpd/a.go": `package sftpd
				import "log/slog"
				func f() { log.Warn("x", "error", err, slog.Int("blocks", 1), "path", p); log.Warn(text); http.Error(w, "x", 1); first.With(a); l.With("account", n) }`,
			"sftpd/a_test.go": `package sftpd; func f() { t.Error("x", "nobody_knows", 1) }`,
			"tests/a.go":      `package tests; func f() { log.Warn("x", "nobody_knows", 1) }`,
		},
	}}
}

// manualLogKeys are the keys in the table of the manual's section on the log.
func manualLogKeys() []string {
	text, err := os.ReadFile("../../docs/manual.md")
	if err != nil {
		return nil
	}
	_, table, _ := strings.Cut(string(text), "| key of a log record |")
	table, _, _ = strings.Cut(table, "\n\n")
	var keys []string
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				keys = append(keys, m[1])
			}
		}
	}
	return keys
}

// logKey is a key in a call that logs; text is empty if it is no literal.
type logKey struct {
	text string
	pos  token.Pos
}

// logKeys finds the keys in one file, by how log/slog's methods are called.
func logKeys(s *source) (keys []logKey) {
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := c.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, _ := f.X.(*ast.Ident)
		switch name := f.Sel.Name; {
		case of != nil && of.Name == "slog":
			if len(c.Args) == 2 && slices.Contains([]string{"String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any"}, name) {
				keys = append(keys, keyOf(c.Args[0]))
			}
		case !isLogger(f.X):
		case slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, name) && len(c.Args) > 1:
			keys = append(keys, pairs(c.Args[1:])...)
		case name == "With":
			keys = append(keys, pairs(c.Args)...)
		}
		return true
	})
	return keys
}

// isLogger reports whether an expression is called as a logger is here: log, c.log,
// o.Log, s.logger().
func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "log"
	case *ast.SelectorExpr:
		return e.Sel.Name == "log" || e.Sel.Name == "Log"
	case *ast.CallExpr:
		f, ok := e.Fun.(*ast.SelectorExpr)
		return ok && (f.Sel.Name == "logger" || f.Sel.Name == "With" && isLogger(f.X))
	}
	return false
}

// pairs finds the keys of key, value, key, value; a slog.Attr stands alone.
func pairs(args []ast.Expr) (keys []logKey) {
	for i := 0; i < len(args); i += 2 {
		if c, ok := args[i].(*ast.CallExpr); ok {
			if f, ok := c.Fun.(*ast.SelectorExpr); ok {
				if of, ok := f.X.(*ast.Ident); ok && of.Name == "slog" {
					i--
					continue // which is looked at by itself
				}
			}
		}
		keys = append(keys, keyOf(args[i]))
	}
	return keys
}

func keyOf(e ast.Expr) logKey {
	k := logKey{pos: e.Pos()}
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		k.text, _ = strconv.Unquote(l.Value)
	}
	return k
}

func logKeysInManual(files []*source, known []string) (violations []string) {
	for _, s := range files {
		if s.test || s.below("tests", "contrib") {
			continue
		}
		for _, k := range logKeys(s) {
			switch {
			case k.text == "":
				violations = append(violations, s.at(k.pos, "the key of a log record is no literal"))
			case !logKeyForm.MatchString(k.text):
				violations = append(violations, s.at(k.pos, "the key %q of a log record isn't in snake_case", k.text))
			case !slices.Contains(known, k.text):
				violations = append(violations, s.at(k.pos, "the key %q of a log record isn't in the table of docs/manual.md, Watch it", k.text))
			}
		}
	}
	return violations
}

// TestManualLogKeysAreUsed: the table promises no key that is never logged, and
// none twice.
func TestManualLogKeysAreUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"time": true, "level": true, "msg": true} // slog's own
	for _, s := range load(t) {
		if !s.test && !s.below("tests", "contrib") {
			for _, k := range logKeys(s) {
				used[k.text] = true
			}
		}
	}
	known := manualLogKeys()
	if len(known) < 40 {
		t.Fatalf("only %d keys found in the manual", len(known))
	}
	for i, k := range known {
		if !used[k] {
			t.Errorf("docs/manual.md has the key %q, which no log record has", k)
		}
		if slices.Contains(known[:i], k) {
			t.Errorf("docs/manual.md has the key %q twice", k)
		}
	}
}
