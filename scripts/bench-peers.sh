#!/bin/sh
# Installs the peers of `go run ./tests/bench -peers rclone,sftpgo`: rclone by apt,
# and SFTPGo, of which no package can be had everywhere, from its sources: from
# the module proxy, or from a checkout named by SFTPGO_SOURCE. Prints what it has.
set -eu

version=v2.7.5
bin=${GOBIN:-$(go env GOPATH)/bin}

if ! command -v rclone >/dev/null 2>&1; then
	as_root=""
	if [ "$(id -u)" != 0 ]; then as_root="sudo -n"; fi
	$as_root apt-get update -q >/dev/null && $as_root apt-get install -q -y --no-install-recommends rclone >/dev/null
fi
rclone version | head -n 1

if command -v sftpgo >/dev/null 2>&1 || [ -x "$bin/sftpgo" ]; then
	echo "sftpgo is there"
	exit 0
fi
source=${SFTPGO_SOURCE:-}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
if [ -z "$source" ]; then
	# Its go.mod replaces modules, which `go install module@version` refuses.
	if ! got=$(cd "$work" && go mod download -json "github.com/drakkan/sftpgo/v2@$version" 2>/dev/null); then
		echo "sftpgo: no module proxy here has it. Check it out ($version) and run this with SFTPGO_SOURCE=DIRECTORY, or leave it out: -peers rclone" >&2
		exit 1
	fi
	cp -R "$(printf '%s\n' "$got" | sed -n 's/.*"Dir": "\(.*\)",*$/\1/p')" "$work/source"
	chmod -R u+w "$work/source"
	source=$work/source
fi
mkdir -p "$bin"
# Of its storage backends and databases none is needed but the local directory.
(cd "$source" && go build -trimpath -o "$bin/sftpgo" \
	-tags nogcs,nos3,noazblob,nomysql,nopgsql,nobolt,nosqlite,nometrics .)
echo "sftpgo: $bin/sftpgo (put it in the PATH, or name it by SFTPGO)"
