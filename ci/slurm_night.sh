#!/usr/bin/env bash
# A night on the hosts of a Slurm allocation: `sbatch --nodes=3 --time=02:00:00 ci/slurm_night.sh [CONFIG] [OPTIONS of harness nightly…]`.
# The first host has the head and runs the night; every host of the allocation, the first one too, runs parts of it.
# The checkout and its .venv lie where every host sees them. HARNESS_PORT: the head's port.
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?run this with sbatch}"
harness=(.venv/bin/python -P -m harness)
port=${HARNESS_PORT:-$((20000 + SLURM_JOB_ID % 20000))}

# Only who knows the token may use this job's cluster. It lies in a file that only its owner can read.
umask 077
work=$(mktemp -d "$PWD/.slurm-night.XXXXXX")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$work/token
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH"
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait; rm -rf "$work"' EXIT

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$first" | awk 'NR == 1 { print $1 }')
others=$((SLURM_JOB_NUM_NODES - 1))

# Each host keeps its parts on its own disk, and names itself by what Slurm calls it.
HARNESS_HOST=$first "${harness[@]}" host --head --ip "$address" --port "$port" --folder "${TMPDIR:-/tmp}/parts-$SLURM_JOB_ID" &
for _ in $(seq 120); do
  if timeout 1 bash -c "</dev/tcp/$address/$port" 2>/dev/null; then break; fi
  sleep 1
done
if [ "$others" -gt 0 ]; then
  # shellcheck disable=SC2016  # the variables are those of the host that runs it
  srun --nodes="$others" --ntasks="$others" --ntasks-per-node=1 --exclude="$first" bash -c '
    address=$1; shift
    export HARNESS_HOST=$SLURMD_NODENAME
    exec "$@" host "$address" --ip "$(getent ahostsv4 "$SLURMD_NODENAME" | awk "NR == 1 { print \$1 }")" \
      --folder "${TMPDIR:-/tmp}/parts-$SLURM_JOB_ID"' _ "$address:$port" "${harness[@]}" &
fi

# A host may take a minute to ask its backends. What none has announced when the night begins is reported as absent.
"${harness[@]}" host --await "$((others + 1))" "$address:$port"

config=ci/nightly.toml
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then
  config=$1
  shift
fi
"${harness[@]}" nightly "$config" --engine "ray://$address:$port" "$@"
