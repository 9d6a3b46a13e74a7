"""One page: what was published, and what came of it here, line by line, with n and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2

from fingen import metrics
from fingen.disk import write_text
from fingen.reproduce.published import Experiment, Table
from fingen.scoring.aggregate import Drawing, build_choices
from fingen.scoring.charts import label
from fingen.scoring.columns import COLUMNS, qa_table
from fingen.scoring.compare import ALPHA
from fingen.scoring.page import p_text
from fingen.scoring.report import Interval, Prediction, Report

PAGE = "reproduction.html"
TEMPLATE = Path(__file__).with_name("page.html.j2")
GIB = 1 << 30


@dataclass(frozen=True)
class Cell:
    """A figure: as it was published, or ours with its interval and rows."""

    text: str
    interval: str = ""
    n: int | None = None


@dataclass(frozen=True)
class Line:
    """One subject on all benchmarks of a table."""

    subject: str
    ours: bool
    same: bool  # whether it is the published line of this very base model
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Side:
    """A published table and ours below it, in the same columns."""

    table: Table
    benchmarks: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Difference:
    """Two subjects on the same rows; `holm` is p adjusted for all that the page compares."""

    on: str
    first: str
    second: str
    rows: int
    points: str
    p: str
    holm: str
    is_shown: bool
    smallest: str  # difference that could be shown, in points


def write_page(
    folder: Path, name: str, experiment: Experiment, model: str, base: str, scale: float, reports: Mapping[str, Report],
    predictions: Mapping[str, Sequence[Prediction]], done: Mapping[str, Any], doubled: frozenset[str],
) -> Path:  # fmt: skip
    """Write the page.

    Args:
        folder: of the reproduction; the page links to the scores in it.
        name: of the experiment.
        experiment: what was published.
        model: the base model that was tuned here.
        base: what it is called in the experiment, if it is there.
        scale: share of the training rows.
        reports: by the folder of each score.
        predictions: the same, row by row.
        done: what the steps took, and what is missing.
        doubled: texts that have two labels in their benchmark.

    Raises:
        LimitError: the disk is full.
    """
    whole = scale == 1 and experiment.bases.get(base)
    page = _template().render(
        name=name,
        experiment=experiment,
        model=model,
        scale=scale,
        done=done,
        sides=[_side(table, reports, whole or "") for table in experiment.tables],
        answers=[row for report in reports.values() for row in qa_table(report)],
        columns=COLUMNS,
        differences=build_differences(reports),
        without=_without(reports, predictions, doubled),
        doubled=len(doubled),
        scores=[(folder_name, f"{folder_name}/report.html") for folder_name in reports],
        gib=GIB,
    )
    return write_text(folder / PAGE, page)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _side(table: Table, reports: Mapping[str, Report], same: str) -> Side:
    benchmarks = tuple(table.rows)
    published = [
        Line(subject, False, subject == same, tuple(_published(table, on, figures[on]) for on in benchmarks))
        for subject, figures in table.lines
    ]
    ours = [
        Line(subject, True, False, tuple(by_source.get(on, Cell("not scored")) for on in benchmarks))
        for subject, by_source in _ours(table, reports).items()
    ]
    return Side(table, benchmarks, (*published, *ours))


def _published(table: Table, on: str, figure: str) -> Cell:
    """A figure as it was published; where it is a share of known rows, with the interval that these give it."""
    if not figure or on not in table.asked:
        return Cell(figure or "–")
    rows, whole = table.asked[on], 100 if table.percent else 1
    found = metrics.wilson(round(float(figure) / whole * rows), rows)
    return replace(_cell(Interval(value=0, low=found.low, high=found.high), rows, percent=table.percent), text=figure)


def _ours(table: Table, reports: Mapping[str, Report]) -> dict[str, dict[str, Cell]]:
    found: dict[str, dict[str, Cell]] = {}
    for report in reports.values():
        for score in report.scores:
            if score.choices:
                figure: Interval = getattr(score.choices, table.measure)
                found.setdefault(label(score), {})[score.on] = _cell(figure, score.rows, percent=table.percent)
    return found


def _cell(figure: Interval, rows: int, *, percent: bool) -> Cell:
    if percent:
        return Cell(f"{100 * figure.value:.2f}", f"{100 * figure.low:.1f}–{100 * figure.high:.1f}", rows)
    return Cell(f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}", rows)


def build_differences(reports: Mapping[str, Report]) -> list[Difference]:
    """Each two subjects of each source, with p adjusted over all of them."""
    pairs = [pair for report in reports.values() for pair in report.pairs]
    adjusted = metrics.holm([pair.p for pair in pairs])
    found = []
    for pair, p in zip(pairs, adjusted, strict=True):
        smallest = metrics.smallest_difference(pair.rows, ALPHA)
        found.append(
            Difference(
                on=pair.on, first=pair.first, second=pair.second, rows=pair.rows,
                points=f"{100 * pair.difference.value:+.1f} ({100 * pair.difference.low:+.1f} to {100 * pair.difference.high:+.1f})",
                p=p_text(pair.p), holm=p_text(p), is_shown=p < ALPHA,
                smallest="none" if smallest is None else f"{100 * smallest:.1f}",
            )
        )  # fmt: skip
    return found


def _without(
    reports: Mapping[str, Report], predictions: Mapping[str, Sequence[Prediction]], doubled: frozenset[str]
) -> list[tuple[str, Cell]]:
    """Weighted F1 on Financial PhraseBank without the sentences that have two labels in it."""
    found = []
    for name, report in reports.items():
        for score in report.scores:
            if score.on != "fpb" or not score.choices or not doubled:
                continue
            kept = [row for row in predictions[name]
                    if (row.subject, row.on) == (score.subject, "fpb") and not any(text[:200] in row.text for text in doubled)]  # fmt: skip
            if kept:
                figure = build_choices(kept, Drawing(report.seed, report.resamples)).weighted_f1
                found.append((label(score), _cell(figure, len(kept), percent=False)))
    return found
