"""Files that no reader should trust: each ends as a typed error or as what a person would see, and stops no other file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import TypeVar

import hostile
import pymupdf
import pytest
from hostile import HIDDEN, TITLE, VISIBLE
from patience import PATIENCE
from readers import read_here

from fingen.config import ReadSettings
from fingen.documents import InputFile, Progress, find_sources, read_documents
from fingen.errors import Cause, DocumentError
from fingen.records import Document

GOOD = "Orders from abroad grew by a tenth while prices stayed as they were."
T = TypeVar("T")
Outcomes = dict[str, Document | DocumentError]  # by name

FAILING = {
    "empty": Cause.EMPTY,
    "half_a_file": Cause.TRUNCATED,
    "html_named_pdf": Cause.NOT_PDF,
    "password": Cause.ENCRYPTED,
    "zero_pages": Cause.NO_PAGES,
    "page_tree_loop": Cause.TRUNCATED,
    "text_bomb": Cause.TOO_SLOW,
    "blank_pages": Cause.NO_TEXT,
    "image_only": Cause.IMAGE_ONLY,
}
HIDING = {
    "hidden_transparent": "transparent",
    "hidden_render_mode_3": "render mode 3",
    "hidden_tiny": "tiny",
    "hidden_white": "white",
    "hidden_off_page": "off page",
}
SHOWING = {"visible_white_on_dark": [TITLE, VISIBLE], "visible_ocr_layer": [VISIBLE]}
ABSENT = {
    "not_there": Cause.NOT_FOUND,
    "a_folder": Cause.NOT_READABLE,
    "a_loop": Cause.NOT_READABLE,
    "noise": Cause.NOT_PDF,
}


def in_time(work: Callable[[], T]) -> T:
    """The work's result; the test fails where it does not end. (A signal: pytest itself has no timeouts.)"""

    def ring(number: int, frame: object) -> None:
        pytest.fail(f"no end after {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    try:
        return work()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def good(path: Path, words: str = GOOD, padding: int = 0) -> Path:
    """A readable file of one page; `padding` makes it bigger, because big files are read first."""
    path.write_bytes(hostile.one_page(hostile.text(words) + b"%" + b" " * padding + b"\n"))
    return path


def merge(path: Path, parts: list[Path]) -> Path:
    """One file of all the pages of others."""
    with pymupdf.open() as whole:
        for part in parts:
            with pymupdf.open(part) as pdf:
                whole.insert_pdf(pdf)
        whole.save(path)
    return path


def sources(*paths: Path) -> list[InputFile]:
    return [InputFile(path, path.name) for path in paths]


def outcomes(given: list[InputFile], reading: ReadSettings | None = None, *, workers: int = 1) -> Outcomes:
    """What each file came to, by name."""
    return in_time(lambda: dict(_named(read_documents(given, reading or ReadSettings(), workers=workers))))


def here(given: list[InputFile]) -> Outcomes:
    """The same without a worker."""
    return in_time(lambda: dict(_named(read_here(given, ReadSettings(), workers=1))))


def _named(event: Iterator[Progress | Document | DocumentError]) -> Iterator[tuple[str, Document | DocumentError]]:
    for outcome in event:
        if not isinstance(outcome, Progress):
            yield outcome.path, outcome


def text_of(outcome: Document | DocumentError | None) -> str:
    assert isinstance(outcome, Document), outcome
    return "\n".join(chunk.text for chunk in outcome.chunks)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """One run over all hostile files, with good ones before and after them. One worker for all: what a file does to its reader, the files after it would feel."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = [good(folder / "good_first.pdf", padding=2_000_000)]
    for name in [*FAILING, *HIDING, *SHOWING]:
        getattr(hostile, name)(folder / f"{name}.pdf")
        paths.append(folder / f"{name}.pdf")
    (folder / "a_folder.pdf").mkdir()
    (folder / "a_loop.pdf").symlink_to("a_loop.pdf")
    (folder / "noise.pdf").write_bytes(bytes(range(256)) * 16)
    paths += [folder / f"{name}.pdf" for name in ABSENT]
    paths.append(good(folder / "good_last.pdf"))
    return outcomes(sources(*paths))


# --- all hostile files in one run ----------------------------------------------------------------------------------------


def test_every_hostile_file_is_tried():
    writers = {
        name
        for name, function in vars(hostile).items()
        if callable(function) and getattr(function, "__module__", "") == "hostile"
        if signature(function).parameters.get("path")
    }

    assert writers == {*FAILING, *HIDING, *SHOWING}


def test_each_file_has_one_outcome(run: Outcomes):
    names = {f"{name}.pdf" for name in [*FAILING, *HIDING, *SHOWING, *ABSENT, "good_first", "good_last"]}

    assert set(run) == names


@pytest.mark.parametrize("name", ["good_first", "good_last"])
def test_the_good_files_are_read(run: Outcomes, name: str):
    document = run[f"{name}.pdf"]

    assert text_of(document) == GOOD
    assert isinstance(document, Document)
    assert (document.pages, document.hidden, document.skipped_pages) == (1, {}, ())


@pytest.mark.parametrize("name", [*FAILING, *ABSENT])
def test_a_bad_file_is_a_typed_error_that_names_file_cause_and_way_on(run: Outcomes, name: str):
    error = run[f"{name}.pdf"]

    assert isinstance(error, DocumentError)
    assert error.reason is (FAILING | ABSENT)[name], str(error)
    assert error.path == f"{name}.pdf"
    assert f"{name}.pdf" in str(error)
    assert error.reason in str(error)
    assert error.hint
    assert error.exit_code == 2


@pytest.mark.parametrize("name", HIDING)
def test_hidden_text_is_left_out_and_counted_under_its_kind(run: Outcomes, name: str):
    document = run[f"{name}.pdf"]
    text = text_of(document)

    assert isinstance(document, Document)
    assert VISIBLE in text
    assert HIDDEN not in text
    assert "987654" not in text
    assert document.hidden == {HIDING[name]: 1}


@pytest.mark.parametrize("name", SHOWING)
def test_text_that_a_person_sees_is_kept(run: Outcomes, name: str):
    document = run[f"{name}.pdf"]
    text = text_of(document)

    assert isinstance(document, Document)
    assert all(words in text for words in SHOWING[name])
    assert document.hidden == {}
    assert document.image_pages == ()


def test_hidden_text_on_its_own_is_no_text(tmp_path: Path):
    content = hostile.text(HIDDEN, before=b"1 g") + hostile.text(HIDDEN, y=690, before=b"3 Tr")
    (tmp_path / "hidden.pdf").write_bytes(hostile.one_page(content))
    error = here(sources(tmp_path / "hidden.pdf"))["hidden.pdf"]

    assert isinstance(error, DocumentError)
    assert error.reason is Cause.NO_TEXT
    assert "2 pieces of hidden text" in str(error)


def test_nothing_but_bad_files_are_all_named(tmp_path: Path):
    for name in ("empty", "html_named_pdf", "zero_pages"):
        getattr(hostile, name)(tmp_path / f"{name}.pdf")
    found = here(find_sources([tmp_path]))

    assert {name: error.reason for name, error in found.items() if isinstance(error, DocumentError)} == {
        "empty.pdf": Cause.EMPTY, "html_named_pdf.pdf": Cause.NOT_PDF, "zero_pages.pdf": Cause.NO_PAGES,
    }  # fmt: skip


def test_no_files_are_no_work():
    assert outcomes([], workers=2) == {}


# --- files that cannot be opened -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_not_readable(tmp_path: Path):
    secret = good(tmp_path / "secret.pdf")
    secret.chmod(0)
    found = here(sources(secret, good(tmp_path / "good.pdf")))
    error = found["secret.pdf"]

    assert isinstance(error, DocumentError)
    assert error.reason is Cause.NOT_READABLE
    assert "permission" in error.hint
    assert text_of(found["good.pdf"]) == GOOD


@pytest.mark.parametrize("link", ["loop.pdf", "nowhere"])
def test_a_broken_link_in_a_folder_stops_no_other_file(tmp_path: Path, link: str):
    good(tmp_path / "good.pdf")
    (tmp_path / "loop.pdf").symlink_to(link)
    found = here(find_sources([tmp_path]))

    assert isinstance(found["loop.pdf"], DocumentError)
    assert text_of(found["good.pdf"]) == GOOD


def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pdf")
    found = here(sources(tmp_path / "pipe.pdf", good(tmp_path / "good.pdf")))

    assert isinstance(found["pipe.pdf"], DocumentError)
    assert text_of(found["good.pdf"]) == GOOD


def test_a_name_that_is_not_utf8_is_a_name(tmp_path: Path):
    name = os.fsdecode("年报".encode("gbk") + b".pdf")  # as unzip leaves it when the archive came from Windows
    try:
        good(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes no such names")
    good(tmp_path / "good.pdf", VISIBLE)
    found = here(find_sources([tmp_path]))

    assert text_of(found.pop("good.pdf")) == VISIBLE
    ((path, document),) = found.items()
    path.encode()  # it will stand in JSON
    assert text_of(document) == GOOD


# --- limits of time ------------------------------------------------------------------------------------------------------


@pytest.fixture
def _cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of a page are the CPU's: half a second of it, and a clock that a busy machine does not run out of."""
    monkeypatch.setattr("fingen.documents.workers.WALL_FACTOR", 2 * PATIENCE)


@pytest.mark.usefixtures("_cpu_alone")
def test_a_slow_page_among_good_ones_is_given_up_and_named(tmp_path: Path):
    hostile.text_bomb(tmp_path / "bomb.pdf")
    words = [
        f"Page {letter} tells of {thing}." for letter, thing in zip("ABC", ("orders", "prices", "staff"), strict=True)
    ]
    pages = [good(tmp_path / f"page{number}.pdf", text) for number, text in enumerate(words)]
    mixed = merge(tmp_path / "mixed.pdf", [*pages[:2], tmp_path / "bomb.pdf", pages[2]])
    found = outcomes(sources(mixed, good(tmp_path / "good.pdf")), ReadSettings(page_seconds=0.5))
    document = found["mixed.pdf"]
    text = text_of(document)

    assert isinstance(document, Document)
    assert (document.pages, document.skipped_pages) == (4, (3,))
    assert all(line in text for line in words)
    assert {page for chunk in document.chunks for page in chunk.pages} == {1, 2, 4}
    assert text_of(found["good.pdf"]) == GOOD


@pytest.mark.usefixtures("_cpu_alone")
def test_a_file_of_slow_pages_keeps_what_was_read_and_names_the_rest(tmp_path: Path):
    hostile.text_bomb(tmp_path / "bomb.pdf")
    start = good(tmp_path / "start.pdf")
    bombs = merge(tmp_path / "bombs.pdf", [start, *[tmp_path / "bomb.pdf"] * 4])
    document = outcomes(sources(bombs), ReadSettings(page_seconds=0.5))["bombs.pdf"]

    assert isinstance(document, Document)
    assert text_of(document) == GOOD
    assert (document.pages, document.skipped_pages) == (5, (2, 3, 4, 5))


def test_a_file_has_a_limit_beside_that_of_its_pages(tmp_path: Path):
    hostile.text_bomb(tmp_path / "slow.pdf", depth=5, fan=6, words="Slow")
    parts = [good(tmp_path / "start.pdf"), *[tmp_path / "slow.pdf"] * 200]
    document = outcomes(sources(merge(tmp_path / "slow200.pdf", parts)), ReadSettings(file_seconds=0.5))["slow200.pdf"]

    assert isinstance(document, Document)
    assert GOOD in text_of(document)
    assert document.skipped_pages
    assert document.skipped_pages == tuple(range(document.skipped_pages[0], 202))


def test_pages_that_are_counted_and_not_there_are_named(tmp_path: Path):
    whole = hostile.one_page(hostile.text(GOOD))
    (tmp_path / "five.pdf").write_bytes(whole.replace(b"/Count 1", b"/Count 5"))
    document = outcomes(sources(tmp_path / "five.pdf"))["five.pdf"]

    assert isinstance(document, Document)
    assert text_of(document) == GOOD
    assert (document.pages, document.skipped_pages) == (5, (2, 3, 4, 5))


@pytest.mark.parametrize("count", [b"2147483647", b"70000", b"-3", b"99999999999"])
def test_a_count_of_pages_that_cannot_be_is_damage(tmp_path: Path, count: bytes):
    whole = hostile.one_page(hostile.text(GOOD))
    (tmp_path / "lie.pdf").write_bytes(whole.replace(b"/Count 1", b"/Count " + count))
    error = outcomes(sources(tmp_path / "lie.pdf"))["lie.pdf"]

    assert isinstance(error, DocumentError)
    assert error.reason in {Cause.TRUNCATED, Cause.NO_PAGES}, str(error)


def test_an_outline_without_end_is_not_read(tmp_path: Path):
    titles = [b"<</Title(T)/Parent 6 0 R/Next %d 0 R/Dest[3 0 R/Fit]>>" % (8 + at) for at in range(60_000)]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R/Resources<</Font<</F 4 0 R>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        hostile.FONT,
        hostile.stream(hostile.text(GOOD)),
        b"<</Type/Outlines/First 7 0 R>>",
    ]
    (tmp_path / "titles.pdf").write_bytes(hostile.pdf([*objects, *titles, b"<</Title(T)/Parent 6 0 R>>"]))

    assert text_of(outcomes(sources(tmp_path / "titles.pdf"))["titles.pdf"]) == GOOD


