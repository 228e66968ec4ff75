package s3

import (
	"net/http"
	"net/netip"
	"strings"
)

// Where a request comes from, behind proxies: X-Forwarded-For has one address for each
// proxy on the way, written by that one, the nearest to this server last. What stands
// before the first that no trusted proxy has written is anybody's to invent.

// comesFrom gives the address of the client of a request, and whether that spoke TLS,
// as far as trusted proxies tell; else those of the connection. The port of a client
// behind a proxy isn't known: zero.
func (s *Server) comesFrom(r *http.Request) (remote string, secure bool) {
	remote, secure = r.RemoteAddr, r.TLS != nil
	if len(s.Proxies) == 0 {
		return remote, secure
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.trusts(at.Addr().Unmap()) {
		return remote, secure
	}
	secure = secure || strings.EqualFold(lastWord(r.Header["X-Forwarded-Proto"]), "https")
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		remote = netip.AddrPortFrom(hop, 0).String()
		if !s.trusts(hop) {
			break
		}
	}
	return remote, secure
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseHop reads an address of X-Forwarded-For: 192.0.2.7, 2001:db8::7, or one with a
// port, 192.0.2.7:1234 and [2001:db8::7]:1234, as some proxies write it.
func parseHop(word string) (netip.Addr, bool) {
	word = strings.TrimSpace(word)
	if at, err := netip.ParseAddrPort(word); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(word, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// lastWord is the last of a list with commas, which may be in several lines: the
// nearest proxy's.
func lastWord(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}
