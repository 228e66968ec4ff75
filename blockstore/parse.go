package blockstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
)

// parseOne reads a blockstore as one -b gives it: MOCKED, POSTGRESQL,
// s3:[<endpoint>]:<region>:<bucket>:<key>:<secret> and so on (Forms). The word
// before the first colon stands in any case. In what follows, \: is a colon and
// \\ a backslash; a backslash before anything else, or at the end, is itself. An
// address that begins with postgresql:// is taken as it stands.
func parseOne(text string) (Config, error) {
	if lower := strings.ToLower(text); strings.HasPrefix(lower, "postgresql://") || strings.HasPrefix(lower, "postgres://") {
		_, rest, _ := strings.Cut(text, "://")
		return Config{Driver: "postgresql", Fields: Fields{"url": "postgresql://" + rest}}.Complete()
	}
	parts := split(text)
	f, ok := FormOf(parts[0])
	if !ok {
		return Config{}, unknownDriver(parts[0])
	}
	c := Config{Driver: f.Driver, Fields: Fields{}}
	if _, err := c.Form(); err != nil {
		return Config{}, err
	}
	if f.Text == "" {
		return Config{}, kind.Errorf(kind.Invalid, "%s can be written in tahoe.cfg only, as a table", f.Driver)
	}
	args := parts[1:]
	if len(args) != len(f.Args) {
		return Config{}, kind.Errorf(kind.Invalid, `%d fields after %q where %d belong; the form is %s, a colon in a field is written \:`,
			len(args), f.Words[0], len(f.Args), f.Text)
	}
	for i, name := range f.Args {
		c.Fields[name] = args[i]
	}
	c, err := c.Complete()
	if err != nil {
		return Config{}, fmt.Errorf("%w; the form is %s", err, f.Text)
	}
	return c, nil
}

const raidForm = "several blockstores are -b RAID0|RAID1|RAID5:<node>:<blockstore> each, with nodes 0, 1, 2 and so on"

// Parse makes one blockstore of what -b says, given once or several times. One text
// alone is a blockstore, as s3:[<endpoint>]:<region>:<bucket>:<key>:<secret> (Forms);
// several are the nodes of one RAID, in any order. Errors, of kind Invalid or
// Unsupported, show the right form and nothing of the texts.
func Parse(texts []string) (Config, error) {
	nodes := map[int]Config{}
	raid, plain := "", 0
	for _, text := range texts {
		level, n, ok, err := raidNode(text)
		if err != nil {
			return Config{}, err
		}
		if !ok {
			plain++
			continue
		}
		switch _, twice := nodes[n]; {
		case raid != "" && raid != level:
			return Config{}, kind.Errorf(kind.Invalid, "%s and %s can't be mixed: %s", raid, level, raidForm)
		case twice:
			return Config{}, kind.Errorf(kind.Invalid, "node %d of %s is given twice: %s", n, level, raidForm)
		}
		raid = level
		_, rest := cutNode(text)
		if nodes[n], err = parseOne(rest); err != nil {
			return Config{}, fmt.Errorf("node %d of %s: %w", n, level, err)
		}
	}
	switch {
	case len(texts) == 0:
		return Config{}, kind.Errorf(kind.Invalid, "no blockstore is given; known are: %s", known())
	case plain == 1 && len(texts) == 1:
		return parseOne(texts[0])
	case plain == len(texts):
		return Config{}, kind.Errorf(kind.Invalid, "more than one blockstore is for RAID only: %s", raidForm)
	case plain > 0:
		return Config{}, kind.Errorf(kind.Invalid, "nodes of a RAID and a blockstore without can't be mixed: %s", raidForm)
	}
	c := Config{Driver: strings.ToLower(raid)}
	for i := range len(nodes) {
		node, ok := nodes[i]
		if !ok {
			return Config{}, kind.Errorf(kind.Invalid, "node %d of %s is missing, %d are given: %s", i, raid, len(nodes), raidForm)
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c.Complete()
}

// raidNode tells whether text is of the form RAID…:<node>:…, and of which RAID
// and node.
func raidNode(text string) (level string, node int, ok bool, err error) {
	word, rest, _ := strings.Cut(text, ":")
	level = strings.ToUpper(word)
	if !strings.HasPrefix(level, "RAID") {
		return "", 0, false, nil
	}
	if !slices.Contains([]string{"RAID0", "RAID1", "RAID5"}, level) {
		return "", 0, false, kind.Errorf(kind.Invalid, "%.20q is none of RAID0, RAID1 and RAID5: %s", word, raidForm)
	}
	number, inner, more := strings.Cut(rest, ":")
	if n, err := strconv.ParseUint(number, 10, 16); err == nil && !more {
		return "", 0, false, kind.Errorf(kind.Invalid, "%s:%d names no blockstore: %s", level, n, raidForm)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "", 0, false, kind.Errorf(kind.Invalid, "the node after %s is no whole number: %s", level, raidForm)
	}
	if len(inner) >= 4 && strings.EqualFold(inner[:4], "RAID") {
		return "", 0, false, kind.Errorf(kind.Invalid, "a node of %s can't be a RAID here; a RAID of RAIDs is a table in tahoe.cfg", level)
	}
	return level, int(n), true, nil
}

// cutNode splits a text that raidNode has accepted.
func cutNode(text string) (head, rest string) {
	parts := strings.SplitN(text, ":", 3)
	return parts[0] + ":" + parts[1], parts[2]
}

// split cuts at colons that no backslash escapes.
func split(text string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && (text[i+1] == ':' || text[i+1] == '\\'):
			i++
			part.WriteByte(text[i])
		case c == ':':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return append(parts, part.String())
}

// escape is the inverse of split for one part.
func escape(part string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(part)
}

// SplitList cuts the value of a variable that holds several blockstores at
// white space. A blank in a field is a backslash and a blank; a backslash at the
// end of a field is then written \\.
func SplitList(text string) []string {
	var items []string
	var item []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && isBlank(text[i+1]):
			i++
			item = append(item, text[i])
		case c == '\\' && i+1 < len(text):
			// The pair stays for split, which knows what it means.
			i++
			item = append(item, c, text[i])
		case !isBlank(c):
			item = append(item, c)
		case len(item) > 0:
			items, item = append(items, string(item)), nil
		}
	}
	if len(item) > 0 {
		items = append(items, string(item))
	}
	return items
}

func isBlank(c byte) bool { return strings.IndexByte(" \t\n\v\f\r", c) >= 0 }
