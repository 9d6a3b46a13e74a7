"""A score as one self-contained page: what it says, how sure that is, and where the subjects fail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import jinja2

from fingen.disk import dump_json, write_text
from fingen.scoring import charts
from fingen.scoring.card import majorities, on_benchmarks, remarks
from fingen.scoring.charts import CLASSES_SHOWN, Bin, Whisker, label
from fingen.scoring.columns import COLUMNS, MEASURES, qa_sentences, qa_table, rows_of
from fingen.scoring.compare import ALPHA
from fingen.scoring.report import SYNTHETIC, Choices, Interval, Pair, Prediction, Report, Score
from fingen.scoring.seeds import render_seeds
from fingen.scoring.texts import PUBLISHED
from fingen.text import as_shown

PAGE = "report.html"
TEMPLATE = Path(__file__).with_name("page.html.j2")
MISTAKES_SHOWN = 20  # of one subject on one source; the others are counted
HEADLINES_SHOWN = 6
OVERLAPS = (
    "rouge_l",
    "word_f1",
    "char_f1",
    *PUBLISHED,
    "checks",
)  # measures of free text that have a column where some rows have them
AVERAGED = ("accuracy", "macro_f1", "micro_f1", "weighted_f1")
LONGEST = 600  # characters of a text that are shown
BRIEF = 20  # characters of an answer that stands in line with its class
FEW = 3  # rows; what so few have in common says nothing
KINDS = {
    "adapter": "tuned adapter",
    "base": "base model",
    "model": "model",
    "teacher": "model over an API",
    "classifier": "classifier",
    "baseline": "linear baseline",
    "predictions": "answers from a file",
}
METHODS = {
    "letters": "the likeliest option, by one forward pass",
    "generate": "generated text, read",
    "answers": "answers as they came, read",
}


@dataclass(frozen=True)
class Headline:
    """One finding: a verdict in a few words and the figures behind it."""

    verdict: str
    figures: str
    on: str
    shown: bool


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, or free text with its measures. `sure`: the probability of the answer, 0..1, where there is one."""

    row: Prediction
    sure: float | None
    others: tuple[str, ...]  # subjects that had this row right

    @property
    def brief(self) -> bool:
        """Whether the answer is no more than another word for its class, such as its letter."""
        return self.row.answer != self.row.value and 0 < len(self.row.answer) <= BRIEF


@dataclass(frozen=True)
class Case:
    """One subject on one source with what the page shows of it."""

    score: Score
    anchor: str
    leads: bool  # whether a headline speaks of it
    common: tuple[str, ...]  # lines that every question has
    mistakes: tuple[Mistake, ...]
    wrong: int  # mistakes that there are
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Mean:
    """A subject's mean over several benchmarks, and the standard deviation (of these, not of a sample)."""

    subject: str
    sources: int
    rows: int
    columns: tuple[tuple[float, float], ...]  # accuracy, macro, micro, weighted F1: (mean, deviation)


def write_page(folder: Path, report: Report, predictions: Sequence[Prediction]) -> None:
    """Write folder/report.html and folder/figures/*.svg.

    Raises:
        LimitError: a file cannot be written.
    """
    charts.write_figures(folder, report)
    write_text(folder / PAGE, render_page(report, predictions))


