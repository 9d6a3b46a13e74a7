"""The whole run: reports in, a proven set out; interrupted, repeated, renamed, added to, and answered badly."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import hostile
import pymupdf
import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE, wait_until
from readers import read_here
from rows import parse_row
from step_driver import run_until

from fingen import cli
from fingen.config import Pdf2qa, ReadSettings, Splitting
from fingen.documents import read_documents
from fingen.errors import FingenError, SetError, ShortfallError, TeacherError, UsageError
from fingen.pipeline import reading
from fingen.pipeline.pdf2qa import pdf2qa
from fingen.pipeline.summary import Summary
from fingen.records import Completion, Passage, Request
from fingen.teachers import TEACHERS
from fingen.teachers.base import Teacher
from fingen.teachers.scripted import Scripted
from fingen.text import sentences

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "raw" / "sample_annual_report_2024.pdf"
SPLITS = ("train", "validation", "test", "memory")
CANARY = "canary-3f1c9d"

Row = dict[str, Any]
Reply = Callable[[Request], str]


# --- small reports -------------------------------------------------------------------------------------------------------

COMPANY = "Northwind Instruments Inc."
CITIES = ("Bergen", "Oslo", "Turku", "Aarhus", "Malmo", "Tampere", "Odense", "Umea", "Narvik", "Vaasa", "Skive", "Lund")
GOODS = ("lenses", "probes", "gauges", "sensors", "lasers", "valves", "pumps", "scales", "meters", "relays", "drives")
CAUSES = ("customers replaced old machines", "two rivals left the market", "a new line began to deliver",
          "hospitals renewed their contracts", "freight became cheaper", "dealers filled their stores")  # fmt: skip


def topic(number: int) -> tuple[str, list[str]]:
    """A heading and three paragraphs; no two numbers give the same sentences."""
    city, goods = CITIES[number % len(CITIES)], GOODS[number % len(GOODS)]
    place = f"{city} plant {number}" if number >= len(CITIES) else f"{city} plant"
    first = [
        f"Revenue of the {place} increased in 2024 because {CAUSES[number % len(CAUSES)]} and ordered more {goods}.",
        f"The {place} makes {goods} for makers of tools, who test them in the open before they build them in.",
        f"Management of the {place} expects that demand for {goods} will follow the building of factories nearby.",
    ]
    second = [
        f"The order book of the {place} means the {goods} that buyers have promised in writing to take and to pay for.",
        f"Wages at the {place} follow an agreement with the union, which was renewed without a strike in the spring.",
        f"A fire at the {place} would stop the delivery of {goods}, for which no second supplier has been found so far.",
    ]
    third = [
        f"The {place} was built on land that the town leases to the company until the year {2040 + number % 30}.",
        f"Heat from the {place} warms the homes around it, which brings in little but pleases the neighbours a lot.",
        f"Noise from the {place} has led to letters of complaint, and the board has promised a wall of stone and trees.",
    ]
    return f"The plant in {place}", [" ".join(part) for part in (first, second, third)]


def write_report(path: Path, topics: Sequence[int], company: str = COMPANY, year: int = 2024) -> Path:
    """An annual report with a title page and a page for each two topics of about a thousand characters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as pdf:
        page = pdf.new_page()
        page.insert_text((72, 200), company, fontsize=26, fontname="hebo")
        page.insert_text((72, 260), f"Annual Report {year}", fontsize=20)
        page.insert_text((72, 300), f"for the fiscal year ended December 31, {year}", fontsize=12)
        for index, number in enumerate(topics):
            if index % 2 == 0:
                page, y = pdf.new_page(), 90
            title, paragraphs = topic(number)
            page.insert_text((72, y), title, fontsize=16, fontname="hebo")
            y += 28
            for paragraph in paragraphs:
                for line in textwrap.wrap(paragraph, 78):
                    page.insert_text((72, y), line, fontsize=11)
                    y += 14
                y += 14
            y += 20
        pdf.save(path, deflate=True, no_new_id=True, reproducible=True)  # the same bytes: the same chunks and splits
    return path


def reports(folder: Path, count: int = 3, topics: int = 6) -> Path:
    """A folder of reports of different companies."""
    for number in range(count):
        name = f"{'Northwind Southgate Eastbrook Westfield Midland Highmoor Lowland Farley'.split()[number % 8]} Instruments Inc."
        write_report(folder / f"report{number}.pdf", range(number * topics, (number + 1) * topics), name)
    return folder


# --- running it ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory. Files are read in this process, which is faster: workers have tests of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "read_documents", read_here)
    return tmp_path


def settings(*inputs: Path, out: str = "build/set", tokens: int = 200, **changes: Any) -> Pdf2qa:
    changes = {"reading": ReadSettings(chunk_tokens=tokens), "workers": 1, **changes}
    return Pdf2qa(inputs=inputs, out=Path(out), **changes)


def make(given: Pdf2qa, teacher: Teacher | None = None) -> Summary:
    summary = pdf2qa(given, teacher=teacher)
    assert isinstance(summary, Summary)
    return summary