# --- limits of memory ----------------------------------------------------------------------------------------------------

TIGHT = ReadSettings(memory_bytes=48 << 20, page_seconds=50.0)  # the memory is what gives out


def memory_bomb(path: Path) -> None:
    """A few kilobytes that take gigabytes to read: each of a million words is kept."""
    hostile.text_bomb(path, words=4 * "boom and ", depth=6, fan=10)


def test_a_memory_bomb_is_too_large_and_takes_no_other_file_along(tmp_path: Path):
    memory_bomb(tmp_path / "bomb.pdf")
    with (tmp_path / "bomb.pdf").open("ab") as file:
        file.write(b"\n" * 10_000)  # bigger than the others, so that the worker meets it first
    others = [good(tmp_path / f"good{number}.pdf", f"File {number}. {GOOD}") for number in range(3)]
    found = outcomes(sources(tmp_path / "bomb.pdf", *others), TIGHT)
    error = found["bomb.pdf"]

    assert [text_of(found[path.name]) for path in others] == [f"File {number}. {GOOD}" for number in range(3)]
    assert isinstance(error, DocumentError)
    assert error.reason is Cause.TOO_LARGE, str(error)
    assert error.hint


def test_the_pages_after_a_memory_bomb_are_read(tmp_path: Path):
    memory_bomb(tmp_path / "bomb.pdf")
    first, last = good(tmp_path / "first.pdf", VISIBLE), good(tmp_path / "last.pdf", GOOD)
    document = outcomes(sources(merge(tmp_path / "mixed.pdf", [first, tmp_path / "bomb.pdf", last])), TIGHT)[
        "mixed.pdf"
    ]
    text = text_of(document)

    assert isinstance(document, Document)
    assert document.skipped_pages == (2,)
    assert VISIBLE in text
    assert GOOD in text


