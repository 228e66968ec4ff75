package sftpd

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// offer is what a client says of itself before any secret exists: the
// identification line (RFC 4253, section 4.2) and the first lists of its
// SSH_MSG_KEXINIT (section 7.1).
type offer struct {
	version        string   // without CR and LF
	lists          []string // the name-lists as they came, in the order of section 7.1
	toServer       []string
	toClient       []string
	hasLine        bool // version is known
	hasKexInit     bool // the lists are known
	unintelligible bool // it is something else; more bytes won't help
}

const (
	// maxIdentification bounds the identification line, with CR and LF.
	maxIdentification = 255
	// maxKexInit bounds the packet that follows; RFC 4253, section 6.1, asks
	// for no more than 35000 bytes to be accepted.
	maxKexInit = 35000
	// maxSniff is all that sniff may need to see.
	maxSniff = maxIdentification + 4 + maxKexInit

	msgKexInit = 20
	cookieSize = 16
)

// sniff reads as much of an offer as b, the first bytes from a client, holds.
// It consumes nothing: what is called with is replayed to the SSH layer, which
// does its own checks; a mistake here can only cost speed.
func sniff(b []byte) offer {
	var o offer
	line, rest, found := bytes.Cut(b, []byte{'\n'})
	if len(line) >= maxIdentification || !bytes.HasPrefix(line, []byte("SSH-")[:min(4, len(line))]) {
		o.unintelligible = true
		return o
	}
	if !found {
		return o
	}
	o.version = string(bytes.TrimSuffix(line, []byte{'\r'}))
	o.hasLine = true
	o.kexInit(rest)
	return o
}

// kexInit reads the unencrypted binary packet that starts with b:
//
//	uint32 length, byte padding length, byte type, 16 bytes cookie, then
//	name-lists: kex, host key, cipher to server, cipher to client, ...
func (o *offer) kexInit(b []byte) {
	const fixed = 4 + 1 + 1 + cookieSize
	if len(b) < 4 {
		return
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxKexInit || n < fixed-4 {
		o.unintelligible = true
		return
	}
	if len(b) < 6 {
		return
	}
	if b[5] != msgKexInit {
		o.unintelligible = true
		return
	}
	if uint64(len(b)) < 4+uint64(n) {
		return
	}
	rest := b[fixed : 4+n]
	for i := range len(listNames) {
		list, after, ok := nameList(rest)
		if !ok && i < 4 {
			o.unintelligible = true
			return
		}
		rest = after
		o.lists = append(o.lists, string(list))
		switch i {
		case 2:
			o.toServer = strings.Split(string(list), ",")
		case 3:
			o.toClient = strings.Split(string(list), ",")
		}
	}
	o.hasKexInit = true
}

// listNames are the name-lists of SSH_MSG_KEXINIT, but compression and languages.
var listNames = [...]string{"kex", "hostkey", "ciphers_up", "ciphers_down", "macs_up", "macs_down"}

// maxListLogged bounds what a log record repeats of one list.
const maxListLogged = 1024

// text is the whole offer for the log.
func (o offer) text() string {
	var b strings.Builder
	for i, list := range o.lists {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(listNames[i] + "=" + strings.ToValidUTF8(list[:min(len(list), maxListLogged)], "?"))
	}
	return b.String()
}

// nameList reads a string of RFC 4251, section 5.
func nameList(b []byte) (list, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}
