package s3

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestEveryKindHasACode(t *testing.T) {
	t.Parallel()
	for _, k := range kind.All() {
		f := failureOf(fmt.Errorf("op: %w", k))
		if _, ok := codeOf[k]; !ok || codes[f.code].status < 400 {
			t.Errorf("%v: %q", k, f.code)
		}
	}
	if f := failureOf(errors.New("nobody knows")); f.code != InternalError {
		t.Errorf("an error of no kind: %q", f.code)
	}
}

// A code without a row in the table would have no status.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		if row := codes[code(text)]; row.status < 300 || row.text == "" {
			t.Errorf("%s has no row", text)
		}
		n++
		return true
	})
	if n != len(codes) || n < 50 {
		t.Errorf("%d codes, %d rows", n, len(codes))
	}
}

// The client hears nothing of what went wrong below.
func TestCausesStayInside(t *testing.T) {
	t.Parallel()
	f := fail(InternalError, "").because(errors.New("secret"))
	if failureOf(fmt.Errorf("more: %w", f)).message != codes[InternalError].text {
		t.Error("another sentence")
	}
	if kind.Of(fail(NoSuchKey, "")) != kind.NotExist || kind.Of(fail(AccessDenied, "")) != kind.Denied || kind.Of(fail(PreconditionFailed, "")) != kind.Precondition {
		t.Error("a failure has another kind")
	}
}
