#!/bin/sh
# Runs every fuzz target of the module for the time given, one after another, and
# says at the end which of them found something.
set -eu
time=${1:-10s}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM HUP

found=
packages=$($go list ./...)
for package in $packages; do
	targets=$($go test -vet=off -list '^Fuzz' "$package") || { echo "$targets"; found="$found $package"; continue; }
	for target in $(echo "$targets" | grep '^Fuzz'); do
		echo "== $package $target"
		if $go test -vet=off -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" >"$log" 2>&1; then
			tail -n 1 "$log"
		# On a busy machine Go takes the end of the time for an error of the target
		# (golang/go#75804); what is found is written down first.
		elif grep -q '^ *context deadline exceeded$' "$log" && ! grep -qi 'failing input written' "$log"; then
			echo "the time was up"
		else
			cat "$log"
			found="$found $package:$target"
		fi
	done
done
if [ -n "$found" ]; then
	echo "failed:$found" >&2
	exit 1
fi
