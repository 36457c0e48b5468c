#!/usr/bin/env bash
# Prepares .venv with everything that running and checking the tree needs, from the locks: make install
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "$*" >&2
    exit 2
}

find_python() {
    local name
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        # Run, not only looked up: version managers leave commands that exist and do nothing.
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

# Debian and Ubuntu ship Python without the part that makes virtual environments.
complete() {
    local package
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null || fail "$1 cannot make virtual environments: its modules venv and ensurepip are missing."
    [ "$(id -u)" = 0 ] || fail "$1 cannot make virtual environments yet: run 'sudo apt-get install $package' first."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python) || fail "Trolley needs Python 3.11 or newer; install it (Debian, Ubuntu: apt-get install python3)."
    complete "$python"
    "$python" -m venv --clear .venv
fi

pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --require-hashes -r requirements/dev.txt
ours=(server kit files services/* launcher)
"${pip[@]}" install --no-deps --no-build-isolation "${ours[@]/#/--editable=./}"
