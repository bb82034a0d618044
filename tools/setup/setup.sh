# SPDX-License-Identifier: Apache-2.0
# Sourced by quickstart and test: installs what is missing, and does nothing when it is all there.
# Debian packages come from the release's own archive, everything from PyPI is pinned.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DEPS=$ROOT/.deps
BUILD=${LANCEFS_BUILD:-$ROOT/build}

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

# install_packages NAME...: apt-get install of those that are not installed yet.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "these Debian packages are missing, install them as root: ${missing[*]}" >&2
    return 1
  fi
  say "installing ${#missing[@]} Debian packages"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

# install_command COMMAND PACKAGE...: packages only if the command is not there.
install_command() {
  local command=$1
  shift
  command -v "$command" >/dev/null || install_packages "$@"
}

# install_python REQUIREMENTS: into the project's own environment.
install_python() {
  local stamp
  stamp=$DEPS/$(basename "$1").$(sha256sum "$1" | cut -c1-16)
  [ -e "$stamp" ] && [ -x "$DEPS/venv/bin/python" ] && return 0
  say "installing Python packages of $(basename "$1")"
  mkdir -p "$DEPS"
  [ -x "$DEPS/venv/bin/python" ] || /usr/bin/python3 -m venv "$DEPS/venv"
  "$DEPS/venv/bin/pip" install -q --disable-pip-version-check -r "$1"
  rm -f "$DEPS/$(basename "$1")".*
  touch "$stamp"
}

install_build_dependencies() {
  # shellcheck disable=SC2046  # one word a package
  install_packages $(grep -v '^#' "$ROOT/tools/setup/packages-build.txt")
  install_python "$ROOT/tools/setup/requirements-build.txt"
}

# build [TARGET...]
build() {
  # Every time: a package that was installed meanwhile (GoogleTest) adds targets.
  cmake -S "$ROOT" -B "$BUILD" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLANCEFS_PYTHON="$DEPS/venv/bin/python" >"$DEPS/cmake.log" 2>&1 || {
    cat "$DEPS/cmake.log" >&2
    return 1
  }
  # Warnings of a compiler that is right by its own lights are no news to whoever builds; errors are.
  ninja -C "$BUILD" "$@" >"$DEPS/build.log" 2>&1 || {
    grep -A20 -E 'error|FAILED' "$DEPS/build.log" | head -100 >&2
    return 1
  }
}
