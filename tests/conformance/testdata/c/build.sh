#!/usr/bin/env bash
# Builds the plugin: build.sh [FILE]. Needs clang with the target wasm32 and
# wasm-ld (Debian: clang, lld); CC names another compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/plugin.wasm}
"${CC:-clang}" --target=wasm32 -mbulk-memory -std=c11 -Wall -Wextra -Wpedantic -Werror -Os \
	-nostdlib -Wl,--no-entry -Wl,-z,stack-size=65536 \
	-I"$here/../../../../sdk/c" -o "$out" "$here/conform.c"