# --- workers that die ----------------------------------------------------------------------------------------------------


def kill_workers() -> None:
    """As the system does when memory runs out, or a user who picked the wrong process."""
    for worker in workers():
        os.kill(worker, signal.SIGKILL)
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)  # it is dead, and its parent has still to be told


def workers(module: str = "workers") -> list[int]:
    """The reading processes that are alive, of this process and its threads."""
    children = (path.read_text().split() for path in Path("/proc/self/task").glob("*/children"))
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in chain.from_iterable(children)}
    return [child for child, command in commands.items() if f"fingen.documents.{module}".encode() in command]


def slow(path: Path) -> Path:
    """A page that takes about a second, so that its worker can be met at work."""
    hostile.text_bomb(path, depth=3, fan=8, words="Slow")
    return path


def test_a_worker_that_is_killed_takes_at_most_its_page(tmp_path: Path):
    victim = merge(tmp_path / "victim.pdf", [good(tmp_path / "page.pdf", VISIBLE), slow(tmp_path / "slow.pdf")])
    other = good(tmp_path / "other.pdf")

    def read() -> dict[str, Document | DocumentError]:
        found: dict[str, Document | DocumentError] = {}
        killed = False
        for event in read_documents(sources(victim, other), ReadSettings(page_seconds=50.0), workers=1):
            if not isinstance(event, Progress):
                found[event.path] = event
            elif event.source.path == victim and event.page == 2 and not killed:
                killed = True
                kill_workers()
        return found

    found = in_time(read)

    assert text_of(found["other.pdf"]) == GOOD
    assert VISIBLE in text_of(found["victim.pdf"])


