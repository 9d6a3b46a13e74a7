#!/bin/sh
# Training on a GPU, measured in at most 8 minutes: see tests/device/gpu.py. Run it from anywhere:
#     tests/device/gpu.sh            on a machine with a GPU, 64 GiB of memory and 30 GiB free in $TMPDIR
#     tests/device/gpu.sh --dry      the same on a CPU, on small shapes
# PYTHON names an interpreter that has fingen's extra [train]; else it is that of .venv, else python3.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
own="$root/.venv/bin/python"
[ -x "$own" ] || own=python3
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec timeout 480 "${PYTHON:-$own}" "$root/tests/device/gpu.py" "$@"
