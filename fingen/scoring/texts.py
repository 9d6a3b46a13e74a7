"""How near a free answer comes to its reference: ROUGE-L, F1 of words or characters, and the figures of the reference that it gives.

English is compared by its words, Chinese by its characters: of an alphabet any two texts share most letters. Case, marks,
spaces and full-width forms do not count.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from rapidfuzz.distance import LCSseq

from fingen import metrics
from fingen.quality import quantities
from fingen.quality.claims import QUANTITIES, ClaimContext
from fingen.records import Language
from fingen.scoring.aggregate import Drawing, find_constant_text
from fingen.scoring.report import Interval, Prediction, Texts

PUBLISHED = ("execution", "program", "em", "span_f1", "scale")  # measures of benchmarks, by the metric of each
TIMES = ("year", "date")  # kinds of figures that say when
_WORD = re.compile(r"[^\W_]+")
_MARK = re.compile(r"(?!(?<=\d)\.\d)[^\w\s]|_")  # all but a decimal point
_SPANS = (re.compile(r"year|年"), re.compile(r"month|月"), re.compile(r"day|天"))


@dataclass(frozen=True)
class TextRow:
    """An answer beside its reference."""

    id: str
    language: Language
    question: str
    reference: str
    answer: str


@dataclass(frozen=True)
class Judged:
    """What a judge said of the rows, in their order: whether answer and reference say the same (None: no verdict), and why.

    `agreement` is the share of rows judged twice on which it said the same both times (Wilson); None where there are none.
    """

    teacher: str
    same: tuple[bool | None, ...]
    why: tuple[str, ...]
    agreement: Interval | None
    details: dict[str, Any]


def measure(row: TextRow) -> dict[str, float]:
    """What one answer comes to, each 0..1: rouge_l, word_f1 in English and char_f1 in Chinese, and figures_recall for figures."""
    found, there = count_figures(row)
    name, overlap = ("char_f1", char_f1) if row.language == "zh" else ("word_f1", word_f1)
    measures = {
        "rouge_l": rouge_l(row.reference, row.answer, row.language),
        name: overlap(row.reference, row.answer),
    }
    return {**measures, "figures_recall": found / there} if there else measures


def score_texts(
    rows: Sequence[Prediction], clusters: Mapping[str, str], drawing: Drawing, judged: Judged | None = None
) -> Texts:
    """Means over answered rows, each with its interval and over the rows that have the measure.

    `rows` have their measures; `clusters` is id of a row -> its source chunk, or whatever ties it to others.

    Raises:
        ValueError: there are no rows.
    """

    def over(name: str) -> Interval | None:
        known = [(row.measures[name], clusters[row.id]) for row in rows if name in row.measures]
        return mean([value for value, _ in known], [cluster for _, cluster in known], drawing) if known else None

    rouge, having = over("rouge_l"), Counter(name for row in rows for name in row.measures)
    if rouge is None:
        raise ValueError("no rows")
    return Texts(
        rouge_l=rouge,
        word_f1=over("word_f1"),
        words=having["word_f1"],
        char_f1=over("char_f1"),
        chars=having["char_f1"],
        figures_recall=over("figures_recall"),
        figures=having["figures_recall"],
        **{name: over(name) for name in PUBLISHED},
        executed=having["execution"],
        checks=over("checks"),
        checked=having["checks"],
        judged=over("judged"),
        judge=judged.teacher if judged else None,
        judge_agreement=judged.agreement if judged else None,
        constant=find_constant_text(rows),
    )


def with_verdicts(rows: Sequence[Prediction], judged: Judged) -> list[Prediction]:
    """The rows with what the judge said of them: as a measure, and why."""
    found = []
    for row, same, why in zip(rows, judged.same, judged.why, strict=True):
        known = {} if same is None else {"judged": float(same)}
        said = "; ".join(
            part for part in (row.why if row.why != "text" else "", why) if part
        )  # that it was cut off stays
        found.append(row.model_copy(update={"measures": {**row.measures, **known}, "why": said or row.why}))
    return found


def mean(values: Sequence[float], clusters: Sequence[str], drawing: Drawing) -> Interval:
    """The mean of values inside 0..1 with its 95 % interval: a bootstrap over clusters.

    Where all clusters come to the same a bootstrap shows no spread, and says nothing; then it is Wilson's over the clusters.

    Raises:
        ValueError: there are no values, or not a cluster for each.
    """
    value = fmean(values)
    low, high = _spread(values, clusters, drawing) or _least_known(value, len(set(clusters)))
    return Interval(value=value, low=min(low, value), high=max(high, value))


def difference(first: Sequence[float], second: Sequence[float], clusters: Sequence[str], drawing: Drawing) -> Interval:
    """The mean of the second less that of the first, on the same rows: -1..1, with its interval by a paired bootstrap.

    Raises:
        ValueError: there are no values, or not as many of each.
    """
    halves = [(1 + after - before) / 2 for before, after in zip(first, second, strict=True)]  # inside 0..1
    found = mean(halves, clusters, drawing)
    return Interval(value=fmean(second) - fmean(first), low=2 * found.low - 1, high=2 * found.high - 1)


def _spread(values: Sequence[float], clusters: Sequence[str], drawing: Drawing) -> metrics.Interval | None:
    """The interval of a mean by a bootstrap over clusters; None where all clusters have the same mean."""
    grouped: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        grouped.setdefault(cluster, []).append(value)
    if len({fmean(group) for group in grouped.values()}) == 1:
        return None
    # A cluster comes to its sum and its size: drawing these draws its rows.
    units = [(math.fsum(group), len(group)) for group in grouped.values()]
    return metrics.bootstrap(units, [_pooled], seed=drawing.seed, resamples=drawing.resamples)[0]


def _pooled(sample: Mapping[tuple[float, int], int]) -> float:
    rows = sum(size * times for (_, size), times in sample.items())
    return math.fsum(total * times for (total, _), times in sample.items()) / rows


def _least_known(value: float, clusters: int) -> metrics.Interval:
    hits = value * clusters
    return metrics.Interval(
        metrics.wilson(math.floor(hits), clusters).low, metrics.wilson(math.ceil(hits), clusters).high
    )


def rouge_l(reference: str, answer: str, language: Language) -> float:
    """ROUGE-L of a whole text (Lin, 2004, section 3.1): F of the longest common subsequence, with beta 1, 0..1.

    The tokens are words in English (runs of letters and digits, not stemmed: for ASCII those of Google's rouge-score) and
    characters in Chinese. Without tokens on either side it is 1, on one side 0.
    """
    wanted, given = (_tokens(text, language) for text in (reference, answer))
    return _f1(LCSseq.similarity(wanted, given), len(wanted), len(given))


def word_f1(reference: str, answer: str) -> float:
    """F1 of two texts as bags of words, 0..1: the F1 of SQuAD 1.1 (Rajpurkar et al., 2016).

    As in its evaluate-v1.1.py marks and symbols are taken out ("U.S." is us, "$1,200" is 1200), then a, an and the, and
    spaces part the words. Here a decimal point stays, for 3.4 is not 34, and marks beyond ASCII are marks too. Without words
    on either side it is 1, on one side 0.
    """
    wanted, given = (Counter(_squad_words(text)) for text in (reference, answer))
    return _f1((wanted & given).total(), wanted.total(), given.total())


def char_f1(reference: str, answer: str) -> float:
    """F1 of two texts as bags of characters, 0..1.

    It is the F1 of SQuAD (Rajpurkar et al., 2016) with characters in the place of words, as is usual for Chinese.
    """
    wanted, given = (Counter("".join(_words(text))) for text in (reference, answer))
    return _f1((wanted & given).total(), wanted.total(), given.total())


def count_figures(row: TextRow) -> tuple[int, int]:
    """How many figures of the reference the answer gives exactly and with their unit, and how many there are.

    Figures are amounts, percentages, percentage points, years, dates and quarters; what the question itself says is none to
    be given. 1.2 billion is 1,200 million; 3.5 % is neither 3.5 nor 3.5 percentage points. A minus may be said in words.
    """
    wanted, given, asked = (
        ClaimContext(text, None, words=words and row.language == "en")
        for text, words in ((row.reference, False), (row.answer, True), (row.question, True))
    )
    # Each once: what a reference repeats an answer need not.
    told = {_identity(figure, wanted): figure for figure in wanted.figures if _is_told(figure)}
    new = [figure for figure in told.values() if not _gives(asked, figure, wanted)]
    return sum(_gives(given, figure, wanted) for figure in new), len(new)


def gives(row: TextRow, figure: quantities.Quantity) -> bool:
    """Whether an answer gives a figure of its reference exactly and with its unit."""
    reference, given = ClaimContext(row.reference, None), ClaimContext(row.answer, None, words=row.language == "en")
    return _gives(given, figure, reference)


def _squad_words(text: str) -> list[str]:
    words = _MARK.sub("", unicodedata.normalize("NFKC", text).lower()).split()
    return [word for word in words if word not in ("a", "an", "the")]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _tokens(text: str, language: Language) -> list[str]:
    words = _words(text)
    return list("".join(words)) if language == "zh" else words


def _f1(common: float, wanted: int, given: int) -> float:
    return 2 * common / (wanted + given) if wanted + given else 1.0


def _is_told(figure: quantities.Quantity) -> bool:
    """Whether a figure is one that an answer must give: no number of a list, no part of a name, no "one of"."""
    if figure.kind in (*TIMES, "quarter"):
        return True
    return figure.kind in QUANTITIES and not (figure.kind == "amount" and figure.spelled and not _has_unit(figure))


def _has_unit(figure: quantities.Quantity) -> bool:
    return bool(figure.currency or figure.unit) or figure.scale != quantities.ONE


def _identity(figure: quantities.Quantity, reading: ClaimContext) -> tuple[object, ...]:
    return figure.kind, figure.value, figure.currency, figure.unit, figure.when, _span(figure, reading)


def _gives(reading: ClaimContext, wanted: quantities.Quantity, reference: ClaimContext) -> bool:
    return any(_is_same(wanted, reference, figure, reading) for figure in reading.figures)


def _is_same(
    wanted: quantities.Quantity, reference: ClaimContext, given: quantities.Quantity, answer: ClaimContext
) -> bool:
    if wanted.kind in TIMES:
        parts = zip(wanted.when, given.when, strict=True)
        return given.kind in TIMES and all(part in (0, other) for part, other in parts)
    if wanted.kind != given.kind or abs(wanted.value) != abs(given.value):
        return False
    return _has_unit_of(wanted, reference, given, answer) and _has_sign_of(wanted, reference, given, answer)


def _has_unit_of(
    wanted: quantities.Quantity, reference: ClaimContext, given: quantities.Quantity, answer: ClaimContext
) -> bool:
    if wanted.currency:
        return given.currency is not None and quantities.same_currency(wanted.currency, given.currency)
    if wanted.unit:
        return wanted.unit == given.unit and _span(wanted, reference) == _span(given, answer)
    return True


def _span(figure: quantities.Quantity, reading: ClaimContext) -> tuple[bool, ...]:
    """Years, months or days: they are one unit to who reads figures, and not the same."""
    words = reading.text[figure.start : figure.end].lower()
    return tuple(bool(span.search(words)) for span in _SPANS) if figure.unit == "time" else ()


def _has_sign_of(
    wanted: quantities.Quantity, reference: ClaimContext, given: quantities.Quantity, answer: ClaimContext
) -> bool:
    if not wanted.value or 0 in (wanted.sign, given.sign) or wanted.sign == given.sign:
        return True
    plain, where = (given, answer) if wanted.sign < 0 else (wanted, reference)
    return where.excuses_minus(plain)
