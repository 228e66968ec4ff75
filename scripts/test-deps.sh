#!/bin/sh
# Installs what the end-to-end tests use beside Go and git, by apt where that is
# possible, and otherwise says what is missing and fails.
set -eu

# program:Debian package
wanted="sshd:openssh-server sftp:openssh-client ssh-keygen:openssh-client sshfs:sshfs fusermount3:fuse3 sqlite3:sqlite3 tar:tar git:git gcc:gcc initdb:postgresql"

# Debian keeps PostgreSQL's programs, by version, and daemons out of the PATH.
PATH=$PATH:/usr/sbin:/sbin
for dir in /usr/lib/postgresql/*/bin; do PATH=$PATH:$dir; done
programs=""
packages=""
for pair in $wanted; do
	program=${pair%%:*}
	if ! command -v "$program" >/dev/null 2>&1; then
		programs="$programs $program"
		packages="$packages ${pair##*:}"
	fi
done

if [ -n "$packages" ]; then
	as_root=""
	if [ "$(id -u)" != 0 ]; then as_root="sudo -n"; fi
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "The tests need these programs, and this system has no apt-get to install them:$programs" >&2
		echo "Install them by hand (on Debian they are in:$packages), then run make test again." >&2
		exit 1
	fi
	echo "installing:$packages"
	if ! { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $packages; } >/tmp/truckee-test-deps.$$ 2>&1; then
		tail -n 20 /tmp/truckee-test-deps.$$ >&2
		rm -f /tmp/truckee-test-deps.$$
		echo "apt-get could not install:$packages (needed for:$programs). Install them by hand, then run make test again." >&2
		exit 1
	fi
	rm -f /tmp/truckee-test-deps.$$
fi

if [ ! -e /dev/fuse ]; then
	echo "The tests mount sshfs and there is no /dev/fuse here: load the fuse module, or give the container the device." >&2
	exit 1
fi
