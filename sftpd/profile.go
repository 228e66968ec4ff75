package sftpd

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/sshserver"
)

// Profile names a set of algorithms.
type Profile string

// The profiles. Each has the algorithms of the one before it, too.
const (
	// Modern is what has no known weakness; the default.
	Modern Profile = "modern"
	// Compatible adds a key exchange by SHA-1 and a shortened MAC, for clients
	// from about 2010 on. HMAC with SHA-1 in full is no weakness, and in all.
	Compatible Profile = "compatible"
	// Legacy adds signatures by SHA-1, CBC ciphers and key exchanges of 1024
	// bits, for devices that can't be changed. RC4 and DSA stay out.
	Legacy Profile = "legacy"
)

func (p Profile) known() bool {
	return p == "" || p == Modern || p == Compatible || p == Legacy
}

// algorithms are what a listener of the profile offers.
func (p Profile) algorithms() ssh.Algorithms {
	a := ssh.SupportedAlgorithms()
	switch p {
	case Compatible:
		a.KeyExchanges = append(a.KeyExchanges, ssh.InsecureKeyExchangeDH14SHA1)
		a.MACs = append(a.MACs, ssh.InsecureHMACSHA196)
	case Legacy:
		weak := ssh.InsecureAlgorithms()
		a.KeyExchanges = append(a.KeyExchanges, weak.KeyExchanges...)
		a.MACs = append(a.MACs, weak.MACs...)
		a.Ciphers = append(a.Ciphers, ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC)
		a.PublicKeyAuths = append(a.PublicKeyAuths, ssh.KeyAlgoRSA)
	}
	return a
}

// hostKey is a host key as the profile uses it.
func (p Profile) hostKey(k ssh.Signer) ssh.Signer {
	as, ok := k.(ssh.AlgorithmSigner)
	if !ok || k.PublicKey().Type() != ssh.KeyAlgoRSA {
		return k
	}
	algorithms := []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
	if p == Legacy {
		algorithms = append(algorithms, ssh.KeyAlgoRSA)
	}
	limited, err := ssh.NewSignerWithAlgorithms(as, algorithms)
	if err != nil {
		return k
	}
	return limited
}

// weaknesses lists the algorithms of a connection that no modern one has.
func weaknesses(sc *sshserver.ServerConn, proof any) []string {
	weak := ssh.InsecureAlgorithms()
	var found []string
	a := sc.Algorithms()
	for _, v := range []struct {
		used string
		weak []string
	}{
		{a.KeyExchange, weak.KeyExchanges},
		{a.HostKey, weak.HostKeys},
		{a.Read.Cipher, weak.Ciphers},
		{a.Write.Cipher, weak.Ciphers},
		{a.Read.MAC, weak.MACs},
		{a.Write.MAC, weak.MACs},
	} {
		if slices.Contains(v.weak, v.used) && !slices.Contains(found, v.used) {
			found = append(found, v.used)
		}
	}
	if how, _ := proof.(string); strings.HasPrefix(how, ssh.KeyAlgoRSA+" ") {
		found = append(found, "user key by "+ssh.KeyAlgoRSA)
	}
	return found
}
