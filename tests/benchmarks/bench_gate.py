"""What the checks make of a real teacher's answers. Goals: honest pairs kept >= 44 of 48 on the stored text, >= 47 where the
reports are read anew; right changes kept; of faults >= 85 % caught by rules alone, and >= 90 % in each group of GROUPS.

The pairs were written by a strong model to the templates' own requests, without a wrong figure; `changed` are the same
pairs with one change each, as models err. A folder of other pairs in the same form is measured with --data; its
`lines.jsonl`, where it has one, holds the lines on unit and basis that the passages' headers showed beside their text.

    python tests/benchmarks/bench_gate.py                    # the table
    python tests/benchmarks/bench_gate.py --fresh            # the passages found again in reports read anew
    python tests/benchmarks/bench_gate.py --show             # each wrong verdict: honest and rejected, faulty and kept
    pytest -m benchmark -s tests/benchmarks/bench_gate.py
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from fingen.config import ReadSettings
from fingen.documents import InputFile, read_documents
from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft, Drop, joined
from fingen.quality.evidence import find_quote
from fingen.quality.grounding import ground, only_may_err
from fingen.quality.source import fiscal_year
from fingen.records import Basis, BasisKind, Block, Chunk, Document, Passage, Period, Request, Stated
from fingen.tasks.documents import TASKS
from fingen.tasks.qa import UNIT_UNKNOWN, QaItem, build_passage

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
TEACHER = SHARED / "teacher"
GROUPS = ("figure", "unit", "period", "direction", "entity", "evidence", "calc", "question", "text")
KEPT_GOAL, FRESH_GOAL, CAUGHT_GOAL, GROUP_GOAL = 44, 47, 0.85, 0.90
HELD = 0.5  # of the words of a chunk stand in the old passage: it is a part of it
PART = 0.1  # of the words of the old passage stand in a chunk: so it is, with more beside it
SAME = 0.9  # of the words of a cell stand in an old quote: it is a part of it
_TOKEN = re.compile(r"[\u4e00-\u9fff]|\w+")
MONTHS = dict(zip("January February March April May June July August September October November December".split(),
                  range(1, 13), strict=True))  # fmt: skip
DAYS_ZH = {"第一季度": "-03-31", "半年度": "-06-30", "第三季度": "-09-30", "第四季度": "-12-31", "年度": "-12-31"}
BASES: tuple[tuple[BasisKind, re.Pattern[str]], ...] = (  # the kinds that a header's line on the basis names
    ("parent", re.compile(r"parent|^company|母公司|本行|個體", re.IGNORECASE)),
    ("consolidated", re.compile(r"consolidated|合[并併]|综合|綜合|本集[团團]", re.IGNORECASE)),
    ("year", re.compile(r"years? ended", re.IGNORECASE)),
    ("as first reported", re.compile(r"调整前")),
    ("restated", re.compile(r"调整后|重述|經重列")),
    ("non-GAAP", re.compile(r"underlying|adjusted", re.IGNORECASE)),
)
HEADERS = {"公司": "company", "报告": "report", "章节": "section", "页码": "pages"}


@dataclass(frozen=True)
class Asked:
    """A request that was answered: its passages as they were shown."""

    task: str
    passages: tuple[Passage, ...]
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Judged:
    """A pair, what should be done with it, and what was."""

    id: str
    should: str
    group: str
    kind: str
    drop: Drop | None
    contested: bool = False  # only by rules that may err: a second teacher decides, where there is one

    @property
    def is_right(self) -> bool:
        return (self.drop is None) == (self.should == "keep")


def read_asked(path: Path) -> dict[str, Asked]:
    """The requests of a file of answers, by name."""
    lines = path.with_name("lines.jsonl")
    said = {row["request"]: row["passages"] for row in _read_rows(lines)} if lines.is_file() else {}
    return {row["request"]: _asked(row, said.get(row["request"])) for row in _read_rows(path)}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _asked(row: dict[str, Any], lines: list[dict[str, str | None]] | None) -> Asked:
    shown = [
        _shown(passage, row["language"], place, lines[place] if lines else {})
        for place, passage in enumerate(row["passages"])
    ]
    return Asked(row["task"], tuple(passage for passage, _ in shown), tuple(chunk for _, chunk in shown))


def _units(line: str | None) -> Iterator[Stated]:
    """What a header's line on units says; an empty text stands for amounts of which none is stated."""
    for unknown in UNIT_UNKNOWN.values():
        if line and unknown in line:
            line = line.replace(unknown, "")
            yield Stated(text="", page=1)
    yield from (Stated(text=said, page=page) for said, page in _said(line))


