package command

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Every operation arrives as it was sent.
func TestOperationsTravel(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range operations() {
		if seen[o.name()] {
			t.Errorf("%s stands twice", o.name())
		}
		seen[o.name()] = true
		fillFields(reflect.ValueOf(o).Elem())
		r, err := request(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(r)
		if err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("%s: sent %+v, got %+v, %v", o.name(), o, got, err)
		}
	}
}

// fillFields sets the fields of a struct to something.
func fillFields(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString("text")
			if f.Type() != reflect.TypeFor[string]() {
				f.SetString("not UTF-8: \xff")
			}
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(5)
		case reflect.Uint8, reflect.Uint32:
			f.SetUint(2)
		case reflect.Slice:
			if f.Type() == reflect.TypeFor[[]Secret]() {
				f.Set(reflect.ValueOf([]Secret{"a", "not UTF-8: \xff"}))
				continue
			}
			f.Set(reflect.ValueOf([]string{"a", "b"}).Convert(f.Type()))
			if f.Type() == reflect.TypeFor[Names]() {
				f.Index(1).SetString("not UTF-8: \xff")
			}
		case reflect.Struct:
			if f.Type() == reflect.TypeFor[Target]() {
				fillFields(f)
			}
		}
	}
}

func TestForeignRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r    control.Request
		want kind.Kind
	}{
		{control.Request{Op: "fs.format"}, kind.Unsupported},
		{control.Request{Op: "fs.rm", Args: json.RawMessage(`{"Path":["YQ=="],"Force":true}`)}, kind.Invalid},
		{control.Request{Op: "fs.rm", Args: json.RawMessage(`{"Path":5}`)}, kind.Invalid},
		{control.Request{Op: "fs.rm", Args: json.RawMessage(`{} {}`)}, kind.Invalid},
		{control.Request{Op: "fs.rm"}, kind.Invalid},
	} {
		if _, err := unpack(tt.r); kind.Of(err) != tt.want {
			t.Errorf("%s %s: %v, want kind %v", tt.r.Op, tt.r.Args, err, tt.want)
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want control.Outcome
	}{
		{nil, control.Outcome{}},
		{kind.Errorf(kind.NotExist, "no"), control.Outcome{Status: 1, Message: "no"}},
		{kind.Errorf(kind.Corrupt, "bad"), control.Outcome{Status: 3, Message: "bad"}},
		{ErrDamage, control.Outcome{Status: 3}},
		{kind.Errorf(kind.Canceled, "gone"), control.Outcome{Status: 130, Message: "gone"}},
	} {
		if got := outcome(tt.err); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.err, got, tt.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ann:/a/b":          "ann:/a/b",
		"ann:a/b":           "ann:/a/b",
		"ann:":              "ann:/",
		"ann:/":             "ann:/",
		"ann:/../a/./b//c/": "ann:/a/b/c",
		"ann:/a:b":          "ann:/a:b",
		"ann":               "",
		":/a":               "",
		"":                  "",
	} {
		got, err := ParseTarget(text, "")
		if want == "" {
			if kind.Of(err) != kind.Invalid {
				t.Errorf("%q: %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
	got, err := ParseTarget("/a:b", "URI:x")
	if err != nil || got.Account != "" || !slices.Equal(got.Path, []string{"a:b"}) {
		t.Errorf("with a capability: %+v, %v", got, err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	o := &AccountAdd{Name: "ann", Password: "pass-word", RootCap: "URI:secret"}
	target, _ := ParseTarget("/x", "URI:secret")
	for _, v := range []any{o, *o, target, o.Password, &AccountPassword{Password: "pass-word"}, &BlockstoreCopy{To: []Secret{"pass-word"}}, &Cat{Target: target}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, "pass-word") || strings.Contains(out, "URI:") || strings.Contains(out, fmt.Sprintf("%x", "pass-word")) {
				t.Errorf("%s of %T shows it: %s", verb, v, out)
			}
		}
	}
}

func TestWeakenCap(t *testing.T) {
	t.Parallel()
	w := caps.OfSlotWrite(caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf([32]byte{1})))
	text := Secret(" " + w.Reveal() + "\n")
	read, err := WeakenCap(text, caps.AuthorityRead)
	if err != nil || read != w.Read().Reveal() {
		t.Errorf("%v", err)
	}
	if _, err := WeakenCap(Secret(read), caps.AuthorityWrite); kind.Of(err) != kind.Denied {
		t.Errorf("write from read: %v", err)
	}
	if _, err := WeakenCap("URI:LIT:", caps.AuthorityVerify); kind.Of(err) != kind.Unsupported {
		t.Errorf("verify of a literal: %v", err)
	}
	if _, err := WeakenCap("", caps.AuthorityRead); kind.Of(err) != kind.Invalid {
		t.Errorf("nothing: %v", err)
	}
	shown, err := ShowCap(text)
	if err != nil || strings.Contains(shown, w.Reveal()[12:40]) || !strings.Contains(shown, "write") {
		t.Errorf("%q, %v", shown, err)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"plain name": "plain name", "ü": "ü", "a\x1b[2J": `"a\x1b[2J"`, "a\nb": `"a\nb"`, "\xff": `"\xff"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := Printable(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}