def test_a_file_whose_worker_is_killed_every_time_is_given_up(tmp_path: Path):
    victim, other = slow(tmp_path / "victim.pdf"), good(tmp_path / "other.pdf")

    def read() -> dict[str, Document | DocumentError]:
        found: dict[str, Document | DocumentError] = {}
        for event in read_documents(sources(victim, other), ReadSettings(page_seconds=50.0), workers=1):
            if not isinstance(event, Progress):
                found[event.path] = event
            elif event.source.path == victim:
                kill_workers()
        return found

    found = in_time(read)
    error = found["victim.pdf"]

    assert text_of(found["other.pdf"]) == GOOD
    assert isinstance(error, DocumentError)
    assert error.reason in {Cause.TOO_LARGE, Cause.CRASHED, Cause.TOO_SLOW}
    assert "victim.pdf" in str(error)


def test_a_worker_that_is_killed_between_two_files_is_replaced(tmp_path: Path):
    paths = [good(tmp_path / f"{number}.pdf", f"File {number}. {GOOD}") for number in range(3)]

    def read() -> dict[str, Document | DocumentError]:
        found = {}
        for name, outcome in _named(read_documents(sources(*paths), ReadSettings(), workers=1)):
            found[name] = outcome
            kill_workers()
        return found

    found = in_time(read)

    assert [text_of(found[path.name]) for path in paths] == [f"File {number}. {GOOD}" for number in range(3)]