def _bases(line: str | None) -> Iterator[Basis]:
    """What a header's line on the basis says: a title, or the heading of a column and what it says."""
    for said, page in _said(line):
        column, _, word = said.rpartition(": ")
        yield from (Basis(kind=kind, text=word, column=column, page=page) for kind, mark in BASES if mark.search(word))


def _said(line: str | None) -> Iterator[tuple[str, int]]:
    """The parts of a header's line, each with the page that says it."""
    for part in re.finditer(r"(?:; )?(.+?) ?[(（](?:page |第)(\d+)页?[)）]", line or ""):
        yield part[1], int(part[2])


def _shown(row: dict[str, str], language: Any, place: int, lines: dict[str, str | None]) -> tuple[Passage, Chunk]:
    told = dict(row)
    for key in row:  # Chinese headers stand in the keys
        name, _, value = key.partition("：")
        told |= {HEADERS[name]: value} if name in HEADERS else {}
    pages = [int(page) for page in re.findall(r"\d+", told["pages"])]
    section = tuple(filter(None, told["section"].split(" > ")))
    document = told.get("document") or told["company"]
    passage = Passage(
        chunk=f"c-{place}",
        document=document,
        company=told["company"],
        period=_period(told["report"]),
        language=language,
        section=section,
        pages=(pages[0], pages[-1]),
        text=told["text"],
        kinds=tuple(_kinds(told["text"])),
        unit=tuple(_units(lines.get("unit"))),
        basis=tuple(_bases(lines.get("basis"))),
    )
    block = Block(kind="paragraph", page=pages[0], box=(0, 0, 1, 1), start=0, end=len(told["text"]))
    chunk = Chunk(id=passage.chunk, document=document, language=language, first_page=pages[0], last_page=pages[-1],
                  section=section, text=told["text"], tokens=0, blocks=(block,))  # fmt: skip
    return passage, chunk


def _period(report: str) -> Period:
    kind: Any = (
        "half-year"
        if re.search("half|半年", report)
        else "quarterly"
        if re.search("quarter|季度", report)
        else "annual"
    )
    if found := re.search(r"([A-Z][a-z]+) (\d{1,2}), (\d{4})", report):
        end = f"{found[3]}-{MONTHS[found[1]]:02d}-{int(found[2]):02d}"
        told = re.search(r"\(fiscal (\d{4})\)", report)
        fiscal = int(told[1]) if told else fiscal_year(end)
        return Period(kind=kind, end=end, fiscal_year=fiscal if fiscal != int(found[3]) else None)
    year = re.search(r"\d{4}", report)
    day = next((day for name, day in DAYS_ZH.items() if name in report), "")
    return Period(kind=kind, end=f"{year[0]}{day}" if year else None)


def _kinds(text: str) -> Iterator[tuple[Any, str]]:
    for is_table, lines in groupby(text.split("\n"), key=lambda line: " | " in line):
        yield ("table" if is_table else "paragraph"), "\n".join(lines)


