package caps_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

// A secret is what must not be seen of a value.
type secret struct {
	bytes []byte
	text  string // the base32 text
}

// needles lists what a leak of nine bytes in a row may look like.
func (s secret) needles() []string {
	var list []string
	for i := 0; i+6 <= len(s.bytes); i += 3 {
		part := s.bytes[i : i+6]
		for _, format := range []string{"%d", "%x", "% x", "%X", "% X", "%#x", "%#v", "%o", "%O", "%b", "%c", "%U", "%q", "%s"} {
			list = append(list, strings.Trim(strings.TrimPrefix(fmt.Sprintf(format, part), "[]byte"), "[]{}\""))
			list = append(list, strings.Trim(fmt.Sprintf(format, [6]byte(part)), "[]{}\""))
		}
		comma := strings.ReplaceAll(strings.Trim(fmt.Sprint(part), "[]"), " ", ",") // JSON
		list = append(list, comma, hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)))
	}
	for i := 0; i+12 <= len(s.bytes); i += 3 {
		list = append(list, base64.StdEncoding.EncodeToString(s.bytes[i:i+12]))
	}
	for i := 0; i+8 <= len(s.text); i += 4 {
		list = append(list, s.text[i:i+8])
	}
	return slices.DeleteFunc(list, func(n string) bool { return len(n) < 6 })
}

// shape is a value inside other values, by name.
type shape struct {
	name string
	v    any
}

type (
	exported[T any]   struct{ Inner T }
	unexported[T any] struct{ inner T }
	deep[T any]       struct {
		slice []T
		array [1]T
		byKey map[string]T
		ptr   *T
		any   any
		inner *unexported[*exported[T]]
	}
)

func shapes[T any](v T) []shape {
	return []shape{
		{"value", v},
		{"pointer", &v},
		{"slice", []T{v}},
		{"slice of pointers", []*T{&v}},
		{"array", [1]T{v}},
		{"map", map[string]T{"k": v}},
		{"any", []any{v, &v}},
		{"exported field", exported[T]{v}},
		{"exported field behind pointer", &exported[*T]{&v}},
		{"unexported field", unexported[T]{v}},
		{"unexported field behind pointer", &unexported[T]{v}},
		{"unexported pointer", unexported[*T]{&v}},
		{"unexported slice", unexported[[]T]{[]T{v}}},
		{"unexported map", unexported[map[int]T]{map[int]T{1: v}}},
		{"unexported any", unexported[any]{v}},
		{"deep", deep[T]{[]T{v}, [1]T{v}, map[string]T{"k": v}, &v, v, &unexported[*exported[T]]{&exported[T]{v}}}},
	}
}

// printings prints v in every way that a program may by accident.
func printings(v any) map[string]string {
	out := map[string]string{}
	for _, verb := range "vTtbcdoOqxXUeEfFgGspwz" {
		for _, flags := range []string{"", "+", "#", " ", "+#"} {
			format := "%" + flags + string(verb)
			out[format] = fmt.Sprintf(format, v)
		}
	}
	out["Sprint"] = fmt.Sprint(v, v)
	out["Sprintln"] = fmt.Sprintln(v)
	out["Errorf"] = fmt.Errorf("open: %v: %w", v, fs.ErrNotExist).Error()
	out["Join"] = errors.Join(fmt.Errorf("%+v", v), fmt.Errorf("%#v", v)).Error()
	if b, err := json.Marshal(v); err != nil {
		out["json"] = err.Error()
	} else {
		out["json"] = string(b)
	}
	if b, err := xml.Marshal(v); err != nil {
		out["xml"] = err.Error()
	} else {
		out["xml"] = string(b)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(v); err != nil {
		buf.WriteString(err.Error())
	}
	out["gob"] = buf.String()
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).With("with", v).Error("m", "v", v, "group", slog.GroupValue(slog.Any("in", v)), "err", fmt.Errorf("%v", v))
		out[name] = b.String()
	}
	return out
}

// leaks returns how v shows s, "" if it doesn't.
func leaks(v any, s secret) string {
	needles := s.needles()
	for how, printed := range printings(v) {
		for _, n := range needles {
			if strings.Contains(printed, n) {
				return how + " prints " + printed
			}
		}
	}
	return ""
}

// keyBytes is a secret that doesn't occur elsewhere; d gives another one.
func keyBytes(d byte) (b [32]byte) {
	for i := range b {
		b[i] = byte(i)*37 + 0xa5 ^ d
	}
	return b
}

func secretOf(b []byte) secret { return secret{b, encode32(b)} }

func encode32(b []byte) string {
	// By way of a literal's text: the same base32.
	r, err := caps.OfLiteral(b)
	if err != nil {
		panic(err)
	}
	return strings.TrimPrefix(r.Reveal(), "URI:LIT:")
}

