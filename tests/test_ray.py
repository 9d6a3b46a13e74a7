"""`--engine ray`: the same set to the byte, whatever is lost on the way; nothing leaves this machine, and nothing stays behind.

Ray's processes are looked at in /proc, while they read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hostile
import pytest
from click.testing import CliRunner
from patience import PATIENCE, wait_until
from test_hostile import good, in_time, sources
from test_kill import Desk, Server, in_the_end, undisturbed, write_reports

import fingen
from fingen.cli import main
from fingen.config import ReadSettings
from fingen.documents import Progress, read_documents
from fingen.errors import DocumentError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
with_ray = pytest.mark.skipif(not find_spec("ray"), reason="the extra [ray] is not installed")

KEY = "sk-canary-91c7e0"
CHILD = b"fingen.documents.on_ray"
READER = b"fingen.documents.workers"
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=1)
raylet = other.all_processes["raylet"][0].process.pid
print(cluster.address, raylet, flush=True)
sys.stdin.read()
cluster.shutdown()
"""  # two nodes on this machine; it ends with its standard input


# ---- processes


def stat(pid: int | str) -> tuple[str, int, int] | None:
    """State, parent and group of a process; None where it is gone."""
    try:
        state, parent, group, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return state, int(parent), int(group)


def alive() -> dict[int, tuple[int, int]]:
    """All processes that run: parent and group of each."""
    found = {int(path.name): stat(path.name) for path in Path("/proc").glob("[0-9]*")}
    return {pid: about[1:] for pid, about in found.items() if about and about[0] not in "ZX"}


def below(pid: int) -> list[int]:
    """The processes that descend from one."""
    parents = {child: parent for child, (parent, _) in alive().items()}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def says(pid: int, what: bytes) -> bool:
    try:
        return what in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def grouped(group: int) -> list[int]:
    return [pid for pid, (_, its) in alive().items() if its == group]


