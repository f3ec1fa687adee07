#!/usr/bin/env bash
# Installs what the tests need beyond Go: PostgreSQL, Python, PyTAK. Does only
# what is missing, and says what it does.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

pytak_version=7.6.1
venv=.tools/venv

as_root() {
	if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

have_postgres() {
	command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Debian's python3 has venv, but the pip for it is in another package.
have_venv() { command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null; }

missing=()
if ! have_postgres; then
	missing+=(postgresql-15)
fi
if ! have_venv; then
	missing+=(python3 python3-venv)
fi
if ! command -v gcc >/dev/null; then
	missing+=(gcc libc6-dev) # for the race detector
fi

if [[ ${#missing[@]} -gt 0 ]]; then
	if ! command -v apt-get >/dev/null; then
		printf 'missing: %s\nThis is not Debian: install them with the tool of your system.\n' "${missing[*]}" >&2
		exit 1
	fi
	step "apt-get install ${missing[*]}"
	as_root apt-get update -q </dev/null
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
else
	echo 'PostgreSQL, Python and a C compiler are there'
fi

have_pytak() {
	[[ -x $venv/bin/python ]] &&
		"$venv/bin/python" -c "import importlib.metadata as m, pytak; assert m.version('pytak') == '$pytak_version'" 2>/dev/null
}

if have_pytak; then
	echo "PyTAK $pytak_version is in $venv"
else
	step "PyTAK $pytak_version into $venv"
	python3 -m venv --clear "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "pytak==$pytak_version" </dev/null
	have_pytak || {
		echo "PyTAK is installed, but does not import" >&2
		exit 1
	}
fi
