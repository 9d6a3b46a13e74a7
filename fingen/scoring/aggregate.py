"""From judged rows to figures: what a subject's choices come to, alone, over rotations, and beside another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import combinations, groupby
from string import ascii_uppercase
from typing import Literal, NamedTuple

from fingen import metrics
from fingen.errors import SetError
from fingen.scoring.report import Choices, ClassFigures, Constant, Interval, Majority, Pair, Prediction, Rotation

NEARLY_ALWAYS = 0.9  # share of rows with one answer from which on that is said
AVERAGES: tuple[metrics.Average, ...] = ("macro", "micro", "weighted")


class Drawing(NamedTuple):
    """How intervals are drawn by a bootstrap."""

    seed: int
    resamples: int


def build_choices(rows: Sequence[Prediction], drawing: Drawing) -> Choices:
    """Accuracy, F1s and classes of some rows, which must not be empty."""
    pairs = [(row.gold, row.value) for row in rows]
    counts = Counter(pairs)
    macro, micro, weighted = _f1s(pairs, drawing)
    return Choices(
        accuracy=share(sum(row.correct is True for row in rows), len(rows)),
        macro_f1=macro,
        micro_f1=micro,
        weighted_f1=weighted,
        unparseable=sum(row.value is None for row in rows),
        unparseable_why=dict(Counter(row.why for row in rows if row.value is None).most_common()),
        classes={name: _class_figures(one) for name, one in metrics.class_scores(counts).items()},
        confusion=_confusion(counts),
        majority=build_majority(tuple(row.gold for row in rows), drawing),
        constant=find_constant(rows),
    )


@lru_cache(maxsize=8)  # subjects on the same rows have the same one
def build_majority(golds: tuple[str, ...], drawing: Drawing) -> Majority:
    """What answering the commonest class of some rows throughout comes to; of equally common ones the first by name."""
    answer = commonest(golds)
    macro, micro, weighted = _f1s([(gold, answer) for gold in golds], drawing)
    accuracy = share(golds.count(answer), len(golds))
    return Majority(answer=answer, accuracy=accuracy, macro_f1=macro, micro_f1=micro, weighted_f1=weighted)


def commonest(names: Iterable[str]) -> str:
    """The commonest of some names, of equally common ones the first."""
    counts = Counter(sorted(names))
    return max(counts, key=counts.__getitem__)


def find_constant(rows: Sequence[Prediction]) -> Constant | None:
    """The one answer that nearly all rows got, as a class or else as a letter; None where there is none, or only one row."""
    ways: tuple[tuple[Literal["class", "letter"], list[str | None]], ...] = (
        ("class", [row.value for row in rows]),
        ("letter", [row.letter or None for row in rows]),
    )
    for kind, given in ways:
        if (answer := _nearly_always(given)) is not None:
            same = [row for row, name in zip(rows, given, strict=True) if name == answer]
            right = sum(row.correct is True for row in same)
            return Constant(answer=answer, kind=kind, share=share(len(same), len(rows)), right=right)
    return None


def find_constant_text(rows: Sequence[Prediction]) -> Constant | None:
    """The one text, spaces aside, that nearly all rows got; None where there is none, or only one row."""
    given = [" ".join(row.answer.split()) for row in rows]
    if (answer := _nearly_always(given)) is None:
        return None
    return Constant(answer=answer, kind="text", share=share(given.count(answer), len(rows)), right=None)


def _nearly_always(given: Sequence[str | None]) -> str | None:
    ((answer, times),) = Counter(given).most_common(1)
    return answer if len(given) > 1 and times >= NEARLY_ALWAYS * len(given) else None


def share(hits: int, rows: int) -> Interval:
    """A share of rows with its interval by Wilson; of no rows nothing is known."""
    if not rows:
        return Interval(value=0.0, low=0.0, high=1.0)
    low, high = metrics.wilson(hits, rows)
    return Interval(value=hits / rows, low=low, high=high)


def _class_figures(one: metrics.ClassScore) -> ClassFigures:
    return ClassFigures(
        precision=share(round(one.precision * one.answered), one.answered),
        recall=share(round(one.recall * one.support), one.support),
        f1=one.f1,
        support=one.support,
        answered=one.answered,
    )


def _f1s(pairs: list[tuple[str, str | None]], drawing: Drawing) -> Iterator[Interval]:
    """Macro, micro and weighted F1, with intervals from the same resamples.

    Where all rows are alike a bootstrap shows no spread, and says nothing; then the interval is that of the accuracy.
    """
    averages = [partial(metrics.f1, average=average) for average in AVERAGES]
    counts = Counter(pairs)
    intervals = metrics.bootstrap(pairs, averages, seed=drawing.seed, resamples=drawing.resamples)
    least = metrics.wilson(sum(right == value for right, value in pairs), len(pairs))
    for average, interval in zip(averages, intervals, strict=True):
        value = average(counts)
        low, high = interval if interval.low < interval.high else least
        yield Interval(value=value, low=min(low, value), high=max(high, value))


def _confusion(counts: metrics.Counts) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (right, value), rows in sorted(counts.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")):
        table.setdefault(right, {})[value or ""] = rows
    return table


class Turn(NamedTuple):
    """One rotation of a row's options: the letter that was right, and the one that was answered ("": none could be read)."""

    right: str
    picked: str


