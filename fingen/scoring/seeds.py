"""Adapters that differ by their seed alone: what they come to on average, and beside others on the same rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from fingen import metrics
from fingen.scoring.aggregate import Drawing
from fingen.scoring.compare import ALPHA
from fingen.scoring.report import Interval, Prediction, Report, SeedGroup, SeedPair, Spread

Hits = tuple[tuple[bool, ...], float]  # of a row: whether each seed is right, and the other's share of right answers
Answers = Mapping[str, Prediction]  # by id of row


def build_seeds(
    predictions: Iterable[Prediction], groups: Sequence[tuple[str, ...]], drawing: Drawing
) -> tuple[SeedGroup, ...]:
    """The groups of subjects on each source where all of them chose, beside each other subject, and each other group."""
    found = []
    rows = sorted((row for row in predictions if row.correct is not None), key=lambda row: (row.on, row.context))
    for _, source in groupby(rows, key=lambda row: (row.on, row.context)):
        subjects: dict[str, dict[str, Prediction]] = {}
        for row in source:
            subjects.setdefault(row.subject, {})[row.id] = row
        there = [group for group in groups if all(name in subjects for name in group)]
        alone = [(name,) for name in subjects if not any(name in group for group in there)]
        for place, group in enumerate(there):
            others = [*alone, *there[:place]]
            found.append(_group([subjects[name] for name in group], group,
                                {other: [subjects[name] for name in other] for other in others}, drawing))  # fmt: skip
    return tuple(found)


def _group(
    seeds: Sequence[Answers], names: tuple[str, ...], others: Mapping[tuple[str, ...], Sequence[Answers]], drawing: Drawing
) -> SeedGroup:  # fmt: skip
    common = _common(seeds)
    counts = [Counter((answers[id].gold, answers[id].value) for id in common) for answers in seeds]
    first = seeds[0][common[0]]
    return SeedGroup(
        on=first.on,
        context=first.context,
        subjects=names,
        rows=len(common),
        accuracy=_spread([metrics.accuracy(each) for each in counts]),
        macro_f1=_spread([metrics.f1(each, "macro") for each in counts]),
        weighted_f1=_spread([metrics.f1(each, "weighted") for each in counts]),
        pairs=tuple(_pair(seeds, called(other), answers, drawing) for other, answers in others.items()),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(**asdict(metrics.spread(values)))


def _common(answers: Sequence[Answers]) -> list[str]:
    return [id for id in answers[0] if all(id in each for each in answers)]


def _pair(seeds: Sequence[Answers], name: str, other: Sequence[Answers], drawing: Drawing) -> SeedPair:
    rows: list[Hits] = [
        (tuple(bool(each[id].correct) for each in seeds), sum(bool(each[id].correct) for each in other) / len(other))
        for id in _common([*seeds, *other])
    ]
    draw, every = random.Random(drawing.seed), range(len(seeds))

    def difference(counts: Mapping[Hits, int]) -> float:
        drawn = draw.choices(every, k=len(seeds))
        gained = sum(count * (sum(hits[s] for s in drawn) / len(seeds) - of) for (hits, of), count in counts.items())
        return gained / sum(counts.values())

    ((low, high),) = metrics.bootstrap(rows, [difference], seed=drawing.seed, resamples=drawing.resamples)
    each = Counter(sum(hits) / len(seeds) - of for hits, of in rows)
    value = sum(gain * count for gain, count in each.items()) / len(rows)
    interval = Interval(value=value, low=min(low, value), high=max(high, value))
    return SeedPair(other=name, difference=interval, p=metrics.sign_flips(each, seed=drawing.seed))


def called(names: Sequence[str]) -> str:
    """What a group is called: what its names begin with, and how many there are; a name alone is itself."""
    if len(names) == 1:
        return names[0]
    low, high = min(names), max(names)
    same = next((at for at in range(len(low)) if low[at] != high[at : at + 1]), len(low))
    shared = low[:same].rstrip("-._").removesuffix("-seed")
    return f"{shared or ' + '.join(names)} ({len(names)} seeds)"


def render_seeds(report: Report) -> Iterator[str]:
    """What is to be said of adapters of several seeds: mean and spread, and whether a difference is shown."""
    for group in report.seeds:
        name = called(group.subjects)
        figures = {"accuracy": group.accuracy, "macro F1": group.macro_f1, "weighted F1": group.weighted_f1}
        told = "; ".join(
            f"{title} {100 * one.mean:.2f} % mean, {100 * one.sd:.2f} standard deviation, {100 * one.least:.2f} to {100 * one.most:.2f}"
            for title, one in figures.items()
        )
        yield f"{group.on}: {name}, n = {group.rows:,}: {told}"
        for pair in group.pairs:
            gain = pair.difference
            yield (
                f"{group.on}: {pair.other} -> {name}: {100 * gain.value:+.2f} points ({100 * gain.low:+.1f} to "
                f"{100 * gain.high:+.1f}, over rows and seeds), sign flips p = {pair.p:.3g}: "
                + ("a difference is shown" if pair.p < ALPHA else "no difference shown")
            )
