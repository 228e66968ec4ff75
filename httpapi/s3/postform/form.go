// Package postform reads uploads by HTML forms (POST Object): the fields before
// the file, the file as a stream, and the policy document that says which fields
// whoever signed it allows. It is pure but for the reader that it is given.
//
// Source: Amazon S3 API Reference, "POST Object", "POST policy".
package postform

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// What the fields before the file may take, in bytes, and how many there may be.
const (
	maxFields     = 64 << 10
	maxFieldCount = 256
	// All that stands before the file or behind it, with the heads of the parts.
	maxFrame = maxFields + maxFieldCount<<9
)

var errFrame = errors.New("too much beside the file")

// gate lets so much of a body through, or all while it is open.
type gate struct {
	src  io.Reader
	left int
	open bool
}

// Read implements io.Reader.
func (g *gate) Read(p []byte) (int, error) {
	if g.open {
		return g.src.Read(p)
	}
	if g.left == 0 {
		return 0, errFrame
	}
	n, err := g.src.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// ignored is what the names of fields begin with that say nothing to S3.
const ignored = "x-ignore-"

// Field is a field of the form; names know no upper and lower case and are in
// lower case here.
type Field struct{ Name, Value string }

// Form is a form up to its file.
type Form struct {
	Fields   []Field
	File     io.Reader // the contents, up to the end of the file
	Filename string    // as the browser said it, without its folders
	Type     string    // the file's own content type

	parts *multipart.Reader
	gate  *gate
}

func refuse(code, format string, args ...any) error {
	return &settings.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// IsForm reports whether a request with that Content-Type is a form.
func IsForm(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "multipart/form-data"
}

// Read reads the fields of a form up to the file.
func Read(body io.Reader, contentType string) (*Form, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, refuse("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	}
	f := &Form{gate: &gate{src: body, left: maxFrame}}
	f.parts = multipart.NewReader(f.gate, params["boundary"])
	left := int64(maxFields)
	for {
		part, err := f.parts.NextRawPart()
		if err != nil {
			switch {
			case errors.Is(err, io.EOF):
				return nil, refuse("InvalidArgument", "POST requires exactly one file upload per request.")
			case errors.Is(err, errFrame):
				return nil, refuse("MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.")
			}
			return nil, refuse("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			f.File, f.Filename, f.Type = part, filename(part), part.Header.Get("Content-Type")
			f.gate.open = true
			return f, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return nil, refuse("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
		}
		left -= int64(len(value) + len(name))
		if left < 0 || len(f.Fields) == maxFieldCount {
			return nil, refuse("MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.")
		}
		if name == "" || !utf8.Valid(value) {
			return nil, refuse("MalformedPOSTRequest", "A field of the form has no name or is not UTF-8.")
		}
		if _, twice := f.Get(name); twice && !strings.HasPrefix(name, ignored) {
			// A policy would judge the one, and the object would have the other.
			return nil, refuse("InvalidArgument", "POST requires at most one field of a name: %s", name)
		}
		f.Fields = append(f.Fields, Field{name, string(value)})
	}
}

// filename is what the browser called the file, without folders: some send whole
// paths.
func filename(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	name := params["filename"]
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// Get gives the value of a field, by its name in lower case.
func (f *Form) Get(name string) (string, bool) {
	for _, field := range f.Fields {
		if field.Name == name {
			return field.Value, true
		}
	}
	return "", false
}

// Value is Get, "" for an absent field.
func (f *Form) Value(name string) string {
	v, _ := f.Get(name)
	return v
}

// Key is the key that the form names: ${filename} stands for the file's name.
func (f *Form) Key() (string, error) {
	key, ok := f.Get("key")
	if !ok {
		return "", refuse("InvalidArgument", "Bucket POST must contain a field named 'key'. If it is specified, please check the order of the fields.")
	}
	key = strings.ReplaceAll(key, "${filename}", f.Filename)
	if key == "" {
		return "", refuse("InvalidArgument", "User key must have a length greater than 0.")
	}
	return key, nil
}

// End reads to the end of the form: what stands behind the file has to be
// well formed, and no field there counts.
func (f *Form) End() error {
	f.gate.open, f.gate.left = false, maxFrame
	for n := 0; ; n++ {
		_, err := f.parts.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil || n == maxFieldCount:
			return refuse("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
		}
	}
}
