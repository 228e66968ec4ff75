package blockstore_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// flat shows a configuration with its secrets, for comparison.
func flat(c blockstore.Config) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		parts = append(parts, name+"="+c.Fields[name])
	}
	for _, n := range c.Nodes {
		parts = append(parts, flat(n))
	}
	return c.Driver + "(" + strings.Join(parts, " ") + ")"
}

// What people who come from Parsec write.
func TestParseOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MOCKED":     "memory()",
		"mocked":     "memory()",
		"memory":     "memory()",
		"POSTGRESQL": "postgresql()",
		"postgresql": "postgresql()",

		"s3::region1:bucket1:key1:secret1":             "s3(bucket=bucket1 key=key1 region=region1 secret=secret1)",
		"S3:foo.com:r:b:k:s":                           "s3(bucket=b endpoint=https://foo.com key=k region=r secret=s)",
		`s3:http\://foo.com:r:b:k:s`:                   "s3(bucket=b endpoint=http://foo.com key=k region=r secret=s)",
		`s3:parsec-s3\:9000:region1:parsec:user1:pass`: "s3(bucket=parsec endpoint=https://parsec-s3:9000 key=user1 region=region1 secret=pass)",
		"s3:::b::":              "s3(bucket=b)",
		`s3::r:b:k:\:S3cr3t\\`:  `s3(bucket=b key=k region=r secret=:S3cr3t\)`,
		`s3::r:b:k:S3cr3t\`:     `s3(bucket=b key=k region=r secret=S3cr3t\)`,
		`s3::r:b:k:S\x3cr3t`:    `s3(bucket=b key=k region=r secret=S\x3cr3t)`,
		"swift:foo.com:t:c:u:p": "swift(auth_url=https://foo.com container=c password=p tenant=t user=u)",
		`swift:http\://h\:8080/auth/v1.0:test:c:tester:testing`: "swift(auth_url=http://h:8080/auth/v1.0 container=c password=testing tenant=test user=tester)",

		"local:/srv/blocks": "local(dir=/srv/blocks)",
		`local:a\:b`:        "local(dir=a:b)",

		"postgresql://u:p@h/db?sslmode=disable": "postgresql(url=postgresql://u:p@h/db?sslmode=disable)",
		"POSTGRES://u:p@h/db":                   "postgresql(url=postgresql://u:p@h/db)",
	} {
		c, err := blockstore.Parse([]string{text})
		if err != nil || flat(c) != want {
			t.Errorf("%q: %s, %v, want %s", text, flat(c), err, want)
		}
	}
}

func TestMistakesShowTheFormAndNoSecret(t *testing.T) {
	t.Parallel()
	const s3Form = "s3:[<endpoint>]:<region>:<bucket>:<key>:<secret>"
	for text, want := range map[string]string{
		"":                            "known are: MOCKED, local:<directory>, POSTGRESQL",
		"s3:":                         s3Form,
		"s3:S3cr3t":                   s3Form,
		"s3::r:b:k:S3cr3t:x":          "6 fields after \"s3\" where 5 belong",
		"s3:http://h:r:b:k:S3cr3t":    `a colon in a field is written \:`,
		"s3::r::k:S3cr3t":             "bucket of a blockstore of kind s3 is missing",
		`s3:ftp\://h:r:b:k:S3cr3t`:    "endpoint: it is a host",
		`s3:u\:S3cr3t@h:r:b:k:x`:      "endpoint: user and password",
		"swift:h:t:c:u":               "swift:<auth_url>:<tenant>:<container>:<user>:<password>",
		"local":                       "local:<directory>",
		"local:":                      "dir of a blockstore of kind local is missing",
		"MOCKED:S3cr3t":               "1 fields after \"MOCKED\" where 0 belong",
		"s4::r:b:k:S3cr3t":            "did you mean s3?",
		"azure:S3cr3t":                "azure are not built yet",
		"webdav:https://S3cr3t":       "not built yet",
		"cached:S3cr3t":               "in tahoe.cfg only, as a table",
		"postgresql://S3cr3t:%zz@h":   "postgresql://<user>:<password>@<host>/<database>",
		"postgresql://u:a@S3cr3t@h/x": "are written %40",
		"S3cr3t":                      "this is no blockstore",
		"RAID1:0:MOCKED":              "RAID1 needs at least 2 nodes",
	} {
		_, err := blockstore.Parse([]string{text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
			continue
		}
		if k := kind.Of(err); k != kind.Invalid && k != kind.Unsupported {
			t.Errorf("%q: kind %v", text, k)
		}
		if strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%q: the error shows it: %v", text, err)
		}
	}
}

