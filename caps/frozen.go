package caps

import "strings"

// FrozenRead is the authority to read one frozen directory, an immutable deep
// copy of names (formats.md 1, DIR3-IMM). Root is zero if it is empty.
type FrozenRead struct {
	Key   Key // rk'
	Root  RootID
	Level uint8 // of the root node, at most 7
}

// Verify weakens f: vk' = KDF(Key, "dir-verify", "").
func (f FrozenRead) Verify() FrozenVerify {
	return FrozenVerify{Key: f.Key.Derive("dir-verify"), Root: f.Root, Level: f.Level}
}

// FrozenVerify is the authority to walk and check one frozen directory without
// reading names or data. Key is vk'.
type FrozenVerify struct {
	Key   Key
	Root  RootID
	Level uint8
}

// OfFrozenRead returns the capability of f.
func OfFrozenRead(f FrozenRead) Read { return Read{hide[readBody](&frozenRead{f})} }

// OfFrozenVerify returns the capability of f.
func OfFrozenVerify(f FrozenVerify) Verify { return Verify{hide[verifyBody](&frozenVerify{f})} }

// FrozenRead returns the authority over the directory, if r is of FormFrozen.
func (r Read) FrozenRead() (FrozenRead, bool) {
	b, ok := r.reads.show().(*frozenRead)
	if !ok {
		return FrozenRead{}, false
	}
	return b.FrozenRead, true
}

// FrozenVerify returns the authority over the directory, if v is of
// FormFrozen.
func (v Verify) FrozenVerify() (FrozenVerify, bool) {
	b, ok := v.checks.show().(*frozenVerify)
	if !ok {
		return FrozenVerify{}, false
	}
	return b.FrozenVerify, true
}

type frozenRead struct{ FrozenRead }

func (f *frozenRead) form() Form         { return FormFrozen }
func (f *frozenRead) isDir() bool        { return true }
func (f *frozenRead) index() Index       { return indexOf(f.Root[:]) }
func (f *frozenRead) verify() verifyBody { return &frozenVerify{f.FrozenRead.Verify()} }
func (f *frozenRead) text() string       { return "URI:DIR3-IMM:" + rootText(f.Key, f.Root, f.Level) }

type frozenVerify struct{ FrozenVerify }

func (f *frozenVerify) form() Form   { return FormFrozen }
func (f *frozenVerify) isDir() bool  { return true }
func (f *frozenVerify) index() Index { return indexOf(f.Root[:]) }
func (f *frozenVerify) verifies()    {}
func (f *frozenVerify) text() string {
	return "URI:DIR3-IMM-Verifier:" + rootText(f.Key, f.Root, f.Level)
}

func parseFrozenRead(text string) (Cap, error) {
	f, err := parseFrozenFields(text)
	if err != nil {
		return nil, err
	}
	return OfFrozenRead(f), nil
}

func parseFrozenVerify(text string) (Cap, error) {
	f, err := parseFrozenFields(text)
	if err != nil {
		return nil, err
	}
	return OfFrozenVerify(FrozenVerify(f)), nil
}

func parseFrozenFields(text string) (FrozenRead, error) {
	f := strings.SplitN(text, ":", 4)
	if len(f) != 3 {
		return FrozenRead{}, errFields
	}
	k, root, level, err := parseRoot(f)
	if err != nil {
		return FrozenRead{}, err
	}
	if level > maxLevel || root == (RootID{}) && level != 0 {
		return FrozenRead{}, errLevel
	}
	return FrozenRead{Key: k, Root: root, Level: level}, nil
}
