package filestore

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// How a directory of uploads names its entries (formats 16). An unfinished upload
// stands under "u", its key, 0x01 and its id: so they lie by key and then by the
// time of their initiation. What is remembered of a finished one stands under "c"
// and its id.
const (
	unfinishedMark = "u"
	finishedMark   = "c"
	uploadKeyEnd   = "\x01"
)

// Lengths in bytes: an id is the time of the initiation and random bytes that
// nobody guesses, in text of uploadIDLen.
const (
	uploadTimeLen   = 8
	uploadRandomLen = 16
	uploadIDLen     = (uploadTimeLen + uploadRandomLen) / 3 * 4
	// maxUploadKey is how much of an encoded key the name has room for. Uploads of
	// keys that are longer and alike so far stand together, by their ids.
	maxUploadKey = MaxName - len(unfinishedMark) - len(uploadKeyEnd) - uploadIDLen
)

// uploadText is base64 for URLs by an alphabet that ascends, so that ids sort as
// what they stand for.
var uploadText = base64.NewEncoding("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz").WithPadding(base64.NoPadding)

func newUploadID(now time.Time) string {
	var b [uploadTimeLen + uploadRandomLen]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(now.UnixNano(), 0)))
	rand.Read(b[uploadTimeLen:])
	return uploadText.EncodeToString(b[:])
}

// isUploadID reports whether an id can be one of ours.
func isUploadID(id string) bool {
	b, err := uploadText.DecodeString(id)
	return err == nil && len(b) == uploadTimeLen+uploadRandomLen && uploadText.EncodeToString(b) == id
}

// encodeUploadKey writes a key without "/", NUL and 0x01, so that names sort as keys
// do. A key that begins another is the front of that one's, too.
func encodeUploadKey(key string) string {
	b := make([]byte, 0, len(key)+16)
	for i := range len(key) {
		switch c := key[i]; c {
		case 1:
			b = append(b, 2, 1)
		case 2:
			b = append(b, 2, 2)
		case '.':
			b = append(b, '.', 1)
		case '/':
			b = append(b, '.', 0xff)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// uploadFront is what the names of all unfinished uploads of a key begin with, and
// of those whose keys begin with it; whole tells that it holds all of the key.
func uploadFront(key string) (front string, whole bool) {
	k := encodeUploadKey(key)
	if len(k) > maxUploadKey {
		return unfinishedMark + k[:maxUploadKey], false
	}
	return unfinishedMark + k, true
}

// uploadName is the name of an unfinished upload.
func uploadName(key, id string) string {
	front, _ := uploadFront(key)
	return front + uploadKeyEnd + id
}

// uploadKey is the key in the name of an unfinished upload; whole: it is all of it.
func uploadKey(name string) (key string, whole bool) {
	front, is := crowded(name)
	if is || len(front) <= len(unfinishedMark) || !strings.HasPrefix(front, unfinishedMark) {
		return "", false
	}
	code := front[len(unfinishedMark):]
	b := make([]byte, 0, len(code))
	for i := 0; i < len(code); i++ {
		c := code[i]
		if c == 2 || c == '.' {
			if i++; i == len(code) {
				return "", false
			}
			if c == '.' && code[i] == 0xff {
				c = '/'
			} else if c == 2 {
				c = code[i]
			}
		}
		b = append(b, c)
	}
	got, all := uploadFront(string(b))
	return string(b), all && got == front
}

// crowded reports whether uploads of other keys may share what the name of an
// unfinished upload has before its id, and gives that.
func crowded(name string) (front string, is bool) {
	front = name[:max(0, len(name)-len(uploadKeyEnd)-uploadIDLen)]
	return front, len(front) >= len(unfinishedMark)+maxUploadKey
}

// after is the least string that is greater than all that begin with s.
func after(s string) string {
	b := []byte(s)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return s
	}
	b[len(b)-1]++
	return string(b)
}

// MaxParts is how many parts an upload may have: their numbers are 1 to MaxParts.
const MaxParts = 10_000

// partDigits are those of MaxParts, so that the names of parts sort by number.
const partDigits = 5

func partName(number int) (string, error) {
	if number < 1 || number > MaxParts {
		return "", fmt.Errorf("a part number of %d: %w", number, kind.Invalid)
	}
	return fmt.Sprintf("%0*d", partDigits, number), nil
}

func partNumber(name string) (int, error) {
	n, err := strconv.Atoi(name)
	if want, werr := partName(n); err != nil || werr != nil || want != name {
		return 0, fmt.Errorf("the name of a part: %w", kind.Corrupt)
	}
	return n, nil
}
