package caps

import (
	"bytes"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// MaxLiteral is the largest number of bytes that a literal is made of; larger
// contents are stored. Literals of any length are read, as Tahoe-LAFS does.
const MaxLiteral = 55

// literal is LIT and DIR2-LIT: the bytes stand in the capability.
type literal struct {
	dir  bool
	data []byte
}

func (l *literal) form() Form           { return FormLiteral }
func (l *literal) isDir() bool          { return l.dir }
func (l *literal) index() Index         { return Index{} }
func (l *literal) verify() verifyBody   { return nil }
func (l *literal) size() (uint64, bool) { return uint64(len(l.data)), true }
func (l *literal) text() string {
	if l.dir {
		return "URI:DIR2-LIT:" + encode32(l.data)
	}
	return "URI:LIT:" + encode32(l.data)
}

func parseLiteral(dir bool) parser {
	return func(body string) (Cap, error) {
		data, ok := decode32(body)
		if !ok {
			return nil, errBase32
		}
		return Read{hide[readBody](&literal{dir: dir, data: data})}, nil
	}
}

// OfLiteral returns the capability that holds a copy of data as a file, or
// TooLarge above MaxLiteral bytes.
func OfLiteral(data []byte) (Read, error) {
	if len(data) > MaxLiteral {
		return Read{}, fmt.Errorf("caps: a literal of %d bytes: %w", len(data), kind.TooLarge)
	}
	return Read{hide[readBody](&literal{data: bytes.Clone(data)})}, nil
}

// Literal returns a copy of a literal file's bytes. It is false for everything
// else, directories (DIR2-LIT) too: their bytes are no file.
func (r Read) Literal() ([]byte, bool) {
	l, ok := r.reads.show().(*literal)
	if !ok || l.dir {
		return nil, false
	}
	return bytes.Clone(l.data), true
}
