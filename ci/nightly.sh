#!/usr/bin/env bash
# Runs a night: `ci/nightly.sh [CONFIG] [OPTIONS of harness nightly…]`, by default ci/nightly.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
config=ci/nightly.toml
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  config=$1
  shift
fi
make --no-print-directory setup
exec .venv/bin/python -m harness nightly "$config" "$@"
