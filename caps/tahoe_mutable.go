package caps

import "strings"

// mutable is the public part of Tahoe-LAFS's mutable files and of the
// directories in them: SSK and DIR2 (layout SDMF), MDMF and DIR2-MDMF. Both
// layouts derive alike; equal keys have one storage index in both.
type mutable struct {
	layout      Form // FormSDMF or FormMDMF
	dir         bool
	fingerprint [32]byte // of the public key; the same in all three authorities
}

func (m *mutable) form() Form  { return m.layout }
func (m *mutable) isDir() bool { return m.dir }

// name returns the type as it stands in the text, without its suffix.
func (m *mutable) name() string {
	switch {
	case m.layout == FormSDMF && !m.dir:
		return "SSK"
	case m.layout == FormSDMF:
		return "DIR2"
	case !m.dir:
		return "MDMF"
	}
	return "DIR2-MDMF"
}

func (m *mutable) textWith(suffix string, k tahoeKey) string {
	return "URI:" + m.name() + suffix + encode32(k[:]) + ":" + encode32(m.fingerprint[:])
}

type mutableWrite struct {
	mutable
	writeKey tahoeKey
}

func (w *mutableWrite) text() string   { return w.textWith(":", w.writeKey) }
func (w *mutableWrite) index() Index   { return w.weaken().index() }
func (w *mutableWrite) read() readBody { return w.weaken() }
func (w *mutableWrite) weaken() *mutableRead {
	return &mutableRead{w.mutable, keyHash(tagMutableReadKey, w.writeKey)}
}

type mutableRead struct {
	mutable
	readKey tahoeKey
}

func (r *mutableRead) text() string       { return r.textWith("-RO:", r.readKey) }
func (r *mutableRead) index() Index       { return r.weaken().index() }
func (r *mutableRead) verify() verifyBody { return r.weaken() }
func (r *mutableRead) weaken() *mutableVerify {
	return &mutableVerify{r.mutable, keyHash(tagMutableReadToSI, r.readKey)}
}

type mutableVerify struct {
	mutable
	storageIndex tahoeKey
}

func (v *mutableVerify) text() string { return v.textWith("-Verifier:", v.storageIndex) }
func (v *mutableVerify) index() Index { return indexOf(v.storageIndex[:]) }
func (v *mutableVerify) verifies()    {}

// parseMutable returns the parser of one authority. After the fields of an
// MDMF capability any extension may follow; it is dropped, as Tahoe-LAFS does.
func parseMutable(layout Form, dir bool, make func(mutable, tahoeKey) Cap) parser {
	return func(body string) (Cap, error) {
		f := strings.SplitN(body, ":", 3)
		if len(f) < 2 || len(f) == 3 && layout != FormMDMF {
			return nil, errFields
		}
		m := mutable{layout: layout, dir: dir}
		var k tahoeKey
		if !fixed32(k[:], f[0]) || !fixed32(m.fingerprint[:], f[1]) {
			return nil, errBase32
		}
		return make(m, k), nil
	}
}

func newMutableWrite(m mutable, k tahoeKey) Cap { return Write{hide[writeBody](&mutableWrite{m, k})} }
func newMutableRead(m mutable, k tahoeKey) Cap  { return Read{hide[readBody](&mutableRead{m, k})} }
func newMutableVerify(m mutable, k tahoeKey) Cap {
	return Verify{hide[verifyBody](&mutableVerify{m, k})}
}
