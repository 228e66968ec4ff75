#!/bin/sh
# Shows how internal/sshserver differs from the golang.org/x/crypto/ssh that it
# was made from or, with a version as argument, from that one: so what a release
# of upstream changes in the files that we have is seen by comparing two runs.
#
#	sh scripts/ssh-fork-diff.sh [v0.NN.0]
#
# With -u and two versions it shows what upstream changed between them in those
# files: what to bring over.
#
#	sh scripts/ssh-fork-diff.sh -u v0.58.0 v0.NN.0
set -eu
cd "$(dirname "$0")/.."
fork=internal/sshserver
made=$(sed -n 's/^const upstream = "\(.*\)"$/\1/p' $fork/upstream_test.go)

# source prints where a version of upstream lies.
source() {
	dir=$(cd / && GOFLAGS=-mod=mod go mod download -json "golang.org/x/crypto@$1" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
	[ -n "$dir" ] || { echo "no golang.org/x/crypto $1" >&2; exit 1; }
	echo "$dir/ssh"
}

# Files that have upstream's name; and those of pieces of its common.go, certs.go
# and keys.go.
files="cipher.go channel.go connection.go handshake.go kex.go mac.go messages.go mlkem.go mux.go server.go transport.go"
pieces="algorithms.go window.go signature.go"

tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
if [ "${1:-}" = -u ]; then
	old=$(source "$2") new=$(source "$3")
	for f in $files common.go certs.go keys.go; do
		diff -u "$old/$f" "$new/$f" || :
	done
	exit
fi
theirs=$(source "${1:-$made}")
# plain prints our file as it would stand in upstream's package.
plain() {
	sed -e 's/\bssh\.\([A-Z]\)/\1/g' -e 's/^package sshserver$/package ssh/' "$fork/$1" | gofmt
}

for f in $files; do
	plain "$f" >"$tmp/$f"
	diff -u --label "upstream/$f" --label "$fork/$f" "$theirs/$f" "$tmp/$f" || :
done
cat "$theirs/common.go" "$theirs/certs.go" "$theirs/keys.go" "$theirs/server.go" >"$tmp/all"
for f in $pieces; do
	echo "Lines of $fork/$f that upstream doesn't have:"
	plain "$f" | grep -vxFf "$tmp/all" || :
done
