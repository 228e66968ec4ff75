package sshserver

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

// interloper puts a packet in front of the client's write of this number, as
// somebody between the two can do before keys are in use. The writes are: the
// version, KEXINIT, the client's part of the key exchange, NEWKEYS.
type interloper struct {
	net.Conn
	before int
	packet []byte
	writes int
}

func (i *interloper) Write(p []byte) (int, error) {
	i.writes++
	if i.writes == i.before {
		if _, err := i.Conn.Write(i.packet); err != nil {
			return 0, err
		}
	}
	return i.Conn.Write(p)
}

// Nothing can be put into the first key exchange of a client that knows strict
// key exchange, as all do: not even what is otherwise ignored (CVE-2023-48795).
func TestNothingIsPutIntoTheFirstKeyExchange(t *testing.T) {
	t.Parallel()
	for name, packet := range map[string][]byte{
		"ignore":          message(msgIgnore, "x"),
		"debug":           append([]byte{msgDebug, 0}, message(uint32(0), uint32(0))...),
		"unimplemented":   message(msgUnimplemented, uint32(1)),
		"ext-info":        message(msgExtInfo, uint32(0)),
		"service request": message(5, serviceUserAuth),
		"new keys":        {msgNewKeys},
		"user auth":       append(message(msgUserAuthRequest, "u", serviceSSH), message("none")...),
		"ping":            message(msgPing, "x"),
		"channel":         message(msgChannelOpen, "session", uint32(0), uint32(9), uint32(999)),
	} {
		for before := 2; before <= 5; before++ { // 5: not in it any more, and nothing is put in
			wire := framed(packet)
			if before == 5 {
				wire = nil
			}
			near, far := pair(t)
			logged := make(chan error, 1)
			go func() {
				_, _, _, err := NewServerConn(far, open(t))
				logged <- err
			}()
			go func() {
				c, _, _, err := ssh.NewClientConn(&interloper{Conn: near, before: before, packet: wire}, "", trusting())
				if err == nil {
					c.Close()
				}
				near.Close()
			}()
			within(t, name, func() error {
				if err := <-logged; (err == nil) != (wire == nil) || errors.Is(err, io.EOF) {
					t.Errorf("%s before write %d: %v", name, before, err)
				}
				return nil
			})
		}
	}
}

// speech is a connection on which a client says all at once and hears nothing.
func speech(packets ...[]byte) *script {
	var wire []byte
	for _, p := range packets {
		wire = append(wire, framed(p)...)
	}
	return &script{Reader: bytes.NewReader(wire)}
}

// authenticated runs the login of a client that has exchanged keys.
func authenticated(s *script, config *ServerConfig) (*ssh.Permissions, error) {
	if config.MaxAuthTries == 0 {
		config.MaxAuthTries = 6
	}
	t := exchanged(s, config)
	c := &connection{sshConn: sshConn{conn: s}, transport: t}
	perms, err := c.serverAuthenticate(config)
	t.readFailed(errors.New("the test's end"))
	<-t.kexLoopDone
	return perms, err
}

func try(user, service, method string, rest ...any) []byte {
	return append(message(msgUserAuthRequest, user, service, method), message(rest...)...)
}

