#!/usr/bin/env bash
# Formatting, go vet and staticcheck. Goes through all of them before it fails.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

failed=0

step gofmt
unformatted=$(scripts/gofiles.sh | xargs -0 gofmt -s -l)
if [[ -n $unformatted ]]; then
	printf 'not formatted, make fmt does it:\n%s\n' "$unformatted"
	failed=1
fi

step go vet
go vet ./... || failed=1
go -C tools vet ./... || failed=1

step staticcheck
if go_tool honnef.co/go/tools/cmd/staticcheck; then
	.tools/bin/staticcheck ./... || failed=1
	(cd tools && ../.tools/bin/staticcheck ./...) || failed=1
else
	left_out 'staticcheck (its module cannot be downloaded)'
fi

exit "$failed"
