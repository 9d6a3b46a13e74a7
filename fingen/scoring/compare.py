"""`fingen compare`: are two subjects right equally often? On the rows that both answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from fingen import metrics
from fingen.errors import UsageError
from fingen.scoring.aggregate import Drawing, commonest, find_constant, pair_up
from fingen.scoring.report import Prediction, read_score

ALPHA = 0.05  # a p below it shows a difference


@dataclass(frozen=True)
class Comparison:
    """Two subjects on their common rows. Accuracies go from 0 to 1; `difference` is the second's less the first's."""

    on: str  # the source of the rows
    first: str
    second: str
    rows: int
    only_in_first: tuple[str, ...]  # ids of rows that the other one has no answer to
    only_in_second: tuple[str, ...]
    first_accuracy: float
    second_accuracy: float
    difference: float
    low: float  # 95 % interval of the difference, by a paired bootstrap
    high: float
    first_only: int  # rows where the first alone is right
    second_only: int
    p: float  # exact McNemar, two-sided
    shown: bool  # whether that shows a difference: p < ALPHA
    unparseable: tuple[int, int]  # of the common rows
    majority: str  # the class that is right most often in the common rows
    majority_accuracy: float  # of answering it throughout
    constant: tuple[str | None, str | None]  # in words, where a subject gives nearly all of them one answer


class _Answered(NamedTuple):
    """A subject's choices on one source."""

    folder: Path
    subject: str
    on: str
    context: str
    rows: dict[str, Prediction]


def compare(folders: Sequence[Path], *, seed: int = 0, resamples: int = metrics.RESAMPLES) -> list[Comparison]:
    """Compare each two subjects of some scores, source by source.

    Two folders with one source each are taken to be on the same rows, whatever the source is called.

    Raises:
        UsageError: there are no two subjects on the same rows. SetError: a score is missing or damaged, or two do not agree
            on what is right.
    """
    if not folders or len({folder.resolve() for folder in folders}) < len(folders):
        raise _too_few()
    found = [answered for folder in folders for answered in _read(folder)]
    pairs = [(one, other) for one, other in combinations(found, 2) if _on_the_same(one, other, found)]
    if not pairs:
        raise _nothing_common(found)
    names = _names(found)
    drawing = Drawing(seed, resamples)
    return [_compare(one, other, (names[id(one)], names[id(other)]), drawing) for one, other in pairs]


def _too_few() -> UsageError:
    return UsageError("two different scores make a comparison", hint="fingen compare build/scores/a build/scores/b")


def _nothing_common(found: list[_Answered]) -> UsageError:
    if len({(one.folder, one.subject) for one in found}) < 2:
        return _too_few()
    said = ", ".join(dict.fromkeys(f"{one.subject} on {one.on}" for one in found)) or "no choices at all"
    return UsageError(f"no two subjects have the same rows: {said}", hint="score both on the same rows")


def _read(folder: Path) -> Iterator[_Answered]:
    groups: dict[tuple[str, str, str], dict[str, Prediction]] = {}
    for row in read_score(folder)[1]:
        if row.correct is not None:
            groups.setdefault((row.subject, row.on, row.context), {})[row.id] = row
    for (subject, on, context), rows in groups.items():
        yield _Answered(folder, subject, on, context, rows)


def _on_the_same(one: _Answered, other: _Answered, found: list[_Answered]) -> bool:
    if one.on == other.on:
        return one.subject != other.subject or one.folder != other.folder
    if one.folder == other.folder:
        return False
    sources = {
        folder: {answered.on for answered in found if answered.folder == folder}
        for folder in (one.folder, other.folder)
    }
    return all(len(names) == 1 for names in sources.values())


def _names(found: list[_Answered]) -> dict[int, str]:
    """What each is called: its subject, with context and folder where that is not enough."""
    plain = {id(one): one.subject + (f" + {one.context}" if one.context else "") for one in found}
    places = Counter(name for name, _ in {(plain[id(one)], one.folder) for one in found})
    return {
        id(one): f"{one.folder.resolve().name}: {plain[id(one)]}" if places[plain[id(one)]] > 1 else plain[id(one)]
        for one in found
    }


def _compare(one: _Answered, other: _Answered, names: tuple[str, str], drawing: Drawing) -> Comparison:
    rows, others = one.rows, other.rows
    common = [id for id in rows if id in others]
    if not common:
        raise UsageError(f"{names[0]} and {names[1]} have no row in common", hint="score both on the same rows")
    pair = pair_up(rows, others, names, drawing)
    golds = [rows[id].gold for id in common]
    first, second = (find_constant([side[id] for id in common]) for side in (rows, others))
    return Comparison(
        on=one.on,
        first=names[0],
        second=names[1],
        rows=pair.rows,
        only_in_first=tuple(id for id in rows if id not in others),
        only_in_second=tuple(id for id in others if id not in rows),
        first_accuracy=sum(bool(rows[id].correct) for id in common) / len(common),
        second_accuracy=sum(bool(others[id].correct) for id in common) / len(common),
        difference=pair.difference.value,
        low=pair.difference.low,
        high=pair.difference.high,
        first_only=pair.first_only,
        second_only=pair.second_only,
        p=pair.p,
        shown=pair.p < ALPHA,
        unparseable=(sum(rows[id].value is None for id in common), sum(others[id].value is None for id in common)),
        majority=commonest(golds),
        majority_accuracy=golds.count(commonest(golds)) / len(golds),
        constant=(str(first) if first else None, str(second) if second else None),
    )
