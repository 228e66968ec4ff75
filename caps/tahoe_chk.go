package caps

import "strings"

// chk is the public part of Tahoe-LAFS's immutable files and of the
// directories in them: CHK and DIR2-CHK.
type chk struct {
	dir  bool
	ueb  [32]byte // hash of the URI extension block, the root of all checks
	code string   // needed shares:total shares:size, canonical decimals
}

func (c *chk) form() Form  { return FormCHK }
func (c *chk) isDir() bool { return c.dir }

func (c *chk) textWith(suffix string, k tahoeKey) string {
	name := "URI:CHK"
	if c.dir {
		name = "URI:DIR2-CHK"
	}
	return name + suffix + encode32(k[:]) + ":" + encode32(c.ueb[:]) + ":" + c.code
}

type chkRead struct {
	chk
	readKey tahoeKey
}

func (r *chkRead) text() string       { return r.textWith(":", r.readKey) }
func (r *chkRead) index() Index       { return r.weaken().index() }
func (r *chkRead) verify() verifyBody { return r.weaken() }
func (r *chkRead) weaken() *chkVerify {
	return &chkVerify{r.chk, keyHash(tagImmutableIndex, r.readKey)}
}

type chkVerify struct {
	chk
	storageIndex tahoeKey
}

func (v *chkVerify) text() string { return v.textWith("-Verifier:", v.storageIndex) }
func (v *chkVerify) index() Index { return indexOf(v.storageIndex[:]) }
func (v *chkVerify) verifies()    {}

func parseCHKRead(dir bool) parser {
	return func(body string) (Cap, error) {
		c, k, rest, err := parseCHK(dir, body)
		if err == nil && rest != "" {
			err = errFields
		}
		if err != nil {
			return nil, err
		}
		return Read{hide[readBody](&chkRead{c, k})}, nil
	}
}

// parseCHKVerify drops whatever follows the size, as Tahoe-LAFS does.
func parseCHKVerify(dir bool) parser {
	return func(body string) (Cap, error) {
		c, k, _, err := parseCHK(dir, body)
		if err != nil {
			return nil, err
		}
		return Verify{hide[verifyBody](&chkVerify{c, k})}, nil
	}
}

// parseCHK reads the five fields and returns what follows the last digit. As
// in Tahoe-LAFS, the numbers may have leading zeros, which aren't printed
// again, and are in no range: whether they make sense is checked by who uses
// them.
func parseCHK(dir bool, body string) (c chk, k tahoeKey, rest string, err error) {
	f := strings.SplitN(body, ":", 5)
	if len(f) != 5 {
		return c, k, "", errFields
	}
	c.dir = dir
	if !fixed32(k[:], f[0]) || !fixed32(c.ueb[:], f[1]) {
		return c, k, "", errBase32
	}
	needed, restNeeded, ok1 := cutDecimal(f[2])
	total, restTotal, ok2 := cutDecimal(f[3])
	size, rest, ok3 := cutDecimal(f[4])
	if !ok1 || !ok2 || !ok3 || restNeeded != "" || restTotal != "" {
		return c, k, "", errNumber
	}
	c.code = needed + ":" + total + ":" + size
	return c, k, rest, nil
}

// size is the length of the file, false if it is more than 63 bits hold.
func (c *chk) size() (uint64, bool) {
	return parseNumber(c.code[strings.LastIndexByte(c.code, ':')+1:], 63)
}

// cutDecimal splits s after its leading digits and drops leading zeros from
// them. The number may be of any length. It is false if there is no digit.
func cutDecimal(s string) (number, rest string, ok bool) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return "", s, false
	}
	number = strings.TrimLeft(s[:n], "0")
	if number == "" {
		number = "0"
	}
	return number, s[n:], true
}