def render_page(report: Report, predictions: Sequence[Prediction]) -> str:
    """The page: no script, no picture that is fetched, light and dark; all text from outside is escaped."""
    return _template().render(
        report=report,
        sources=report.order,
        headlines=headlines(report),
        seeds=list(render_seeds(report)),
        sentences=qa_sentences(report),
        answers=qa_table(report),
        subjects={score.subject for score in report.scores},
        cases=_cases(report, predictions),
        means=means(report),
        accuracies=charts.accuracy_panels(report),
        rouges=charts.text_panels(report),
        overlaps=[name for name in OVERLAPS if any(s.texts and getattr(s.texts, name) for s in report.scores)],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, finalize=as_shown, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"signed": signed, "between": between, "cut": cut, "flat": flat, "without": without}
    drawing = {"track": track, "reliability": reliability, "scale": scale, "shade": charts.shade}
    words = {"p_text": p_text, "label": label, "kinds": KINDS, "methods": METHODS, "measures": MEASURES}
    figured = {"shown_classes": charts.shown_classes, "error": charts.calibration_error, "answer_columns": COLUMNS}
    told = {"majorities": majorities, "remarks": remarks, "rows_of": rows_of}
    limits = {"classes_shown": CLASSES_SHOWN, "headlines_shown": HEADLINES_SHOWN, "mistakes_shown": MISTAKES_SHOWN}
    environment.globals |= drawing | words | figured | told | limits | {"alpha": ALPHA, "synthetic": SYNTHETIC}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def headlines(report: Report) -> list[Headline]:
    """What the score says of choices first: tuned beside its base where both were asked, else any two, else each alone.

    Where a benchmark was scored, only benchmarks are spoken of.
    """
    leading = [name for name in report.order if report.sources[name].kind == "benchmark"] or report.order
    scores: dict[tuple[str, str, str], Score] = {(s.on, s.subject, s.context): s for s in report.scores if s.choices}
    pairs = [
        (pair, scores[name, pair.first, pair.context], scores[name, pair.second, pair.context])
        for name in leading
        for pair in report.pairs
        if pair.on == name
    ]
    if pairs:
        return [_of_pair(*each) for each in [each for each in pairs if _tunes(*each[1:])] or pairs]
    alone = [score for name in leading for score in report.scores if score.on == name]
    return [_of_score(score, score.choices) for score in alone if score.choices]


def _tunes(first: Score, second: Score) -> bool:
    """Whether the second is an adapter of the first. One that does not say its base was asked beside it."""
    own = second.details.get("base", first.subject) == first.details.get("base", first.subject)
    return first.kind == "base" and second.kind == "adapter" and own


def _of_pair(pair: Pair, first: Score, second: Score) -> Headline:
    shown, gain = pair.p < ALPHA, pair.difference.value
    one, other = label(second), label(first)
    named = f"its base {other}" if _tunes(first, second) else other
    verdict = f"No difference shown between {one} and {named}"
    if shown:
        verdict = f"{one} is {'better' if gain > 0 else 'worse'} than {named}"
    words = f"Of the {pair.rows:,} rows that both answered: {points(pair.difference)}."
    if first.choices and second.choices and first.rows == second.rows == pair.rows:
        words = (
            f"{one} is right in {100 * second.choices.accuracy.value:.2f} % of {pair.rows:,} rows, "
            f"{other} in {100 * first.choices.accuracy.value:.2f} %: {points(pair.difference)}."
        )
    alone = f"{one} alone is right in {pair.second_only:,} of them, {other} alone in {pair.first_only:,}."
    return Headline(verdict, " ".join([words, alone, p_words(pair.p), *_beside(first, second)]), pair.on, shown)


def _of_score(score: Score, choices: Choices) -> Headline:
    verdict = f"{label(score)} is right in {100 * choices.accuracy.value:.2f} %"
    words = [f"Of {score.rows:,} rows; 95 % interval {between(choices.accuracy)} %.", *_beside(score)]
    return Headline(verdict, " ".join(words), score.on, False)


def _beside(*scores: Score) -> Iterator[str]:
    """What a figure must be seen beside: the majority class, and that a subject answers nearly always the same."""
    for _, one in majorities(scores):
        yield f"The majority class alone ({one.answer}) is right in {100 * one.accuracy.value:.2f} %."
    for score in scores:
        if score.choices and score.choices.constant:
            yield f"{label(score)} {score.choices.constant}."


def p_text(p: float) -> str:
    """A p for a table."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_words(p: float) -> str:
    """What McNemar's p says, in words."""
    if p >= 0.0095:
        often = f"about {round(100 * p)} of 100"
    else:
        often = f"about {round(10_000 * p)} of 10,000" if p >= 0.0001 else "fewer than 1 of 10,000"
    sign = p_text(p) if p < 0.001 else f"= {p_text(p)}"
    return (
        f"If both were equally good, {often} such comparisons would show a difference at least as large "
        f"(McNemar, exact, p {sign})."
    )


def points(figure: Interval) -> str:
    """A difference in percentage points with its interval."""
    return f"{signed(figure.value, 2)} points (95 %: {signed(figure.low)} to {signed(figure.high)})"


