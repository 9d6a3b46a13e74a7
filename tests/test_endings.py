"""Every command that writes, ended at any moment by what ends processes: the same command again brings it to its end.

What it makes then is, to the byte, what it makes in peace; nothing of the half-done is left beside it. Nothing is paid here:
that nothing paid is lost, or paid twice, is in test_kill.py, with the same signals.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from patience import PATIENCE
from test_kill import PROXIES
from test_replacing import MAKERS, workshop  # noqa: F401  # a fixture, found by its name

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals"),
    pytest.mark.filterwarnings(
        "ignore:Use 'content=:DeprecationWarning"
    ),  # of huggingface_hub, for what httpx2 has deprecated
]
COMMANDS: dict[str, tuple[str, ...]] = {
    **{name: (*command, "--out", f"made/{name}") for name, command in MAKERS.items()},
    "dedup": ("dedup", "made/rows", "--against", "build/asked"),
    "split": ("split", "made/rows", "--split", "0.5,0.25,0.25"),
    "prompts": ("prompts", "copy"),
    "verify": ("verify", "build/asked", "--html", "made/page.html"),
    "push": ("push", "build/asked", "--repo", "you/again", "--allow-offline", "--yes", "--quiet"),
}
STORM = (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)
ENDINGS = {"kill -9": (signal.SIGKILL,), "SIGTERM": (signal.SIGTERM,), "SIGHUP": (signal.SIGHUP,), "a storm": STORM}
# By a signal: before it could hear. SIGINT: Python ends so where it was interrupted in code that it had just compiled.
ENDED = {0, 130, -signal.SIGINT, *(-number for endings in ENDINGS.values() for number in endings)}


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not PROXIES.match(name)}
    return subprocess.Popen(
        [sys.executable, "-m", "fingen", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(name: str) -> None:
    """Run the command to its end, as its user would: with --resume, where it says so."""
    said = ""
    for more in ((), ("--resume",)):
        process = start(*COMMANDS[name], *more)
        _, said = process.communicate(timeout=PATIENCE)
        if process.returncode == 0:
            return
        assert "--resume" in said, said
    raise AssertionError(said)


def clear() -> None:
    for folder in ("made", "prompts"):
        shutil.rmtree(folder, ignore_errors=True)
    Path("made").mkdir()
    shutil.copytree("build/rows", "made/rows")  # for what works on a set where it stands


def content() -> dict[str, bytes]:
    """All that was made but journals, which hold what a run has done, and locks."""
    return {
        str(path): path.read_bytes()
        for folder in ("made", "prompts")
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not re.match(r"journal\.sqlite|\.lock|\.claims|training_args|training\.jsonl", path.name)
    }


def end(name: str, endings: tuple[signal.Signals, ...], after_seconds: float) -> int:
    """Run the command, end it after a while, and bring it to its end; returns the exit status of the first run."""
    clear()
    process = start(*COMMANDS[name])
    time.sleep(after_seconds)
    for ending in endings:
        if process.poll() is None:
            os.killpg(process.pid, ending)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode in ENDED, (process.returncode, said)
    assert process.returncode != 130 or "Traceback" not in said, said
    finish(name)
    return process.returncode


def storm(name: str, moments: int, chance: random.Random) -> Counter[int]:
    """End a command at so many moments, each in another way; returns the exit statuses."""
    clear()
    began = time.monotonic()
    finish(name)
    took, peace = time.monotonic() - began, content()
    assert peace or name == "push"
    ended: Counter[int] = Counter()
    for number in range(moments):
        endings = [*ENDINGS.values()][number % len(ENDINGS)]
        ended[end(name, endings, chance.uniform(0.1, 1.0) * took)] += 1
        assert content() == peace, (name, number)
    return ended


@pytest.mark.parametrize(
    ("name", "endings"), [("import", "kill -9"), ("split", "SIGTERM"), ("export", "SIGHUP"), ("dedup", "a storm")]
)
def test_a_command_that_was_ended_is_brought_to_its_end(
    workshop: Path,  # noqa: F811  # the fixture
    name: str,
    endings: str,
):
    clear()
    finish(name)
    peace = content()
    end(name, ENDINGS[endings], random.Random(name).uniform(0.3, 2.0))

    assert content() == peace


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_writes_is_brought_to_its_end_from_any_moment(workshop: Path, name: str):  # noqa: F811  # the fixture
    assert storm(name, len(ENDINGS), random.Random(name)).total() == len(ENDINGS)
