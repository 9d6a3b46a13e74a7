"""What a process that was killed left half written goes when another one writes there; what is being written stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from patience import PATIENCE

from fingen.disk import write_text
from fingen.leftovers import ABANDONED_SECONDS, beside_of

WRITER = """
import sys
from pathlib import Path
from fingen.disk import write_beside
with write_beside(Path(sys.argv[1])) as beside:
    beside.write_text("half a")
    print(beside, flush=True)
    sys.stdin.read()
"""


def begin(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that writes a file and has come half through it."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_goes_and_what_others_write_stays(tmp_path: Path):
    killed, half = begin(tmp_path / "model.safetensors")
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    assert half.exists()
    writing, theirs = begin(tmp_path / "score.json")
    elsewhere = tmp_path / ".model.safetensors.0123abcd-77.part"  # of a process of another machine
    old = tmp_path / ".model.safetensors.0123abcd-78.part"
    foreign = [tmp_path / name for name in (".film.part", ".film.77.part", "0123abcd-77.part")]
    for path in (elsewhere, old, *foreign):
        path.write_text("half a")
    for path in (old, *foreign):
        os.utime(path, (0, path.stat().st_mtime - 2 * ABANDONED_SECONDS))

    write_text(tmp_path / "card.md", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([theirs, elsewhere, *foreign, tmp_path / "card.md"])
    writing.communicate("", timeout=PATIENCE)
    assert (tmp_path / "score.json").read_text() == "half a"  # its own name was left alone
    assert not theirs.exists()


def test_a_process_writes_beside_under_a_name_of_its_own(tmp_path: Path):
    process, theirs = begin(tmp_path / "score.json")
    process.communicate("", timeout=PATIENCE)

    assert theirs.parent == tmp_path
    assert theirs != beside_of(tmp_path / "score.json")
