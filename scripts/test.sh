#!/usr/bin/env bash
# Everything that must hold. Needs Go alone; what needs another tool says so and
# is named at the end. With ALL=1, leaving something out is a failure.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

LEFT_OUT=$(mktemp)
export LEFT_OUT
trap 'rm -f "$LEFT_OUT" "$LEFT_OUT".*' EXIT

failed=()
check() { "$@" || failed+=("$step_name"); }
begin() {
	step_name=$*
	step "$@"
}

if [[ -z ${TAKHOST_PYTHON:-} && -x .tools/venv/bin/python ]]; then
	export TAKHOST_PYTHON=$root/.tools/venv/bin/python
fi

begin lint
check scripts/lint.sh

begin go mod tidy
tidy() {
	local out
	# A difference is on the standard output; else the network is the trouble.
	if out=$(cd "$1" && go mod tidy -diff 2>"$LEFT_OUT.err"); then return 0; fi
	if [[ -n $out ]]; then
		printf '%s\n' "$out"
		return 1
	fi
	tail -n 3 "$LEFT_OUT.err"
	left_out 'go mod tidy (modules cannot be downloaded)'
}
check tidy .
check tidy tools

begin generated code
hashes() { find . \( -name .git -o -name .tools -o -name bin -o -path ./plugins/dist/built \) -prune -o -type f -print0 | sort -z | xargs -0 cksum; }
drift() {
	if ! scripts/gofiles.sh | xargs -0 grep -lq '^//go:generate '; then
		echo 'there is none'
		return 0
	fi
	hashes >"$LEFT_OUT.before"
	go generate ./... || return 1
	hashes >"$LEFT_OUT.after"
	diff "$LEFT_OUT.before" "$LEFT_OUT.after" || {
		echo 'go generate changes these files: commit what it makes'
		return 1
	}
}
check drift

begin build without cgo
build() {
	CGO_ENABLED=0 go build -buildvcs=false ./... &&
		make --no-print-directory build "VERSION=${VERSION:-dev}"
}
check build

# The report prints a line for each package and the output of what fails.
report=$root/.tools/bin/testreport
go_tool ./testreport
gotest() { go test -json -vet=off -timeout 20m "$@" | "$report" -left-out "$LEFT_OUT"; }

begin tests
race=(-race)
if ! command -v "$(go env CC)" >/dev/null; then
	race=()
	left_out 'the race detector (it needs a C compiler such as gcc)'
fi
tests() { CGO_ENABLED=${race:+1} gotest "${race[@]}" -shuffle=on ./...; }
check tests

# Cases that measure are in files with this build line, and run without the
# race detector, one package after the other. Without -race above they have run.
begin measuring tests
measuring() {
	local files names packages
	mapfile -t files < <(scripts/gofiles.sh | xargs -0 grep -lE '^//go:build .*!race' | grep '_test\.go$' || true)
	if [[ ${#files[@]} -eq 0 || ${#race[@]} -eq 0 ]]; then
		echo 'there are none left to run'
		return 0
	fi
	names=$(sed -nE 's/^func (Test[A-Za-z0-9_]*)\(.*/\1/p' "${files[@]}" | paste -sd '|')
	mapfile -t packages < <(printf '%s\n' "${files[@]}" | xargs -n 1 dirname | sort -u)
	gotest -p 1 -run "^($names)\$" "${packages[@]}"
}
check measuring

begin tests of the tools
check go -C tools test ./...

printf '\n'
if [[ -s $LEFT_OUT ]]; then
	sort -u "$LEFT_OUT" | sed 's/^/left out: /'
	if [[ -n ${ALL:-} && ${ALL:-} != 0 ]]; then failed+=('nothing left out (ALL=1)'); fi
else
	echo 'nothing was left out'
fi
if [[ ${#failed[@]} -gt 0 ]]; then
	printf 'FAILED: %s\n' "${failed[@]}"
	exit 1
fi
echo 'all passed'
