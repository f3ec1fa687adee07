#!/usr/bin/env bash
# Prints all Go files of the repository, each followed by a zero byte.
set -euo pipefail
cd "$(dirname "$0")/.."
find . \( -name .git -o -name .tools -o -name bin -o -name node_modules \) -prune -o -name '*.go' -type f -print0
