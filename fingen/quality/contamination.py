"""Contamination: rows that are in a benchmark, which a model that learns them can no longer be judged by.

The rules are those of duplicates: a row of another company, year, metric or figure is another row, however alike its
template makes it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Literal

from fingen.disk import sha256_file
from fingen.errors import SetError
from fingen.quality.duplicates import Seen, Wording, fold, without_options
from fingen.records import Record
from fingen.rows import Raw, read_raw

Kind = Literal["exact", "near", "contained"]

QUESTIONS = ("instruction", "question", "query", "text", "sentence", "headline", "title")  # the first that a row has
PASSAGES = ("input", "context", "passage")
PROMPT_ENDS = "\n:：。？?！!"  # a prompt that rows share ends with one of these
LEAST_PROMPT = 10  # characters; less may be how questions just happen to begin
RUN_WORDS = 13  # words in one run that two texts hardly share by chance
RUN_CHARACTERS = 30  # the same for Chinese
_UNIT = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")  # a Chinese character, a word, a figure with its sign
# A prompt as the context / target files of FinGPT hold it.
_PROMPT = re.compile(r"Instruction: (.*?)\nInput: (.*?)\s*Answer:\s*", re.DOTALL)
FILES = (".csv", ".json", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class KeptOut:
    """A row of a benchmark. `row` is its line in JSON lines, its place in a JSON array, its line in a sheet (header: 1)."""

    row: int
    question: str
    passage: str

    @property
    def whole(self) -> str:
        """Question and passage, as a record joins its instruction and input."""
        return f"{self.question}\n{self.passage}"


@dataclass(frozen=True)
class Benchmark:
    """Rows that are kept out: of a file, or of a benchmark that is known by its name."""

    name: str
    rows: tuple[KeptOut, ...]
    sha256: str  # of what they were read from


@dataclass(frozen=True)
class Overlap:
    """A record that is in a benchmark: in which row of which file, and how.

    - exact: the text, or the part of it that is the question, is the same when folded.
    - near: the same but for function words, a plural, or a slip of the keys.
    - contained: a long row stands in the record's text.
    """

    record: Record
    row: int
    kind: Kind
    benchmark: str


def read_keep_out(path: Path) -> list[KeptOut]:
    """The rows of a benchmark: a JSON array, JSON lines, or CSV with a header, told apart by the name's end.

    Each row has a question (`instruction`, `question`, `query`, `text`, `sentence`, `headline` or `title`, the first one
    that it has) and may have a passage (`input`, `context` or `passage`); or it has a whole prompt ("Instruction: ... Input: ...
    Answer:") as its `context`, beside a `target`; or it is one of FinQA's or TAT-QA's, with a table and what is asked about it.
    Other columns are not looked at.

    Raises:
        UsageError: no such file. SetError: no rows, or one that is broken or has no question; names the file and the row.
    """
    if path.suffix.lower() not in FILES:
        raise SetError(f"{path}: not a .json, .jsonl or .csv file", hint="--keep-out reads these three")
    rows = [_parse_row(path, each) for raw in read_raw(path) for each in _asked_of_table(raw)]
    if not rows:
        raise SetError(f"{path}: no rows", hint="give --keep-out the file that holds the benchmark's rows")
    return rows


def _asked_of_table(raw: Raw) -> Iterator[Raw]:
    """A row for each question about a table, `qa` of FinQA's and `questions` of TAT-QA's, with the text around it; else the row."""
    asked, held = raw.values.get("questions", raw.values.get("qa")), raw.values.get("table")
    table = held.get("table") if isinstance(held, dict) else held
    if not isinstance(asked, list | dict) or not isinstance(table, list):
        yield raw
        return
    lines = [" | ".join(map(str, row)) for row in table if isinstance(row, list)]
    paragraphs = (raw.values.get(name) for name in ("pre_text", "post_text", "paragraphs"))
    texts = [each.get("text", "") if isinstance(each, dict) else each for part in paragraphs for each in part or ()]
    passage = "\n".join(map(str, [*lines, *texts]))
    for each in asked if isinstance(asked, list) else [asked]:
        question = each.get("question") if isinstance(each, dict) else None
        yield replace(raw, values={"question": question, "passage": passage})


def _parse_row(path: Path, raw: Raw) -> KeptOut:
    where = f"{path}, row {raw.number}"
    columns = {name.strip().lower(): value for name, value in raw.values.items()}
    if "target" in columns and (prompt := _PROMPT.fullmatch(str(columns.get("context")))):
        columns |= {"instruction": prompt[1], "context": prompt[2]}
    name = next((name for name in QUESTIONS if name in columns), None)
    if name is None:
        raise SetError(
            f"{where}: no question: it has {', '.join(columns) or 'no columns'}",
            hint=f"name the column with the question one of {', '.join(QUESTIONS)}",
        )
    passage = next((name for name in PASSAGES if columns.get(name)), None)
    texts = [columns[name], columns[passage] if passage else ""]
    for column, value in zip((name, passage), texts, strict=True):
        if not isinstance(value, str):
            raise SetError(f"{where}: {column} is not a text", hint="each question is one text")
    if not any(text.strip() for text in texts):
        raise SetError(f"{where}: {name} is empty", hint="fill it in, or delete the row")
    return KeptOut(raw.number, *texts)


def benchmark_of(path: Path) -> Benchmark:
    """The benchmark that a file holds.

    Raises:
        UsageError, SetError: see `read_keep_out`.
    """
    return Benchmark(path.name, tuple(read_keep_out(path)), sha256_file(path))


def find_contamination(records: Sequence[Record], benchmark: Benchmark) -> list[Overlap]:
    """The records that a benchmark has, each with the first row that it overlaps, in the order of the records.

    A record's whole text, its instruction and its input are each compared with each row's whole text, its question and
    its passage. A part that rows share, such as "What is the sentiment of this news?", stands for none of them.
    """
    return [
        Overlap(records[number], row, kind, benchmark.name) for number, row, kind in find_overlaps(records, benchmark)
    ]


def find_overlaps(records: Sequence[Record], benchmark: Benchmark) -> Iterator[tuple[int, int, Kind]]:
    """What `find_contamination` finds, by numbers: of a record, and of the row that it overlaps. The records may lie on disk."""
    rows = benchmark.rows
    end = _end_of_prompt(row.question for row in rows)
    bare = ((_after(row.question, end), row.row) for row in rows)
    texts = [
        *((row.whole, row.row) for row in rows),
        *_own_parts(rows),
        *((text, row) for text, row in bare if text),
    ]
    seen, runs = Seen(), _Runs(texts)
    for text, number in texts:
        seen.add(Wording(text), number)
    end = _end_of_prompt(map(without_options, records))
    for place, record in enumerate(records):
        if (found := _find(record, _after(without_options(record), end), seen, runs)) is not None:
            yield place, *found


def _end_of_prompt(texts: Iterable[str]) -> int:
    """Where a prompt ends that all of the texts begin with, such as the task in words; 0 where there is none."""
    first, last = None, ""
    for text in texts:
        first, last = text if first is None else min(first, text), max(last, text)
    first = first or ""
    prompt = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    if first == last:
        prompt = ""
    end = max((prompt.rfind(mark) for mark in PROMPT_ENDS), default=-1) + 1
    return end if end >= LEAST_PROMPT else 0


def _after(text: str, end: int) -> str:
    """What a text has behind the prompt; "" where there is none."""
    return text[end:].strip() if end else ""


def _find(record: Record, own: str, seen: Seen, runs: _Runs) -> tuple[int, Kind] | None:
    last = f"{record.instruction}\n{record.input}"
    texts = dict.fromkeys(text for text in (last, record.input, own, *reversed(record.questions)) if text.strip())
    found = [found for text in texts if (found := seen.find(Wording(text)))]
    if found:
        return min(found, key=lambda number_and_kind: (number_and_kind[1] != "exact", number_and_kind[0]))
    number = runs.find("\n".join([*(turn.content for turn in record.turns), last]))
    return None if number is None else (number, "contained")


def _own_parts(rows: Sequence[KeptOut]) -> Iterator[tuple[str, int]]:
    """The questions and passages, with the number of their row, that stand for it, as no other row has them.

    One row alone shows nothing of what its file repeats: its question stands for it only where there is no passage.
    """
    wholes: dict[str, KeptOut] = {}
    for row in rows:
        wholes.setdefault(fold(row.whole), row)  # a row that is there twice is one
    for part in ("question", "passage"):
        folded = {whole: fold(getattr(row, part)) for whole, row in wholes.items()}
        times = Counter(folded.values())
        for whole, row in wholes.items():
            alone = len(wholes) == 1 and part == "question" and row.passage
            if folded[whole] and times[folded[whole]] == 1 and not alone:
                yield getattr(row, part), row.row


class _Runs:
    """Long texts of a benchmark by each of their runs of 13 words (30 Chinese characters).

    Another text holds such a one where it has one of its runs, and all else of it somewhere: its figures, its words, and
    of Chinese each pair of neighbours, as the characters of a company's name may each stand in any text.
    """

    def __init__(self, texts: Sequence[tuple[str, int]]) -> None:
        self._by_run: dict[int, list[int]] = {}
        self._needs: list[tuple[int, set[str]]] = []
        for text, number in texts:
            units = _units(text)
            place = len(self._needs)
            chinese = sum(map(_is_han, units)) * 2 > len(units)
            for run in _runs(units, RUN_CHARACTERS if chinese else RUN_WORDS):
                self._by_run.setdefault(run, []).append(place)
            self._needs.append((number, _pairs(units)))

    def find(self, text: str) -> int | None:
        """The lowest number of a text that this one holds."""
        units = _units(text)
        runs = itertools.chain(_runs(units, RUN_WORDS), _runs(units, RUN_CHARACTERS))
        candidates = {place for run in runs for place in self._by_run.get(run, ())}
        if not candidates:
            return None
        there = _pairs(units)
        return min((self._needs[place][0] for place in candidates if self._needs[place][1] <= there), default=None)


def _units(text: str) -> list[str]:
    return _UNIT.findall(Wording(text).plain.casefold())


def _runs(units: Sequence[str], length: int) -> Iterator[int]:
    """Hashes of the runs: two that share one by chance are told apart by what else they need."""
    for start in range(len(units) - length + 1):
        yield hash(" ".join(units[start : start + length]))


def _pairs(units: Sequence[str]) -> set[str]:
    """The units, a Chinese character together with the one that follows it."""
    following = [*units[1:], ""]
    return {a + b if _is_han(a) and _is_han(b) else a for a, b in zip(units, following, strict=True)}


def _is_han(unit: str) -> bool:
    return "\u3400" <= unit[:1] <= "\u9fff"
