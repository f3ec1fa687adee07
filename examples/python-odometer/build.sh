#!/bin/sh
# Makes the program "plugin" of odometer.py and takhost.py: one executable file, which
# the server runs by the Python that stands in its first line. That Python must have
# grpcio and cryptography.
#
#   ./build.sh                       by /usr/bin/python3 (Debian: python3-grpcio, python3-cryptography)
#   ./build.sh venv/bin/python       by the Python of a virtual environment
set -eu
cd "$(dirname "$0")"
python=${1:-/usr/bin/python3}
case $python in /*) ;; *) python=$PWD/$python ;; esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp odometer.py "$folder/__main__.py"
cp "${TAKHOST_PY:-../../sdk/python/takhost.py}" "$folder/takhost.py"
"$python" -c 'import grpc, cryptography'
"$python" -m zipapp "$folder" --python "$python" --output "${2:-plugin}"
