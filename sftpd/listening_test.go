package sftpd

import (
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// v2 is a PROXY header of version 2.
func v2(command, family byte, body string) string {
	b := append([]byte(proxyV2), command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(b) + body
}

const tcp4 = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x11\x22\x00\x16"

func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	six := netip.MustParseAddr("2001:db8::7").As16()
	for _, tt := range []struct {
		bytes, from string
		v           proxyVerdict
	}{
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4386 22\r\n", "192.0.2.7:4386", proxyHeader},
		{"PROXY TCP6 2001:db8::7 ::1 1 22\r\n", "[2001:db8::7]:1", proxyHeader},
		{"PROXY UNKNOWN\r\n", "", proxyHeader},
		{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", proxyHeader},
		{v2(0x21, 0x11, tcp4), "192.0.2.7:4386", proxyHeader},
		{v2(0x21, 0x11, tcp4+"\x03\x00\x04\x01\x02\x03\x04"), "192.0.2.7:4386", proxyHeader},
		{v2(0x21, 0x21, string(six[:])+strings.Repeat("x", 16)+"\x11\x22\x00\x16"), "[2001:db8::7]:4386", proxyHeader},
		{v2(0x20, 0x00, ""), "", proxyHeader},
		{v2(0x21, 0x31, strings.Repeat("/", 216)), "", proxyHeader},

		{"SSH-2.0-x\r\n", "", proxyNone},
		{"GET / HTTP/1.1\r\n", "", proxyNone},
		{"PROXYTCP4", "", proxyNone},

		{"PROXY TCP4 192.0.2.7 10.0.0.1 4386\r\n", "", proxyBad},
		{"PROXY TCP4 2001:db8::7 ::1 1 22\r\n", "", proxyBad},
		{"PROXY TCP6 fe80::1%eth0 ::1 1 22\r\n", "", proxyBad},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 70000 22\r\n", "", proxyBad},
		{"PROXY UDP4 192.0.2.7 10.0.0.1 1 22\r\n", "", proxyBad},
		{"PROXY TCP4 192.0.2.7  10.0.0.1 1 22\r\n", "", proxyBad},
		{"PROXY " + strings.Repeat("x", 200), "", proxyBad},
		{v2(0x11, 0x11, tcp4), "", proxyBad},
		{v2(0x22, 0x11, tcp4), "", proxyBad},
		{v2(0x21, 0x11, tcp4[:11]), "", proxyBad},
		{v2(0x21, 0x21, tcp4), "", proxyBad},
		{v2(0x21, 0x11, strings.Repeat("x", maxProxyV2)), "", proxyBad},
	} {
		from, n, v := parseProxy([]byte(tt.bytes + strings.Repeat("SSH-2.0-client\r\n", 20)))
		if v != tt.v || (tt.from != "" && from.String() != tt.from) || tt.from == "" && from.IsValid() || v == proxyHeader && n != len(tt.bytes) {
			t.Errorf("%.40q: %v, %d bytes, verdict %d", tt.bytes, from, n, v)
		}
		if v != proxyHeader {
			continue
		}
		for cut := range len(tt.bytes) {
			if _, _, v := parseProxy([]byte(tt.bytes[:cut])); v != proxyMore {
				t.Errorf("%.40q, of which %d bytes: verdict %d", tt.bytes, cut, v)
			}
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.0.2.7 10.0.0.1 4386 22\r\n", v2(0x21, 0x11, tcp4), v2(0x20, 0, ""), "SSH-2.0-x\r\n", "PROXY UNKNOWN\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		from, n, v := parseProxy(b)
		if n < 0 || n > len(b) || v != proxyHeader && (n != 0 && v != proxyMore && v != proxyBad || from.IsValid()) {
			t.Fatalf("%q: %v, %d, %d", b, from, n, v)
		}
		if v == proxyMore && len(b) >= maxProxyV2 {
			t.Fatal("it never ends")
		}
		if v == proxyHeader { // what follows changes nothing
			if again, m, w := parseProxy(append(b[:len(b):len(b)], "SSH-"...)); again != from || m != n || w != v {
				t.Fatalf("%q and more: %v, %d, %d", b, again, m, w)
			}
		}
	})
}

// on starts a server that listens as given.
func on(t *testing.T, o Listening, configure func(*Server)) *harness {
	t.Helper()
	first := serve(t, configure)
	h := *first
	h.listen = newPipeListener()
	go func() { _ = h.srv.ServeOn(t.Context(), h.listen, o) }()
	t.Cleanup(h.stop)
	return &h
}

func nets(words ...string) (all []netip.Prefix) {
	for _, w := range words {
		all = append(all, netip.MustParsePrefix(w))
	}
	return all
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	const balancer, stranger = "10.0.0.1", "192.0.2.99"
	header := "PROXY TCP4 192.0.2.7 10.0.0.1 4386 22\r\n"
	for name, tt := range map[string]struct {
		mode         ProxyMode
		from, header string
		ok           bool
		seen         string
	}{
		"strict, v1":                   {ProxyStrict, balancer, header, true, "client_address=192.0.2.7:4386"},
		"strict, v2":                   {ProxyStrict, balancer, v2(0x21, 0x11, tcp4), true, "client_address=192.0.2.7:4386"},
		"strict, the balancer's own":   {ProxyStrict, balancer, v2(0x20, 0, ""), true, "remote=10.0.0.1"},
		"strict, none":                 {ProxyStrict, balancer, "", false, "no PROXY header"},
		"strict, broken":               {ProxyStrict, balancer, "PROXY TCP4 nonsense\r\n", false, "no PROXY header"},
		"strict, from a stranger":      {ProxyStrict, stranger, header, false, "not from a trusted"},
		"strict, a stranger without":   {ProxyStrict, stranger, "", false, "not from a trusted"},
		"optional, v1":                 {ProxyOptional, balancer, header, true, "client_address=192.0.2.7:4386"},
		"optional, none":               {ProxyOptional, balancer, "", true, "remote=10.0.0.1"},
		"optional, a stranger without": {ProxyOptional, stranger, "", true, "remote=192.0.2.99"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := on(t, Listening{Proxy: tt.mode, Proxies: nets("10.0.0.0/8")}, nil)
			nc := h.from(tt.from)
			if _, err := nc.Write([]byte(tt.header)); err != nil {
				t.Fatal(err)
			}
			conn, _, _, err := ssh.NewClientConn(nc, "pipe", config("alice"))
			if (err == nil) != tt.ok {
				t.Errorf("err = %v", err)
			}
			if err == nil {
				conn.Close()
			}
			h.stop()
			if !strings.Contains(h.log.String(), tt.seen) {
				t.Errorf("the log lacks %q:\n%s", tt.seen, h.log)
			}
		})
	}
}

// A header of a stranger is no word of SSH, and its address isn't believed.
func TestForgedProxyHeader(t *testing.T) {
	t.Parallel()
	h := on(t, Listening{Proxy: ProxyOptional, Proxies: nets("10.0.0.0/8"), From: nets("192.0.2.7/32", "10.0.0.0/8")}, nil)
	nc := h.from("198.51.100.1")
	if _, err := nc.Write([]byte("PROXY TCP4 192.0.2.7 10.0.0.1 4386 22\r\n")); err != nil {
		t.Fatal(err)
	}
	if conn, _, _, err := ssh.NewClientConn(nc, "pipe", config("alice")); err == nil {
		conn.Close()
		t.Error("a forged address is believed")
	}
	if n := h.srv.Refusals()[RefusedAddress]; n != 1 {
		t.Errorf("%d refused by address", n)
	}
}

// A header that has begun may take its time, where none is needed, too; one that
// ends in the middle is refused.
func TestSlowProxyHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, mode := range []ProxyMode{ProxyOptional, ProxyStrict} {
			h := on(t, Listening{Proxy: mode, Proxies: nets("10.0.0.0/8")}, nil)
			nc := h.from("10.0.0.1")
			for b := range strings.SplitSeq(v2(0x21, 0x11, tcp4), "") {
				if _, err := nc.Write([]byte(b)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(300 * time.Millisecond)
			}
			conn, _, _, err := ssh.NewClientConn(nc, "pipe", config("alice"))
			if err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			conn.Close()
			cut := h.from("10.0.0.1")
			if _, err := cut.Write([]byte("PROXY TCP4 192.0")); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if got, err := io.ReadAll(cut); len(got) > 0 || time.Since(began) != proxyPatience {
				t.Errorf("%s: one without an end is answered %q, %v, after %v", mode, got, err, time.Since(began))
			}
			h.stop()
			if n := h.srv.Refusals()[RefusedProxy]; n != 1 {
				t.Errorf("%s: %d are refused", mode, n)
			}
			if !strings.Contains(h.log.String(), "client_address=192.0.2.7:4386") {
				t.Errorf("%s: the address isn't believed:\n%s", mode, h.log)
			}
		}
	})
}

