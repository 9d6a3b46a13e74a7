"""How good answers are, and how sure that is: accuracy, F1, intervals, paired tests. Standard library only.

Everything starts from pairs of what is right and what was answered, counted: `Counts`. An answer of None could not be read.
It is wrong, and belongs to no class: it lowers accuracy, and the recall of the class that was right, and no precision.
Shares and scores go from 0 to 1, differences from -1 to 1.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev
from typing import Literal, NamedTuple, TypeVar

LEVEL = 0.95  # of intervals
RESAMPLES = 2000  # of a bootstrap: enough for the second digit of a 95 % interval in per cent
FLIPS = 9999  # draws of a randomisation test
Counts = Mapping[tuple[str, str | None], int]  # (right class, answered class or None) -> rows
Average = Literal["macro", "micro", "weighted"]
Row = TypeVar("Row", bound=Hashable)


class Interval(NamedTuple):
    """Where a figure may lie."""

    low: float
    high: float


@dataclass(frozen=True)
class Spread:
    """One figure of several runs. `sd` is the sample's standard deviation, that of n - 1; 0 for one run."""

    mean: float
    sd: float
    least: float
    most: float
    runs: int


@dataclass(frozen=True)
class ClassScore:
    """How one class was met. `support`: rows of which it is right; `answered`: rows for which it was given."""

    precision: float
    recall: float
    f1: float
    support: int
    answered: int


def accuracy(counts: Counts) -> float:
    """Share of rows whose answer is right, 0..1.

    Raises:
        ValueError: there are no rows.
    """
    return sum(rows for (right, answer), rows in counts.items() if right == answer) / _rows(counts)


def class_scores(counts: Counts) -> dict[str, ClassScore]:
    """Precision, recall and F1 of each class that is right or answered somewhere, by name.

    With hits h, precision is h / answered, recall h / support, F1 2h / (answered + support) (van Rijsbergen, Information
    Retrieval, 1979, with equal weights). A share of no rows is 0.
    """
    return {
        name: ClassScore(
            precision=_share(hits, answered),
            recall=_share(hits, support),
            f1=_share(2 * hits, answered + support),
            support=support,
            answered=answered,
        )
        for name, (hits, support, answered) in sorted(_tally(counts).items())
    }


def f1(counts: Counts, average: Average) -> float:
    """F1 over all classes that are right or answered somewhere, 0..1.

    macro: the mean of the classes' F1; weighted: the same, weighted by support; micro: 2h / (answered + support) with hits,
    answers and rows of all classes added up (Sokolova and Lapalme, 2009, table 3), which is the accuracy where every answer
    could be read, and more than it where not.

    Raises:
        ValueError: there are no rows.
    """
    rows, classes = _rows(counts), _tally(counts).values()
    if average == "micro":
        return _share(2 * sum(one[0] for one in classes), rows + sum(one[2] for one in classes))
    scores = [_share(2 * hits, answered + support) for hits, support, answered in classes]
    if average == "macro":
        return math.fsum(scores) / len(scores)
    return math.fsum(score * one[1] for score, one in zip(scores, classes, strict=True)) / rows


def _tally(counts: Counts) -> dict[str, list[int]]:
    """Class -> its hits, the rows of which it is right, and those for which it was given. A bootstrap asks for it thousands of times."""
    classes: dict[str, list[int]] = {}
    for (right, answer), rows in counts.items():
        tally = classes.setdefault(right, [0, 0, 0])
        tally[1] += rows
        if right == answer:
            tally[0] += rows
        if answer is not None:
            classes.setdefault(answer, [0, 0, 0])[2] += rows
    return classes


def wilson(hits: int, rows: int, level: float = LEVEL) -> Interval:
    """Interval of a share hits / rows (Wilson, 1927, without continuity correction), inside 0..1.

    Raises:
        ValueError: no rows, hits not in 0..rows, or a level that is not inside 0..1.
    """
    if not 0 <= hits <= rows or not rows or not 0 < level < 1:
        raise ValueError(f"no interval of level {level} for {hits} of {rows} rows")
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle = hits + z2 / 2
    half = math.sqrt(z2 * (hits * (rows - hits) / rows + z2 / 4))
    low = 0.0 if hits == 0 else (middle - half) / (rows + z2)  # exact at the ends, where rounding would leave a trace
    high = 1.0 if hits == rows else (middle + half) / (rows + z2)
    return Interval(low, high)