def read_of(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def listening(pids: list[int]) -> set[str]:
    """Local addresses, in the hexadecimal of /proc/net, that processes listen on."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(handle.readlink()))
            except OSError:
                continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


# ---- on this machine


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith((".", "journal"))}


@with_ray
def test_a_local_ray_reads_the_same_knows_no_key_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_reports(tmp_path / "in", 3, 4)
    (tmp_path / "in" / "empty.pdf").touch()
    seen: list[int] = []
    told: list[object] = []
    scratch: list[Path] = []

    def look(event: object) -> None:
        told.append(event)
        if seen or not isinstance(event, Progress):
            return
        (child,) = [pid for pid in below(os.getpid()) if says(pid, CHILD)]
        seen.extend(grouped(child))
        scratch.append(Path(f"/proc/{child}/fd/2").readlink().parent)
        assert any(says(pid, READER) for pid in seen)
        assert not [pid for pid in seen if KEY.encode() in read_of(pid, "environ") + read_of(pid, "cmdline")]
        assert b"RAY_USAGE_STATS_ENABLED=0" in read_of(child, "environ")
        assert listening(seen) <= LOOPBACK
        assert scratch[0].is_dir()

    def make(name: str, **how: object) -> dict[str, bytes]:
        desk = tmp_path / name
        desk.mkdir()
        monkeypatch.chdir(desk)
        fingen.pdf2qa(tmp_path / "in", teacher="offline", chunk_tokens=200, limit=6, out="build/set", **how)  # type: ignore[arg-type]
        return content(desk / "build" / "set")

    peace = make("plain", workers=1)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("SOME_TOKEN", KEY)
    found = in_time(lambda: make("ray", workers=2, engine="ray", on_event=look))

    assert found == peace
    assert len(seen) > 3
    wait_until(lambda: not set(seen) & set(alive()))
    assert not scratch[0].exists()
    assert [str(event) for event in told if isinstance(event, DocumentError)] == ["empty.pdf: empty file"]
    stored = [{path.name for path in (tmp_path / name / "build" / "cache").iterdir()} for name in ("plain", "ray")]
    assert stored[0] == stored[1]


@pytest.mark.parametrize(
    "engine", ["ray:", "spark", "ray://10.0.0.1:10001", "ray:user:word@10.0.0.1:6379", "ray:10.0.0.1"]
)
def test_what_is_no_engine_is_refused(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(main, ["pdf2qa", "in", "--engine", engine])

    assert run.exit_code == 2
    assert "write it as ray, ray:auto or ray:10.0.0.1:6379" in run.output
    assert "user:word" not in run.output


@with_ray
def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path):
    good(tmp_path / "report.pdf")
    command = [
        sys.executable,
        "-m",
        "fingen",
        "pdf2qa",
        "report.pdf",
        "--teacher",
        "offline",
        "--engine",
        "ray:127.0.0.1:9",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)

    assert run.returncode == 2
    assert "no Ray was reached at 127.0.0.1:9: [Errno 111] Connection refused" in run.stderr


def test_without_the_extra_the_command_that_adds_it_is_named(tmp_path: Path):
    """In a Python that finds no distribution of that name, as one without the extra does."""
    good(tmp_path / "report.pdf")
    code = """
import importlib.metadata
find = importlib.metadata.MetadataPathFinder.find_distributions
def without(context):
    return () if context.name == "ray" else find(context)
importlib.metadata.MetadataPathFinder.find_distributions = without
from fingen.cli import main
main()
"""
    command = [sys.executable, "-c", code, "pdf2qa", "report.pdf", "--teacher", "offline", "--engine", "ray"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)

    assert run.returncode == 2, run.stderr
    assert "not installed: ray" in run.stderr
    assert "pip install" in run.stderr
    assert "[ray]" in run.stderr


def test_who_names_no_engine_imports_no_ray(tmp_path: Path):
    good(tmp_path / "report.pdf")
    code = "import sys\nfrom fingen.cli import main\ntry:\n    main()\nfinally:\n    print('ray' in sys.modules, 'fingen.documents.on_ray' in sys.modules)"
    command = [sys.executable, "-c", code, "pdf2qa", "report.pdf", "--teacher", "offline", "--dry-run"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)

    assert run.stdout.splitlines()[-1] == "False False", run.stderr


# ---- what goes wrong


@with_ray
@pytest.mark.slow
def test_files_that_end_their_readers_come_to_the_same(tmp_path: Path):
    from fingen.documents.on_ray import read_on_ray

    hostile.text_bomb(tmp_path / "bomb.pdf")
    hostile.text_bomb(tmp_path / "large.pdf", words="Far too much of it")
    good(tmp_path / "good.pdf")
    given = sources(*(tmp_path / f"{name}.pdf" for name in ("bomb", "large", "good", "missing")))

    def outcomes(events: Iterator[object]) -> list[str]:
        return sorted(str(event) for event in events if not isinstance(event, Progress))

    plain = in_time(lambda: outcomes(read_documents(given, ReadSettings(), workers=1)))
    found = in_time(lambda: outcomes(read_on_ray(given, ReadSettings(), address="", workers=2)))

    assert found == plain
    assert len(found) == 4


@contextmanager
def cluster() -> Iterator[tuple[str, int]]:
    """A cluster of two nodes with a CPU each, on 127.0.0.1: its address, and the raylet of the second node."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # the path of a socket is short
        (Path(folder) / "ray").mkdir()
        command = [sys.executable, "-c", CLUSTER]
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": folder}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
            address, raylet = process.stdout.readline().split()
            yield address, int(raylet)
            process.stdin.close()


def readers_below(pid: int) -> list[int]:
    return [child for child in below(pid) if says(child, READER)]


@with_ray
@pytest.mark.slow
def test_a_node_is_lost_and_the_run_is_killed_and_the_same_command_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled"}.items():
        monkeypatch.setenv(name, value)
    few = ("--limit", "8")
    with undisturbed(tmp_path, Server(), *few, reports=6, plants=80) as peace:
        server = peace.server
        paid = server.paid
        with cluster() as (address, raylet):
            desk = Desk(tmp_path / "desk", server, tmp_path / "aside-2", (*few, "--engine", f"ray:{address}"))
            desk.folder.mkdir()
            (desk.folder / "in").symlink_to(peace.folder / "in")
            first = desk.start()
            wait_until(lambda: readers_below(raylet), first)
            for pid in (raylet, *below(raylet)):  # a node is gone, with what it was reading
                os.kill(pid, signal.SIGKILL)
            lines: list[str] = []
            assert first.stderr
            while not all(any(what in line for line in lines) for what in ("it is read again", "read report")):
                lines.append(first.stderr.readline())
                assert lines[-1], "".join(lines)
            first.kill()
            first.communicate()
            assert not desk.stored()
            read = len([*(desk.folder / "build" / "cache").iterdir()])
            desk.finish()

        in_the_end(desk, peace)
        assert 0 < read < 6  # it went on, and was killed in the middle
        assert server.paid == 2 * paid  # the peaceful run's, and once more


@with_ray
@pytest.mark.slow
def test_a_worker_is_lost_and_ctrl_c_ends_a_local_ray_in_good_order(tmp_path: Path):
    few = ("--limit", "8")
    with undisturbed(tmp_path, Server(), *few, reports=6, plants=80) as peace:
        paid = peace.server.paid
        desk = Desk(tmp_path / "desk", peace.server, tmp_path / "aside-2", (*few, "--engine", "ray"))
        desk.folder.mkdir()
        (desk.folder / "in").symlink_to(peace.folder / "in")
        first = desk.start()
        wait_until(lambda: readers_below(first.pid), first)
        (child,) = [pid for pid in below(first.pid) if says(pid, CHILD)]
        group, scratch = grouped(child), Path(f"/proc/{child}/fd/2").readlink().parent
        assert scratch.is_dir()
        os.kill(alive()[readers_below(first.pid)[0]][0], signal.SIGKILL)  # the worker of Ray that has it
        lines: list[str] = []
        assert first.stderr
        while not all(any(what in line for line in lines) for what in ("it is read again", "read report")):
            lines.append(first.stderr.readline())
            assert lines[-1], "".join(lines)
        group += grouped(child)
        os.killpg(first.pid, signal.SIGINT)
        _, said = first.communicate(timeout=PATIENCE)

        assert first.returncode == 130
        assert "run the same command again" in said
        assert not scratch.exists()
        wait_until(lambda: not set(group) & set(alive()))
        desk.finish()
        in_the_end(desk, peace)
        assert peace.server.paid == 2 * paid
