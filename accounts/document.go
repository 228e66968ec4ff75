package accounts

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Bounds of an accounts file, in bytes.
const (
	maxFile = 64 << 20
	maxLine = 64 << 10
)

// document is an accounts file as read: every line verbatim, so that writing it
// again changes nothing else.
type document struct {
	path string
	rows []row
}

// row is one line of the file; login is nil for blank lines and comments.
type row struct {
	text  secret // with its line end
	login *line
}

// parseDocument reads a whole file. The error, of kind Invalid, names the path
// and the line of the first mistake and counts the others.
func parseDocument(path string, b []byte) (*document, error) {
	if len(b) > maxFile {
		return nil, kind.Errorf(kind.TooLarge, "%s: larger than %d MiB", path, maxFile>>20)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	d := &document{path: path}
	var faults []error
	for text := range strings.Lines(string(b)) {
		r, err := parseRow(text)
		d.rows = append(d.rows, r)
		if err != nil {
			faults = append(faults, d.fault(len(d.rows), err))
		}
	}
	if len(faults) == 0 {
		faults = d.checkNames()
	}
	return d, summary(faults)
}

func parseRow(text string) (row, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || strings.HasPrefix(trimmed, "#") {
		return row{text: newSecret(text)}, nil
	}
	if len(text) > maxLine {
		return row{text: newSecret(text)}, fmt.Errorf("the line is longer than %d bytes", maxLine)
	}
	l, err := parseLine(text)
	if err != nil {
		return row{text: newSecret(text)}, err
	}
	return row{text: newSecret(text), login: &l}, nil
}

// fault says where a mistake is; number counts from 1.
func (d *document) fault(number int, err error) error {
	return fmt.Errorf("%s:%d: %w", d.path, number, err)
}

// checkNames finds what is wrong between the lines of one name.
func (d *document) checkNames() []error {
	var faults []error
	first := map[string]int{}    // name to the index of its first row
	password := map[string]int{} // name to the index of its password row
	s3 := map[string]int{}       // access key to the index of its row
	for i, r := range d.rows {
		if r.login == nil {
			continue
		}
		name := r.login.name
		if j, ok := first[name]; !ok {
			first[name] = i
		} else if !caps.Equal(d.rows[j].login.root, r.login.root) {
			faults = append(faults, d.fault(i+1, fmt.Errorf("%q has another root capability than on line %d", name, j+1)))
		}
		if k := r.login.s3; k != nil {
			if j, ok := s3[k.id]; ok {
				faults = append(faults, d.fault(i+1, fmt.Errorf("the access key stands on line %d already", j+1)))
			}
			s3[k.id] = i
		}
		if !r.login.isPassword() {
			continue
		}
		if j, ok := password[name]; ok {
			faults = append(faults, d.fault(i+1, fmt.Errorf("%q has a password already, on line %d", name, j+1)))
		}
		password[name] = i
	}
	return append(faults, d.checkChains(password)...)
}

// checkChains finds names of which one line asks for a proof besides its own
// that another line makes pointless or that there isn't.
func (d *document) checkChains(password map[string]int) []error {
	var faults []error
	asking := map[string]bool{} // names with a key that asks for the password
	for i, r := range d.rows {
		l := r.login
		if l == nil || l.key == nil || l.limits.also != ByPassword {
			continue
		}
		asking[l.name] = true
		j, ok := password[l.name]
		switch {
		case !ok:
			faults = append(faults, d.fault(i+1, fmt.Errorf("also=password, and %q has no password", l.name)))
		case d.rows[j].login.limits.also != ByKey:
			faults = append(faults, d.fault(i+1, fmt.Errorf("also=password is pointless while the password of %q is enough by itself: say also=key on line %d", l.name, j+1)))
		}
	}
	for name, j := range password {
		if d.rows[j].login.limits.also == ByKey && !asking[name] {
			faults = append(faults, d.fault(j+1, fmt.Errorf("also=key, and no key of %q says also=password", name)))
		}
	}
	return faults
}

// summary makes one error of many.
func summary(faults []error) error {
	switch n := len(faults); n {
	case 0:
		return nil
	case 1:
		return kind.Errorf(kind.Invalid, "%w", faults[0])
	default:
		return kind.Errorf(kind.Invalid, "%w (and %d more mistakes)", faults[0], n-1)
	}
}

// bytes renders the file: every line as it was read.
func (d *document) bytes() []byte {
	var b bytes.Buffer
	for _, r := range d.rows {
		text := r.text.expose()
		b.WriteString(text)
		if !strings.HasSuffix(text, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
