#!/usr/bin/env bash
# Recompiles the locks in requirements/ from the packages' own pyproject.toml files: tools/lock.sh [--upgrade]
# They hold third-party packages alone, with hashes, for every platform; our own come from the tree.
set -euo pipefail
cd "$(dirname "$0")/.."

ours=(server kit files services/users services/products services/carts services/storefront launcher)
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
leave_out=()
for folder in "${ours[@]}"; do
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/pyproject.toml")
    echo "$name @ file://$PWD/$folder" >>"$overrides"
    leave_out+=(--no-emit-package "$name")
done

# compile LOCK SOURCE... writes requirements/LOCK.txt. Versions already locked stay, unless --upgrade is given.
compile() {
    local lock=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate --override "$overrides" "${leave_out[@]}" "${upgrade[@]}" \
        --output-file "requirements/$lock.txt" "$@"
}

upgrade=("$@")
# The widest first, and the others bound to its versions: what was tested is what each image holds.
compile dev --extra testing requirements/dev.in "${ours[@]/%//pyproject.toml}"
for folder in "${ours[@]:3}"; do
    compile "$(basename "$folder")" --constraint requirements/dev.txt "$folder/pyproject.toml"
done
compile build --constraint requirements/dev.txt requirements/build.in
