// Package node is a gateway's folder, BASEDIR: it makes one, finds it again, keeps
// other processes out of it, and opens what lies in it. It names no driver: the
// command hands in the functions that open them.
//
// # What lies in BASEDIR
//
//	tahoe.cfg                what the node is told (package config); need not exist
//	node                     text: that the node is complete, and its gateway id; written last
//	lock                     flock, and who holds it
//	highwater                newest slot records seen (formats.md 5, Freshness)
//	blocks/ metastore.sqlite spool/   by default; ciphertext
//	private/                 0700, every file 0600; what a backup must hold
//	  master.key             seals what the metastore keeps for the gateway (formats.md 1)
//	  accounts               who may log in, and the root capabilities
//	  ssh_host_*_key         host keys, OpenSSH's format, with their .pub
//	  removed-roots          root capabilities of accounts that were removed
//	  first-password         of the account made at the first start, if no terminal showed it
//	  control.sock           where commands reach the running node (package control)
//
// Making a node goes on where a start that was cut short stopped; a complete
// node of which something is missing is refused, because making it anew would
// hide the loss.
package node