def fingen(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "fingen", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def invoke(*arguments: object, **environment: str) -> Result:
    """The command in this process, in the working directory."""
    return CliRunner().invoke(cli.main, list(map(str, arguments)), env=environment, prog_name="fingen")


def rows(folder: Path, *splits: str) -> list[Row]:
    paths = [folder / f"{split}.jsonl" for split in splits or SPLITS]
    return [row for path in paths if path.exists() for row in lines(path)]


def lines(path: Path) -> list[Row]:
    """The rows of a file. What only Python takes for JSON (NaN) is none; other ends of lines than \\n are text."""
    text = path.read_text(encoding="utf-8")
    return [parse_row(line, parse_constant=pytest.fail) for line in text.split("\n")[:-1]]


def manifest(folder: Path) -> Row:
    return dict(json.loads((folder / "manifest.json").read_bytes()))


def content(folder: Path) -> dict[str, bytes]:
    """All files of a set but its journal and its locks."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not re.match(r"journal|\.", path.name)}


def answers(folder: Path) -> list[str]:
    """The raw answers in the journal; of a request that was asked again, the last one."""
    with closing(sqlite3.connect(f"file:{folder / 'journal.sqlite'}?mode=ro", uri=True)) as db:
        return [text for (text,) in db.execute("SELECT text FROM completions WHERE error IS NULL")]


def answered(folder: Path) -> int:
    """How many answers another process can see in the journal."""
    try:
        return len(answers(folder))
    except sqlite3.Error:
        return 0  # it is just being made


def split_of(folder: Path) -> dict[str, str]:
    return {row["id"]: split for split in SPLITS for row in rows(folder, split)}


# --- what every set must keep --------------------------------------------------------------------------------------------

_INKLESS = re.compile(r"[\s\u00ad\u2010\u2011-]")


def folded(text: str) -> str:
    """Without white space and hyphens, in one width."""
    return _INKLESS.sub("", unicodedata.normalize("NFKC", text))


@cache
def raw_text(path: Path, page: int) -> str:
    with pymupdf.open(path) as pdf:
        return folded(pdf[page - 1].get_text("text")) if page <= len(pdf) else ""


def assert_sound(folder: Path, documents: Path, teacher: str) -> None:
    """The promises of a set, checked without fingen's own code: evidence, provenance, no leak, nothing lost."""
    written = manifest(folder)
    chunks = {chunk["id"]: chunk for chunk in lines(folder / "chunks.jsonl")}
    everything = rows(folder)
    assert everything
    for row in everything:
        assert list(row)[:3] == ["instruction", "input", "output"]
        assert row["teacher"] == written["teacher"] == teacher
        assert row["origin"] == "document"
        owners = {
            chunks[chunk]["document"] for chunk in row["chunks"]
        }  # a passage may stand beside that of another year
        assert row["document"] in owners
        assert row["label"] == "not-stated" or row["evidence"]
        for quote in row["evidence"]:
            assert folded(quote["quote"])
            owner = quote.get("document", row["document"])
            assert owner in owners
            printed = quote["quote"].replace(" | ", " ")  # the bars between the cells of a row are the passage's own
            assert folded(printed) in raw_text(documents / owner, quote["page"])
            assert owner != row["document"] or quote["page"] in row["pages"]
    for rejected in lines(folder / "rejected.jsonl"):
        assert list(rejected) == ["item", "reason", "detail", "chunks", "request"]
        assert set(rejected["chunks"]) <= set(chunks)
        assert rejected["reason"]
    texts = [(row["instruction"], row["input"]) for row in everything]
    assert len(set(texts)) == len(texts)
    assert_no_leak(folder)
    assert written["rejects"] == dict(Counter(rejected["reason"] for rejected in lines(folder / "rejected.jsonl")))
    assert written["splits"] == {split: len(rows(folder, split)) for split in SPLITS}
    assert written["tasks"] == dict(Counter(row["task"] for row in everything))


def assert_no_leak(folder: Path) -> None:
    places: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        for chunk in chain.from_iterable(row["chunks"] for row in rows(folder, split)):
            places.setdefault(chunk, set()).add(split)
    assert all(len(splits) == 1 for splits in places.values())
    assert {chunk for row in rows(folder, "memory") for chunk in row["chunks"]} <= {
        chunk for chunk, splits in places.items() if splits == {"train"}
    }


def assert_counts_add_up(folder: Path) -> None:
    """Every answer's items are kept or rejected, or it is one unusable answer. (Rows without their passage.)"""
    offered = 0
    for text in answers(folder):
        try:
            offered += len(json.loads(text)["items"])
        except (ValueError, KeyError, TypeError, RecursionError):
            offered += 1
    assert offered == len(rows(folder, "train", "validation", "test")) + len(lines(folder / "rejected.jsonl"))


# --- the sample, on the command line -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """A run of the command: where, and what it said."""

    folder: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`fingen pdf2qa` on the committed report, with keys in the environment that must change nothing."""
    cwd = tmp_path_factory.mktemp("sample")
    keys = {"ANTHROPIC_API_KEY": CANARY, "OPENAI_API_KEY": CANARY, "HF_TOKEN": CANARY}
    return Ran(
        cwd / "build" / "demo",
        fingen("pdf2qa", SAMPLE.parent, "--teacher", "offline", "--out", "build/demo", cwd=cwd, **keys),
    )


def test_the_sample_becomes_a_set(sample: Ran):
    assert sample.process.returncode == 0, sample.process.stderr
    names = {path.name for path in sample.folder.iterdir() if not path.name.startswith(".")}
    splits = {f"{split}.jsonl" for split, count in manifest(sample.folder)["splits"].items() if count}

    assert names == splits | {
        "journal.sqlite", "chunks.jsonl", "rejected.jsonl", "dataset_info.json", "README.md", "manifest.json",
    }  # fmt: skip
    assert {"train.jsonl", "validation.jsonl", "test.jsonl", "memory.jsonl"} == splits
    assert set(manifest(sample.folder)["files"]) == names - {"journal.sqlite", "manifest.json"}


def test_the_set_of_the_sample_is_sound(sample: Ran):
    assert_sound(sample.folder, SAMPLE.parent, "offline")
    assert_counts_add_up(sample.folder)


def test_the_sample_gives_both_kinds_in_both_languages(sample: Ran):
    kinds = Counter((row["task"], row["language"]) for row in rows(sample.folder, "train", "validation", "test"))

    assert set(kinds) == {(task, language) for task in ("qa-concept", "qa-summary") for language in ("en", "zh")}
    assert kinds.total() >= 20


def test_questions_stand_on_their_own(sample: Ran):
    for row in rows(sample.folder):
        company = "蓝海精密仪器股份有限公司" if row["language"] == "zh" else "Lanhai Precision Instruments"
        assert company in row["instruction"]
        assert "2024" in row["instruction"]
        assert not re.search(r"this passage|the passage|the text|文中|根据文本|上述材料", row["instruction"])


def test_chunks_know_where_they_stand(sample: Ran):
    with pymupdf.open(SAMPLE) as pdf:
        for chunk in lines(sample.folder / "chunks.jsonl"):
            pages = {block["page"] for block in chunk["blocks"]}
            assert (chunk["first_page"], chunk["last_page"]) == (min(pages), max(pages))
            for block in chunk["blocks"]:
                rect = pymupdf.Rect(block["box"])
                assert pdf[block["page"] - 1].rect.contains(rect), block
                assert chunk["text"][block["start"] : block["end"]].strip()


def test_the_summary_says_what_was_done_and_what_to_type_next(sample: Ran):
    said = sample.process.stdout

    assert "蓝海精密仪器股份有限公司 | annual 2024-12-31" in said
    assert "1 of 18 pages are images (15); pass --ocr" in said
    assert "next: fingen verify build/demo" in said
    assert re.search(r"qa-concept +\d+ +\d+ +\d+ +\d+ +\d+", said)
    assert "inputs=" in sample.process.stderr
    assert "(flag)" in sample.process.stderr
    assert "workers" not in sample.process.stderr  # a default is not said


def test_a_key_in_the_environment_is_neither_used_nor_written(sample: Ran):
    assert all(row["teacher"] == "offline" for row in rows(sample.folder))
    files = [path for path in sample.folder.parent.parent.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY not in sample.process.stdout + sample.process.stderr


def test_the_same_command_again_asks_nothing_and_changes_no_byte(sample: Ran):
    before = content(sample.folder)
    times = {path: path.stat().st_mtime_ns for path in sample.folder.glob("*.json*")}
    again = fingen("pdf2qa", SAMPLE.parent, "--out", "build/demo", "--json", cwd=sample.folder.parent.parent)
    summary = json.loads(again.stdout)

    assert again.returncode == 0
    assert summary["requests"]["asked"] == 0
    assert summary["requests"]["from_journal"] == manifest(sample.folder)["requests"]
    assert summary["changed"] is False
    assert content(sample.folder) == before
    assert {path: path.stat().st_mtime_ns for path in sample.folder.glob("*.json*")} == times


def test_a_set_made_elsewhere_is_the_same_to_the_byte(sample: Ran, desk: Path):
    shutil.copytree(SAMPLE.parent, desk / "renamed" / "deeper")
    run = invoke("pdf2qa", "renamed/deeper", "--out", "other/demo", "--workers", 1)

    assert run.exit_code == 0, run.output
    assert content(desk / "other" / "demo") == content(sample.folder)


# --- the same bytes ------------------------------------------------------------------------------------------------------


def test_worker_counts_and_order_change_no_byte(desk: Path, monkeypatch: pytest.MonkeyPatch):
    folder = reports(desk / "in")
    files = sorted(folder.iterdir())
    made = []
    for number, (inputs, workers) in enumerate([((folder,), 3), ((folder,), 1), (files[::-1], 1), (files, 1)]):
        monkeypatch.setattr(reading, "read_documents", read_documents if number < 2 else read_here)
        make(settings(*inputs, out=f"{number}/set", workers=workers), Scripted(valid_pairs))
        made.append(content(desk / str(number) / "set"))
        shutil.rmtree(desk / "build")  # the cache

    assert_sound(desk / "0" / "set", folder, "scripted")
    assert made[1:] == made[:1] * 3


def test_a_file_given_twice_is_read_once(desk: Path):
    folder = reports(desk / "in", count=2)
    make(settings(folder, out="one/set"), Scripted(valid_pairs))
    summary = make(settings(folder, folder / "report1.pdf", folder, out="two/set"), Scripted(valid_pairs))

    assert summary.exit_code == 0
    assert content(desk / "one" / "set") == content(desk / "two" / "set")


@pytest.mark.parametrize(
    "address",
    ["s3://key:sk-canary-3@bucket/reports/", "https://sk-canary-3@example.org/a.pdf", "memory://sk-canary-3/a"],
)
def test_an_address_is_refused_without_what_stands_in_it_and_nothing_is_fetched(desk: Path, address: str):
    run = invoke("pdf2qa", address, "--teacher", "offline")

    assert run.exit_code == 2
    assert (
        f"an address ({address.partition(':')[0]}://...), where a file or folder is meant; nothing was fetched"
        in run.output
    )
    assert "sk-canary-3" not in run.output
    with pytest.raises(UsageError, match="where a file or folder is meant") as refused:
        make(settings(Path(address)))
    assert "sk-canary-3" not in str(refused.value)
    Path(address).mkdir(parents=True)  # a folder may have such a name
    assert "no documents below" in invoke("pdf2qa", address, "--teacher", "offline").output


def test_the_same_report_under_two_names_is_said_and_used_once(desk: Path):
    folder = reports(desk / "in", count=1)
    shutil.copy(folder / "report0.pdf", folder / "same.pdf")
    summary = make(settings(folder), Scripted(valid_pairs))

    assert [(entry["path"], entry["reason"]) for entry in summary.unread] == [
        ("same.pdf", "same content as report0.pdf")
    ]
    assert {row["document"] for row in rows(desk / "build" / "set")} == {"report0.pdf"}
    assert summary.exit_code == 0


def test_reports_of_one_name_in_two_folders_are_two(desk: Path):
    for number in range(2):
        write_report(desk / f"in{number}" / "report.pdf", range(number * 6, number * 6 + 6))
    make(settings(desk / "in0", desk / "in1"), Scripted(valid_pairs))

    assert {row["document"] for row in rows(desk / "build" / "set")} == {"in0/report.pdf", "in1/report.pdf"}


# --- killed and interrupted ----------------------------------------------------------------------------------------------

# The command with one more teacher: one pair from the first paragraph of a passage. It answers a few, and the others when
# there is a file `go`.
SLOW_COMMAND = """
import asyncio, json
from pathlib import Path
from fingen.cli import main
from fingen.teachers import TEACHERS
from fingen.teachers.scripted import Scripted

def reply(request):
    passage = request.passages[0]
    quote = next(text for kind, text in passage.kinds if kind == "paragraph")
    question = f"What does {{passage.company}} say in 2024 on {{request.task}} {{passage.chunk}}?"
    pair = dict(question=question, rephrased=f"Point {{passage.chunk}}, {{request.task}}: how does the report for 2024 of {{passage.company}} put it?", answer=quote, evidence=[quote], calc=None)
    return json.dumps(dict(items=[pair], reason=None))

class Slow(Scripted):
    async def complete(self, request):
        while self.calls >= {few} and not Path("go").exists():
            await asyncio.sleep(0.01)
        return await super().complete(request)

TEACHERS["scripted"] = lambda *_: Slow(reply)
main()
"""
SLOW_ARGUMENTS = ("pdf2qa", "in", "--out", "build/set", "--workers", "1", "--chunk-tokens", "200",
                  "--teacher", "scripted", "--concurrency", "2")  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What the slow command makes when nothing disturbs it."""
    cwd = tmp_path_factory.mktemp("uninterrupted")
    reports(cwd / "in")
    return Ran(cwd / "build" / "set", finish(cwd))


FEW = 8


def start(cwd: Path) -> subprocess.Popen[str]:
    code = SLOW_COMMAND.format(few=FEW)
    return subprocess.Popen(
        [sys.executable, "-c", code, *SLOW_ARGUMENTS],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a process group of its own: Ctrl-C reaches the workers too
    )


def finish(cwd: Path) -> subprocess.CompletedProcess[str]:
    (cwd / "go").touch()
    process = start(cwd)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return subprocess.CompletedProcess(process.args, 0, out, err)


def test_a_kill_in_the_middle_costs_nothing_that_was_answered(uninterrupted: Ran, tmp_path: Path):
    shutil.copytree(uninterrupted.folder.parent.parent / "in", tmp_path / "in")
    folder = tmp_path / "build" / "set"
    process = start(tmp_path)
    wait_until(lambda: answered(folder) >= FEW, process)
    process.kill()
    process.communicate()
    done = answered(folder)

    assert not (folder / "manifest.json").exists()
    total = manifest(uninterrupted.folder)["requests"]
    assert FEW <= done < total
    last = finish(tmp_path)
    assert f"{total - done} asked now, {done} from the journal" in last.stdout
    assert content(folder) == content(uninterrupted.folder)


def test_kills_at_any_time_leave_a_set_that_is_whole_or_none(uninterrupted: Ran, tmp_path: Path):
    shutil.copytree(uninterrupted.folder.parent.parent / "in", tmp_path / "in")
    folder = tmp_path / "build" / "set"
    (tmp_path / "go").touch()
    for delay in (0.5, 0.7, 0.9):  # wherever it may be by then
        process = start(tmp_path)
        time.sleep(delay)
        process.kill()
        process.communicate()
        if (folder / "manifest.json").exists():
            assert content(folder).items() >= content(uninterrupted.folder).items()
    finish(tmp_path)

    assert {name: data for name, data in content(folder).items() if not name.startswith(".")} == content(
        uninterrupted.folder
    )


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(uninterrupted: Ran, tmp_path: Path):
    shutil.copytree(uninterrupted.folder.parent.parent / "in", tmp_path / "in")
    folder = tmp_path / "build" / "set"
    process = start(tmp_path)
    wait_until(lambda: answered(folder) >= FEW, process)
    os.killpg(process.pid, signal.SIGINT)
    (tmp_path / "go").touch()  # the first Ctrl-C lets what is in flight finish
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert out == ""
    assert not (folder / "manifest.json").exists()
    done = answered(folder)
    last = finish(tmp_path)
    assert f"{done} from the journal" in last.stdout
    assert content(folder) == content(uninterrupted.folder)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for the workers in /proc")
def test_ctrl_c_never_reaches_a_reader_not_even_while_it_starts(uninterrupted: Ran, tmp_path: Path):
    """A terminal sends it to the whole process group, and a worker that is still importing would show a stack trace."""
    shutil.copytree(uninterrupted.folder.parent.parent / "in", tmp_path / "in")
    process = start(tmp_path)
    found: list[str] = []
    wait_until(lambda: found.extend(readers(process.pid)) or found, process)
    deaf = [re.search(rf"^Sig{kind}:\s*(\w+)", text, re.MULTILINE) for kind in ("Blk", "Ign") for text in found]
    os.killpg(process.pid, signal.SIGINT)
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=PATIENCE)

    assert any(mask and int(mask[1], 16) & 1 << (signal.SIGINT - 1) for mask in deaf)
    assert "Traceback" not in err
    assert process.returncode == 130
    assert "run the same command again" in err


