package accounts

import (
	"errors"
	"fmt"
	"strings"
)

// parseAuthorized translates the options before a key in authorized_keys
// (sshd(8)) into those of an accounts line. What sshd may be told to forbid
// (restrict, no-pty, …) is never allowed here.
func parseAuthorized(line string) (options []string, rest string, err error) {
	for {
		name, value, after, err := nextAuthorized(line)
		if err != nil {
			return nil, "", err
		}
		option, err := fromAuthorized(name, value)
		if err != nil {
			return nil, "", err
		}
		if option != "" {
			options = append(options, option)
		}
		var more bool
		if line, more = strings.CutPrefix(after, ","); !more {
			return options, after, nil
		}
	}
}

// nextAuthorized splits NAME or NAME="VALUE" off.
func nextAuthorized(s string) (name, value, after string, err error) {
	i := strings.IndexAny(s, `=, `+"\t")
	if i < 0 {
		return "", "", "", errors.New("not a public key line: [OPTIONS] KEYTYPE KEY [COMMENT]")
	}
	name = s[:i]
	if s[i] != '=' {
		return name, "", s[i:], nil
	}
	s, quoted := strings.CutPrefix(s[i+1:], `"`)
	if !quoted {
		return "", "", "", fmt.Errorf("option %.40q: its value stands in quotes", name)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
			b.WriteByte('"')
		case s[i] == '"':
			return name, b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", "", fmt.Errorf("option %.40q: its value doesn't end", name)
}

func fromAuthorized(name, value string) (option string, err error) {
	switch strings.ToLower(name) {
	case "from":
		if _, err := parseAddresses(value); err != nil {
			return "", fmt.Errorf("option from: %w", err)
		}
		return "from=" + escape(value), nil
	case "expiry-time":
		if _, err := parseExpiry(value); err != nil {
			return "", fmt.Errorf("option expiry-time: %w", err)
		}
		return "expires=" + escape(value), nil
	case "cert-authority":
		return "cert-authority=yes", nil
	case "principals":
		return "principals=" + escape(value), nil
	case "no-touch-required":
		return "touch=no", nil
	case "verify-required":
		return "verify=yes", nil
	case "command":
		if value == "internal-sftp" {
			return "", nil
		}
		return "", errors.New("option command: only internal-sftp is served here")
	case "restrict", "no-pty", "no-port-forwarding", "no-agent-forwarding", "no-x11-forwarding", "no-user-rc":
		return "", nil
	}
	return "", fmt.Errorf("option %.40q of authorized_keys means nothing here", name)
}

// escape writes a value as unescape reads it.
func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == '%' || c == 0x7f {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
