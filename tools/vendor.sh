#!/usr/bin/env bash
# Fetches anew what the storefront takes from others: htmx, from its package, at the version and digest that stand here.
set -euo pipefail
cd "$(dirname "$0")/.."

package=htmx.org
version=2.0.11
sha256=d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717
vendor=services/storefront/src/storefront/static/vendor

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm pack --silent "$package@$version" >/dev/null && tar -xzf ./*.tgz)
echo "$sha256  $folder/package/dist/htmx.min.js" | sha256sum --check --quiet
install -m 644 "$folder/package/dist/htmx.min.js" "$vendor/htmx.min.js"
install -m 644 "$folder/package/LICENSE" "$vendor/htmx.LICENSE"
