package sftpd

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// hello is what a client sends first.
func hello(line string, lists ...string) []byte {
	body := append([]byte{4, msgKexInit}, make([]byte, cookieSize)...)
	for _, l := range lists {
		body = binary.BigEndian.AppendUint32(body, uint32(len(l)))
		body = append(body, l...)
	}
	body = append(body, make([]byte, 9)...)
	b := []byte(line)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

func TestSniff(t *testing.T) {
	t.Parallel()
	whole := hello("SSH-2.0-OpenSSH_9.2p1\r\n", "curve25519-sha256", "ssh-ed25519", "a,b", "c,d,e", "mac", "mac", "none", "none")
	o := sniff(whole)
	if o.version != "SSH-2.0-OpenSSH_9.2p1" || !o.hasLine || !o.hasKexInit || o.unintelligible ||
		!slices.Equal(o.toServer, []string{"a", "b"}) || !slices.Equal(o.toClient, []string{"c", "d", "e"}) {
		t.Errorf("got %+v", o)
	}
	// Every beginning of it is either waiting for more, or whole.
	for n := range whole {
		if o := sniff(whole[:n]); o.unintelligible || o.hasKexInit {
			t.Errorf("first %d bytes: %+v", n, o)
		}
	}
	for name, b := range map[string][]byte{
		"http":          []byte("GET / HTTP/1.1\r\n"),
		"tls":           {0x16, 0x03, 0x01, 0x02},
		"proxy header":  []byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nSSH-2.0-x\r\n"),
		"endless line":  append([]byte("SSH-2.0-"), bytes.Repeat([]byte("x"), 300)...),
		"no kexinit":    append([]byte("SSH-2.0-x\n"), 0, 0, 0, 30, 4, 21),
		"huge kexinit":  append([]byte("SSH-2.0-x\n"), 0xff, 0xff, 0xff, 0xff, 4, 20),
		"tiny kexinit":  append([]byte("SSH-2.0-x\n"), 0, 0, 0, 2, 4, 20),
		"list of 4 GiB": {'S', 'S', 'H', '-', '\n', 0, 0, 0, 22, 4, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	} {
		if o := sniff(b); !o.unintelligible || o.hasKexInit {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add(hello("SSH-2.0-x\r\n", "k", "h", "c", "c"))
	f.Add([]byte("SSH-2.0-x\n\x00\x00\x00\x1e\x04\x14"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := sniff(b)
		if o.hasKexInit && (!o.hasLine || o.unintelligible) {
			t.Errorf("%+v", o)
		}
		if len(b) >= maxSniff && !o.hasKexInit && !o.unintelligible {
			t.Errorf("wants more than %d bytes", maxSniff)
		}
		// More bytes never change what was read.
		if more := sniff(append(slices.Clone(b), 0)); o.hasKexInit && !slices.Equal(more.toServer, o.toServer) {
			t.Errorf("%+v became %+v", o, more)
		}
	})
}

func TestCiphers(t *testing.T) {
	t.Parallel()
	secure := ssh.SupportedAlgorithms().Ciphers
	gcm := []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}
	for name, tt := range map[string]struct {
		toServer, toClient string
		aes, kex           bool
		want               []string
	}{
		"openssh":             {"chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com", "same", true, true, gcm},
		"no AES in the CPU":   {"chacha20-poly1305@openssh.com,aes128-gcm@openssh.com", "same", false, true, secure},
		"one of the two":      {"aes256-gcm@openssh.com,aes128-ctr", "same", true, true, gcm[1:]},
		"only one way":        {"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", true, true, secure},
		"none":                {"aes128-ctr,3des-cbc", "same", true, true, secure},
		"nothing known":       {"", "", true, false, secure},
		"name within another": {"xaes128-gcm@openssh.com", "same", true, true, secure},
	} {
		o := offer{hasKexInit: tt.kex, toServer: strings.Split(tt.toServer, ","), toClient: strings.Split(tt.toClient, ",")}
		if tt.toClient == "same" {
			o.toClient = o.toServer
		}
		if got := ciphers(o, secure, tt.aes); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