// Nobody gets in but by a method's success, whatever comes before it and in
// which order.
func TestNobodyGetsInBesides(t *testing.T) {
	t.Parallel()
	signer := newHostKey(t)
	key := string(signer.PublicKey().Marshal())
	signature := func(by ssh.Signer, session []byte, user string) string {
		sig, err := by.Sign(rand.Reader, buildDataSignedForAuth(session, userAuthRequestMsg{User: user, Service: serviceSSH, Method: "publickey"}, ssh.KeyAlgoED25519, signer.PublicKey().Marshal()))
		if err != nil {
			t.Fatal(err)
		}
		return string(ssh.Marshal(sig))
	}
	query := try("u", serviceSSH, "publickey", 0, ssh.KeyAlgoED25519, key)
	signed := func(by ssh.Signer, session []byte, user string) []byte {
		return try(user, serviceSSH, "publickey", 1, ssh.KeyAlgoED25519, key, signature(by, session, "u"))
	}
	good := try("u", serviceSSH, "password", 0, "right")
	for _, tt := range []struct {
		name    string
		packets [][]byte
		in      bool
	}{
		{"the password", [][]byte{good}, true},
		{"none, a wrong one, a query, and the password", [][]byte{try("u", serviceSSH, "none"), try("u", serviceSSH, "password", 0, "wrong"), query, good}, true},
		{"a signature", [][]byte{query, signed(signer, []byte{1}, "u")}, true},
		{"ignored ones between", [][]byte{message(msgIgnore, "x"), query, message(msgIgnore, ""), signed(signer, []byte{1}, "u")}, true},
		{"none", [][]byte{try("u", serviceSSH, "none")}, false},
		{"a query", [][]byte{query}, false},
		{"a channel first", [][]byte{message(msgChannelOpen, "session", uint32(0), uint32(9), uint32(999)), good}, false},
		{"data first", [][]byte{message(msgChannelData, uint32(0), "x"), good}, false},
		{"a global request first", [][]byte{message(msgGlobalRequest, "x", 1), good}, false},
		{"a ping first", [][]byte{message(msgPing, "x"), good}, false},
		{"success said by the client", [][]byte{{msgUserAuthSuccess}, good}, false},
		{"new keys out of place", [][]byte{{msgNewKeys}, good}, false},
		{"the service asked for again", [][]byte{message(5, serviceUserAuth), good}, false},
		{"another service", [][]byte{try("u", serviceUserAuth, "password", 0, "right")}, false},
		{"a change of the password", [][]byte{try("u", serviceSSH, "password", 1, "right", "new")}, false},
		{"more behind the password", [][]byte{try("u", serviceSSH, "password", 0, "right", 0)}, false},
		{"a length beyond the packet", [][]byte{try("u", serviceSSH, "password", 0, uint32(1<<31), "right")}, false},
		{"an answer that wasn't asked for", [][]byte{message(msgUserAuthInfoResponse, uint32(0))}, false},
		{"another one's signature", [][]byte{query, signed(newHostKey(t), []byte{1}, "u")}, false},
		{"a signature of another session", [][]byte{query, signed(signer, []byte{2}, "u")}, false},
		{"a signature for another user", [][]byte{query, signed(signer, []byte{1}, "root")}, false},
		{"a key that another may use", [][]byte{query, try("root", serviceSSH, "publickey", 1, ssh.KeyAlgoED25519, key, signature(signer, []byte{1}, "root"))}, false},
		{"a query with a signature", [][]byte{try("u", serviceSSH, "publickey", 0, ssh.KeyAlgoED25519, key, signature(signer, []byte{1}, "u"))}, false},
		{"another algorithm's name", [][]byte{try("u", serviceSSH, "publickey", 1, ssh.KeyAlgoRSA, key, signature(signer, []byte{1}, "u"))}, false},
		{"a certificate's name", [][]byte{try("u", serviceSSH, "publickey", 1, ssh.CertAlgoED25519v01, key, signature(signer, []byte{1}, "u"))}, false},
	} {
		config := &ServerConfig{
			PasswordCallback: func(m ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
				if m.User() == "u" && string(p) == "right" {
					return &ssh.Permissions{}, nil
				}
				return nil, errOther
			},
			PublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
				if m.User() == "u" && string(k.Marshal()) == key {
					return &ssh.Permissions{}, nil
				}
				return nil, errOther
			},
			PublicKeyAuthAlgorithms: ssh.SupportedAlgorithms().PublicKeyAuths,
		}
		config.AddHostKey(newHostKey(t))
		if perms, err := authenticated(speech(tt.packets...), config); (err == nil) != tt.in || (perms != nil) != tt.in {
			t.Errorf("%s: %v, %v", tt.name, perms, err)
		}
	}
}

// However often and by whatever a client tries, there is an end to it.
func TestTriesEnd(t *testing.T) {
	t.Parallel()
	key := string(newHostKey(t).PublicKey().Marshal())
	for name, packet := range map[string][]byte{
		"queries that succeed": try("u", serviceSSH, "publickey", 0, ssh.KeyAlgoED25519, key),
		"none":                 try("u", serviceSSH, "none"),
		"passwords":            try("u", serviceSSH, "password", 0, "wrong"),
	} {
		asked := 0
		config := &ServerConfig{
			PasswordCallback:        func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { asked++; return nil, errOther },
			PublicKeyCallback:       func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { asked++; return nil, nil },
			PublicKeyAuthAlgorithms: ssh.SupportedAlgorithms().PublicKeyAuths,
		}
		config.AddHostKey(newHostKey(t))
		packets := make([][]byte, 2*maxAuthServerAttempts)
		for i := range packets {
			packets[i] = packet
		}
		s := speech(packets...)
		if _, err := authenticated(s, config); err == nil {
			t.Errorf("%s: logged in", name)
		}
		if left, _ := io.Copy(io.Discard, s.Reader); left == 0 && name == "queries that succeed" {
			t.Errorf("%s: all %d were heard", name, len(packets))
		}
		if asked > 6 {
			t.Errorf("%s: %d were looked at", name, asked)
		}
	}
}
