// Package settings reads and writes the XML documents that buckets and objects
// are configured with: CORS, lifecycle, website, tagging, encryption, object
// lock, ownership, public access block, and the rules that they say. It is pure:
// no clock of its own, no network, no storage.
//
// What a parser here accepts is understood in full: an element that it doesn't
// know is refused (MalformedXML), and so is a value that it couldn't obey. What
// it writes is what it read.
//
// Source: Amazon S3 API Reference and User Guide.
package settings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Error is a refusal with S3's code for it.
type Error struct {
	Code    string
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) error { return refuse("MalformedXML", format, args...) }

func invalid(format string, args ...any) error { return refuse("InvalidArgument", format, args...) }

// Namespace is that of S3's documents.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// maxDepth is how deep documents nest at most: S3's need seven levels.
const maxDepth = 16

// Read decodes data, one document whose root element has that name, into v
// by the rules of encoding/xml. Namespaces are not looked at: clients differ.
// Unlike encoding/xml it refuses what stands in no field of v: elements of a
// field `xml:",any"` of type Unknown. There are no document types, so no
// entities but XML's five.
func Read(data []byte, root string, v any) error {
	if err := shape(data, root); err != nil {
		return err
	}
	if err := xml.Unmarshal(data, v); err != nil {
		return malformed("The XML is not well formed or holds a value of the wrong kind: %s", plain(err))
	}
	return nil
}

// shape walks over the whole document first: one root of the right name, no
// directives, bounded depth, nothing behind it.
func shape(data []byte, root string) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	depth, roots := 0, 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return malformed("The XML is not well formed: %s", plain(err))
		}
		switch t := t.(type) {
		case xml.Directive:
			return malformed("The XML has a document type.")
		case xml.StartElement:
			if depth == 0 {
				roots++
				if t.Name.Local != root || roots > 1 {
					return malformed("The document is not one %s.", root)
				}
			}
			if depth++; depth > maxDepth {
				return malformed("The XML nests too deep.")
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(t, []byte("\ufeff")))) > 0 {
				return malformed("There is text outside of the document.")
			}
		}
	}
	if roots == 0 {
		return malformed("The document is empty.")
	}
	return nil
}

// plain is an error of encoding/xml, short and in one line.
func plain(err error) string {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d: %s", syntax.Line, syntax.Msg)
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, err.Error())
	return text[:min(len(text), 200)]
}

// Unknown catches the elements that no field is for, each of which is an error.
type Unknown struct{}

// UnmarshalXML implements xml.Unmarshaler.
func (*Unknown) UnmarshalXML(_ *xml.Decoder, start xml.StartElement) error {
	return fmt.Errorf("unknown element %s", start.Name.Local)
}

// Write is the document of v with XML's header.
func Write(v any) []byte {
	data, err := xml.Marshal(v)
	if err != nil { // of our own types: can't be
		return nil
	}
	return append([]byte(xml.Header), data...)
}