def test_a_run_that_is_left_leaves_no_worker_behind(tmp_path: Path):
    event = read_documents(sources(slow(tmp_path / "slow.pdf"), good(tmp_path / "good.pdf")), ReadSettings(), workers=2)
    assert isinstance(in_time(lambda: next(event)), Progress)
    in_time(event.close)  # type: ignore[attr-defined]  # a generator

    assert workers() == []


# --- whoever asks --------------------------------------------------------------------------------------------------------

READ = """
print("once")
from pathlib import Path
from fingen.config import ReadSettings
from fingen.documents import InputFile, read_documents
from fingen.records import Document
for news in read_documents([InputFile(Path("good.pdf"), "good.pdf")] * 3, ReadSettings(), workers=1):
    if isinstance(news, (Document, Exception)):
        print(type(news).__name__, news if isinstance(news, Exception) else news.pages)
"""
WAYS: dict[str, tuple[list[str], str]] = {
    "a script": (["script.py"], ""),
    "standard input": (["-"], READ),
    "a command": (["-c", READ], ""),
    "a notebook": (
        [
            "-c",
            "import sys, types; sys.modules['__main__'] = types.ModuleType('__main__'); exec(open('script.py').read())",
        ],
        "",
    ),
    "a console": (
        [
            "-c",
            "import code; console = code.InteractiveConsole(); console.runsource(open('script.py').read(), '<in>', 'exec')",
        ],
        "",
    ),
    "a module": (["-m", "script"], ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_calls_is_not_called_again_by_the_readers(tmp_path: Path, way: str):
    good(tmp_path / "good.pdf")
    (tmp_path / "script.py").write_text(READ)
    arguments, given = WAYS[way]

    ran = subprocess.run([sys.executable, *arguments], cwd=tmp_path, input=given, capture_output=True, text=True,
                         timeout=PATIENCE, check=False)  # fmt: skip

    assert (ran.stdout, ran.stderr) == ("once\n" + 3 * "Document 1\n", "")


def test_what_lies_beside_the_reports_is_not_imported(tmp_path: Path):
    good(tmp_path / "good.pdf")
    for name in ("struct", "json", "pickle", "pymupdf", "pydantic", "yaml", "fingen", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text("open('was-imported', 'w')")
    command = (
        "import sys; from fingen.cli import main; sys.argv = ['fingen', 'pdf2qa', '.', '--teacher', 'offline']; main()"
    )

    ran = subprocess.run([sys.executable, "-I", "-c", command], cwd=tmp_path, capture_output=True, text=True,
                         timeout=PATIENCE, check=False)  # fmt: skip

    assert "read good.pdf: 1 pages" in ran.stderr
    assert not (tmp_path / "was-imported").exists()
