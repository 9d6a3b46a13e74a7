"""`fingen score` on answers that are there already: read, match, count, write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fingen import __version__, metrics
from fingen.config import BUILD
from fingen.errors import UsageError
from fingen.records import sha256_file
from fingen.scoring.card import render_card
from fingen.scoring.parse import parse_answer
from fingen.scoring.report import ClassFigures, Figure, Prediction, Report, Source, refuse_other, write_score
from fingen.scoring.rows import Answer, Item, by_model, match, read_answers, read_items

AVERAGES: tuple[metrics.Average, ...] = ("macro", "micro", "weighted")


@dataclass(frozen=True)
class Scored:
    """One subject's score, and the folder it is in."""

    folder: Path
    report: Report


def score(
    predictions: Path,
    gold: Path | None = None,
    *,
    out: Path | None = None,
    replace: bool = False,
    seed: int = 0,
    resamples: int = metrics.RESAMPLES,
) -> list[Scored]:
    """Score a file of raw answers; one score for each model that its rows name, in their order.

    Args:
        predictions: rows of {id or row, prediction}; with `gold` (and `model`) in them where the next argument is None.
        gold: a set (its test split, else validation) or a file of rows with what is right; a column `gold` of `predictions` is
            then not looked at.
        out: folder of the score (default build/scores/<name of the file>); where there are several models, `-<model>` is added.
        replace: write over what is there.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        UsageError: a file is missing, nothing says what is right, no answer has a row, or a folder holds something else.
        SetError: an input is damaged; names file and row. LimitError: a folder cannot be written.
    """
    answers, items = read_answers(predictions)
    source = predictions
    if gold is not None:
        items, source = read_items(gold)
    if items is None:
        raise UsageError(f"{predictions}: not every row has a column gold", hint="name what is right with --gold FILE")
    sources = _source(predictions), _source(source)
    base = out or BUILD / "scores" / predictions.stem
    subjects = list(by_model(answers))
    folders = _folders(base, [model for model, _ in subjects])
    judged = []
    for folder, (model, own) in zip(folders, subjects, strict=True):
        report, rows = _judge(items, own, model or predictions.stem, sources, (seed, resamples))
        if not replace:
            refuse_other(folder, report)
        judged.append((folder, report, rows))
    return [Scored(folder, write_score(folder, report, rows, render_card(report))) for folder, report, rows in judged]


def _source(path: Path) -> Source:
    return Source(name=path.name, sha256=sha256_file(path))


def _folders(base: Path, models: list[str | None]) -> list[Path]:
    if len(models) == 1:
        return [base]
    names = [re.sub(r"[^\w.-]+", "-", model or "unnamed").strip("-.") or "unnamed" for model in models]
    if twice := [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]:
        raise UsageError(f"several models would be written as {twice[0]}", hint="give them names that differ in more")
    return [base.with_name(f"{base.name}-{name}") for name in names]


def _judge(
    items: list[Item], answers: list[Answer], subject: str, sources: tuple[Source, Source], drawing: tuple[int, int]
) -> tuple[Report, list[Prediction]]:
    found, unknown = match(items, answers)
    if not found:
        where = unknown[0].where
        raise UsageError(
            f"{where}: none of {len(unknown):,} answers of {subject} has a row",
            hint="their ids are not those of the gold rows",
        )
    rows = [_read(item, found[item.id]) for item in items if item.id in found]
    pairs = [(row.gold, row.value) for row in rows]
    macro, micro, weighted = _f1s(pairs, *drawing)
    counts = Counter(pairs)
    report = Report(
        subject=subject,
        answers=sources[0],
        gold=sources[1],
        predictions="",  # its hash, when it is written
        rows=len(rows),
        asked=len(items),
        missing=tuple(item.id for item in items if item.id not in found),
        unknown=tuple(answer.id if answer.id is not None else f"row {answer.row}" for answer in unknown),
        accuracy=_share(metrics.accuracy(counts), len(pairs)),
        macro_f1=macro,
        micro_f1=micro,
        weighted_f1=weighted,
        unparseable=sum(row.value is None for row in rows),
        unparseable_why=dict(Counter(row.why for row in rows if row.value is None).most_common()),
        classes={name: _class_figures(one) for name, one in metrics.class_scores(counts).items()},
        confusion=_confusion(counts),
        seed=drawing[0],
        resamples=drawing[1],
        version=__version__,
    )
    return report, rows


def _read(item: Item, answer: Answer) -> Prediction:
    reading = parse_answer(answer.text, item.options)
    gold, value = item.name(item.right), None if reading.value is None else item.name(reading.value)
    return Prediction(
        id=item.id,
        gold=gold,
        value=value,
        correct=value == gold,
        why=reading.why,
        answer=answer.text,
    )


def _share(value: float, rows: int) -> Figure:
    """A share of rows with its interval; of no rows nothing is known."""
    low, high = metrics.wilson(round(value * rows), rows) if rows else (0.0, 1.0)
    return Figure(value=value, low=low, high=high)


def _class_figures(one: metrics.ClassScore) -> ClassFigures:
    return ClassFigures(
        precision=_share(one.precision, one.answered),
        recall=_share(one.recall, one.support),
        f1=one.f1,
        support=one.support,
        answered=one.answered,
    )


def _f1s(pairs: list[tuple[str, str | None]], seed: int, resamples: int) -> Iterator[Figure]:
    """Macro, micro and weighted F1, with intervals from the same resamples."""
    averages = [partial(metrics.f1, average=average) for average in AVERAGES]
    counts = Counter(pairs)
    intervals = metrics.bootstrap(pairs, averages, seed=seed, resamples=resamples)
    for average, (low, high) in zip(averages, intervals, strict=True):
        yield Figure(value=average(counts), low=low, high=high)


def _confusion(counts: metrics.Counts) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (right, value), rows in sorted(counts.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")):
        table.setdefault(right, {})[value or ""] = rows
    return table