func TestParseNodes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"MOCKED":                                          "memory()",
		"RAID0:0:MOCKED RAID0:1:POSTGRESQL":               "raid0(memory() postgresql())",
		"RAID0:1:POSTGRESQL RAID0:0:MOCKED":               "raid0(memory() postgresql())",
		"raid0:0:MOCKED RAID0:1:POSTGRESQL":               "raid0(memory() postgresql())",
		"Raid5:2:local:c RAID5:0:local:a raid5:1:local:b": "raid5(local(dir=a) local(dir=b) local(dir=c))",
		"RAID1:0:postgresql://u:p@h/db RAID1:1:MOCKED":    "raid1(postgresql(url=postgresql://u:p@h/db) memory())",
	} {
		c, err := blockstore.Parse(strings.Fields(text))
		if err != nil || flat(c) != want {
			t.Errorf("%q: %s, %v, want %s", text, flat(c), err, want)
		}
	}
	const form = "-b RAID0|RAID1|RAID5:<node>:<blockstore>"
	for text, want := range map[string]string{
		"MOCKED POSTGRESQL":                     "more than one blockstore is for RAID only: ", // two plain ones
		"RAID0:0:MOCKED POSTGRESQL":             "can't be mixed: ",
		"RAID0:0:MOCKED RAID1:1:MOCKED":         "RAID0 and RAID1 can't be mixed: ",
		"RAID0:0:MOCKED RAID0:2:MOCKED":         "node 1 of RAID0 is missing, 2 are given: ",
		"RAID0:1:MOCKED":                        "node 0 of RAID0 is missing, 1 are given: ",
		"RAID0:0:MOCKED raid0:0:MOCKED":         "node 0 of RAID0 is given twice: ",
		"RAID0:zero:MOCKED RAID0:1:MOCKED":      "no whole number: ",
		"RAID0:-1:MOCKED":                       "no whole number: ",
		"RAID0:99999999999:MOCKED":              "no whole number: ",
		"RAID0":                                 "no whole number: ",
		"RAID0:0":                               "RAID0:0 names no blockstore: ",
		"RAID6:0:MOCKED RAID6:1:MOCKED":         "none of RAID0, RAID1 and RAID5: ",
		"RAID1:0:RAID0:0:MOCKED RAID1:1:MOCKED": "table in tahoe.cfg",
		"RAID5:0:MOCKED RAID5:1:MOCKED":         "RAID5 needs at least 3 nodes, and has 2",
		"RAID1:0:MOCKED":                        "RAID1 needs at least 2 nodes, and has 1",
		"RAID1:0:s3:x RAID1:1:MOCKED":           "node 0 of RAID1: 1 fields after",
		"":                                      "no blockstore is given",
	} {
		_, err := blockstore.Parse(strings.Fields(text))
		if err == nil || !strings.Contains(err.Error(), want) || kind.Of(err) != kind.Invalid {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if strings.HasSuffix(want, ": ") && !strings.Contains(err.Error(), form) {
			t.Errorf("%q: %v doesn't show the form", text, err)
		}
	}
}

