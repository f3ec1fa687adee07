#!/usr/bin/env bash
# Installs what the tests need beyond Go: PostgreSQL, Python, PyTAK, for plugins in
# C and Rust clang and rustc, for certificates and proxies openssl, keytool, nginx,
# Caddy and pebble. Does only what is missing, and says what it does.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

pytak_version=7.6.1
# For process plugins in Python.
grpcio_version=1.85.1
cryptography_version=50.0.2
venv=.tools/venv

as_root() {
	if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

have_postgres() {
	command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# Debian's python3 has venv, but the pip for it is in another package.
have_venv() { command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null; }

have_wasm_clang() { command -v wasm-ld >/dev/null && clang --print-targets 2>/dev/null | grep wasm32 >/dev/null; }

# Another rustc in front of Debian's may lack the target.
have_wasm_rustc() {
	local rustc dir
	for rustc in ${TAKHOST_RUSTC:-} rustc /usr/bin/rustc; do
		if dir=$("$rustc" --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) && [[ -d $dir ]]; then return 0; fi
	done
	return 1
}

# Programs in /usr/sbin are not on everybody's path.
have_nginx() { PATH=$PATH:/usr/sbin command -v nginx >/dev/null && compgen -G '/usr/lib/nginx/modules/ngx_stream_module.so' >/dev/null; }

missing=()
if ! have_postgres; then
	missing+=(postgresql-15)
fi
if ! have_venv; then
	missing+=(python3 python3-venv)
fi
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
	missing+=(chromium) # for the page at /docs
fi
if ! command -v gcc >/dev/null; then
	missing+=(gcc libc6-dev) # for the race detector
fi
if ! have_wasm_clang; then
	missing+=(clang lld)
fi
if ! have_wasm_rustc; then
	missing+=(rustc libstd-rust-dev-wasm32 lld)
fi

command -v openssl >/dev/null || missing+=(openssl)              # a foreign client
command -v keytool >/dev/null || missing+=(default-jre-headless) # reads key stores as Android does
command -v caddy >/dev/null || missing+=(caddy)
if ! have_nginx; then
	missing+=(nginx-light libnginx-mod-stream)
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
	echo 'PostgreSQL, Python, compilers, openssl, keytool, nginx and Caddy are there'
fi

have_pytak() {
	[[ -x $venv/bin/python ]] &&
		"$venv/bin/python" -c "import importlib.metadata as m, pytak, grpc, cryptography
assert m.version('pytak') == '$pytak_version' and m.version('grpcio') == '$grpcio_version' and m.version('cryptography') == '$cryptography_version'" 2>/dev/null
}

if have_pytak; then
	echo "PyTAK $pytak_version, grpcio and cryptography are in $venv"
else
	step "PyTAK $pytak_version, grpcio and cryptography into $venv"
	python3 -m venv --clear "$venv"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "pytak==$pytak_version" "grpcio==$grpcio_version" "cryptography==$cryptography_version" </dev/null
	have_pytak || {
		echo "the Python packages are installed, but do not import" >&2
		exit 1
	}
fi

if go_tool github.com/letsencrypt/pebble/v2/cmd/pebble; then
	echo 'pebble is in .tools/bin'
else
	echo 'pebble cannot be built: its module cannot be downloaded' >&2
	exit 1
fi
