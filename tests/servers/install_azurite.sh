#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Azurite, the Azure Blob server that the Azure tests run against, into .deps/azurite of the repository, and prints the
# path of its program (to be run with node). Does nothing when it is there, or when LANCEFS_AZURITE names one. Needs node and npm.
set -euo pipefail

version=3.35.0
root=$(cd "$(dirname "$0")/../.." && pwd)
deps=${LANCEFS_DEPS:-$root/.deps}
program=$deps/azurite/node_modules/azurite/dist/src/blob/main.js

if [ -n "${LANCEFS_AZURITE:-}" ]; then
  [ -r "$LANCEFS_AZURITE" ] || { echo "LANCEFS_AZURITE=$LANCEFS_AZURITE cannot be read" >&2; exit 1; }
  echo "$LANCEFS_AZURITE"
  exit 0
fi
if [ -r "$program" ]; then
  echo "$program"
  exit 0
fi

mkdir -p "$deps"
echo "installing Azurite $version" >&2
# Installed aside and renamed, so that an interrupted installation leaves nothing that looks whole.
staging=$(mktemp -d "$deps/azurite.XXXXXX")
trap 'rm -rf "$staging"' EXIT
echo '{"private": true}' > "$staging/package.json"
(cd "$staging" && npm install --no-audit --no-fund --loglevel=error "azurite@$version") >&2
rm -rf "$deps/azurite"
chmod 755 "$staging"
mv "$staging" "$deps/azurite"
echo "$program"