func TestSplitList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                          nil,
		" \n\t":                     nil,
		"RAID1:0:MOCKED RAID1:1:x":  {"RAID1:0:MOCKED", "RAID1:1:x"},
		"\nRAID1:0:a\n RAID1:1:b\n": {"RAID1:0:a", "RAID1:1:b"},
		`s3::r:b:k:a\ b x`:          {"s3::r:b:k:a b", "x"},
		`s3::r:b:k:a\\ x`:           {`s3::r:b:k:a\\`, "x"},
		`s3:h\:9:r:b:k:a\b x\`:      {`s3:h\:9:r:b:k:a\b`, `x\`},
		"a\xffb c":                  {"a\xffb", "c"},
	} {
		if got := blockstore.SplitList(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestConfigsDontShowSecrets(t *testing.T) {
	t.Parallel()
	c, err := blockstore.Parse([]string{
		`RAID1:0:s3:http\://h:r:b:K3yK3y:S3cr3t`, "RAID1:1:swift:h:t:c:joe:Pa55w0rd", "RAID1:2:postgresql://u:Dbpa55@h/x?password=Qu3ry",
	})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "f", c.Nodes[0].Fields, "n", c.Nodes)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "f", c.Nodes[0].Fields, "n", c.Nodes)
	texts := []string{log.String()}
	type holder struct {
		C blockstore.Config
		P *blockstore.Config
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, c.Nodes), fmt.Sprintf(verb, c.Nodes[0].Fields), fmt.Sprintf(verb, holder{c, &c}))
	}
	for _, text := range texts {
		for _, secret := range []string{"K3yK3y", "S3cr3t", "Pa55w0rd", "Dbpa55", "Qu3ry"} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s is shown: %s", secret, text)
			}
		}
	}
	want := `raid1[s3:http\://h:r:b:***:*** swift:https\://h:t:c:joe:*** postgresql://u:***@h/x?password=***]`
	if c.String() != want {
		t.Errorf("%s, want %s", c, want)
	}
	if got := c.Secrets(); !slices.Contains(got, "S3cr3t") || !slices.Contains(got, "Dbpa55") || !slices.Contains(got, "Pa55w0rd") {
		t.Errorf("%d secrets", len(got))
	}
}

// Credentials may change; where the blocks lie may not.
func TestSamePlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"s3::r:b:k:s", "s3::r:b:k2:s2", true},
		{"s3::r:b:k:s", "s3::r:c:k:s", false},
		{"local:a", "local:b", false},
		{"RAID1:0:local:a RAID1:1:local:b", "RAID1:1:local:b RAID1:0:local:a", true},
		{"RAID1:0:local:a RAID1:1:local:b", "RAID1:0:local:b RAID1:1:local:a", false},
		{"RAID1:0:local:a RAID1:1:local:b", "RAID0:0:local:a RAID0:1:local:b", false},
		{"postgresql://u:p@h/db", "postgresql://v:q@h:5432/db?sslmode=require", true},
		{"postgresql://u:p@h/db", "postgresql://u:p@h/db2", false},
		{"postgresql:///db?host=/run/a", "postgresql:///db?host=/run/b", false},
		{"postgresql://h/db?search_path=a", "postgresql://h/db?search_path=b", false},
		{"postgresql://h/db?search_path=a&sslmode=disable", "postgresql://u@h/db?search_path=a", true},
		{"POSTGRESQL", "postgresql://u:p@h/db", false},
	} {
		a, err1 := blockstore.Parse(strings.Fields(tt.a))
		b, err2 := blockstore.Parse(strings.Fields(tt.b))
		if err1 != nil || err2 != nil || a.SamePlace(b) != tt.same || b.SamePlace(a) != tt.same {
			t.Errorf("%q and %q: want %v (%v, %v)", tt.a, tt.b, tt.same, err1, err2)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"MOCKED", "s3::r:b:k:s", `s3:h\:9000:r:b:k:\:S\\`, "RAID1:0:MOCKED", "swift:a:b:c:d:e", "postgresql://u:p@h/db", "local:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := blockstore.Parse([]string{text})
		if err != nil {
			if k := kind.Of(err); k != kind.Invalid && k != kind.Unsupported {
				t.Fatalf("kind %v of %v", k, err)
			}
			return
		}
		again, err := c.Complete()
		if err != nil || flat(again) != flat(c) {
			t.Fatalf("complete again: %s, %v, was %s", flat(again), err, flat(c))
		}
		if r, err := blockstore.Parse([]string{"raid1:1:" + text, "RAID1:0:MOCKED"}); err != nil || flat(r.Nodes[1]) != flat(c) {
			t.Fatalf("as a node: %v", err)
		}
		_ = c.String()
	})
}

