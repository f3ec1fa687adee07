# Shared by the other scripts, which source it. LEFT_OUT names a file that
# lists what could not be done for want of a tool, one a line.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

step() { printf '\n== %s\n' "$*"; }

left_out() {
	printf 'left out: %s\n' "$*"
	if [[ -n ${LEFT_OUT:-} ]]; then printf '%s\n' "$*" >>"$LEFT_OUT"; fi
}

# go_tool PACKAGE builds a program of the tools module into .tools/bin. A
# failure is one of the network as a rule; it is printed, and the caller
# decides.
go_tool() {
	mkdir -p .tools/bin
	CGO_ENABLED=0 go build -C tools -buildvcs=false -o "$root/.tools/bin/" "$1"
}
