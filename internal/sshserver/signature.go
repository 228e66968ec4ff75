// Copyright 2012 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package sshserver

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math/big"

	"golang.org/x/crypto/ssh"
)

func parseSignatureBody(in []byte) (out *ssh.Signature, rest []byte, ok bool) {
	format, in, ok := parseString(in)
	if !ok {
		return
	}

	out = &ssh.Signature{
		Format: string(format),
	}

	if out.Blob, in, ok = parseString(in); !ok {
		return
	}

	switch out.Format {
	case ssh.KeyAlgoSKECDSA256, ssh.CertAlgoSKECDSA256v01, ssh.KeyAlgoSKED25519, ssh.CertAlgoSKED25519v01:
		out.Rest = in
		return out, nil, ok
	}

	return out, in, ok
}

func parseSignature(in []byte) (out *ssh.Signature, rest []byte, ok bool) {
	sigBytes, rest, ok := parseString(in)
	if !ok {
		return
	}

	out, trailing, ok := parseSignatureBody(sigBytes)
	if !ok || len(trailing) > 0 {
		return nil, nil, false
	}
	return
}

// noTouchRequiredExtension is the extension name used by OpenSSH in
// authorized_keys options and certificate extensions to mark keys
// whose signatures do not need to assert user presence (touch). See
// ssh-keygen(1) and sshd(8).
const noTouchRequiredExtension = "no-touch-required"

// noTouchAllowed reports whether the user presence requirement on
// SK signatures should be waived for this authentication attempt. The
// requirement is waived when the "no-touch-required" extension is
// present either in the Permissions returned by the auth callback
// (authorized_keys-level opt-out) or in the certificate's own
// Extensions (CA-level opt-out), matching OpenSSH behavior. OpenSSH
// reads the per-key opt-out only from cert Extensions and
// authorized_keys options (never from CriticalOptions); we follow the
// same rule.
func noTouchAllowed(pubKey ssh.PublicKey, perms *ssh.Permissions) bool {
	if perms != nil {
		if _, ok := perms.Extensions[noTouchRequiredExtension]; ok {
			return true
		}
	}
	if cert, ok := pubKey.(*ssh.Certificate); ok {
		if _, ok := cert.Extensions[noTouchRequiredExtension]; ok {
			return true
		}
	}
	return false
}

// skFields holds the additional fields present in U2F/FIDO2 signatures.
// See openssh/PROTOCOL.u2f 'SSH U2F Signatures' for details.
type skFields struct {
	// Flags contains U2F/FIDO2 flags such as 'user present'
	Flags byte
	// Counter is a monotonic signature counter which can be
	// used to detect concurrent use of a private key, should
	// it be extracted from hardware.
	Counter uint32
}

// flagUserPresence is the "user present" bit (UP) in the SK signature
// flags, matching the FIDO CTAP2 authenticatorData UP flag.
const flagUserPresence = 0x01

// flagUserVerified is the "user verified" bit (UV): the key has asked its user
// for a PIN, a fingerprint or the like.
const flagUserVerified = 0x04

// UserVerified reports whether a security key says, by a signature that has been
// verified, that it asked its user for a PIN, a fingerprint or the like. Other
// keys never do.
func UserVerified(sig *ssh.Signature) bool {
	if sig.Format != ssh.KeyAlgoSKECDSA256 && sig.Format != ssh.KeyAlgoSKED25519 {
		return false
	}
	var skf skFields
	return ssh.Unmarshal(sig.Rest, &skf) == nil && skf.Flags&flagUserVerified != 0
}

var errNotVerified = errors.New("ssh: signature did not verify")

// verifyWithoutTouch is key.Verify, but a security key's signature needs no
// user presence. Upstream's keys keep the switch for it to themselves, so what
// is signed is put together here; a signature with the flag, and one by any
// other key, is upstream's to verify. Only one level of certificate is looked
// into: no certificate holds another one.
func verifyWithoutTouch(key ssh.PublicKey, data []byte, sig *ssh.Signature) error {
	target := key
	if cert, ok := key.(*ssh.Certificate); ok {
		target = cert.Key
	}
	var skf skFields
	if t := target.Type(); t != ssh.KeyAlgoSKECDSA256 && t != ssh.KeyAlgoSKED25519 ||
		ssh.Unmarshal(sig.Rest, &skf) != nil || skf.Flags&flagUserPresence != 0 {
		return key.Verify(data, sig)
	}
	if sig.Format != target.Type() {
		return errNotVerified
	}
	public, ok := target.(ssh.CryptoPublicKey)
	if !ok {
		return errNotVerified
	}
	switch public := public.CryptoPublicKey().(type) {
	case *ecdsa.PublicKey:
		var k struct{ Name, Curve, Point, Application string }
		var ecSig struct{ R, S *big.Int }
		if err := ssh.Unmarshal(target.Marshal(), &k); err != nil {
			return err
		}
		if err := ssh.Unmarshal(sig.Blob, &ecSig); err != nil {
			return err
		}
		digest := sha256.Sum256(skSigned(k.Application, skf, data))
		if ecdsa.Verify(public, digest[:], ecSig.R, ecSig.S) {
			return nil
		}
	case ed25519.PublicKey:
		var k struct{ Name, Point, Application string }
		if err := ssh.Unmarshal(target.Marshal(), &k); err != nil {
			return err
		}
		if len(public) == ed25519.PublicKeySize && ed25519.Verify(public, skSigned(k.Application, skf, data), sig.Blob) {
			return nil
		}
	}
	return errNotVerified
}

// skSigned is what a security key signs: openssh/PROTOCOL.u2f, SSH U2F
// Signatures.
func skSigned(application string, skf skFields, data []byte) []byte {
	app, message := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	return ssh.Marshal(struct {
		ApplicationDigest []byte `ssh:"rest"`
		Flags             byte
		Counter           uint32
		MessageDigest     []byte `ssh:"rest"`
	}{app[:], skf.Flags, skf.Counter, message[:]})
}
