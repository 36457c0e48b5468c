#!/usr/bin/env bash
# Images with Docker: tools/images.sh build | push | sbom, told by BASE, TAG and REGISTRY; see docs/guides/containers.md.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "$*" >&2
    exit 2
}

targets=(users products carts storefront tools)
tag=${TAG:-dev}
base=${BASE:-python:3.14-slim}
revision=unknown
# Of a tree that is no checkout, as of an archive, the time is not known; it is pinned all the same.
moment=315532800
if git rev-parse --git-dir >/dev/null 2>&1; then
    revision=$(git rev-parse HEAD)
    moment=$(git log -1 --format=%ct)
    git diff --quiet HEAD || revision+=-changed
fi
created=$(date --utc --date="@$moment" +%Y-%m-%dT%H:%M:%SZ)

command -v docker >/dev/null || fail "Docker is needed for images; install it (Debian, Ubuntu: apt-get install docker.io)."
docker info >/dev/null 2>&1 || fail "Docker's daemon does not answer; start it, or let this user reach it."

folder_of() {
    [ "$1" = tools ] && echo launcher || echo "services/$1"
}

build() {
    local target version
    # A builder that has been superseded complains of it each time; what it says is of interest only where it fails.
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for target in "${targets[@]}"; do
        version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$(folder_of "$target")/pyproject.toml")
        docker build --quiet --target "$target" --tag "trolley/$target:$tag" --build-arg BASE="$base" \
            --build-arg SOURCE_DATE_EPOCH="$moment" --build-arg CREATED="$created" --build-arg REVISION="$revision" \
            --build-arg VERSION="$version" ${PIP_INDEX_URL:+--build-arg PIP_INDEX_URL} . \
            >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
        echo "trolley/$target:$tag"
    done
}

built() {
    docker image inspect "trolley/$1:$tag" >/dev/null 2>&1 || fail "There is no image trolley/$1:$tag yet; make images TAG=$tag makes it."
}

push() {
    local target name
    [ -n "${REGISTRY:-}" ] || fail "Say where to push, e.g. make push REGISTRY=localhost:5000."
    for target in "${targets[@]}"; do
        built "$target"
        name=${REGISTRY%/}/trolley/$target:$tag
        docker tag "trolley/$target:$tag" "$name"
        docker push --quiet "$name" >/dev/null
        docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$name" | grep "^${name%:*}@"
    done
}

# What an image holds is asked of the image: its folders are all that a Python without packages of its own sees.
sbom() {
    local target container
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p .artefacts/sbom
    .venv/bin/python -m venv --without-pip "$work/python"
    for target in "${targets[@]}"; do
        built "$target"
        container=$(docker create "trolley/$target:$tag")
        mkdir "$work/$target"
        docker cp --quiet "$container:/app" "$work/$target" 2>/dev/null || docker cp "$container:/app" "$work/$target"
        docker cp "$container:/needs" "$work/$target"
        docker rm "$container" >/dev/null
        printf '%s\n' "$work/$target/app" "$work/$target/needs" >"$(echo "$work"/python/lib/python*/site-packages)/image.pth"
        .venv/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
            --pyproject "$(folder_of "$target")/pyproject.toml" --output-file ".artefacts/sbom/$target.json" "$work/python/bin/python"
        echo ".artefacts/sbom/$target.json"
    done
}

case "${1:-}" in
build | push | sbom) "$1" ;;
*) fail "Usage: tools/images.sh build | push | sbom" ;;
esac
