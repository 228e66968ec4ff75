package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Listener is one more address that SFTP is served on, and how.
type Listener struct {
	At      Listen
	Profile string   // modern, compatible, legacy
	Proxy   string   // off, optional, strict
	Proxies Networks // from where PROXY headers are believed
	From    Networks // whose clients are served; none: everybody's
}

// Listeners are several, as text with semicolons between.
type Listeners []Listener

// ParseListeners reads the text of Listeners.
func ParseListeners(text string) (Listeners, error) {
	var all Listeners
	for one := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		l, err := ParseListener(one)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// ParseListener reads ADDRESS [profile=WORD] [proxy=WORD] [proxies=NETWORKS] [from=NETWORKS].
func ParseListener(text string) (Listener, error) {
	l := Listener{Profile: "modern", Proxy: "off"}
	words := strings.Fields(text)
	if len(words) == 0 {
		return l, errors.New(`a listener is an address and words, as "0.0.0.0:2222 profile=legacy"`)
	}
	var err error
	if l.At, err = ParseListen(words[0]); err != nil {
		return l, err
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if seen[name] {
			return l, fmt.Errorf("listener %s: %.20s stands twice", l.At, name)
		}
		seen[name] = true
		switch name {
		case "profile":
			l.Profile, err = oneOf(value, "modern", "compatible", "legacy")
		case "proxy":
			l.Proxy, err = oneOf(value, "off", "optional", "strict")
		case "proxies":
			l.Proxies, err = ParseNetworks(value)
		case "from":
			l.From, err = ParseNetworks(value)
		default:
			err = errors.New("known are profile=, proxy=, proxies= and from=")
		}
		if err != nil {
			return l, fmt.Errorf("listener %s: %.20q: %w", l.At, name, err)
		}
	}
	switch {
	case l.Proxy != "off" && len(l.Proxies) == 0:
		return l, fmt.Errorf("listener %s: proxy=%s needs proxies=, the networks of the load balancers", l.At, l.Proxy)
	case l.Proxy == "off" && l.Proxies != nil:
		return l, fmt.Errorf("listener %s: proxies= is for proxy=optional or strict", l.At)
	case seen["from"] && len(l.From) == 0:
		return l, fmt.Errorf("listener %s: from= is empty", l.At)
	}
	return l, nil
}

func oneOf(word string, words ...string) (string, error) {
	if !slices.Contains(words, word) {
		return "", fmt.Errorf("%.20q is not known; known are: %s", word, strings.Join(words, ", "))
	}
	return word, nil
}