def readers(pid: int) -> list[str]:
    """What the system says about the reading processes of a run."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if b"fingen.documents.workers" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(Path(f"/proc/{child}/status").read_text())
        except OSError:
            continue  # it has ended
    return found


# --- adding, changing, leaving out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("teacher", ["scripted", "offline"])
@pytest.mark.parametrize("by", ["chunk", "document"])
def test_a_report_that_is_added_moves_no_old_record(desk: Path, teacher: str, by: str):
    who = Scripted(valid_pairs) if teacher == "scripted" else None
    folder = reports(desk / "in", count=3, topics=10)
    added = folder / "report1.pdf"
    added.rename(desk / "later.pdf")
    given = settings(folder, splitting=Splitting(by=by))
    make(given, who)
    before = split_of(desk / "build" / "set")
    (desk / "later.pdf").rename(added)
    summary = make(given, who)
    after = split_of(desk / "build" / "set")

    assert before.items() <= after.items()
    assert len(after) > len(before)
    assert summary.requests["from_journal"] > 0
    assert_sound(desk / "build" / "set", folder, teacher)


def salted(salt: str) -> Reply:
    """`valid_pairs` with other questions, and so with other ids."""
    return lambda request: valid_pairs(request).replace('?"', f' ({salt})?"')


def test_memory_keeps_the_one_question_that_it_had_for_want_of_others(desk: Path):
    """Where no training record falls under the share, the lowest is asked again: it stays when others fall under it."""
    folder = reports(desk / "in", count=3, topics=10)
    added = folder / "report1.pdf"
    later = added.rename(desk / "later.pdf")
    grew = []
    while not any(grew):  # until one had none but that one before, and others afterwards
        salt = f"no. {len(grew)}"
        given = settings(folder, out=salt, splitting=Splitting(shares=(1.0, 0.0, 0.0), memory_share=0.02))
        make(given, Scripted(salted(salt)))
        before, asked = split_of(desk / salt), rows(desk / salt, "memory")
        later.rename(added)
        make(given, Scripted(salted(salt)))
        added.rename(later)
        assert before.items() <= split_of(desk / salt).items()
        grew.append(len(asked) == 1 < len(rows(desk / salt, "memory")))


def test_a_report_that_is_added_moves_no_old_record_whatever_step_the_run_is_killed_at(
    desk: Path, monkeypatch: pytest.MonkeyPatch
):
    command = [
        "pdf2qa",
        "in",
        "--out",
        "build/set",
        "--teacher",
        "offline",
        "--chunk-tokens",
        "200",
        "--task",
        "concept",
    ]
    folder = reports(desk / "old" / "in", count=3, topics=3)
    later = (folder / "report1.pdf").rename(desk / "later.pdf")
    monkeypatch.chdir(desk / "old")
    assert invoke(*command).exit_code == 0
    before = split_of(Path("build/set"))
    later.rename(folder / "report1.pdf")
    for number in itertools.count():
        shutil.copytree(desk / "old", desk / str(number))
        monkeypatch.chdir(desk / str(number))
        was_killed = run_until(Path.cwd(), command, number)
        assert invoke(*command).exit_code == 0
        assert before.items() < split_of(Path("build/set")).items()
        assert content(Path("build/set")) == content(desk / "0" / "build" / "set")
        if not was_killed:
            break
    assert number > 10


CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "per_chunk": (("--per-chunk", "1"), r"per_chunk 2 -> 1"),
    "tasks": (("--task", "summary"), r"tasks \[.*\] -> \[\"summary\"\]"),
    "context": (("--context", "both"), "context none -> both"),
    "chunk_tokens": (("--chunk-tokens", "256"), r"chunk_tokens 200 -> 256"),
    "language": (("--language", "en"), "language auto -> en"),
    "split": (("--split", "0.5,0.25,0.25"), r"split \[0.8, 0.1, 0.1\] -> \[0.5, 0.25, 0.25\]"),
    "split_by": (("--split-by", "document"), "split_by chunk -> document"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with reports in `in` and their set in build/set."""
    cwd = tmp_path_factory.mktemp("made")
    reports(cwd / "in", count=2)
    ran = fingen("pdf2qa", "in", "--out", "build/set", "--workers", 1, "--chunk-tokens", 200, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    return cwd


@pytest.fixture
def copied(made: Path, desk: Path) -> Path:
    """The same, in an empty working directory, to be changed."""
    shutil.copytree(made, desk, dirs_exist_ok=True)
    return desk


BASE = ("pdf2qa", "in", "--workers", "1", "--chunk-tokens", "200")


@pytest.mark.parametrize("change", CHANGES)
def test_other_settings_are_refused_with_the_difference_and_the_ways_on(copied: Path, change: str):
    flags, difference = CHANGES[change]
    before = content(copied / "build" / "set")
    run = invoke(*BASE, "--out", "build/set", *flags)

    assert run.exit_code == 2, run.output
    assert re.search(difference, run.stderr), run.stderr
    assert "--out" in run.stderr
    assert "--replace" in run.stderr
    assert run.stdout == ""
    assert content(copied / "build" / "set") == before


def test_other_prompts_are_refused_too(copied: Path):
    assert invoke("prompts", "copy").exit_code == 0
    template = copied / "prompts" / "qa.en.md"
    template.write_text(template.read_text(encoding="utf-8").replace("[user]", "Be kind.\n[user]"), encoding="utf-8")
    run = invoke(*BASE, "--out", "build/set")

    assert run.exit_code == 2
    assert "qa.en" in run.stderr
    assert "--replace" in run.stderr


def test_another_teacher_is_refused_too(copied: Path):
    given = settings(copied / "in", out="build/set")
    with pytest.raises(SetError, match="teacher offline -> scripted") as caught:
        make(given, Scripted(valid_pairs))

    assert caught.value.exit_code == 2
    assert "--out" in caught.value.hint


def test_out_and_replace_are_ways_on(copied: Path):
    old = content(copied / "build" / "set")
    elsewhere = invoke(*BASE, "--per-chunk", 1, "--out", "build/other")
    anew = invoke(*BASE, "--per-chunk", 1, "--out", "build/set", "--replace", "--json")

    assert elsewhere.exit_code == 0, elsewhere.output
    assert anew.exit_code == 0, anew.output
    assert json.loads(anew.stdout)["requests"]["from_journal"] == 0
    new = content(copied / "build" / "set")
    assert new != old
    assert {name: new[name] for name in new if name.endswith(".jsonl")} == {
        name: data for name, data in content(copied / "build" / "other").items() if name.endswith(".jsonl")
    }
    assert manifest(copied / "build" / "set")["settings"]["per_chunk"] == 1


def test_documents_that_are_gone_are_missed(copied: Path):
    (copied / "in" / "report0.pdf").unlink()
    before = content(copied / "build" / "set")
    run = invoke(*BASE, "--out", "build/set")

    assert run.exit_code == 2
    assert "report0.pdf" in run.stderr
    assert "--replace" in run.stderr
    assert content(copied / "build" / "set") == before


def test_files_that_are_not_fingens_are_not_written_over(desk: Path):
    reports(desk / "in", count=1)
    (desk / "README.md").write_text("My project.", encoding="utf-8")
    run = invoke(*BASE, "--out", ".")

    assert run.exit_code == 2, run.output
    assert (desk / "README.md").read_text(encoding="utf-8") == "My project."


@pytest.mark.parametrize("name", ["adapters", "models", "scores", "cache"])
def test_reserved_names_are_no_set_names(desk: Path, name: str):
    reports(desk / "in", count=1)
    run = invoke(*BASE, "--out", f"build/{name}")

    assert run.exit_code == 2, run.output
    assert name in run.stderr
    assert not list(desk.rglob("manifest.json"))


@pytest.mark.parametrize("limit", [1, 3, 4, 10])
def test_a_limit_is_spread_over_the_documents_and_over_each(desk: Path, limit: int):
    folder = reports(desk / "in", count=3, topics=6)
    summary = make(settings(folder, limit=limit), Scripted(valid_pairs))
    chunks = lines(desk / "build" / "set" / "chunks.jsonl")
    counts = Counter(chunk["document"] for chunk in chunks)

    assert summary.chunks_asked == len(chunks) == limit
    assert len(counts) == min(3, limit)
    assert max(counts.values()) - min(counts.values()) <= 1
    if limit == 10:  # of twelve pages or so: not the first ones only
        assert max(chunk["last_page"] for chunk in chunks) == 4


@pytest.mark.parametrize("limits", [(1, 4, 5), (3, 7, 12), (2, 3, 40)])
def test_a_raised_limit_pays_for_nothing_twice(desk: Path, limits: tuple[int, ...]):
    """What was answered stays in the set, and only what is new is asked."""
    folder = reports(desk / "in", count=3, topics=6)
    asked: set[str] = set()
    for limit in limits:
        teacher = Scripted(valid_pairs)
        make(settings(folder, limit=limit), teacher)
        chunks = {chunk["id"] for chunk in lines(desk / "build" / "set" / "chunks.jsonl")}
        assert asked <= chunks
        assert teacher.calls == len(chunks - asked)
        asked = chunks


def test_short_documents_give_what_they_can_to_a_limit(desk: Path):
    write_report(desk / "in" / "short.pdf", range(1))
    write_report(desk / "in" / "long.pdf", range(1, 11))
    make(settings(desk / "in", limit=7), Scripted(valid_pairs))
    counts = Counter(chunk["document"] for chunk in lines(desk / "build" / "set" / "chunks.jsonl"))

    assert counts.total() == 7
    assert counts["long.pdf"] > counts["short.pdf"] >= 1


# --- context and task ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", ["passage", "both"])
def test_rows_with_their_passage(desk: Path, context: str):
    folder = reports(desk / "in", count=2, topics=16)
    make(settings(folder, context=context), Scripted(valid_pairs))
    out = desk / "build" / "set"
    assert_sound(out, folder, "scripted")
    chunks = {chunk["id"]: chunk["text"] for chunk in lines(out / "chunks.jsonl")}
    where = {chunk: split for split in SPLITS[:3] for row in rows(out, split) for chunk in row["chunks"]}
    counts: Counter[str] = Counter()
    for split in SPLITS[:3]:
        for row in rows(out, split):
            if not row["input"]:
                counts["closed"] += 1
                continue
            drawn = row["draws"]
            assert row["input"] == "\n\n".join(chunks[chunk] for chunk in row["chunks"])
            assert {where[chunk] for chunk in row["chunks"]} == {split}
            assert len(row["chunks"]) == drawn["distractors"] + drawn["stated"] <= 3
            if drawn["stated"]:
                counts["distracted" if drawn["distractors"] else "plain"] += 1
                assert all(folded(quote["quote"]) in folded(row["input"]) for quote in row["evidence"])
            else:
                counts["unstated"] += 1
                assert row["output"] == "The passage does not state this."
                assert row["evidence"] == []
    assert set(counts) - {"closed"} == {"plain", "distracted", "unstated"}
    passages = counts.total() - counts["closed"]
    assert counts["closed"] == (passages if context == "both" else 0)
    assert bool(rows(out, "memory")) is (context == "both")
    assert all(not row["input"] for row in rows(out, "memory"))


def test_where_it_is_not_stated_the_answer_is_not_there(desk: Path):
    folder = reports(desk / "in", count=1, topics=24)
    make(settings(folder, context="both"), Scripted(valid_pairs))
    out = desk / "build" / "set"
    closed = {row["instruction"]: row for row in rows(out, *SPLITS[:3]) if not row["input"]}
    unstated = [row for row in rows(out, *SPLITS[:3]) if row["label"] == "not-stated"]

    assert unstated
    for row in unstated:
        asked = closed[row["instruction"]]
        assert not set(asked["chunks"]) & set(row["chunks"])
        assert all(folded(quote["quote"]) not in folded(row["input"]) for quote in asked["evidence"])
        assert folded(asked["output"]) not in folded(row["input"])


def test_without_context_the_input_is_empty_and_memory_asks_again(made: Path):
    out = made / "build" / "set"
    trained = {row["id"]: row for row in rows(out, "train")}

    assert all(row["input"] == "" for row in rows(out))
    assert rows(out, "memory")
    for row in rows(out, "memory"):
        asked = trained[row["draws"]["rewords"]]
        assert row["output"] == asked["output"]
        assert row["instruction"] != asked["instruction"]


@pytest.mark.parametrize("task", ["concept", "summary"])
def test_one_task_only(desk: Path, task: str):
    reports(desk / "in", count=1)
    run = invoke(*BASE, "--task", task)

    assert run.exit_code == 0, run.output
    assert {row["task"] for row in rows(desk / "build" / "reports")} == {f"qa-{task}"}
    assert set(manifest(desk / "build" / "reports")["prompts"]) == {"qa.en", "qa.zh"}


# --- what it prints ------------------------------------------------------------------------------------------------------


def test_json_is_one_object_on_standard_output_and_nothing_else(copied: Path):
    run = fingen(*BASE, "--out", "build/new", "--json", cwd=copied)
    summary = json.loads(run.stdout)

    assert run.returncode == 0
    assert isinstance(summary, dict)
    assert summary["set"] == "build/new"
    assert summary["teacher"] == "offline"
    assert [document["path"] for document in summary["documents"]] == ["report0.pdf", "report1.pdf"]
    assert summary["documents"][0]["company"] == COMPANY
    assert summary["documents"][0]["period"] == {"kind": "annual", "end": "2024-12-31"}
    assert summary["chunks"] >= summary["chunks_asked"] >= summary["chunks_with_records"] > 0
    records = {split: sum(task[split] for task in summary["records"].values()) for split in SPLITS}
    assert records == {split: len(rows(copied / "build" / "new", split)) for split in SPLITS}
    assert sum(section["asked"] for section in summary["coverage"].values()) == summary["chunks_asked"]
    assert sum(section["with_records"] for section in summary["coverage"].values()) == summary["chunks_with_records"]
    assert "read report0.pdf" in run.stderr  # plain lines when piped
    assert "asked" in run.stderr
    assert "\x1b" not in run.stderr


def test_json_errors_leave_standard_output_empty(desk: Path):
    run = invoke("pdf2qa", "nowhere", "--json")

    assert run.exit_code == 2
    assert run.stdout == ""


def test_quiet_says_nothing_on_standard_error(copied: Path):
    run = fingen(*BASE, "--out", "build/quiet", "--quiet", cwd=copied)

    assert run.returncode == 0
    assert run.stderr == ""
    assert "records" in run.stdout


def test_debug_shows_a_stack_trace_and_only_debug_does(desk: Path):
    plain, debug = (invoke("pdf2qa", "nowhere", *flags) for flags in ((), ("--debug",)))

    assert plain.exit_code == debug.exit_code == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


# --- bad usage and bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    (), ("in", "--colour"), ("in", "--workers", "0"), ("in", "--workers", "many"), ("in", "--task", "essay"),
    ("in", "--task", ","), ("in", "--per-chunk", "0"), ("in", "--context", "some"), ("in", "--language", "fr"),
    ("in", "--limit", "0"), ("in", "--chunk-tokens", "1"), ("in", "--split", "1,2"), ("in", "--split", "a,b,c"),
    ("in", "--split", "-1,1,1"), ("in", "--split", "0,1,1"), ("in", "--split", "nan,1,1"), ("in", "--split", "inf,1,1"),
    ("in", "--split-by", "page"),
], ids=" ".join)  # fmt: skip
def test_bad_usage_is_2_and_writes_nothing(desk: Path, arguments: tuple[str, ...]):
    reports(desk / "in", count=1, topics=1)
    run = invoke("pdf2qa", *arguments)

    assert run.exit_code == 2, run.output
    assert "Error: " in run.stderr
    assert not (desk / "build").exists()