// holders lists values of every type that holds a secret, in every shape.
func holders(t *testing.T) map[reflect.Type][]struct {
	shape
	secret
} {
	k := keyBytes(0)
	key, id := caps.KeyOf(k), [32]byte{1, 2, 3}
	slot := caps.NewSlotWrite(caps.SlotDirectory, key)
	rk := slot.Read().ReadKey().Raw()[:]
	vk := slot.Read().Verify().VerifyKey().Raw()[:]
	file := caps.FileRead{Key: key, Root: id, Size: 9}
	frozen := caps.FrozenRead{Key: key, Root: id}
	tahoe := encode32(k[:16]) // spare bits make it a 16-byte key's text
	parse := func(text string) caps.Cap { return mustParse(t, text) }
	asWrite := func(text string) caps.Write { return parse(text).(caps.Write) }
	asRead := func(text string) caps.Read { return parse(text).(caps.Read) }
	asVerify := func(text string) caps.Verify { return parse(text).(caps.Verify) }
	literal, err := caps.OfLiteral(k[:])
	if err != nil {
		t.Fatal(err)
	}

	list := map[reflect.Type][]struct {
		shape
		secret
	}{}
	add := func(zero any, s []byte, in []shape) {
		for _, sh := range in {
			typ := reflect.TypeOf(zero)
			list[typ] = append(list[typ], struct {
				shape
				secret
			}{sh, secretOf(s)})
		}
	}
	add(caps.Key{}, k[:], shapes(key))
	add(caps.SlotWrite{}, k[:], shapes(slot))
	add(caps.SlotWrite{}, slot.WriteKey().Raw()[:], shapes(slot))
	add(caps.SlotRead{}, rk, shapes(slot.Read()))
	add(caps.SlotVerify{}, vk, shapes(slot.Read().Verify()))
	add(caps.FileRead{}, k[:], shapes(file))
	add(caps.FileVerify{}, file.Verify().Key.Raw()[:], shapes(file.Verify()))
	add(caps.FrozenRead{}, k[:], shapes(frozen))
	add(caps.FrozenVerify{}, frozen.Verify().Key.Raw()[:], shapes(frozen.Verify()))
	add(caps.Write{}, k[:], shapes(caps.OfSlotWrite(slot)))
	add(caps.Write{}, k[:16], shapes(asWrite("URI:SSK:"+tahoe+":"+print2)))
	add(caps.Read{}, rk, shapes(caps.OfSlotRead(slot.Read())))
	add(caps.Read{}, k[:], shapes(caps.OfFileRead(file)))
	add(caps.Read{}, k[:], shapes(caps.OfFrozenRead(frozen)))
	add(caps.Read{}, k[:], shapes(literal))
	add(caps.Read{}, k[:16], shapes(asRead("URI:MDMF-RO:"+tahoe+":"+print2)))
	add(caps.Read{}, k[:16], shapes(asRead("URI:CHK:"+tahoe+":"+ueb3+":1:1:99")))
	add(caps.Verify{}, vk, shapes(caps.OfSlotVerify(slot.Read().Verify())))
	add(caps.Verify{}, file.Verify().Key.Raw()[:], shapes(caps.OfFileVerify(file.Verify())))
	add(caps.Verify{}, frozen.Verify().Key.Raw()[:], shapes(caps.OfFrozenVerify(frozen.Verify())))
	print := keyBytes(3) // the index of a Tahoe-LAFS verify capability is public, the hash beside it isn't needed in a log
	add(caps.Verify{}, print[:], shapes(asVerify("URI:SSK-Verifier:"+tahoe+":"+encode32(print[:]))))
	add(caps.Unknown{}, k[:], shapes(parse("URI:FUTURE:"+encode32(k[:])).(caps.Unknown)))
	add(caps.Link{}, k[:], shapes(caps.Link{Write: caps.OfSlotWrite(slot), Read: caps.OfFileRead(file)}))

	// A defined type doesn't inherit the methods that redact.
	type bareKey caps.Key
	type bareSlot caps.SlotWrite
	type bareWrite caps.Write
	type bareRead caps.Read
	type bareUnknown caps.Unknown
	add(caps.Key{}, k[:], shapes(bareKey(key)))
	add(caps.SlotWrite{}, k[:], shapes(bareSlot(slot)))
	add(caps.Write{}, k[:], shapes(bareWrite(caps.OfSlotWrite(slot))))
	add(caps.Read{}, k[:], shapes(bareRead(literal)))
	add(caps.Unknown{}, k[:], shapes(bareUnknown(parse("URI:FUTURE:"+encode32(k[:])).(caps.Unknown))))
	return list
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	for typ, values := range holders(t) {
		t.Run(typ.Name(), func(t *testing.T) {
			t.Parallel()
			for _, v := range values {
				if how := leaks(v.v, v.secret); how != "" {
					t.Errorf("%s (%T): %s", v.name, v.v, how)
				}
			}
		})
	}
}