def signed(share: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{round(100 * share, digits) + 0.0:+.{digits}f}".replace("-", "−")  # + 0.0: there is no −0.0


def between(figure: Interval) -> str:
    """The interval of a figure in per cent."""
    return f"{100 * figure.low:.1f}–{100 * figure.high:.1f}"


def cut(text: str) -> str:
    """A long text as far as it is shown, and how much more there is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"


def flat(value: Any) -> str:
    """A value of `details` as text, one line for each entry."""
    if isinstance(value, dict):
        return "\n".join(
            f"{name}: {entry if isinstance(entry, str) else dump_json(entry)}" for name, entry in value.items()
        )
    return value if isinstance(value, str) else dump_json(value)


def track(one: Whisker, floor: float | None = None) -> str:
    """A whisker as wide as its place, as SVG with its figures in words."""
    words = escape(f"{one.label}: {charts.percent(one.figure)} %")
    return (
        f'<svg class="track" role="img" aria-label="{words}" width="100%" height="24"><title>{words}</title>'
        f"{charts.draw_track(one, floor)}</svg>"
    )


def scale() -> str:
    """The numbers below whiskers, as SVG."""
    return f'<svg class="scale" aria-hidden="true" width="100%" height="16">{charts.draw_scale()}</svg>'


def reliability(found: Sequence[Bin], title: str) -> str:
    """Probabilities against how often they are right, as SVG."""
    words = escape(title)
    return (
        f'<svg class="reliability" role="img" aria-label="{words}" viewBox="0 0 272 272"><title>{words}</title>'
        f"{charts.draw_reliability(found)}</svg>"
    )


def means(report: Report) -> list[Mean]:
    """Means over the benchmarks of each subject that was scored on several, and of the majority class."""
    return [
        Mean(
            subject=subject,
            sources=len(found),
            rows=sum(rows for rows, _ in found),
            columns=tuple(_spread([getattr(one, name).value for _, one in found]) for name in AVERAGED),
        )
        for subject, found in on_benchmarks(report).items()
    ]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    return fmean(values), pstdev(values)


def _cases(report: Report, predictions: Iterable[Prediction]) -> list[Case]:
    rows: dict[tuple[str, str, str], list[Prediction]] = {}
    right: dict[tuple[str, str], list[str]] = {}
    for row in predictions:
        rows.setdefault((row.on, row.subject, row.context), []).append(row)
        if row.correct:
            right.setdefault((row.on, row.id), []).append(" + ".join(filter(None, (row.subject, row.context))))
    leading = {headline.on for headline in headlines(report)[:HEADLINES_SHOWN]}
    cases = []
    for number, score in enumerate((s for name in report.order for s in report.scores if s.on == name), 1):
        own = rows.get((score.on, score.subject, score.context), [])
        mistakes = _mistakes(own, right)
        cases.append(
            Case(
                score=score,
                anchor=f"case-{number}",
                common=_common_lines(own),
                leads=score.on in leading and len(report.scores) <= HEADLINES_SHOWN,
                mistakes=tuple(mistakes[:MISTAKES_SHOWN]),
                wrong=len(mistakes),
                bins=tuple(charts.bins(own)),
            )
        )
    return cases


def _common_lines(rows: Sequence[Prediction]) -> tuple[str, ...]:
    """Lines that every text has, as the instruction and the options, where each has others of its own."""
    texts = [row.text.split("\n") for row in rows]
    if len(texts) <= FEW:
        return ()
    shared = set(texts[0]).intersection(*texts[1:])
    return tuple(line for line in dict.fromkeys(texts[0]) if line in shared)


def without(text: str, lines: Collection[str]) -> str:
    """A text without some lines; whole where nothing else is in it."""
    return "\n".join(line for line in text.split("\n") if line not in lines) or text


def _mistakes(rows: Iterable[Prediction], right: dict[tuple[str, str], list[str]]) -> list[Mistake]:
    """What is wrong, the surest first; then free text, the one that has least of its reference first."""

    def badness(one: Mistake) -> tuple[bool, float]:
        return one.sure is None, one.row.measures.get("rouge_l", 0.0) if one.sure is None else -one.sure

    found = [
        Mistake(row, _sure(row), tuple(right.get((row.on, row.id), ())))
        for row in rows
        if row.correct is False or (row.correct is None and row.measures)
    ]
    return sorted(found, key=badness)


def _sure(row: Prediction) -> float | None:
    if not row.probabilities:
        return None
    return row.probabilities.get(row.value or "", max(row.probabilities.values()))
