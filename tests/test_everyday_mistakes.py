"""What everybody types wrong once: each row of the table in `fingen help errors` is typed, and answered as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from patience import PATIENCE, wait_until
from stub_llm import StubLLM
from test_export import make_set, record
from test_kill import write_reports

import fingen
from fingen.cli import main
from fingen.disk import lock

ROWS = {
    split: [
        record(f"{split} {n}: up or down?", output="up", label="A", options={"A": "up", "B": "down"})
        for n in range(count)
    ]
    for split, count in {"train": 30, "test": 5}.items()
}
TOPIC = Path(fingen.__file__).with_name("help") / "errors.md"
ROW = re.compile(r"\| (?P<name>[^|`]+) \| `(?P<typed>fingen [^|]+)` \| (?P<code>\d+) \| (?P<comes>.+) \|")
TABLE = {row["name"]: row for line in TOPIC.read_text(encoding="utf-8").splitlines() if (row := ROW.fullmatch(line))}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_set(tmp_path / "build" / "rows", ROWS)
    return tmp_path


@pytest.fixture
def reports(desk: Path, readers_here: None) -> Path:
    write_reports(desk / "reports", 1, 6)
    return desk / "reports"


def hold(name: str, code: int, said: str) -> None:
    """What was said has all that the table has, as it stands there."""
    flat = " ".join(said.split())
    missing = [piece for piece in re.findall(r"`([^`]+)`", TABLE[name]["comes"]) if piece not in flat]

    assert not missing, said
    assert code == int(TABLE[name]["code"]), said
    assert "Traceback" not in said


def typed(name: str) -> list[str]:
    return str(TABLE[name]["typed"]).split()[1:]


def answer(name: str, **environment: str) -> None:
    ran = CliRunner().invoke(main, typed(name), prog_name="fingen", env=environment)
    hold(name, ran.exit_code, ran.output)


def start(name: str, before: str = "", **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own, behind what a shell does `before`."""
    command = f'{before} exec "$0" -m fingen "$@"'
    words = [shutil.which("bash") or "bash", "-c", command, sys.executable, *typed(name)]
    return subprocess.Popen(
        words, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_all_ten_are_tried():
    tests = [name for name in globals() if name.startswith("test_") and "_ten_" not in name]

    assert len(TABLE) == len(tests) == 10


def test_a_wrong_key(reports: Path):
    with StubLLM(key="sk-right") as stub:
        answer("a wrong key", ANTHROPIC_API_KEY="sk-wrong", ANTHROPIC_BASE_URL=stub.url)


def test_a_wrong_folder(reports: Path):
    answer("a wrong folder")


def test_a_folder_of_other_files(desk: Path):
    (desk / "letters").mkdir()
    (desk / "letters" / "a.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600) + "WordDocument".encode("utf-16-le"))
    (desk / "letters" / "b.xlsx").write_bytes(b"PK\x03\x04 cut")

    answer("a folder of old Word files and workbooks")


def test_an_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)  # as if it were not there

    answer("an extra that is not installed")


def test_no_gpu():
    answer("no GPU, and a model that is too large without")


def test_a_full_disk():
    process = start("a full disk", "ulimit -f 1;")
    said = "".join(process.communicate(timeout=PATIENCE))

    hold("a full disk", process.returncode, said)


def test_a_file_in_gbk(desk: Path):
    (desk / "tickets.csv").write_bytes("text,label\n公司利润增长,正面\n公司亏损扩大,负面\n".encode("gbk"))

    answer("a file in GBK")


def test_a_misspelt_option():
    answer("a misspelt option")


def test_two_runs_at_once(desk: Path):
    with lock(desk / "build" / "rows"):
        process = start("two runs at once")
        assert process.stderr is not None
        told = next(line for line in process.stderr if "waiting" in line)
    said = told + "".join(process.communicate(timeout=PATIENCE))

    hold("two runs at once", process.returncode, said)


@pytest.fixture
def slow() -> Iterator[StubLLM]:
    with StubLLM(latency=1.0) as stub:
        yield stub


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c(reports: Path, slow: StubLLM):
    process = start("Ctrl-C", ANTHROPIC_API_KEY="sk-for-tests", ANTHROPIC_BASE_URL=slow.url)
    wait_until(lambda: bool(slow.requests), process)
    process.send_signal(signal.SIGINT)
    said = "".join(process.communicate(timeout=PATIENCE))

    hold("Ctrl-C", process.returncode, said)