// The detector sees keys that are not protected.
func TestLeaksAreSeen(t *testing.T) {
	t.Parallel()
	k := keyBytes(0)
	s := secretOf(k[:])
	texts := slices.DeleteFunc(slices.Concat(shapes(string(k[:])), shapes(s.text)), func(sh shape) bool {
		return sh.name == "unexported pointer" // fmt prints the address of a string
	})
	for _, sh := range slices.Concat(shapes(k), shapes(k[:]), texts) {
		if leaks(sh.v, s) == "" {
			t.Errorf("%s (%T): a leak isn't seen", sh.name, sh.v)
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "%q", "%s", "%o", "%b", "%c", "%U", "% x", "%#x", "%p"} {
		printed := fmt.Sprintf(format, k)
		if !slices.ContainsFunc(s.needles(), func(n string) bool { return strings.Contains(printed, n) }) {
			t.Errorf("%s of an array isn't seen: %s", format, printed)
		}
	}
}

// Every exported type either is in the list above or holds no secret.
func TestTheLeakTestKnowsEveryType(t *testing.T) {
	t.Parallel()
	public := []string{"Authority", "Form", "Cap", "SlotType", "SlotID", "RootID", "Index"}
	tested := map[string]bool{}
	for typ := range holders(t) {
		tested[typ.Name()] = true
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				name := spec.(*ast.TypeSpec).Name.Name
				if ast.IsExported(name) && !tested[name] && !slices.Contains(public, name) {
					t.Errorf("%s: is %s tested for leaks, or public?", file.Name(), name)
				}
			}
		}
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	slot := caps.NewSlotWrite(caps.SlotFile, caps.KeyOf(keyBytes(0)))
	id := caps.OfSlotWrite(slot).Index().String()[:8]
	for want, v := range map[string]any{
		"key(…)":                                       caps.KeyOf(keyBytes(0)),
		"cap(write slot file " + id + ")":              slot,
		"cap(read slot file " + id + ")":               slot.Read(),
		"cap(verify slot file " + id + ")":             slot.Read().Verify(),
		"cap(write SDMF directory " + index1[:8] + ")": mustParse(t, "URI:DIR2:"+write1+":"+print2),
		"cap(read MDMF file " + index1[:8] + ")":       mustParse(t, "URI:MDMF-RO:"+read1+":"+print2),
		"cap(verify CHK file " + chkSI[:8] + ")":       mustParse(t, "URI:CHK-Verifier:"+chkSI+":"+ueb3+":1:1:56"),
		"cap(read literal file)":                       mustParse(t, "URI:LIT:nbswy3dp"),
		"cap(read tree file ambqgayd)":                 mustParse(t, "URI:FILE3:"+zeros52+":"+ueb3+":0:1"),
		"cap(read frozen directory ambqgayd)":          mustParse(t, "URI:DIR3-IMM:"+zeros52+":"+ueb3+":0"),
		"cap(unknown)":                                 mustParse(t, "URI:FUTURE:x"),
		"cap(none)":                                    caps.Write{},
	} {
		if got := fmt.Sprintf("%v", v); got != want {
			t.Errorf("%%v prints %s, want %s", got, want)
		}
		if got := v.(slog.LogValuer).LogValue().String(); got != want {
			t.Errorf("slog prints %s, want %s", got, want)
		}
	}
}

// Weaker never becomes stronger: not even a conversion leads back.
func TestAuthoritiesDoNotConvert(t *testing.T) {
	t.Parallel()
	for _, group := range [][]any{
		{caps.Write{}, caps.Read{}, caps.Verify{}, caps.Unknown{}},
		{caps.SlotWrite{}, caps.SlotRead{}, caps.SlotVerify{}},
	} {
		for i, a := range group {
			ta := reflect.TypeOf(a)
			if ta.Comparable() {
				t.Errorf("%v can be compared by ==", ta)
			}
			for j, b := range group {
				if tb := reflect.TypeOf(b); i != j && ta.ConvertibleTo(tb) {
					t.Errorf("%v converts to %v", ta, tb)
				}
			}
		}
	}
	for _, v := range []any{caps.Key{}, caps.FileRead{}, caps.FileVerify{}, caps.FrozenRead{}, caps.FrozenVerify{}} {
		if reflect.TypeOf(v).Comparable() {
			t.Errorf("%T can be compared by ==", v)
		}
	}
}