def test_no_document_at_all_is_2(desk: Path):
    (desk / "in").mkdir()
    (desk / "in" / "notes.py").write_text("nothing = 0", encoding="utf-8")
    run = invoke("pdf2qa", "in")

    assert run.exit_code == 2
    assert "no documents below in" in run.stderr


def test_nothing_readable_is_2_and_each_file_is_named(desk: Path):
    (desk / "in").mkdir()
    for name in ("empty", "html_named_pdf", "password"):
        getattr(hostile, name)(desk / "in" / f"{name}.pdf")
    run = invoke("pdf2qa", "in")
    told = run.stderr.split("Error: ")[1].splitlines()

    assert run.exit_code == 2
    assert told[0] == "none of 3 files can be read"
    for name in ("empty.pdf: empty file", "html_named_pdf.pdf: not a PDF", "password.pdf: encrypted"):
        assert [line for line in told if line.startswith(name) and "  -> " in line]
    assert not list(desk.rglob("manifest.json"))


def test_some_files_unreadable_is_1_and_the_others_are_done(desk: Path):
    reports(desk / "in", count=2)
    for name in ("empty", "half_a_file"):
        getattr(hostile, name)(desk / "in" / f"{name}.pdf")
    run = invoke(*BASE, "in/not_there.pdf", "--json")
    summary = json.loads(run.stdout)
    out = desk / "build" / "reports"

    assert run.exit_code == 1, run.output
    assert {entry["path"]: entry["reason"] for entry in summary["unread"]} == {
        "empty.pdf": "empty file", "half_a_file.pdf": "truncated or damaged", "not_there.pdf": "not found",
    }  # fmt: skip
    assert all(entry["hint"] for entry in summary["unread"])
    assert summary["exit_code"] == 1
    assert {row["document"] for row in rows(out)} == {"report0.pdf", "report1.pdf"}
    assert set(manifest(out)["unread"]) == {"empty.pdf", "half_a_file.pdf", "not_there.pdf"}
    assert_sound(out, desk / "in", "offline")


