package main

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/commands.md")

const commandsPage = "../../docs/commands.md"

// The manual's page of commands is what the program says of itself.
func TestCommandsPageIsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nMade from the program by `go test ./cmd/truckee -run CommandsPage -update`.\n\n```\n" + overview() + "```\n")
	for _, c := range commands() {
		b.WriteString("\n## truckee " + c.name + "\n\n```\n" + c.usage() + "```\n")
	}
	got, err := os.ReadFile(commandsPage)
	if err == nil && string(got) == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the program says (%v): go test ./cmd/truckee -run CommandsPage -update", commandsPage, err)
	}
	if err := os.WriteFile(commandsPage, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCommandIsComplete(t *testing.T) {
	for _, c := range commands() {
		if c.run == nil || c.short == "" || !strings.HasSuffix(c.short, ".") || c.least > c.most {
			t.Errorf("%s: %+v", c.name, c)
		}
		words := strings.Fields(c.name)
		found, rest, err := find(append(words, "x"))
		if err != nil || found.name != c.name || len(rest) != 1 {
			t.Errorf("%s: found %v, %v, %v", c.name, found, rest, err)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct{ args, words, want string }{
		{"--deep", "", "true"},
		{"-deep", "", "true"},
		{"a --deep b", "a b", "true"},
		{"--deep=false a", "a", "false"},
		{"-- --deep", "--deep", "false"},
		{"- a", "- a", "false"},
		{"--deep=maybe", "", "error"},
		{"--", "", "false"},
		{"--de", "", "error"},
	}
	for _, tt := range tests {
		fs := flag.NewFlagSet("check", flag.ContinueOnError)
		deep := fs.Bool("deep", false, "")
		words, err := parse(fs, strings.Fields(tt.args))
		got := map[bool]string{true: "true", false: "false"}[*deep]
		if err != nil {
			got = "error"
		}
		if got != tt.want || strings.Join(words, " ") != tt.words {
			t.Errorf("%q: %q, %s, %v", tt.args, words, got, err)
		}
	}
}
