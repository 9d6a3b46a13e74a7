"""tests/device/gpu.sh, which is for a machine with a GPU, runs its steps on any other: it is written once and run rarely."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent / "device" / "gpu.sh"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it is a shell script")
def test_the_steps_of_the_gpu_script_run_on_a_cpu(tmp_path: Path):
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([SCRIPT, "--dry", "--only", "8B,4bit;13B,8bit"], cwd=tmp_path, env=environment, capture_output=True,
                         text=True, check=False)  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "its figures say nothing" in ran.stdout
    told = re.findall(r"^(\S+)? +(fingen|Trainer) +[\d,]+ tokens/s", ran.stdout, re.MULTILINE)
    assert told == [("8B,4bit", "fingen"), ("", "Trainer"), ("13B,8bit", "fingen"), ("", "Trainer")]
    assert "missed: nothing" in ran.stdout
