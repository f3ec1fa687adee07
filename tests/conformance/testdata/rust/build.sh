#!/usr/bin/env bash
# Builds the plugin: build.sh [FILE]. Needs rustc 1.63 or later with the target
# wasm32-unknown-unknown (Debian: rustc, libstd-rust-dev-wasm32); RUSTC names
# another compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/plugin.wasm}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
compile() {
	"${RUSTC:-rustc}" --edition 2021 --target wasm32-unknown-unknown -D warnings \
		-C opt-level=s -C panic=abort "$@"
}
compile --crate-type rlib --crate-name tak -o "$tmp/libtak.rlib" "$here/../../../../sdk/rust/src/lib.rs"
compile --crate-type cdylib --crate-name conform -C lto=fat -C strip=debuginfo \
	--extern "tak=$tmp/libtak.rlib" -o "$out" "$here/conform.rs"
