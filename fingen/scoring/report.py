"""What a score is on disk: build/scores/<name>/ with report.json, predictions.jsonl and a card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from fingen.errors import SetError, UsageError
from fingen.records import Frozen, dump_json, open_atomic, read_jsonl, sha256_file, write_jsonl

REPORT = "report.json"
PREDICTIONS = "predictions.jsonl"
CARD = "README.md"


class Prediction(Frozen):
    """One answered row. `gold` and `value` are classes; `value` is None where the answer could not be read: `why` says how."""

    id: str
    gold: str
    value: str | None
    correct: bool
    why: str
    answer: str


class Figure(Frozen):
    """A figure with its 95 % interval, both 0..1."""

    value: float
    low: float
    high: float


class ClassFigures(Frozen):
    """One class: its precision and recall (Wilson), F1 0..1, and in how many rows it is right or answered."""

    precision: Figure
    recall: Figure
    f1: float
    support: int
    answered: int


class Source(Frozen):
    """A file that was read. Its folder is no part of a score."""

    name: str
    sha256: str


class Report(Frozen):
    """What one subject came to. All figures are over `rows`, the rows that have an answer."""

    format: int = 1
    subject: str
    answers: Source
    gold: Source  # what is right; may be the same file
    predictions: str  # sha256 of predictions.jsonl
    rows: int
    asked: int  # rows of the gold file
    missing: tuple[str, ...]  # ids of rows without an answer
    unknown: tuple[str, ...]  # answers without a row: their id or row number
    accuracy: Figure  # Wilson
    macro_f1: Figure  # this and the next two: percentile bootstrap
    micro_f1: Figure
    weighted_f1: Figure
    unparseable: int
    unparseable_why: dict[str, int]
    classes: dict[str, ClassFigures]
    confusion: dict[str, dict[str, int]]  # right -> answered -> rows; those that could not be read are under ""
    resamples: int
    seed: int
    version: str  # of fingen

    @property
    def short(self) -> bool:
        """Whether rows lack an answer, or answers a row."""
        return bool(self.missing or self.unknown)


def refuse_other(folder: Path, report: Report) -> None:
    """Refuse a folder that holds something else than a score of the same subject, answers and rows.

    Raises:
        UsageError: it has a score of other inputs, or no score but files.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    hint = "name another folder with --out, or write over it with --replace"
    if not (folder / REPORT).is_file():
        raise UsageError(f"{folder}: there is something else", hint=hint)
    there = _read(folder)
    if (there.answers, there.gold, there.subject) != (report.answers, report.gold, report.subject):
        raise UsageError(f"{folder}: there is a score of other answers or rows ({there.subject})", hint=hint)


def write_score(folder: Path, report: Report, predictions: Iterable[Prediction], card: str) -> Report:
    """Write the folder, the report last; returns it with the hash of the predictions.

    Raises:
        LimitError: a file cannot be written; the folder then has no report.
    """
    (folder / REPORT).unlink(missing_ok=True)
    write_jsonl(folder / PREDICTIONS, predictions)
    with open_atomic(folder / CARD) as file:
        file.write(card)
    report = report.model_copy(update={"predictions": sha256_file(folder / PREDICTIONS)})
    with open_atomic(folder / REPORT) as file:
        file.write(dump_json(report.model_dump(mode="json"), indent=2) + "\n")
    return report


def read_score(folder: Path) -> tuple[Report, list[Prediction]]:
    """Read a score back.

    Raises:
        SetError: it is missing, not whole, damaged, or its predictions were changed.
    """
    report = _read(folder)
    path = folder / PREDICTIONS
    if not path.is_file() or sha256_file(path) != report.predictions:
        raise SetError(f"{path}: missing, or changed since it was written", hint="score the answers again")
    return report, list(read_jsonl(path, Prediction))


def _read(folder: Path) -> Report:
    path = folder / REPORT
    if not path.is_file():
        raise SetError(f"{folder}: no score: it has no {REPORT}", hint="name a folder that `fingen score` has written")
    try:
        return Report.model_validate_json(path.read_bytes())
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SetError(f"{path}: {where + ': ' if where else ''}{first['msg']}", hint="score the answers again") from e
