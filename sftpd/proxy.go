package sftpd

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// ProxyMode says what a listener expects of the PROXY protocol (HAProxy's
// proxy-protocol.txt, versions 1 and 2), by which a load balancer tells whom a
// connection comes from.
type ProxyMode string

// The modes.
const (
	ProxyOff      ProxyMode = "off"      // nothing; the default
	ProxyOptional ProxyMode = "optional" // a header, from trusted networks only, or none
	ProxyStrict   ProxyMode = "strict"   // a header, and only connections from trusted networks
)

func (m ProxyMode) known() bool {
	return m == "" || m == ProxyOff || m == ProxyOptional || m == ProxyStrict
}

// proxyVerdict is what the first bytes of a connection are.
type proxyVerdict int

const (
	proxyMore   proxyVerdict = iota // it can't be told yet
	proxyNone                       // no header
	proxyHeader                     // a whole one
	proxyBad                        // something that begins like one
)

const (
	proxyV1       = "PROXY "
	maxProxyV1    = 107 // with CR and LF
	proxyV2       = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Head   = 16
	maxProxyV2    = 4096
	proxyV2TCP4   = 0x11
	proxyV2TCP6   = 0x21
	proxyV2Local  = 0x20
	proxyV2Remote = 0x21
)

// parseProxy reads a header at the beginning of b, of n bytes. from is zero
// where the header names no address: the connection is the load balancer's own,
// a probe for instance.
func parseProxy(b []byte) (from netip.AddrPort, n int, v proxyVerdict) {
	switch {
	case beginsLike(b, proxyV1):
		if len(b) < len(proxyV1) {
			return from, 0, proxyMore
		}
		return parseProxyV1(b)
	case beginsLike(b, proxyV2):
		if len(b) < proxyV2Head {
			return from, 0, proxyMore
		}
		return parseProxyV2(b)
	}
	return from, 0, proxyNone
}

// beginsLike reports whether b and start agree as far as the shorter one goes.
func beginsLike(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

// parseProxyV1 reads PROXY TCP4|TCP6 SOURCE DESTINATION SPORT DPORT CR LF, or
// PROXY UNKNOWN and anything.
func parseProxyV1(b []byte) (from netip.AddrPort, n int, v proxyVerdict) {
	end := bytes.Index(b[:min(len(b), maxProxyV1)], []byte("\r\n"))
	if end < 0 {
		if len(b) >= maxProxyV1 {
			return from, 0, proxyBad
		}
		return from, 0, proxyMore
	}
	n = end + 2
	words := strings.Split(string(b[len(proxyV1):end]), " ")
	if words[0] == "UNKNOWN" {
		return from, n, proxyHeader
	}
	if len(words) != 5 || words[0] != "TCP4" && words[0] != "TCP6" {
		return from, 0, proxyBad
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(words[1+i])
		port, perr := strconv.ParseUint(words[3+i], 10, 16)
		if err != nil || perr != nil || a.Zone() != "" || a.Is4() != (words[0] == "TCP4") {
			return from, 0, proxyBad
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), uint16(port))
	}
	return ends[0], n, proxyHeader
}

// parseProxyV2 reads the binary form: 12 bytes signature, version and command,
// family, uint16 length, the addresses, and what else there is (TLVs).
func parseProxyV2(b []byte) (from netip.AddrPort, n int, v proxyVerdict) {
	n = proxyV2Head + int(binary.BigEndian.Uint16(b[14:]))
	command, family := b[12], b[13]
	switch {
	case command != proxyV2Local && command != proxyV2Remote, n > maxProxyV2:
		return from, 0, proxyBad
	case len(b) < n:
		return from, 0, proxyMore
	case command == proxyV2Local:
		return from, n, proxyHeader
	}
	body := b[proxyV2Head:n]
	switch {
	case family == proxyV2TCP4 && len(body) >= 12:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:])), n, proxyHeader
	case family == proxyV2TCP6 && len(body) >= 36:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)).Unmap(), binary.BigEndian.Uint16(body[32:])), n, proxyHeader
	case family == proxyV2TCP4, family == proxyV2TCP6:
		return from, 0, proxyBad
	}
	return from, n, proxyHeader // a family of which nothing is known here
}
