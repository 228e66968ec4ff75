package accounts

import (
	"errors"
	"net/netip"
	"strings"
)

// maxAddresses bounds the entries of one list.
const maxAddresses = 1000

// addresses is a list of networks, as OpenSSH's from= has it without host names:
// an address is in it if one entry holds it and none with a ! does.
type addresses struct{ yes, no []netip.Prefix }

// parseAddresses reads addresses and networks with commas between.
func parseAddresses(text string) (addresses, error) {
	var list addresses
	for word := range strings.SplitSeq(text, ",") {
		word, not := strings.CutPrefix(strings.TrimSpace(word), "!")
		p, err := parsePrefix(word)
		if err != nil {
			return addresses{}, err
		}
		if not {
			list.no = append(list.no, p)
		} else {
			list.yes = append(list.yes, p)
		}
		if len(list.yes)+len(list.no) > maxAddresses {
			return addresses{}, errors.New("too many addresses")
		}
	}
	if len(list.yes) == 0 {
		return addresses{}, errors.New("it needs an address without !; 0.0.0.0/0,::/0 is every address")
	}
	return list, nil
}

func parsePrefix(word string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("it is addresses and networks with commas between, as 192.0.2.7,2001:db8::/32,!192.0.2.9 (no names of hosts)")
	}
	if p != p.Masked() {
		return netip.Prefix{}, errors.New("a network has bits beyond its prefix length: write 10.0.0.0/8, not 10.1.2.3/8")
	}
	return p, nil
}

// hold reports whether a is in the list.
func (l addresses) hold(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	within := func(list []netip.Prefix) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	return a.IsValid() && within(l.yes) && !within(l.no)
}
