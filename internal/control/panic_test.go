package control_test

import (
	"context"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/control"
)

func TestPanicEndsOneRequestOnly(t *testing.T) {
	path := serve(t, func(_ context.Context, r control.Request, _ control.Streams) control.Outcome {
		if r.Op == "panic" {
			panic("secret")
		}
		return control.Outcome{Message: "fine"}
	})
	out, _, _ := do(t, path, control.Request{Op: "panic"}, nil)
	if out.Status != 1 || !strings.Contains(out.Message, "internal error") || strings.Contains(out.Message, "secret") {
		t.Errorf("got %+v", out)
	}
	if out, _, _ := do(t, path, control.Request{Op: "x"}, nil); out.Message != "fine" {
		t.Errorf("got %+v", out)
	}
}