def test_a_file_whose_name_is_not_utf8_is_read_like_any_other(desk: Path):
    reports(desk / "in", count=2)
    try:
        (desk / "in" / "report1.pdf").rename(desk / "in" / os.fsdecode("年报".encode("gbk") + b".pdf"))
    except OSError:
        pytest.skip("the file system takes no such names")
    run = invoke(*BASE)

    assert run.exit_code == 0, run.output
    assert len({row["document"] for row in rows(desk / "build" / "reports")}) == 2


def test_documents_without_running_text_are_a_shortfall(desk: Path):
    (desk / "in").mkdir()
    (desk / "in" / "one_line.pdf").write_bytes(hostile.one_page(hostile.text(hostile.VISIBLE)))
    run = invoke("pdf2qa", "in", "--context", "passage")

    assert run.exit_code == 1, run.output
    assert "no record" in run.stderr
    assert "->" in run.stderr
    assert not list(desk.rglob("manifest.json"))


def test_an_unknown_teacher_is_bad_usage_and_nothing_is_read(desk: Path):
    reports(desk / "in", count=1, topics=1)
    run = invoke("pdf2qa", "in", "--teacher", "oracle")

    assert run.exit_code == 2
    assert "oracle" in run.stderr
    assert "offline" in run.stderr
    assert not (desk / "build").exists()


@pytest.mark.parametrize("problem", ["a file in its place", "a locked set"])
def test_a_set_that_cannot_be_written_is_2(desk: Path, problem: str):
    reports(desk / "in", count=1, topics=2)
    (desk / "build").mkdir()
    if problem == "a file in its place":
        (desk / "build" / "set").write_text("here first", encoding="utf-8")
        run = invoke(*BASE, "--out", "build/set")
    else:
        from fingen.disk import lock

        with lock(desk / "build" / "set"):
            run = invoke(*BASE, "--out", "build/set")

    assert run.exit_code == 2, run.output
    assert "build/set" in run.stderr
    assert "Traceback" not in run.stderr