// What is written by the rules of escaping is read as it was meant.
func FuzzEscaping(f *testing.F) {
	f.Add("region", ":S3cr3t\\", "a b")
	f.Add("\\", "\\\\:", "\\ ")
	f.Fuzz(func(t *testing.T, region, secret, bucket string) {
		if bucket == "" || strings.ContainsRune(region+secret+bucket, 0) {
			return
		}
		esc := strings.NewReplacer(`\`, `\\`, `:`, `\:`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\v", "\\\v", "\f", "\\\f", "\r", "\\\r").Replace
		list := blockstore.SplitList("x s3::" + esc(region) + ":" + esc(bucket) + ":k:" + esc(secret) + " y")
		if len(list) != 3 {
			t.Fatalf("%d items: %q", len(list), list)
		}
		c, err := blockstore.Parse(list[1:2])
		if err != nil || c.Fields["region"] != region || c.Fields["bucket"] != bucket || c.Fields["secret"] != secret {
			t.Fatalf("%q: %s, %v", list[1], flat(c), err)
		}
	})
}

// One store can't be two nodes, whoever logs in and wherever in the tree.
func TestNodesAreDifferentStores(t *testing.T) {
	t.Parallel()
	leaf := func(driver string, fields blockstore.Fields) blockstore.Config {
		return blockstore.Config{Driver: driver, Fields: fields}
	}
	bucket := func(key string) blockstore.Config {
		return leaf("s3", blockstore.Fields{"bucket": "b", "key": key, "secret": "s"})
	}
	local := func(dir string) blockstore.Config { return leaf("local", blockstore.Fields{"dir": dir}) }
	raid := func(nodes ...blockstore.Config) blockstore.Config {
		return blockstore.Config{Driver: "raid1", Nodes: nodes}
	}
	for _, test := range []struct {
		c    blockstore.Config
		want string // nodes that are the same; "" if none
	}{
		{raid(bucket("one"), bucket("two")), "nodes 0 and 1"},
		{raid(local("a"), local("b"), local("a")), "nodes 0 and 2"},
		{raid(local("a"), local("./a")), "nodes 0 and 1"},
		{raid(local("a"), raid(local("b"), local("a"))), "nodes 0 and 1.1"},
		{raid(leaf("postgresql", nil), leaf("postgresql", nil)), "nodes 0 and 1"},
		{raid(leaf("postgresql", blockstore.Fields{"url": "postgresql://a@h/d"}), leaf("postgresql", blockstore.Fields{"url": "postgresql://b@h/d"})), "nodes 0 and 1"},
		{raid(leaf("postgresql", blockstore.Fields{"url": "postgresql://h/d?search_path=a"}), leaf("postgresql", blockstore.Fields{"url": "postgresql://h/d?search_path=b"})), ""},
		{raid(leaf("memory", nil), leaf("memory", nil)), ""},
		{raid(local("a"), local("b"), bucket("one"), leaf("postgresql", nil)), ""},
		{local("a"), ""},
	} {
		_, err := test.c.Complete()
		if (err == nil) != (test.want == "") || err != nil && (kind.Of(err) != kind.Invalid || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: %v, want %q", test.c, err, test.want)
		}
	}
}