def judge(
    id: str, item: dict[str, Any], asked: Asked, organisations: Sequence[str], old: Asked | None = None, **told: str
) -> Judged:
    """What the checks say of a pair, as in making a set; `old` is what it was written to, where that was read anew."""
    if old is not None:
        item = {**item, "evidence": [line for quote in item["evidence"] for line in _requoted(quote, old, asked)]}
    task = next(task for task in TASKS.values() if task.task == asked.task)
    pair = QaItem.model_validate(item)
    request = Request(key="", task=task.task, template="", system="", prompt="", answer_schema={}, max_tokens=1, count=1,
                      passages=asked.passages)  # fmt: skip
    found = {quote: find_quote(quote, asked.chunks).evidence for quote in pair.evidence}
    evidence = tuple(dict.fromkeys(part for parts in found.values() for part in parts))
    record = task.build(pair, request, evidence, "anthropic:model")
    lost = tuple(quote for quote, parts in found.items() if not parts)
    faults = find_faults(Draft(record, pair.rephrased, lost, asked.passages), task.checks)
    failed = ground(record, asked.passages, organisations=organisations).failed
    drop = joined([*faults, *(Drop(each.reason, each.detail) for each in failed)])
    return Judged(id, drop=drop, contested=only_may_err(faults, failed), **told)


def _requoted(quote: str, old: Asked, new: Asked) -> list[str]:
    """A quote as a teacher would copy it from the passages as they are read now: the lines that hold its words.

    One that did not stand in the old passages stays as it is.
    """
    if find_quote(quote, new.chunks).evidence or not find_quote(quote, old.chunks).evidence:
        return [quote]
    words = Counter(re.findall(_TOKEN, quote))
    lines = [line for chunk in new.chunks for line in chunk.text.split("\n") if _is_within(line, words)]
    return list(dict.fromkeys(lines)) or [quote]


def _is_within(line: str, words: Counter[str]) -> bool:
    """Whether a cell of a line stands in an old quote, or all of the quote in the line."""
    cells = [Counter(re.findall(_TOKEN, cell)) for cell in line.split(" | ")]
    own = Counter(re.findall(_TOKEN, line))
    if (own & words).total() >= SAME * words.total():
        return True
    return any(cell.total() > 1 and (cell & words).total() >= SAME * cell.total() for cell in cells)


def judge_all(
    folder: Path, asked: dict[str, Asked], answers: str = "answers.jsonl", old: dict[str, Asked] | None = None,
    changed: str = "changed.jsonl",
) -> list[Judged]:  # fmt: skip
    """The verdict on each pair of a folder, honest ones first."""
    before = old or {}
    organisations = sorted({passage.company or "" for each in asked.values() for passage in each.passages} - {""})
    judged = []
    for row in _read_rows(folder / answers):
        for entry in row["items"]:
            told = {"should": entry["should"], "group": "honest", "kind": row["language"]}
            judged.append(
                judge(
                    entry["id"], entry["item"], asked[row["request"]], organisations, before.get(row["request"]), **told
                )
            )
    for row in _read_rows(folder / changed):
        told = {name: row[name] for name in ("should", "group", "kind")}
        judged.append(
            judge(row["id"], row["item"], asked[row["request"]], organisations, before.get(row["request"]), **told)
        )
    return judged


def read_anew(asked: dict[str, Asked], cache: Path) -> dict[str, Asked]:
    """The same requests with the passages of their reports read anew: all chunks that hold its text."""
    wanted = {passage.company for each in asked.values() for passage in each.passages}
    inputs = [InputFile(path, path.name) for path in _files(wanted)]
    documents = [
        event for event in read_documents(inputs, ReadSettings(), workers=1, cache=cache) if isinstance(event, Document)
    ]
    return {name: _anew(each, documents) for name, each in asked.items()}


def _files(companies: set[str | None]) -> list[Path]:
    """The reports of companies, as truth.csv names them."""
    found = []
    for folder in (SHARED / "reports_more", SHARED / "reports_zh"):
        with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
            found += [folder / row["file"] for row in csv.DictReader(file) if row["company"] in companies]
    return sorted(found)


