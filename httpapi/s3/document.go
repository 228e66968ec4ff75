package s3

import "unicode/utf8"

const (
	xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
)

// document is an XML answer that is being written.
type document struct{ b []byte }

func newDocument(root string) *document {
	d := &document{}
	d.raw(xmlHeader)
	d.raw("<" + root + ` xmlns="` + namespace + `">`)
	return d
}

func (d *document) end(root string) []byte {
	d.close(root)
	return d.b
}

func (d *document) raw(s string) { d.b = append(d.b, s...) }

func (d *document) open(name string) {
	d.b = append(d.b, '<')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *document) close(name string) {
	d.b = append(d.b, '<', '/')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

// text writes an element that holds a text.
func (d *document) text(name, value string) {
	d.open(name)
	d.b = appendEscaped(d.b, value)
	d.close(name)
}

// optional is text, if there is any.
func (d *document) optional(name, value string) {
	if value != "" {
		d.text(name, value)
	}
}

func (d *document) number(name string, n int64) { d.text(name, itoa(n)) }

func (d *document) boolean(name string, b bool) {
	if b {
		d.text(name, "true")
		return
	}
	d.text(name, "false")
}

// appendEscaped writes s as XML's character data. Control characters, which XML
// 1.0 has no way to hold, become references as S3 writes them: keys may have them,
// and clients that want to be sure ask for encoding-type=url.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '"':
			b = append(b, "&quot;"...)
		case c < 0x20 || c == 0x7f:
			b = append(b, "&#x"...)
			if c >= 0x10 {
				b = append(b, "0123456789abcdef"[c>>4])
			}
			b = append(b, "0123456789abcdef"[c&15], ';')
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				b = append(b, "\uFFFD"...)
			case r == 0xFFFE || r == 0xFFFF:
				b = append(b, "&#x"...)
				b = append(b, "fffe"[:3]...)
				b = append(b, "ef"[r-0xFFFE], ';')
			default:
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return b
}
