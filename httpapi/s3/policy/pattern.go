package policy

import "strings"

// A pattern is text with wildcards (* for any number of characters, ? for one)
// and, in documents of 2012, variables ${name} and ${name, 'default'}. What a
// variable stands for is matched as it is: a wildcard in it is a character.
type pattern []piece

type piece struct {
	kind pieceKind
	text string // literal: itself; variable: the name in lower case
	def  string
	has  bool // variable: def is there
}

type pieceKind uint8

const (
	literal pieceKind = iota
	anyRun
	anyOne
	variable
)

// parsePattern reads text. wildcards says whether * and ? mean something,
// variables the same of ${…}.
func parsePattern(text string, wildcards, variables bool) (pattern, error) {
	var p pattern
	plain := func(s string) {
		if n := len(p); n > 0 && p[n-1].kind == literal {
			p[n-1].text += s
		} else {
			p = append(p, piece{kind: literal, text: s})
		}
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case wildcards && c == '*':
			if n := len(p); n == 0 || p[n-1].kind != anyRun {
				p = append(p, piece{kind: anyRun})
			}
		case wildcards && c == '?':
			p = append(p, piece{kind: anyOne})
		case variables && strings.HasPrefix(text[i:], "${"):
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, malformed("a variable in %q has no end", text)
			}
			v, plainText, err := parseVariable(text[i+2 : i+end])
			if err != nil {
				return nil, err
			}
			if plainText != "" {
				plain(plainText)
			} else {
				p = append(p, v)
			}
			i += end
		default:
			plain(text[i : i+1])
		}
		i++
	}
	return p, nil
}

// parseVariable reads what stands between ${ and }. ${*}, ${?} and ${$} are
// those characters.
func parseVariable(inside string) (v piece, plain string, err error) {
	if inside == "*" || inside == "?" || inside == "$" {
		return piece{}, inside, nil
	}
	name, def, has := strings.Cut(inside, ",")
	v = piece{kind: variable, text: foldKey(strings.TrimSpace(name)), has: has}
	if _, known := keyKind(v.text); !known {
		return piece{}, "", malformed("unknown variable %q", inside)
	}
	if has {
		def = strings.TrimSpace(def)
		if len(def) < 2 || def[0] != '\'' || def[len(def)-1] != '\'' {
			return piece{}, "", malformed("the default of the variable %q stands in no quotes", inside)
		}
		v.def = def[1 : len(def)-1]
	}
	return v, "", nil
}

// resolve puts values for variables; false if one has none: then the statement
// matches nothing.
func (p pattern) resolve(vars func(string) (string, bool)) (pattern, bool) {
	if !p.has(variable) {
		return p, true
	}
	out := make(pattern, len(p))
	for i, e := range p {
		if e.kind == variable {
			text, ok := vars(e.text)
			if !ok {
				text, ok = e.def, e.has
			}
			if !ok {
				return nil, false
			}
			e = piece{kind: literal, text: text}
		}
		out[i] = e
	}
	return out, true
}

func (p pattern) has(k pieceKind) bool {
	for _, e := range p {
		if e.kind == k {
			return true
		}
	}
	return false
}

// fixed reports whether p matches one text only, whoever asks.
func (p pattern) fixed() bool { return !p.has(anyRun) && !p.has(anyOne) && !p.has(variable) }

// text is p as plain text: only of a fixed or resolved pattern without wildcards.
func (p pattern) text() string {
	var b strings.Builder
	for _, e := range p {
		switch e.kind {
		case anyRun:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		default:
			b.WriteString(e.text)
		}
	}
	return b.String()
}

// match compares the whole of s with a resolved pattern, going back to the
// last run only, so that it takes at most len(p)·len(s) steps.
func (p pattern) match(s string) bool {
	pi, si := 0, 0
	runAt, runFrom := -1, 0
	for si < len(s) || pi < len(p) {
		if pi < len(p) {
			switch e := p[pi]; e.kind {
			case anyRun:
				runAt, runFrom = pi, si
				pi++
				continue
			case anyOne:
				if n := runeLen(s[si:]); n > 0 {
					si += n
					pi++
					continue
				}
			default:
				if strings.HasPrefix(s[si:], e.text) {
					si += len(e.text)
					pi++
					continue
				}
			}
		}
		if runAt < 0 || runFrom >= len(s) {
			return false
		}
		runFrom += runeLen(s[runFrom:])
		pi, si = runAt+1, runFrom
	}
	return true
}

// runeLen is the length of the first character of s: of bytes that are no
// UTF-8, one.
func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

// overlaps reports whether some text matches both a resolved pattern p and the
// plain text s, variables standing for anything.
func (p pattern) overlaps(s string) bool {
	out := make(pattern, len(p))
	for i, e := range p {
		if e.kind == variable {
			e = piece{kind: anyRun}
		}
		out[i] = e
	}
	return out.match(s)
}
