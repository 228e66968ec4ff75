#!/bin/sh
# Runs every fuzz target of the module for the time given, one after another.
set -eu
time=${1:-10s}
go=${GO:-go}
for package in $($go list ./...); do
	for target in $($go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "== $package $target"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
