#!/usr/bin/env bash
# Installs what the peers need, from their locks, into folders that git ignores: bench/peers/install.sh
# With --lock it compiles the locks anew first.
set -euo pipefail
cd "$(dirname "$0")"
tree=../..

fail() {
    echo "$*" >&2
    exit 2
}

[ $# = 0 ] || [ "$*" = --lock ] || fail "Usage: bench/peers/install.sh [--lock]"
command -v npm >/dev/null || fail "The Express peer needs Node 20.19 or newer with npm; install it first."
[ -x $tree/.venv/bin/uv ] || fail "There is no .venv yet: run 'make install' first."

if [ "${1:-}" = --lock ]; then
    (cd express && npm install --package-lock-only --loglevel=error)
    $tree/.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate \
        --output-file fastapi/requirements.txt fastapi/requirements.in
fi

(cd express && npm ci --loglevel=error)
python=fastapi/.venv/bin/python
[ -x $python ] || $tree/.venv/bin/uv venv --quiet --python $tree/.venv/bin/python fastapi/.venv
$tree/.venv/bin/uv pip sync --quiet --python $python --require-hashes fastapi/requirements.txt
echo "The peers are installed."