def bootstrap(
    rows: Sequence[Row],
    statistics: Sequence[Callable[[Mapping[Row, int]], float]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    clusters: Sequence[Hashable] | None = None,
) -> tuple[Interval, ...]:
    """Percentile intervals of statistics (Efron and Tibshirani, 1993, chapter 13), one for each, from the same resamples.

    A resample takes as many rows as there are, with replacement, and is given to a statistic as counts of its rows. With
    `clusters` (a name for each row) whole clusters are taken, as many as there are. Classes that a resample does not have
    are none of it. Rows are (right, answered) for one subject, (right, answered, answered) for a paired difference.

    Raises:
        ValueError: no rows, no resamples, or not a cluster for each row.
    """
    if not rows or resamples < 1:
        raise ValueError("a bootstrap needs rows and resamples")
    units = [[row] for row in rows] if clusters is None else _grouped(rows, clusters)
    generator = random.Random(seed)
    drawn: list[list[float]] = [[] for _ in statistics]
    for _ in range(resamples):
        sample = Counter(row for unit in generator.choices(units, k=len(units)) for row in unit)
        for values, statistic in zip(drawn, statistics, strict=True):
            values.append(statistic(sample))
    return tuple(
        Interval(quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)) for values in map(sorted, drawn)
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of ascending values lies, between two of them by a straight line.

    Definition 7 of Hyndman and Fan (1996).

    Raises:
        ValueError: there are no values, or the share is not in 0..1.
    """
    if not ordered or not 0 <= share <= 1:
        raise ValueError(f"no quantile {share} of {len(ordered)} values")
    place = share * (len(ordered) - 1)
    below = min(math.floor(place), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def difference(triples: Mapping[tuple[str, str | None, str | None], int]) -> float:
    """Accuracy of the second answer less that of the first, -1..1; rows are (right, first, second).

    Raises:
        ValueError: there are no rows.
    """
    gained = sum(((second == right) - (first == right)) * rows for (right, first, second), rows in triples.items())
    return gained / _rows(triples)


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided p, 0..1, of the exact test of McNemar (1947): are two subjects right equally often?

    Of the rows where one subject alone is right, under equality each falls to either side by chance 1/2. p is twice the
    smaller tail of that binomial, 1 at most; without such rows 1.

    Raises:
        ValueError: a count is negative.
    """
    if first_only < 0 or second_only < 0:
        raise ValueError(f"negative counts: {first_only}, {second_only}")
    rows = first_only + second_only
    tail = ways = 1  # whole numbers: no rounding until the end, however many rows
    for k in range(min(first_only, second_only)):
        ways = ways * (rows - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << rows))


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of one figure of several runs.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    sd = stdev(values) if len(values) > 1 else 0.0
    return Spread(math.fsum(values) / len(values), sd, min(values), max(values), len(values))


def sign_flips(differences: Mapping[float, int], *, resamples: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p, 0..1, of Fisher's randomisation test (1935): is the mean of paired differences 0?

    Under that each row's difference has either sign with chance 1/2. `differences` are counted: value -> rows. p is the share
    of draws whose sum is at least as far from 0, the rows as they are among them.

    Raises:
        ValueError: there are no rows.
    """
    _rows(differences)
    sizes = Counter[float]()
    for value, rows in differences.items():
        sizes[abs(value)] += rows
    seen = abs(math.fsum(value * rows for value, rows in differences.items()))
    draw, far = random.Random(seed), 0
    for _ in range(resamples):
        drawn = math.fsum(size * (2 * draw.getrandbits(n).bit_count() - n) for size, n in sizes.items() if n)
        far += abs(drawn) >= seen - 1e-9 * max(1.0, seen)  # what rounding takes apart belongs together
    return (far + 1) / (resamples + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """P values of several tests made together, adjusted by Holm (1979), in their order: none is smaller than it was.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none falls below one before it.
    """
    adjusted = [0.0] * len(ps)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = least
    return adjusted


def smallest_difference(rows: int, alpha: float = 0.05) -> float | None:
    """The smallest difference of two accuracies, 0..1, that McNemar's exact test can show on so many rows at a level.

    It takes as many rows as this where one subject alone is right, and none where the other is. None: there are too few rows.
    """
    alone = next(alone for alone in range(1, 2000) if mcnemar(alone, 0) < alpha)
    return alone / rows if alone <= rows else None


def kappa(counts: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa (1960), -1..1: how far two verdicts on each row agree beyond what their shares alone would give.

    None where both give one and the same verdict throughout: chance alone would agree wholly.

    Raises:
        ValueError: there are no rows.
    """
    rows = _rows(counts)
    first, second = Counter[str](), Counter[str]()
    for (one, other), count in counts.items():
        first[one] += count
        second[other] += count
    chance = sum(
        first[name] * second[name] for name in first
    )  # of rows * rows; whole numbers, so that 1 is told exactly
    agreed = sum(count for (one, other), count in counts.items() if one == other) * rows
    return (agreed - chance) / (rows * rows - chance) if chance < rows * rows else None


def _rows(counts: Mapping[Row, int]) -> int:
    rows = sum(counts.values())
    if not rows:
        raise ValueError("no rows")
    return rows


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _grouped(rows: Sequence[Row], clusters: Sequence[Hashable]) -> list[list[Row]]:
    groups: dict[Hashable, list[Row]] = {}
    for row, cluster in zip(rows, clusters, strict=True):
        groups.setdefault(cluster, []).append(row)
    return list(groups.values())
