package node

import (
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/blockstore"
)

// Welcome is what a new node's user is told.
type Welcome struct {
	Node         *Node
	Addr         string // HOST:PORT that the node listens on for SFTP, or will; empty: it doesn't
	S3           string // URL at which it serves S3, or will; empty: it doesn't
	ShowPassword bool   // else it says where the password lies
}

// Write prints how to log in, what the host keys are and what to back up.
func (w Welcome) Write(out io.Writer) error {
	signers, err := w.Node.HostKeys()
	if err != nil {
		return err
	}
	host, port := reachable(w.Addr)
	first := w.Node.First
	name := first.Account
	if name == "" {
		name = "NAME"
	}
	var b strings.Builder
	line := func(label, text string) { fmt.Fprintf(&b, "  %-10s %s\n", label, text) }
	fmt.Fprintf(&b, "A new node is in %s.\n\n", w.Node.BaseDir)
	if w.Addr != "" {
		line("sftp", fmt.Sprintf("sftp -P %s %s", port, quoted(name+"@"+bracketed(host))))
		line("sshfs", fmt.Sprintf("mkdir -p ~/truckee && sshfs -p %s %s ~/truckee", port, quoted(name+"@"+bracketed(host)+":/")))
	}
	if w.S3 != "" {
		line("s3", fmt.Sprintf("%s, with the key that `truckee account s3key add %s` prints", w.S3, name))
	}
	switch {
	case first.Account == "":
		line("password", fmt.Sprintf("as %s says", w.Node.Config.SFTPD.AccountsFile))
	case w.ShowPassword:
		line("password", first.Password+"   (shown this once; `truckee account passwd "+name+"` changes it)")
	default:
		line("password", "in "+w.Node.FirstPassword()+" (delete it when you have it)")
	}
	for i, s := range signers {
		label := ""
		if i == 0 {
			label = "host keys"
		}
		line(label, ssh.FingerprintSHA256(s.PublicKey())+" ("+s.PublicKey().Type()+")")
	}
	line("back up", fmt.Sprintf("%s, now and after every change of an account: without it nothing can be read", w.Node.Private()))
	line("", fmt.Sprintf("%s by `truckee backup FILE`, and then %s, regularly: the files, encrypted", w.Node.Config.Metastore.DB.Place(), place(w.Node.Config.Blockstore.Tree)))
	b.WriteString("\n")
	_, err = io.WriteString(out, b.String())
	return err
}

// place is where the blocks lie, for a sentence.
func place(c blockstore.Config) string {
	if c.Driver == "local" {
		return c.Fields["dir"]
	}
	return c.String()
}

// Reachable is the address of a listener as a client on this machine can use it.
func Reachable(addr string) string {
	host, port := reachable(addr)
	return net.JoinHostPort(host, port)
}

// reachable is an address that a client on this machine can use.
func reachable(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return host, port
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// quoted makes a word of a shell command.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_", r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
