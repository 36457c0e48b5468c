#!/usr/bin/env bash
# Installs what tests of images need, from Debian, and starts Docker's daemon where none answers: tests/images/install.sh
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need docker docker.io
need dockerd docker.io
need buildah buildah
need mmdebstrap mmdebstrap
need docker-registry docker-registry
need docker-compose docker-compose
if [ ${#missing[@]} -gt 0 ]; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    [ "$(id -u)" = 0 ] || { echo "Run 'sudo apt-get install ${missing[*]}' first." >&2; exit 2; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

answers() { docker info >/dev/null 2>&1; }
answers && exit
[ "$(id -u)" = 0 ] || { echo "Docker's daemon does not answer; start it or let this user reach it." >&2; exit 2; }
# With no settings of its own, as the cluster for tests starts it: whichever comes first serves both.
log=${TMPDIR:-/tmp}/dockerd.log
setsid dockerd >>"$log" 2>&1 </dev/null &
for _ in $(seq 120); do
    answers && exit
    sleep 0.5
done
echo "dockerd did not answer within 60 s; its log is $log." >&2
exit 2
