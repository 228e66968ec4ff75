package sftpd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/filestore"
)

// The filestore holds names that SFTP can't show: other frontends make them.
// They appear under an alias, in which "%" and two lower-case hex digits stand
// for one byte:
//
//	""            %00, as no name holds NUL
//	"." and ".."  %2e and %2e%2e
//	not UTF-8     each byte that is not
//	too long      the beginning, "%~", and 16 hex digits of its SHA-256
//	hidden by a directory of the same name: "%f" behind it
//	looks like an alias itself: each "%" as %25
//
// Only such names are changed, and two entries never share an alias.
const (
	cutMark    = "%~"
	cutDigits  = 16
	cutSuffix  = len(cutMark) + cutDigits
	hiddenMark = "%f"
)

// alias returns the name under which SFTP shows name.
func alias(name string) string { return aliasWithin(name, maxName) }

// aliasWithin is alias for a place of limit bytes.
func aliasWithin(name string, limit int) string {
	a := name
	if needsAlias(name) {
		a = escape(name)
	}
	if len(a) <= limit {
		return a
	}
	sum := sha256.Sum256([]byte(name))
	cut := limit - cutSuffix
	for cut > 0 && (!utf8.RuneStart(a[cut]) || a[cut-1] == '%' || cut > 1 && a[cut-2] == '%') {
		cut--
	}
	return a[:cut] + cutMark + hex.EncodeToString(sum[:cutDigits/2])
}

// shownAs returns the name under which SFTP shows an entry of a listing, and the
// component of a path that means it.
func shownAs(i *filestore.Info) (shown, component string) {
	if i.Hidden {
		return aliasWithin(i.Name, maxName-len(hiddenMark)) + hiddenMark, filestore.Hidden(i.Name)
	}
	return alias(i.Name), i.Name
}

// needsAlias reports whether SFTP can't show name as it is.
func needsAlias(name string) bool {
	return name == "" || name == "." || name == ".." || len(name) > maxName || !utf8.ValidString(name) ||
		strings.IndexByte(name, '%') >= 0 && (isCut(name) || isEscape(name) || strings.HasSuffix(name, hiddenMark))
}

// isCut reports whether s looks like the alias of a name that was too long.
func isCut(s string) bool {
	i := len(s) - cutSuffix
	if i < 0 || s[i:i+len(cutMark)] != cutMark {
		return false
	}
	_, err := hex.DecodeString(s[i+len(cutMark):])
	return err == nil && strings.ToLower(s[i:]) == s[i:]
}

// isEscape reports whether s is the alias, uncut, of some other name. The
// recursion ends: what an escape stands for is shorter.
func isEscape(s string) bool {
	name, ok := unescape(s)
	return ok && len(name) < len(s) && needsAlias(name) && escape(name) == s
}

// escape writes a name that needs an alias, without cutting it.
func escape(name string) string {
	switch name {
	case "":
		return "%00"
	case ".":
		return "%2e"
	case "..":
		return "%2e%2e"
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && n == 1 || r == '%' {
			b.WriteByte('%')
			b.WriteString(hex.EncodeToString([]byte{name[i]}))
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unescape is the inverse of escape, for whatever has the form of an escape.
func unescape(s string) (name string, ok bool) {
	if s == "%00" {
		return "", true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", false
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil || c[0] == 0 || c[0] == '/' {
			return "", false
		}
		b.WriteByte(c[0])
		i += 2
	}
	return b.String(), true
}

// aliased returns the component that p's last one is an alias of, and whether
// such an entry exists. For a cut name the directory is searched.
func aliased(ctx context.Context, t tree, p filestore.Path) (string, bool) {
	dir, a := p.Split()
	bare, hidden := strings.CutSuffix(a, hiddenMark)
	if isCut(bare) {
		return searched(ctx, t, dir, a)
	}
	name := bare
	if isEscape(bare) {
		name, _ = unescape(bare)
	} else if !hidden {
		return "", false
	}
	in := func(name string) filestore.Path { return append(dir[:len(dir):len(dir)], name) }
	if !hidden {
		_, err := t.Lstat(ctx, in(name))
		return name, err == nil
	}
	if i, err := t.Lstat(ctx, in(name)); err != nil || i.Kind != filestore.KindDir {
		return "", false
	}
	name = filestore.Hidden(name)
	_, err := t.Lstat(ctx, in(name))
	return name, err == nil
}

// searched looks a directory over for the entry that is shown under a cut alias.
func searched(ctx context.Context, t tree, dir filestore.Path, a string) (string, bool) {
	for i, err := range t.List(ctx, dir) {
		if err != nil {
			break
		}
		if 3*len(i.Name)+len(hiddenMark) <= maxName {
			continue // an escape is three times as long at most: never cut
		}
		if shown, component := shownAs(&i); shown == a {
			return component, true
		}
	}
	return "", false
}
