#!/usr/bin/env bash
# Runs every fuzz target of the tree, one after the other: fuzz.sh TIME
# Stops at the first finding; Go leaves it under testdata/fuzz of the package.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# Go shrinks each input that finds something new for up to a minute, during
# which it tries no others; ten steps are enough here.
mapfile -t packages < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
count=0
for package in "${packages[@]}"; do
	listing=$(go test -list '^Fuzz' "$package")
	for target in $(grep '^Fuzz' <<<"$listing" || true); do
		step "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x "$package"
		count=$((count + 1))
	done
done
printf '\n%d fuzz targets, no finding\n' "$count"