# --- settings ------------------------------------------------------------------------------------------------------------


def test_a_flag_wins_over_a_variable_and_that_over_the_file(copied: Path):
    (copied / "fingen.toml").write_text('[pdf2qa]\nsplit-by = "document"\ncontext = "both"\nworkers = 1\n')
    variables = {"FINGEN_PDF2QA_SPLIT_BY": "chunk", "FINGEN_PDF2QA_CONTEXT": "passage"}
    runs = [
        invoke("pdf2qa", "in", "--out", "build/a"),
        invoke("pdf2qa", "in", "--out", "build/b", **variables),
        invoke("pdf2qa", "in", "--out", "build/c", "--context", "none", **variables),
    ]
    used = [manifest(copied / "build" / name) for name in "abc"]

    assert [run.exit_code for run in runs] == [0, 0, 0], [run.output for run in runs]
    assert [(value["split_by"], value["settings"]["context"]) for value in used] == [
        ("document", "both"), ("chunk", "passage"), ("chunk", "none"),
    ]  # fmt: skip
    assert "split_by=document (fingen.toml)" in runs[0].stderr
    assert "context=both (fingen.toml)" in runs[0].stderr
    assert "split_by=chunk (environment)" in runs[1].stderr
    assert "context=none (flag)" in runs[2].stderr
    assert "workers=1 (fingen.toml)" in runs[2].stderr


@pytest.mark.parametrize(("name", "value", "stored", "wanted"), [
    ("task", "summary", "tasks", ["summary"]),
    ("split", "0.5,0.25,0.25", "split", [0.5, 0.25, 0.25]),
    ("split-by", "document", None, None),
    ("limit", "2", "limit", 2),
])  # fmt: skip
@pytest.mark.parametrize("source", ["environment", "fingen.toml"])
def test_every_option_can_be_set_by_its_own_name(
    copied: Path, name: str, value: str, stored: str | None, wanted: Any, source: str
):
    environment = {}
    if source == "environment":
        environment = {f"FINGEN_PDF2QA_{name.upper().replace('-', '_')}": value}
    else:
        (copied / "fingen.toml").write_text(f'[pdf2qa]\n{name} = "{value}"\n')
    run = invoke(*BASE, "--out", "build/new", **environment)

    assert run.exit_code == 0, run.output
    assert f"({source})" in run.stderr
    if stored:
        assert manifest(copied / "build" / "new")["settings"][stored] == wanted
    else:
        assert manifest(copied / "build" / "new")["split_by"] == value


@pytest.mark.parametrize(("text", "named"), [
    ("[pdf2qa\n", "line 1"),
    ("[pdf2qa]\ncolour = 1\n", "colour"),
    ("[pdf2qa]\nworkers = 'many'\n", "many"),
    ("[pdf2qa]\nworkers = 0\n", "workers"),
    ("[pdf2qa]\ncontext = 'some'\n", "some"),
    ("pdf2qa = 3\n", "pdf2qa"),
    ("\xff", "fingen.toml"),
])  # fmt: skip
def test_a_broken_settings_file_is_2_and_named(desk: Path, text: str, named: str):
    reports(desk / "in", count=1, topics=1)
    (desk / "fingen.toml").write_bytes(text.encode("latin-1"))
    run = invoke("pdf2qa", "in")

    assert run.exit_code == 2, run.output
    assert named in run.stderr
    assert "Traceback" not in run.stderr
    assert not (desk / "build").exists()


def test_a_bad_variable_is_2(desk: Path):
    reports(desk / "in", count=1, topics=1)
    run = invoke("pdf2qa", "in", FINGEN_PDF2QA_WORKERS="many")

    assert run.exit_code == 2
    assert "many" in run.stderr


def test_the_company_can_be_stated_beside_the_reports(desk: Path):
    folder = reports(desk / "in", count=1)
    (folder / "documents.yaml").write_text(
        'report0.pdf: {company: "Kelvin Optics plc", period: {kind: annual, end: "2023-06-30"}}\n', encoding="utf-8"
    )
    run = invoke(*BASE)

    assert run.exit_code == 0, run.output
    for row in rows(desk / "build" / "reports"):
        assert "Kelvin Optics plc" in row["instruction"]
        assert "2023" in row["instruction"]


def test_broken_overrides_are_2_and_named(desk: Path):
    folder = reports(desk / "in", count=1)
    (folder / "documents.yaml").write_text("report0.pdf: {colour: blue}\n", encoding="utf-8")
    run = invoke(*BASE)

    assert run.exit_code == 2
    assert "documents.yaml" in run.stderr
    assert not list(desk.rglob("manifest.json"))


# --- templates -----------------------------------------------------------------------------------------------------------


def test_local_templates_win_and_are_named(copied: Path):
    run = invoke("prompts", "copy", "--json")
    assert run.exit_code == 0
    names = {f"qa.{language}.md" for language in ("en", "zh")}
    assert names <= set(json.loads(run.stdout)["written"])
    edited = copied / "prompts" / "qa.en.md"
    edited.write_text(edited.read_text(encoding="utf-8").replace("[user]", "Write plainly.\n[user]"), encoding="utf-8")
    ran = invoke(*BASE, "--out", "build/local")

    assert ran.exit_code == 0, ran.output
    assert str(copied / "prompts") in ran.stderr
    there, here = (manifest(copied / "build" / name)["prompts"] for name in ("set", "local"))
    assert {name for name in here if here[name] != there[name]} == {"qa.en"}


def test_copying_templates_writes_over_nothing_unless_told_to(desk: Path):
    assert invoke("prompts", "copy", "mine").exit_code == 0
    (desk / "mine" / "qa.en.md").write_text("mine", encoding="utf-8")
    again = invoke("prompts", "copy", "mine")

    assert again.exit_code == 0
    assert (desk / "mine" / "qa.en.md").read_text(encoding="utf-8") == "mine"
    assert "--replace" in again.stderr
    assert invoke("prompts", "copy", "mine", "--replace").exit_code == 0
    assert (desk / "mine" / "qa.en.md").read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("broken", [
    lambda text: "nonsense",
    lambda text: text.replace("[user]", "[them]"),
    lambda text: re.sub(r"version: \d+", "version: one", text),
    lambda text: text.replace("{{ count }}", "{{ cuont }}"),
    lambda text: text.replace("{{ count }}", "{{ count"),
    lambda text: text.replace("{{ count }}", "{{ 1 / 0 }}"),
    lambda text: text.replace("{{ count }}", "{{ ''.__class__.__mro__ }}"),
], ids=["nonsense", "no user part", "bad head", "unknown value", "bad syntax", "an error in it", "out of the sandbox"])  # fmt: skip
def test_a_broken_template_is_2_and_named_and_can_be_mended(desk: Path, broken: Callable[[str], str]):
    reports(desk / "in", count=1, topics=2)
    invoke("prompts", "copy")
    template = desk / "prompts" / "qa.en.md"
    good = template.read_text(encoding="utf-8")
    template.write_text(broken(good), encoding="utf-8")
    run = invoke(*BASE)

    assert run.exit_code == 2, run.output
    assert "prompts/qa.en.md" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.exception is None or isinstance(run.exception, SystemExit)
    template.write_text(good, encoding="utf-8")
    mended = invoke(*BASE)
    assert mended.exit_code == 0, mended.output


# --- a scripted teacher --------------------------------------------------------------------------------------------------

_LEANING = re.compile(r"(?i)\b(?:this|the|above|following) (?:passage|text|document|material|context|article|paragraph)|"
                      r"\b(?:above|below)\b|文中|本文|原文|上文|下文|本段|该段|根据.{0,6}(?:内容|信息|材料|文本)|上述")  # fmt: skip


def quotable(passage: Passage) -> list[str]:
    """Sentences that can stand as an answer, as a teacher would choose them."""
    least, ends = (60, (".", "!", "?")) if passage.language == "en" else (24, ("。", "！", "？"))
    found = []
    for kind, text in passage.kinds:
        if kind == "paragraph":
            for start, end in sentences(text):
                sentence = text[start:end]
                letters = len(re.findall(r"[A-Za-z\u4e00-\u9fff]", sentence))
                whole = len(sentence) >= least and sentence.endswith(ends) and not sentence[0].islower()
                if whole and letters > 0.6 * len(sentence) and " | " not in sentence and not _LEANING.search(sentence):
                    found.append(sentence)
    return list(dict.fromkeys(found))