// What a probe does makes no noise: it comes, perhaps tells that it is one, and leaves.
func TestProbesAreQuiet(t *testing.T) {
	t.Parallel()
	h := on(t, Listening{Proxy: ProxyStrict, Proxies: nets("10.0.0.0/8")}, nil)
	for _, header := range []string{"", v2(0x20, 0, ""), "PROXY UNKNOWN\r\n"} {
		nc := h.from("10.0.0.1")
		if _, err := nc.Write([]byte(header)); err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	h.stop()
	if n := h.srv.Refusals()[RefusedSilent]; n != 3 {
		t.Errorf("%d silent ones, want 3", n)
	}
	if log := h.log.String(); strings.Contains(log, "level=INFO") || strings.Contains(log, "level=WARN") {
		t.Errorf("noise:\n%s", log)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	rsaSHA1, err := ssh.NewSignerWithAlgorithms(keys().rsa.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*ssh.ClientConfig)
		in     map[Profile]bool
	}{
		"group14 by SHA-1":  {func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH14SHA1} }, map[Profile]bool{Compatible: true, Legacy: true}},
		"group1":            {func(c *ssh.ClientConfig) { c.KeyExchanges = []string{ssh.InsecureKeyExchangeDH1SHA1} }, map[Profile]bool{Legacy: true}},
		"3des":              {func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.InsecureCipherTripleDESCBC} }, map[Profile]bool{Legacy: true}},
		"rc4":               {func(c *ssh.ClientConfig) { c.Ciphers = []string{ssh.InsecureCipherRC4256} }, nil},
		"host key by SHA-1": {func(c *ssh.ClientConfig) { c.HostKeyAlgorithms = []string{ssh.KeyAlgoRSA} }, map[Profile]bool{Legacy: true}},
		"user key by SHA-1": {func(c *ssh.ClientConfig) { c.Auth = []ssh.AuthMethod{ssh.PublicKeys(rsaSHA1)} }, map[Profile]bool{Legacy: true}},
		"today's":           {func(*ssh.ClientConfig) {}, map[Profile]bool{"": true, Modern: true, Compatible: true, Legacy: true}},
	} {
		for _, p := range []Profile{"", Modern, Compatible, Legacy} {
			h := on(t, Listening{Profile: p}, func(s *Server) { s.HostKeys = []ssh.Signer{keys().ed25519, keys().rsa} })
			c := config("alice")
			tt.change(c)
			client, err := h.dial(c)
			if (err == nil) != tt.in[p] {
				t.Errorf("%s, %q: %v", name, p, err)
			}
			if err == nil {
				if _, err := h.sftp(client).Getwd(); err != nil { // so the server has heard of the login
					t.Error(err)
				}
				client.Close()
			}
			h.stop()
			log := h.log.String()
			if weak := strings.Contains(log, "login by weak algorithms"); weak != (err == nil && name != "today's") {
				t.Errorf("%s, %q: logged as weak: %t\n%s", name, p, weak, log)
			}
			if err != nil && name != "user key by SHA-1" && !strings.Contains(log, "no algorithm in common") {
				t.Errorf("%s, %q: the log doesn't tell the offer", name, p)
			}
		}
	}
}

// The whole offer of a client that can't be served is in the log.
func TestMismatchIsLogged(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := config("alice")
	c.ClientVersion = "SSH-2.0-Scanner_7"
	c.Ciphers = []string{ssh.InsecureCipherRC4, ssh.InsecureCipherTripleDESCBC}
	if client, err := h.dial(c); err == nil {
		client.Close()
		t.Fatal("logged in")
	}
	h.stop()
	for _, want := range []string{"SSH-2.0-Scanner_7", "ciphers_up=arcfour,3des-cbc", "macs_down=hmac-", "hostkey=", "kex=mlkem768"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, h.log)
		}
	}
}

// RFC 4253, section 5.1: clients that speak both versions say 1.99.
func TestVersion199(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := config("alice")
	c.ClientVersion = "SSH-1.99-old"
	client, err := h.dial(c)
	if err != nil {
		t.Skipf("this client library can't say so: %v", err)
	}
	client.Close()
}

func TestListeningIsChecked(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	for _, o := range []Listening{{Profile: "weak"}, {Proxy: "perhaps"}, {Proxy: ProxyStrict}} {
		if err := h.srv.ServeOn(t.Context(), newPipeListener(), o); err == nil {
			t.Errorf("%+v is served", o)
		}
	}
}
