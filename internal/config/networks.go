package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Networks is a list of addresses and networks, as text with commas between.
type Networks []netip.Prefix

// ParseNetworks reads the text of Networks.
func ParseNetworks(text string) (Networks, error) {
	var all Networks
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		p, err := netip.ParsePrefix(word)
		if a, one := netip.ParseAddr(word); one == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%.60q is no address or network, as 192.0.2.7 or 10.0.0.0/8", word)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// String gives the text.
func (n Networks) String() string {
	words := make([]string, len(n))
	for i, p := range n {
		words[i] = p.String()
	}
	return strings.Join(words, ",")
}
