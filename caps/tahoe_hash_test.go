package caps

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The known answers are those of Tahoe-LAFS's own test_hashutil.py.
func TestTaggedHash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, tag, value string
		n                int
		want             string
	}{
		{"any tag", "tag", "hello world", 32, "yra322btzoqjp4ts2jon5dztgnilcdg6jgztgk7joi6qpjkitg2q"},
		{"block", "allmydata_encoded_subshare_v1", "", 32, "msjr5bh4evuh7fa3zw7uovixfbvlnstr5b65mrerwfnvjxig2jvq"},
		{"URI extension", "allmydata_uri_extension_v1", "", 32, "wthsu45q7zewac2mnivoaa4ulh5xvbzdmsbuyztq2a5fzxdrnkka"},
		{"crypttext", "allmydata_crypttext_v1", "", 32, "itdj6e4njtkoiavlrmxkvpreosscssklunhwtvxn6ggho4rkqwga"},
		{"crypttext segment", "allmydata_crypttext_segment_v1", "", 32, "aovy5aa7jej6ym5ikgwyoi4pxawnoj3wtaludjz7e2nb5xijb7aa"},
		{"write key", "allmydata_mutable_privkey_to_writekey_v1", "", 16, "ykpgmdbpgbb6yqz5oluw2q26ye"},
		{"fingerprint", "allmydata_mutable_pubkey_to_fingerprint_v1", "", 32, "3opzw4hhm2sgncjx224qmt5ipqgagn7h5zivnfzqycvgqgmgz35q"},
		{"read key", tagMutableReadKey, "", 16, "vugid4as6qbqgeq2xczvvcedai"},
		{"mutable storage index", tagMutableReadToSI, "", 16, "j7icz6kigb6hxrej3tv4z7ayym"},
		{"immutable storage index", tagImmutableIndex, strings.Repeat("x", 16), 16, "wvggbrnrezdpa5yayrgiw5nzja"},
	} {
		h := taggedHash(tt.tag, []byte(tt.value))
		if got := encode32(h[:tt.n]); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestKeyHashOfAKey(t *testing.T) {
	t.Parallel()
	var writeKey tahoeKey
	for i := range writeKey {
		writeKey[i] = 1
	}
	readKey := keyHash(tagMutableReadKey, writeKey)
	index := keyHash(tagMutableReadToSI, readKey)
	if got := hex.EncodeToString(readKey[:]); got != "6d4c7ed53a22b395219d29a61e1898ee" {
		t.Errorf("read key %s", got)
	}
	if got := hex.EncodeToString(index[:]); got != "6cf85b1194b7cab24a72266aed12a451" {
		t.Errorf("storage index %s", got)
	}
}
