#!/usr/bin/env bash
# Installs what the benchmark needs besides .venv: bench/install.sh
# wrk by apt (as root), vegeta from bench/vegeta/go.sum, the peers from their locks; does nothing where all is there.
set -euo pipefail
cd "$(dirname "$0")"

fail() {
    echo "$*" >&2
    exit 2
}

if ! command -v wrk >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "wrk is missing; on Debian and Ubuntu: sudo apt-get install wrk"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk >/dev/null
fi
if [ ! -x bin/vegeta ] || [ vegeta/go.sum -nt bin/vegeta ]; then
    command -v go >/dev/null || fail "vegeta, the load at a constant rate, is built from source: install Go 1.24 or newer first."
    (cd vegeta && GOFLAGS=-mod=readonly go build -o ../bin/vegeta github.com/tsenart/vegeta/v12)
    touch bin/vegeta
fi
if [ ! -d peers/express/node_modules ] || [ ! -x peers/fastapi/.venv/bin/python ] \
    || [ peers/express/package-lock.json -nt peers/express/node_modules ] \
    || [ peers/fastapi/requirements.txt -nt peers/fastapi/.venv/bin/python ]; then
    peers/install.sh
    touch peers/express/node_modules -h peers/fastapi/.venv/bin/python
fi
