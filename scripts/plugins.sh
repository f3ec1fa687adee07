#!/usr/bin/env bash
# Builds each plugin in plugins/ into plugins/dist/built, which the program embeds,
# if its sources changed since. The builder is the program itself, without them.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

out=plugins/dist/built
builder=$root/.tools/bin/takhost-builder
mkdir -p .tools/bin
CGO_ENABLED=0 go build -buildvcs=false -o "$builder" ./cmd/takhost

for manifest in plugins/*/plugin.json; do
	dir=$(dirname "$manifest")
	name=$(basename "$dir")
	"$builder" plugin build "$dir" -o "$out/$name.takplugin" --sources "$out/$name.sources"
done

# What belongs to no plugin any more.
for file in "$out"/*.takplugin "$out"/*.sources; do
	name=$(basename "${file%.*}")
	if [[ -e $file && ! -e plugins/$name/plugin.json ]]; then rm -f "$file"; fi
done
