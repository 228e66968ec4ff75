package caps_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

const (
	zeros52 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	print2  = "aibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaiba" // 32 x 02
	ueb3    = "ambqgaydambqgaydambqgaydambqgaydambqgaydambqgaydambq" // 32 x 03
	write1  = "aeaqcaibaeaqcaibaeaqcaibae"                           // 16 x 01, and what follows from it:
	read1   = "nvgh5vj2ekzzkim5fgtb4gey5y"
	index1  = "nt4fwemuw7flestsezvo2eveke"
	chkKey  = "aaaqeayeaudaocajbifqydiob4" // 00..0f, and what follows from it:
	chkSI   = "hdis5iaveku6lnlaiccydyid7q"
)

func mustParse(t testing.TB, text string) caps.Cap {
	t.Helper()
	c, err := caps.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return c
}

// chain checks that texts, from the strongest authority to the weakest, are
// one another's weaker forms, each canonical, and share index.
func chain(t *testing.T, texts []string, index string, form caps.Form, dir bool) {
	t.Helper()
	c := mustParse(t, texts[0])
	for i, text := range texts {
		if i > 0 {
			weaker, ok := caps.AtMost(c, c.Authority()-1)
			if !ok {
				t.Fatalf("%s can't be weakened", c.Reveal())
			}
			c = weaker
		}
		wantCap(t, c, text)
		if c.Form() != form || c.IsDir() != dir || c.Index().String() != index {
			t.Errorf("%s: form %v, directory %v, index %v; want %v, %v, %s", text, c.Form(), c.IsDir(), c.Index(), form, dir, index)
		}
		v, ok := c.Verify()
		if !ok || v.Reveal() != texts[len(texts)-1] {
			t.Errorf("%s: Verify() gives another capability", text)
		}
	}
	if c.Authority() != caps.AuthorityVerify {
		t.Errorf("%s is no verify capability", c.Reveal())
	}
}

func TestMutableChains(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		form caps.Form
		dir  bool
	}{
		{"SSK", caps.FormSDMF, false},
		{"DIR2", caps.FormSDMF, true},
		{"MDMF", caps.FormMDMF, false},
		{"DIR2-MDMF", caps.FormMDMF, true},
	} {
		chain(t, []string{
			"URI:" + tt.name + ":" + write1 + ":" + print2,
			"URI:" + tt.name + "-RO:" + read1 + ":" + print2,
			"URI:" + tt.name + "-Verifier:" + index1 + ":" + print2,
		}, index1, tt.form, tt.dir)
	}
}

func TestImmutableChains(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		dir  bool
	}{{"CHK", false}, {"DIR2-CHK", true}} {
		chain(t, []string{
			"URI:" + tt.name + ":" + chkKey + ":" + ueb3 + ":3:10:1234",
			"URI:" + tt.name + "-Verifier:" + chkSI + ":" + ueb3 + ":3:10:1234",
		}, chkSI, caps.FormCHK, tt.dir)
	}
	// Two of Tahoe-LAFS's own vectors.
	for cap, index := range map[string]string{
		"URI:CHK:yzxcoagbetwet65ltjpbqyli3m:6b7inuiha2xdtgqzd55i6aeggutnxzr6qfwpv2ep5xlln6pgef7a:1:1:56":    "i5nhq74zw2crkop634ra4hrvzm",
		"URI:CHK:dx7tvyr2fc4u7lxjc6kehq2svq:tiy4qh2g6lqejxcaym3rr7ymkdkinn4qised6kgxloj7sptsqu4a:3:10:1024": "anzin2k7pajtbpxzz4c5sw6qiu",
	} {
		if got := mustParse(t, cap).Index().String(); got != index {
			t.Errorf("index of %s is %s, want %s", cap, got, index)
		}
	}
}

// What Tahoe-LAFS itself wrote: each capability gives exactly the weaker ones
// and the storage index that Tahoe-LAFS printed beside it.
func TestCapabilitiesThatTahoeMade(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"testdata/tahoe/1of1.json", "testdata/tahoe/3of10.json"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var objects []struct {
			Name, Format, Write, Read, Verify string
			Dir                               bool
			Index                             string `json:"storage_index"`
		}
		if err := json.Unmarshal(data, &objects); err != nil {
			t.Fatal(err)
		}
		if len(objects) < 49 {
			t.Fatalf("%s: only %d objects", file, len(objects))
		}
		forms := map[string]caps.Form{"LIT": caps.FormLiteral, "CHK": caps.FormCHK, "SDMF": caps.FormSDMF, "MDMF": caps.FormMDMF}
		for _, o := range objects {
			t.Run(strings.TrimSuffix(file, ".json")[len("testdata/tahoe/"):]+"/"+o.Name, func(t *testing.T) {
				if o.Format == "LIT" {
					c := mustParse(t, o.Read)
					wantCap(t, c, o.Read)
					if _, ok := c.Verify(); ok || !c.Index().IsZero() || c.Form() != caps.FormLiteral || c.IsDir() != o.Dir {
						t.Error("not a literal as it should be")
					}
					return
				}
				texts := []string{o.Read, o.Verify}
				if o.Write != "" {
					texts = append([]string{o.Write}, texts...)
				}
				chain(t, texts, o.Index, forms[o.Format], o.Dir)
			})
		}
	}
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"URI:LIT:":         "",
		"URI:LIT:nbswy3dp": "hello",
		"URI:LIT:" + strings.Repeat("nbswy3dp", 20): strings.Repeat("hello", 20), // longer than any that is made
	} {
		c := mustParse(t, text)
		wantCap(t, c, text)
		if data, ok := c.(caps.Read).Literal(); !ok || string(data) != want {
			t.Errorf("%s holds %q", text, data)
		}
	}
	wantCap(t, mustParse(t, "URI:DIR2-LIT:"), "URI:DIR2-LIT:")

	data := []byte(strings.Repeat("x", caps.MaxLiteral))
	r, err := caps.OfLiteral(data)
	if err != nil {
		t.Fatal(err)
	}
	data[0] = 'y'
	got, _ := r.Literal()
	got[1] = 'z'
	if again, _ := r.Literal(); string(again) != strings.Repeat("x", caps.MaxLiteral) {
		t.Error("the literal changed with a slice outside")
	}
	if _, err := caps.OfLiteral(make([]byte, caps.MaxLiteral+1)); err == nil {
		t.Error("a literal over the limit was made")
	}
	wantCap(t, caps.OfFileRead(caps.FileRead{}), "URI:LIT:")
}
