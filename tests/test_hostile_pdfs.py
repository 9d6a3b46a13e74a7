"""PDFs that run, lie, loop and swell: what can be read of each is, the rest is named, in time and in memory; nothing is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from hostile_pdfs import GOOD, PDFS, SLOW
from test_hostile import in_time, sources, workers

from fingen.config import ReadSettings
from fingen.documents import Progress, read_documents
from fingen.errors import DocumentError
from fingen.records import Document

SECONDS, BYTES = 10.0, 1 << 30
# Those of which nothing can be read: MuPDF does not get to what they show, or not in the time of a page.
UNREADABLE = {
    "lying_object_stream", "lying_lengths", "encrypted_by_nobody", "one_page_many_times", "pattern_in_itself",
    "deep_operands", "saved_states", "five_thousand_filters", "path_of_a_million", "damaged_without_a_table",
}  # fmt: skip


@dataclass
class Read:
    """What a file came to, and what it cost its reader."""

    outcome: Document | DocumentError
    seconds: float
    most_bytes: int


def spent() -> float:
    """CPU seconds of all readers so far, of those that are gone too."""
    gone = getrusage(RUSAGE_CHILDREN)
    ticks = (Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13] for worker in workers())
    return gone.ru_utime + gone.ru_stime + sum(int(tick) for each in ticks for tick in each) / os.sysconf("SC_CLK_TCK")


def most_bytes() -> int:
    """The most memory that a reader has had which is alive."""
    lines = [line for worker in workers() for line in Path(f"/proc/{worker}/status").read_text().splitlines()]
    return max((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), default=0)


def read_all(folder: Path, names: list[str]) -> dict[str, Read]:
    """Read files one after the other, by one reader as long as it lives; what one costs is what was spent since the last."""
    for name in names:
        (folder / f"{name}.pdf").write_bytes(PDFS[name]())
    found: dict[str, Read] = {}

    def look() -> None:
        before = spent()  # by the readers of other tests
        paths = [folder / f"{name}.pdf" for name in names]
        for event in read_documents(sources(*paths), ReadSettings(), workers=1):
            if not isinstance(event, Progress):
                now = spent()
                found[Path(event.path).stem] = Read(event, now - before, most_bytes())
                before = now

    with chdir(folder):
        in_time(look)
    return found


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Read]]:
    folder = tmp_path_factory.mktemp("quick")
    return folder, read_all(folder, [name for name, made in PDFS.items() if made not in SLOW])


def check(name: str, found: Read) -> None:
    assert found.seconds < SECONDS
    assert found.most_bytes < BYTES
    if isinstance(found.outcome, Document):
        assert GOOD in "".join(chunk.text for chunk in found.outcome.chunks)
    else:
        assert name in UNREADABLE or PDFS[name] in SLOW, str(found.outcome)
        assert found.outcome.hint
        assert found.outcome.exit_code == 2


@pytest.mark.parametrize("name", [name for name, made in PDFS.items() if made not in SLOW])
def test_a_hostile_file_is_read_or_named_in_time_and_memory(quick: tuple[Path, dict[str, Read]], name: str):
    check(name, quick[1][name])


def test_nothing_in_a_file_is_run_or_written(quick: tuple[Path, dict[str, Read]]):
    assert {path.stem for path in quick[0].iterdir()} == {name for name, made in PDFS.items() if made not in SLOW}


@pytest.mark.slow
@pytest.mark.parametrize("made", SLOW)
def test_what_costs_seconds_is_given_up_and_named(tmp_path: Path, made: Callable[[], bytes]):
    name = made.__name__
    check(name, read_all(tmp_path, [name])[name])
