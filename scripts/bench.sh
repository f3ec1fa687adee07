#!/usr/bin/env bash
# Runs the Go benchmarks of the packages that have some: bench.sh REGEXP COUNT
set -euo pipefail
source "$(dirname "$0")/lib.sh"

mapfile -t packages < <(scripts/gofiles.sh | xargs -0 grep -l '^func Benchmark' | xargs -n 1 dirname | sort -u | grep -v '^\./tools/')
go test -run '^$' -bench "$1" -benchmem -count "$2" -p 1 "${packages[@]}"