def item(request: Request, number: int, quote: str, task: str = "qa-concept") -> Row:
    """A valid pair."""
    passage = request.passages[0]
    year, label = (passage.period.end or "")[:4], f"{task} {passage.chunk} {number}"
    if passage.language == "zh":
        question = f"{passage.company}{year}年的报告怎样说明第{number}个要点（编号{passage.chunk}，{task}）？"
        rephrased = (
            f"关于编号{passage.chunk}的第{number}个要点，{passage.company}在{year}年的报告中作了什么说明（{task}）？"
        )
    else:
        question = f"What does {passage.company} report for {year} on point {label}?"
        rephrased = f"For {year}, what has {passage.company} to say on point {label}?"
    kind = {"kind": task.removeprefix("qa-")} if len(request.tasks) > 1 else {}
    return {**kind, "question": question, "rephrased": rephrased, "answer": quote, "evidence": [quote], "calc": None}


def valid_pairs(request: Request) -> str:
    """As many valid pairs as were asked for; a task takes every second sentence, so that the two differ."""
    found = quotable(request.passages[0])
    items = [
        item(request, number, quote, task)
        for task in request.tasks
        for number, quote in enumerate(
            ((found[::2] if task == "qa-concept" else found[1::2]) or found)[: request.count // len(request.tasks)]
        )
    ]
    return json.dumps({"items": items, "reason": None if items else "no sentence to quote"}, ensure_ascii=False)


def test_two_valid_pairs_for_each_chunk_and_task_end_in_records(desk: Path):
    folder = reports(desk / "in", count=3, topics=14)
    wanted: list[int] = []

    def reply(request: Request) -> str:
        wanted.append(request.count)
        return valid_pairs(request)

    teacher = Scripted(reply)
    summary = make(settings(folder, tokens=1024), teacher)

    assert teacher.calls == summary.requests["asked"] == summary.chunks_asked
    assert summary.chunks_with_records == summary.chunks_asked
    assert summary.rejects == {}
    assert summary.exit_code == 0
    assert len(rows(desk / "build" / "set", *SPLITS[:3])) == sum(wanted)
    assert set(wanted) == {2, 4}  # of each kind; a short passage is not worth two
    assert_sound(desk / "build" / "set", folder, "scripted")
    assert_counts_add_up(desk / "build" / "set")


def changed(**fields: Any) -> Callable[[Row, Passage], Row]:
    """A valid pair with other fields; a function gets the field's value."""
    return lambda row, passage: (
        row | {name: value(row[name]) if callable(value) else value for name, value in fields.items()}
    )


def without(name: str) -> Callable[[Row, Passage], Row]:
    return lambda row, passage: {key: value for key, value in row.items() if key != name}


def test_a_pair_given_for_both_tasks_stays_once(desk: Path):
    def reply(request: Request) -> str:
        pair = item(request, 1, quotable(request.passages[0])[0])
        return json.dumps({"items": [pair, pair | {"kind": "summary"}], "reason": None}, ensure_ascii=False)

    summary = make(settings(reports(desk / "in", count=1), limit=1), Scripted(reply))

    assert len(rows(desk / "build" / "set", *SPLITS[:3])) == 1
    assert summary.rejects == {"exact": 1}


# What a teacher may do wrong with one item -> the reason that it is rejected for.
FAULTS: dict[str, tuple[Callable[[Row, Passage], Any], str]] = {
    "a field is missing": (without("rephrased"), "schema"),
    "a field of another type": (changed(evidence=lambda quotes: quotes[0]), "schema"),
    "an empty answer": (changed(answer="  "), "schema"),
    "no object": (lambda row, passage: row["answer"], "schema"),
    "not a word": (changed(answer=12), "schema"),
    "a quote that is nowhere": (changed(evidence=["The plant was sold to a rival for nothing at all."]), "evidence"),
    "one quote of two is nowhere": (changed(evidence=lambda quotes: [*quotes, "It was sold."]), "evidence"),
    "an empty quote": (changed(evidence=[""]), "evidence"),
    "no quote": (changed(evidence=[]), "evidence"),
    "a figure changed in the quote": (changed(evidence=lambda quotes: [f"9{quotes[0]}"]), "evidence"),
    "this passage": (changed(question=lambda text: f"According to this passage, {text}"), "not-self-contained"),
    "the text, reworded": (changed(rephrased=lambda text: f"{text} Answer from the text."), "not-self-contained"),
    "no company": (lambda row, passage: row | {"question": row["question"].replace(str(passage.company), "the firm")},
                   "not-self-contained"),
    "no period": (changed(question=lambda text: text.replace("2024", "the year")), "not-self-contained"),
    "an answer from the passage": (changed(answer=lambda text: f"As the passage says, {text}"), "leans-on-text"),
    "根据文本": (changed(answer=lambda text: f"根据文本，{text}"), "leans-on-text"),
    "boilerplate": (changed(answer=lambda text: f"As an AI language model, I would say: {text}"), "boilerplate"),
    "a copy of the question": (lambda row, passage: row | {"answer": row["question"]}, "copies-question"),
    "another language": (changed(answer="该工厂在报告期内收入增长，主要原因是客户更新设备并增加订单，公司预计需求将持续增长。"), "wrong-language"),
    "a question in another language": (
        lambda row, passage: row | {"question": f"{passage.company} 2024 年这个要点说明了公司经营当中的什么情况和原因以及今后的计划和安排？"},
        "wrong-language"),
    "too short": (changed(answer="Yes, it did so."), "length"),
    "too long": (changed(answer=lambda text: " ".join([text] * 60)), "length"),
    "a bare figure": (changed(answer=f"{'1,234.5 / ' * 8}EUR 2024."), "bare-figure"),
    "a torn list": (changed(answer=lambda text: f"{text}\n• orders of\n• prices for\n{text}"), "list-debris"),
    "a table row": (changed(answer=lambda text: f"Orders | 1 | 2 | 3 | 4 | {text}"), "list-debris"),
    "a cut sentence": (changed(answer=lambda text: text[:-12]), "cut-sentence"),
    "half a sentence": (changed(answer=lambda text: text[0].lower() + text[1:]), "cut-sentence"),
}  # fmt: skip


@pytest.fixture
def long_reports(desk: Path) -> Path:
    """Reports whose passages are long enough for two pairs; three dozen requests or so."""
    return reports(desk / "in", count=6, topics=20)


def pairs_of(request: Request) -> list[Row]:
    """Two valid pairs; the request may want only one."""
    return list(json.loads(valid_pairs(request.model_copy(update={"count": 2})))["items"])


def answer(*items: Any) -> str:
    return json.dumps({"items": items, "reason": None})


def test_each_fault_is_rejected_under_its_reason_and_the_counts_add_up(desk: Path, long_reports: Path):
    """One valid pair beside a faulty one in each answer that has room for two; every fault once and more."""
    given: dict[str, str] = {}  # request -> fault

    def reply(request: Request) -> str:
        first, second = pairs_of(request)
        if request.count < 2:
            return answer(first)
        fault = given.setdefault(request.key, list(FAULTS)[len(given) % len(FAULTS)])
        return answer(first, FAULTS[fault][0](second, request.passages[0]))

    summary = make(settings(long_reports, tokens=1024, tasks=("concept",)), Scripted(reply))
    out = desk / "build" / "set"
    found = {(given[rejected["request"]], rejected["reason"]) for rejected in lines(out / "rejected.jsonl")}

    assert len(given) >= len(FAULTS)
    assert found == {(fault, reason) for fault, (_, reason) in FAULTS.items()}
    assert summary.rejects == dict(Counter(FAULTS[fault][1] for fault in given.values()))
    assert summary.exit_code == 0
    assert_sound(out, long_reports, "scripted")
    assert_counts_add_up(out)
    assert len(rows(out, *SPLITS[:3])) == summary.requests["asked"]
    assert all(rejected["detail"] and rejected["item"] for rejected in lines(out / "rejected.jsonl"))


def test_surplus_items_and_repeated_ones_are_rejected(desk: Path, long_reports: Path):
    wanted: Counter[int] = Counter()

    def reply(request: Request) -> str:
        wanted[request.count] += 1
        first, second = pairs_of(request)
        same = second | {"question": first["question"]}
        other = second | {"question": f"{second['question']} Really?"}
        return answer(*([first, same, other] if request.count == 2 else [first, other]))

    summary = make(settings(long_reports, tokens=1024, tasks=("concept",)), Scripted(reply))

    assert wanted[2] > 10
    assert summary.rejects == {"exact": wanted[2], "surplus": wanted.total()}
    assert_counts_add_up(desk / "build" / "set")


UNUSABLE: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "prose": lambda text: "Here are your pairs: the first one [1] asks {what}",
    "a list": lambda text: json.dumps(["pair"]),
    "thinking": lambda text: f"<think>{text}",
    "null": lambda text: "null",
    "a number": lambda text: "1e999",
    "items is no list": lambda text: json.dumps({"items": {"0": json.loads(text)["items"][0]}, "reason": None}),
    "no items": lambda text: json.dumps({"reason": "none"}),
    "deep": lambda text: "[" * 100_000,
}  # fmt: skip


