#!/bin/sh
# Installs what the tests use beside Go and git: Debian's packages by apt where
# that is possible, else it says what is missing and fails; and one S3 server by
# `go install`, today's aws cli and boto3 by pip and the JavaScript SDK by npm
# into the user's cache (tests/services -install). With the argument soak, what
# only the long set uses, too.
set -eu

# program or file:Debian package
wanted="sshd:openssh-server sftp:openssh-client ssh-keygen:openssh-client sshfs:sshfs fusermount3:fuse3 sqlite3:sqlite3 tar:tar git:git gcc:gcc
initdb:postgresql memcached:memcached promtool:prometheus
swift-ring-builder:swift swift-proxy-server:swift-proxy swift-account-server:swift-account swift-container-server:swift-container swift-object-server:swift-object
s3cmd:s3cmd s3fs:s3fs node:nodejs npm:npm python3:python3
gio:libglib2.0-bin dbus-run-session:dbus-daemon /usr/lib/gvfs/gvfsd-sftp:gvfs-backends
lftp:lftp psftp:putty-tools curl:curl rclone:rclone restic:restic borg:borgbackup rsync:rsync javac:default-jdk-headless
/usr/lib/python3/dist-packages/paramiko:python3-paramiko /usr/lib/python3/dist-packages/asyncssh:python3-asyncssh /usr/share/java/jsch.jar:libjsch-java"

if [ "${1-}" = soak ]; then
	# AWS's SDK needs a newer Rust than Debian 12's own: that which its browsers have.
	cargo=cargo
	if grep -qs '^VERSION_ID="12"' /etc/os-release; then cargo=cargo-web; fi
	wanted="$wanted ceph-mon:ceph-mon ceph-osd:ceph-osd radosgw:radosgw ceph:ceph-common mvn:maven cargo:$cargo"
fi

# Debian keeps daemons, and PostgreSQL's programs by version, out of the PATH.
PATH=$PATH:/usr/sbin:/sbin
for dir in /usr/lib/postgresql/*/bin; do PATH=$PATH:$dir; done

log=$(mktemp)
policy=
trap 'rm -f "$log" $policy' EXIT

programs=""
packages=""
for pair in $wanted; do
	program=${pair%%:*}
	if ! command -v "$program" >/dev/null 2>&1 && ! [ -e "$program" ]; then
		programs="$programs $program"
		packages="$packages ${pair##*:}"
	fi
done

if ! python3 -c 'import ensurepip' 2>/dev/null; then # Debian splits it off
	programs="$programs python3-venv"
	packages="$packages python3-venv"
fi

if [ -n "$packages" ]; then
	as_root=""
	if [ "$(id -u)" != 0 ]; then as_root="sudo -n"; fi
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "The tests need these programs, and this system has no apt-get to install them:$programs" >&2
		echo "Install them by hand (on Debian they are in:$packages), then run make test again." >&2
		exit 1
	fi
	echo "installing:$packages"
	# The tests start servers of their own: Debian's units shall not run just
	# because they were installed.
	if [ ! -e /usr/sbin/policy-rc.d ] && [ -z "$as_root" ]; then
		policy=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "apt-get could not install:$packages (needed for:$programs). Install them by hand, then run make test again." >&2
		exit 1
	fi
fi

if ! "${GO:-go}" run ./tests/services -install >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "The S3 server and clients of the tests could not be built or fetched (go run ./tests/services -install)." >&2
	exit 1
fi

if [ ! -e /dev/fuse ]; then
	echo "The tests mount sshfs and there is no /dev/fuse here: load the fuse module, or give the container the device." >&2
	exit 1
fi
