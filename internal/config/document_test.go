package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md and tahoe.cfg.example")

const (
	manual  = "../../docs/configuration.md"
	example = "../../tahoe.cfg.example"
	begin   = "<!-- The table below is made from package internal/config by `go test ./internal/config -update`. -->\n\n"
	end     = "<!-- End of the table. -->\n"
)

func TestManualHasTheTable(t *testing.T) {
	b, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", manual)
	}
	if table == config.Table() {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is not that of the code: go test ./internal/config -update", manual)
	}
	if err := os.WriteFile(manual, []byte(head+begin+config.Table()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestExampleIsCurrent(t *testing.T) {
	b, err := os.ReadFile(example)
	if err == nil && string(b) == config.Example() {
		return
	}
	if !*update {
		t.Fatalf("%s is not that of the code (%v): go test ./internal/config -update", example, err)
	}
	if err := os.WriteFile(example, []byte(config.Example()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every key of the example, uncommented, is accepted and means the default.
func TestExampleIsTheDefaults(t *testing.T) {
	var lines []string
	keys := 0
	for line := range strings.Lines(config.Example()) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
			keys++
		}
		lines = append(lines, line)
	}
	if keys != len(config.Options())+2 { // and driver and dir
		t.Errorf("%d keys in the example, %d in the code", keys, len(config.Options()))
	}
	dir := t.TempDir()
	want, _, err := config.Load(config.Sources{BaseDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	got, warnings, err := config.Load(config.Sources{BaseDir: dir})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	if len(got.SFTPD.HostKeys) == 0 {
		got.SFTPD.HostKeys = nil
	}
	if !got.Blockstore.Stated || !got.Metastore.Stated || got.Metastore.DB.String() != want.Metastore.DB.String() {
		t.Errorf("got %+v, %+v", got.Blockstore, got.Metastore)
	}
	got.Blockstore.Stated, got.Metastore.Stated, got.S3.Stated = false, false, false
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryOptionIsDocumented(t *testing.T) {
	flags, envs := map[string]bool{}, map[string]bool{}
	for _, o := range config.Options() {
		if o.Key == "" || o.Help == "" || !strings.HasSuffix(o.Help, ".") {
			t.Errorf("%s: help %q", o.Name(), o.Help)
		}
		if o.Flag != "" && flags[o.Flag] || o.Env != "" && envs[o.Env] {
			t.Errorf("%s: flag --%s or variable %s is taken", o.Name(), o.Flag, o.Env)
		}
		flags[o.Flag], envs[o.Env] = true, true
	}
}
