"""`fingen compare`: are two subjects right equally often? On the rows that both answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from fingen import metrics
from fingen.errors import SetError, UsageError
from fingen.scoring.report import Prediction, read_score

ALPHA = 0.05  # a p below it shows a difference


@dataclass(frozen=True)
class Comparison:
    """Two scores on their common rows. Accuracies go from 0 to 1; `difference` is the second's less the first's."""

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


def compare(folders: Sequence[Path], *, seed: int = 0, resamples: int = metrics.RESAMPLES) -> list[Comparison]:
    """Compare each two of some scores.

    Raises:
        UsageError: fewer than two, or two have no row in common. SetError: a score is missing or damaged, or the two do not
            agree on what is right.
    """
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("two different scores make a comparison", hint="fingen compare build/scores/a build/scores/b")
    scores = [(folder.resolve().name, {row.id: row for row in read_score(folder)[1]}) for folder in folders]
    if len({name for name, _ in scores}) < len(scores):
        scores = [(str(folder), rows) for folder, (_, rows) in zip(folders, scores, strict=True)]
    return [_compare(first, second, seed, resamples) for first, second in combinations(scores, 2)]


def _compare(
    first: tuple[str, dict[str, Prediction]], second: tuple[str, dict[str, Prediction]], seed: int, resamples: int
) -> Comparison:
    (name, rows), (other, others) = first, second
    common = [id for id in rows if id in others]
    if not common:
        raise UsageError(f"{name} and {other} have no row in common", hint="score both on the same rows")
    for id in common:
        if rows[id].gold != others[id].gold:
            raise SetError(
                f"row {id}: {rows[id].gold!r} is right in {name}, {others[id].gold!r} in {other}",
                hint="score both on the same rows",
            )
    triples = [(rows[id].gold, rows[id].value, others[id].value) for id in common]
    counts = Counter(triples)
    ((low, high),) = metrics.bootstrap(triples, [metrics.difference], seed=seed, resamples=resamples)
    hits = [(rows[id].correct, others[id].correct) for id in common]
    first_only, second_only = hits.count((True, False)), hits.count((False, True))
    p = metrics.mcnemar(first_only, second_only)
    return Comparison(
        first=name,
        second=other,
        rows=len(common),
        only_in_first=tuple(id for id in rows if id not in others),
        only_in_second=tuple(id for id in others if id not in rows),
        first_accuracy=sum(hit for hit, _ in hits) / len(hits),
        second_accuracy=sum(hit for _, hit in hits) / len(hits),
        difference=metrics.difference(counts),
        low=low,
        high=high,
        first_only=first_only,
        second_only=second_only,
        p=p,
        shown=p < ALPHA,
        unparseable=(sum(rows[id].value is None for id in common), sum(others[id].value is None for id in common)),
    )
