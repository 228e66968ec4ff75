package node

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The master key as text: one line,
//
//	truckee-master-1:KEY:CHECK
//
// KEY is 32 bytes, CHECK the first 5 bytes of SHA-256("truckee/1/master-check" +
// 0x00 + key), both in base32, lower case without padding. Lines that begin
// with # and blank ones are ignored. The check makes a mistyped key fail here
// and not as damage everywhere.
const (
	masterPrefix = "truckee-master-1"
	masterHeader = "# The master key of a Truckee node. Keep it secret, and keep a copy in another place:\n" +
		"# what the node's database keeps for the gateway can't be read without it.\n"
)

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newMasterKey makes the master key's file unless it is there.
func (l Layout) newMasterKey() error {
	if ok, err := exists(l.masterKey()); ok || err != nil {
		return err
	}
	var key [caps.KeySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	text := masterHeader + masterText(key) + "\n"
	return atomicfile.Write(l.masterKey(), []byte(text), 0o600, atomicfile.MustBeNew())
}

// readMasterKey reads the master key. Its errors don't show it.
func (l Layout) readMasterKey() (caps.Key, error) {
	path := l.masterKey()
	if err := checkSecret(path); errors.Is(err, fs.ErrNotExist) {
		return caps.Key{}, kind.Errorf(kind.NotExist, "%s is missing: restore it from the backup", path)
	} else if err != nil {
		return caps.Key{}, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return caps.Key{}, err
	}
	key, err := parseMaster(string(b))
	if err != nil {
		return caps.Key{}, kind.Errorf(kind.Corrupt, "%s: %w", path, err)
	}
	return key, nil
}

func masterText(key [caps.KeySize]byte) string {
	return masterPrefix + ":" + lowerBase32.EncodeToString(key[:]) + ":" + lowerBase32.EncodeToString(masterCheck(key[:]))
}

func masterCheck(key []byte) []byte {
	sum := sha256.Sum256(append([]byte("truckee/1/master-check\x00"), key...))
	return sum[:5]
}

// parseMaster reads the text of a master key's file.
func parseMaster(text string) (caps.Key, error) {
	var line string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return caps.Key{}, errors.New("more than one line")
		}
		line = l
	}
	parts := strings.Split(line, ":")
	if len(parts) != 3 || parts[0] != masterPrefix {
		return caps.Key{}, errors.New("not a master key of this version")
	}
	key, err1 := lowerBase32.DecodeString(parts[1])
	check, err2 := lowerBase32.DecodeString(parts[2])
	if err1 != nil || err2 != nil || len(key) != caps.KeySize || subtle.ConstantTimeCompare(check, masterCheck(key)) != 1 {
		return caps.Key{}, errors.New("a character is wrong or missing")
	}
	if text := masterText([caps.KeySize]byte(key)); text != line {
		return caps.Key{}, errors.New("not in its one canonical form")
	}
	return caps.KeyFromSlice(key)
}