def _anew(asked: Asked, documents: list[Document]) -> Asked:
    found = [each for passage in asked.passages for each in _found_again(passage, documents)]
    return Asked(asked.task, tuple(build_passage(*each) for each in found), tuple(chunk for _, chunk in found))


def _found_again(passage: Passage, documents: list[Document]) -> list[tuple[Document, Chunk]]:
    """The chunks whose words it holds, mostly, three by three, and those that hold a good part of its own."""
    words = _words(passage.text)
    shares = {
        (document.path, chunk.id): (_held(words, _words(chunk.text)), document, chunk)
        for document in documents
        for chunk in document.chunks
        if document.company == passage.company
    }
    found = [(document, chunk) for share, document, chunk in shares.values() if share >= HELD]
    return found or [max(shares.values(), key=lambda each: each[0])[1:]]


def _held(old: Counter[tuple[str, ...]], new: Counter[tuple[str, ...]]) -> float:
    common = (old & new).total()
    return max(common / new.total(), HELD if common >= PART * old.total() else 0.0) if common else 0.0


def _words(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"[\u4e00-\u9fff]|\w+", text)
    return Counter(zip(words, words[1:], words[2:], strict=False))


def table(judged: list[Judged]) -> list[str]:
    """Lines: how many of each group were rejected, and should have been."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        groups[each.group].append(each)
    lines = [f"{'group':<12}{'kept, and right':>18}{'caught':>14}{'':>8}"]
    for name, rows in groups.items():
        kept = [each.is_right for each in rows if each.should == "keep"]
        caught = [each.is_right for each in rows if each.should == "reject"]
        share = f"{sum(caught) / len(caught):.0%}" if caught else ""
        lines.append(
            f"{name:<12}{f'{sum(kept)}/{len(kept)}' if kept else '':>18}"
            f"{f'{sum(caught)}/{len(caught)}' if caught else '':>14}{share:>8}"
        )
    faults = [each.is_right for each in judged if each.should == "reject"]
    return [*lines, f"{'all faults':<12}{'':>18}{f'{sum(faults)}/{len(faults)}':>14}{sum(faults) / len(faults):>8.1%}"]


@pytest.mark.benchmark
@pytest.mark.skipif(not TEACHER.is_dir(), reason="no answers of a teacher here")
def test_a_real_teachers_answers(tmp_path: Path) -> None:
    asked = read_asked(TEACHER / "answers.jsonl")
    judged, anew = judge_all(TEACHER, asked), judge_all(TEACHER, read_anew(asked, tmp_path), old=asked)
    print("\n".join(table(judged)))
    honest, fresh = (sum(each.is_right for each in verdicts if each.group == "honest") for verdicts in (judged, anew))
    faults = [each for each in judged if each.should == "reject"]

    assert honest >= KEPT_GOAL
    assert fresh >= FRESH_GOAL
    assert all(each.is_right for each in judged if each.group != "honest" and each.should == "keep")
    assert sum(each.is_right for each in faults) >= CAUGHT_GOAL * len(faults)
    for group in GROUPS:
        of_group = [each for each in faults if each.group == group]
        assert sum(each.is_right for each in of_group) >= GROUP_GOAL * len(of_group), group


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=TEACHER)
    parser.add_argument("--answers", default="answers.jsonl", help="the file of honest pairs in the folder")
    parser.add_argument("--changed", default="changed.jsonl", help="the file of changed pairs in the folder")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    asked, old = read_asked(options.data / options.answers), None
    if options.fresh:
        with tempfile.TemporaryDirectory() as cache:
            asked, old = read_anew(asked, Path(cache)), asked
    judged = judge_all(options.data, asked, options.answers, old, options.changed)
    print("\n".join(table(judged)))
    for each in judged if options.show else []:
        if not each.is_right:
            why = f"{each.drop.reason}: {each.drop.detail}" if each.drop else "kept"
            print(f"{each.id:<12}{each.group:<10}{each.kind[:44]:<46}{why[:160]}")


if __name__ == "__main__":
    main()
