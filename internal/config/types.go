package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/internal/bytesize"
)

// Size is a number of bytes. As text: a whole number with an optional unit, B,
// KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000).
type Size int64

// ParseSize reads the text of a Size.
func ParseSize(text string) (Size, error) {
	n, err := bytesize.Parse(text)
	return Size(n), err
}

// String gives the size in the largest binary unit that divides it.
func (s Size) String() string { return bytesize.Format(int64(s)) }

// List is several words, as text with commas between.
type List []string

func parseList(text string) List {
	var words List
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// Mode is permission bits, octal as text.
type Mode uint32

// String gives three octal digits.
func (m Mode) String() string { return fmt.Sprintf("%03o", uint32(m)) }

func parseMode(text string) (Mode, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("%.40q is no octal mode of at most 777", text)
	}
	return Mode(n), nil
}

// Path is a file name. In a Config that Load returned it is absolute; relative
// ones are taken from BASEDIR, and "~/" from the user's home.
type Path string

func (p Path) in(basedir string) (Path, error) {
	s := string(p)
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		return Path(filepath.Join(home, rest)), nil
	}
	if s == "" || filepath.IsAbs(s) {
		return p, nil
	}
	return Path(filepath.Join(basedir, s)), nil
}

// Listen is an address to listen on.
type Listen struct {
	Host string // empty: all addresses
	Port uint16 // 0: any free one
}

// String gives HOST:PORT, as net.Listen takes it.
func (l Listen) String() string {
	return net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port)))
}

// ParseListen reads HOST:PORT, a bare PORT, or a Twisted endpoint as Tahoe-LAFS
// uses it: tcp:PORT[:interface=ADDRESS], tcp6:… likewise, ":" in the address
// written as "\:".
func ParseListen(text string) (Listen, error) {
	if rest, ok := strings.CutPrefix(text, "tcp:"); ok {
		return parseEndpoint(text, rest, "")
	}
	if rest, ok := strings.CutPrefix(text, "tcp6:"); ok {
		return parseEndpoint(text, rest, "::")
	}
	if port, err := parsePort(text); err == nil {
		return Listen{Port: port}, nil
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return Listen{}, fmt.Errorf("%.80q is no address: HOST:PORT or tcp:PORT:interface=ADDRESS", text)
	}
	port, err := parsePort(number)
	if err != nil {
		return Listen{}, fmt.Errorf("%.80q: %w", text, err)
	}
	return Listen{Host: host, Port: port}, nil
}

func parseEndpoint(text, args, host string) (Listen, error) {
	l := Listen{Host: host}
	havePort := false
	for _, arg := range splitEscaped(args) {
		name, value, named := strings.Cut(arg, "=")
		if !named {
			name, value = "port", arg
		}
		switch name {
		case "port":
			port, err := parsePort(value)
			if err != nil || havePort {
				return Listen{}, fmt.Errorf("%.80q: one port from 0 to 65535 is needed", text)
			}
			l.Port, havePort = port, true
		case "interface":
			l.Host = strings.Trim(value, "[]")
		default:
			return Listen{}, fmt.Errorf("%.80q: only port and interface are known", text)
		}
	}
	if !havePort {
		return Listen{}, fmt.Errorf("%.80q: the port is missing", text)
	}
	return l, nil
}

// splitEscaped splits at ":" where no backslash stands before it.
func splitEscaped(s string) []string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			part.WriteByte(s[i])
		case s[i] == ':':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(s[i])
		}
	}
	return append(parts, part.String())
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errors.New("the port is no number from 0 to 65535")
	}
	return uint16(n), nil
}
