#!/usr/bin/env bash
# A GPU for a quarter of an hour. `ci/gpu_check.sh prepare -o gpu.tar` packs on a host without a GPU all that a bare
# machine needs; `gpu_check.sh run gpu.tar -o OUT` runs it there. ci/README.md has the commands.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
half=${1:-}
case $half in
  prepare) python=${PYTHON:-$here/../.venv/bin/python} ;;
  run) python=${PYTHON:-python3} ;;
  *)
    echo "gpu_check.sh: expected prepare or run, found '$half'. Both explain themselves with --help." >&2
    exit 2
    ;;
esac
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "gpu_check.sh: $python is no Python of 3.11 or newer. Name one in PYTHON; for prepare, 'make setup' makes one." >&2
  exit 2
fi
umask 077 # compiled modules are loaded only from where nobody else writes
exec "$python" "$here/gpu/$half.py" "${@:2}"
