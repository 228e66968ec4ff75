package nearest_test

import (
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"accounts.file", "accounts.url", "enabled", "port", "host_privkey_file"}
	tests := []struct {
		word, want string
	}{
		{"prot", "port"},
		{"enable", "enabled"},
		{"acounts.fiel", "accounts.file"},
		{"host_privkey", ""},
		{"hostprivkeyfile", "host_privkey_file"},
		{"ports", "port"},
		{"zebra", ""},
		{"x", ""},
		{"", ""},
		{strings.Repeat("p", 1<<20), ""},
	}
	for _, tt := range tests {
		got, ok := nearest.Word(tt.word, known)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("Word(%.20q) = %q, %v, want %q", tt.word, got, ok, tt.want)
		}
	}
}
