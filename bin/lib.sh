# Shared by bin/run, bin/manage, bin/test and bin/bench: find a Python, keep the environment in step with its lock.
# shellcheck shell=sh

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1

fail() { printf 'mesoclinic: %s\n' "$1" >&2; exit 1; }
say() { printf '%s\n' "$1" >&2; }

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

find_python() {
  for name in ${MESOCLINIC_PYTHON:-} python3.13 python3.12 python3.14 python3; do
    if found=$(command -v "$name" 2>/dev/null) && fits "$found"; then printf '%s' "$found"; return 0; fi
  done
  for found in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 /opt/homebrew/bin/python3.1[2-9] /usr/local/bin/python3.1[2-9]; do
    if [ -x "$found" ] && fits "$found"; then printf '%s' "$found"; return 0; fi
  done
  return 1
}

# prepare_environment LOCK: a virtual environment with exactly the packages of the lock file.
prepare_environment() {
  lock=$1
  stamp=.venv/.installed-$(basename "$lock" .txt)
  want=$(cksum <"$lock")
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return 0; fi
  if ! [ -x .venv/bin/python ] || ! fits .venv/bin/python; then
    python=$(find_python) || fail "Python 3.12 or newer with venv is needed. Debian/Ubuntu: apt-get install python3-venv (or pyenv install 3.13); Fedora: dnf install python3.13; macOS: brew install python@3.13. Or set MESOCLINIC_PYTHON."
    say "  environment with $python"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python can't make a virtual environment. Debian/Ubuntu: apt-get install python3-venv."
  fi
  say "  installing packages from $lock"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock" 2>.venv/pip.log \
    || { tail -n 3 .venv/pip.log >&2; fail "packages could not be installed. Check the network or your pip configuration; the whole log is .venv/pip.log"; }
  printf '%s' "$want" >"$stamp"
}