def build_rotation(rows: Sequence[Sequence[Turn]], drawing: Drawing) -> Rotation:
    """What the place of an option decides, from all rotations of each row."""
    hits = [(sum(turn.right == turn.picked for turn in turns), len(turns)) for turns in rows]
    ((low, high),) = metrics.bootstrap(hits, [_mean], seed=drawing.seed, resamples=drawing.resamples)
    turns = [turn for row in rows for turn in row]
    picked, right = Counter(turn.picked for turn in turns), Counter(turn.right for turn in turns)
    letters = sorted({*picked, *right} - {""}) + ([""] if picked[""] else [])
    return Rotation(
        rotations=max(len(row) for row in rows),
        accuracy=Interval(value=_mean(Counter(hits)), low=low, high=high),
        consistent=share(sum(right == asked for right, asked in hits), len(hits)),
        picked={letter: picked[letter] / len(turns) for letter in letters},
        right={letter: right[letter] / len(turns) for letter in letters},
    )


def _mean(hits: Mapping[tuple[int, int], int]) -> float:
    return sum(right * rows for (right, _), rows in hits.items()) / sum(of * rows for (_, of), rows in hits.items())


def letter_at(place: int) -> str:
    """The letter of an option by its place, from 0."""
    return ascii_uppercase[place] if place < len(ascii_uppercase) else str(place + 1)


def build_pairs(predictions: Iterable[Prediction], drawing: Drawing) -> tuple[Pair, ...]:
    """Each two subjects on each source: their choices, on the rows that both answered."""
    pairs = []
    rows = sorted((row for row in predictions if row.correct is not None), key=lambda row: (row.on, row.context))
    for (on, context), group in groupby(rows, key=lambda row: (row.on, row.context)):
        subjects: dict[str, dict[str, Prediction]] = {}
        for row in group:
            subjects.setdefault(row.subject, {})[row.id] = row
        for (first, ours), (second, theirs) in combinations(subjects.items(), 2):
            if not ours.keys().isdisjoint(theirs):
                found = pair_up(ours, theirs, (first, second), drawing)
                pairs.append(found.model_copy(update={"on": on, "context": context}))
    return tuple(pairs)


def pair_up(
    first: Mapping[str, Prediction], second: Mapping[str, Prediction], names: tuple[str, str], drawing: Drawing
) -> Pair:
    """Two subjects on the rows that both answered, by id; there must be some.

    Where all rows are alike a bootstrap shows no spread, and says nothing; then the interval is what the share of rows that
    are otherwise may make of it, by Wilson.

    Raises:
        SetError: they do not agree on what is right.
    """
    common = [id for id in first if id in second]
    for id in common:
        if first[id].gold != second[id].gold:
            raise SetError(
                f"row {id}: {first[id].gold!r} is right in {names[0]}, {second[id].gold!r} in {names[1]}",
                hint="score both on the same rows",
            )
    triples = [(first[id].gold, first[id].value, second[id].value) for id in common]
    ((low, high),) = metrics.bootstrap(triples, [metrics.difference], seed=drawing.seed, resamples=drawing.resamples)
    if low == high:
        others = metrics.wilson(0, len(common)).high
        low, high = max(-1.0, low - others * (1 + low)), min(1.0, high + others * (1 - high))
    hits = [(first[id].correct, second[id].correct) for id in common]
    first_only, second_only = hits.count((True, False)), hits.count((False, True))
    return Pair(
        on=first[common[0]].on,
        context=first[common[0]].context,
        first=names[0],
        second=names[1],
        rows=len(common),
        first_only=first_only,
        second_only=second_only,
        p=metrics.mcnemar(first_only, second_only),
        difference=Interval(value=metrics.difference(Counter(triples)), low=low, high=high),
    )