def first_item(text: str, **fields: Any) -> str:
    answer = json.loads(text)
    answer["items"] = [{**item, **fields} for item in answer["items"]]
    return json.dumps(answer, ensure_ascii=False)


WRAPPED: dict[str, Callable[[str], str]] = {
    "a code fence around it": lambda text: f"```json\n{text}\n```",
    "text around it": lambda text: f"Pairs on [1] and {{2}}:\n{text}\nAnything else?",
    "thoughts before it": lambda text: f'<think>maybe {{"items": []}}?</think>\n\n{text}',
    "thoughts before it ": lambda text: (
        f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
    ),
    "thoughts before it  ": lambda text: f"[THINK]hm[/THINK]{text}",
    "a byte order mark": lambda text: f"\ufeff{text}",
    "line ends in strings": lambda text: first_item(text).replace('"answer": "', '"answer": "\n'),
    "trailing commas": lambda text: re.sub(r"\]", ",]", text).replace("[,]", "[]"),
    "a list without its object": lambda text: json.dumps(json.loads(text)["items"]),
    "encoded twice": lambda text: json.dumps(text),
    "a field too many": lambda text: first_item(text, confidence="high"),
    "no `calc`": lambda text: text.replace(', "calc": null', "").replace('"calc": null, ', ""),
}


def test_what_is_wrapped_around_an_answer_is_taken_off_and_nothing_is_asked_again(desk: Path):
    folder = reports(desk / "in", count=4, topics=8)
    plain, wraps = Scripted(valid_pairs), itertools.cycle(WRAPPED.values())
    made = make(settings(folder, tokens=320), plain)
    rows = {path.name: path.read_bytes() for path in (desk / "build" / "set").glob("*.jsonl")}
    shutil.rmtree(desk / "build" / "set")
    wrapped = Scripted(lambda request: next(wraps)(valid_pairs(request)))
    again = make(settings(folder, tokens=320), wrapped)

    assert len(WRAPPED) <= wrapped.calls == plain.calls
    assert {path.name: path.read_bytes() for path in (desk / "build" / "set").glob("*.jsonl")} == rows
    assert again.requests == made.requests
    (note,) = (note for note in again.notes if note not in made.notes)
    assert all(f" with {name.strip()}" in note for name in WRAPPED), note


@pytest.mark.parametrize("stop_reason", ["eos_token", "unknown", "stop_sequence"])
def test_a_whole_answer_counts_whatever_word_the_server_has_for_its_end(desk: Path, stop_reason: str):
    class Server(Scripted):
        async def complete(self, request: Request) -> Completion:
            return (await super().complete(request)).model_copy(update={"stop_reason": stop_reason})

    folder = reports(desk / "in", count=1, topics=3)
    summary = make(settings(folder), Server(valid_pairs))

    assert lines(desk / "build" / "set" / "train.jsonl")
    assert summary.requests["unusable"] == 0


def test_an_empty_answer_without_a_reason_is_asked_for_it_once(desk: Path):
    asked: Counter[str] = Counter()

    def reply(request: Request) -> str:
        asked[request.key] += 1
        if asked[request.key] == 2:
            assert "reason" in request.follow_ups[1]
        return valid_pairs(request) if list(asked).index(request.key) % 2 else '{"items": [], "reason": null}'

    summary = make(settings(reports(desk / "in", count=1, topics=4)), Scripted(reply))

    assert set(asked.values()) == {1, 2}
    assert summary.requests["unusable"] == 0


@pytest.mark.parametrize("every", [2, 12])
def test_unusable_answers_are_kept_and_many_of_them_are_a_shortfall(desk: Path, every: int):
    folder = reports(desk / "in", count=4, topics=5)
    replies: dict[str, str] = {}  # a request that is asked again gets the same

    def reply(request: Request) -> str:
        number = len(replies)
        text = valid_pairs(request)
        spoilt = list(UNUSABLE.values())[number // every % len(UNUSABLE)](text) if number % every == every - 1 else text
        return replies.setdefault(request.key, spoilt)

    summary = make(settings(folder, tokens=320), Scripted(reply))
    out = desk / "build" / "set"
    broken = [text for number, text in enumerate(replies.values()) if number % every == every - 1]
    rejected = [row for row in lines(out / "rejected.jsonl") if row["reason"] == "unusable-answer"]

    assert len(replies) < 25  # three tries for each broken one: below the fifty answers after which a run is stopped
    assert len(broken) >= (len(UNUSABLE) if every == 2 else 1)
    assert summary.requests["unusable"] == len(broken) == len(rejected)
    assert sorted(row["item"]["answer"] for row in rejected) == sorted(broken)
    assert summary.exit_code == (1 if every == 2 else 0)
    assert_counts_add_up(out)
    assert_sound(out, folder, "scripted")


def test_a_shortfall_ends_the_command_with_1_and_the_set_is_there(desk: Path, monkeypatch: pytest.MonkeyPatch):
    reports(desk / "in", count=1, topics=6)
    asked: dict[str, int] = {}

    def reply(request: Request) -> str:
        return valid_pairs(request) if asked.setdefault(request.key, len(asked)) % 2 else "cut"

    monkeypatch.setitem(TEACHERS, "scripted", lambda *_: Scripted(reply))
    run = invoke(*BASE, "--teacher", "scripted")

    assert run.exit_code == 1, run.output
    assert "unusable-answer" in run.stdout
    assert (desk / "build" / "reports" / "manifest.json").exists()


def test_a_teacher_that_has_nothing_to_say_is_a_shortfall(desk: Path):
    folder = reports(desk / "in", count=1, topics=2)
    with pytest.raises(ShortfallError, match="no record"):
        make(settings(folder), Scripted(lambda request: '{"items": [], "reason": "dull"}'))

    assert not (desk / "build" / "set" / "manifest.json").exists()


def test_what_a_teacher_raises_reaches_the_caller_and_what_was_answered_is_kept(desk: Path):
    folder = reports(desk / "in", count=1, topics=6)
    calls = 0

    def reply(request: Request) -> str:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise FingenError("enough")
        return valid_pairs(request)

    with pytest.raises(FingenError, match="enough"):
        make(settings(folder), Scripted(reply))
    kept = answered(desk / "build" / "set")
    summary = make(settings(folder), Scripted(valid_pairs))

    assert kept >= 4
    assert summary.requests["from_journal"] == kept


def test_surrogates_and_control_characters_in_an_answer_end_as_rows_or_rejects(desk: Path, long_reports: Path):
    """JSON may name half a character; it can be read, but not written as UTF-8."""
    odd = ["\\ud800", "\\u0000", "\\u2028", "\\u202e", "\\ufeff", "\\u0085"]
    count = 0

    def reply(request: Request) -> str:
        nonlocal count
        count += 1
        first, second = pairs_of(request)
        second["answer"] += "@ So it is."
        text = answer(first, second) if request.count == 2 else answer(first)
        return text.replace("@", odd[count % len(odd)])

    make(settings(long_reports, tokens=1024, tasks=("concept",)), Scripted(reply))

    assert count > 2 * len(odd)
    assert_counts_add_up(desk / "build" / "set")
    assert all(row["output"].strip() for row in rows(desk / "build" / "set"))


def test_a_run_that_got_no_answer_binds_nobody_to_its_settings(desk: Path):
    """A key that is refused, or a template with a mistake, must not leave a set behind that can only be replaced."""
    folder = reports(desk / "in", count=1, topics=2)

    def refuse(request: Request) -> str:
        raise TeacherError("the key is wrong")

    with pytest.raises(TeacherError):
        make(settings(folder), Scripted(refuse, name="first"))

    assert make(settings(folder, context="both"), Scripted(valid_pairs)).exit_code == 0
