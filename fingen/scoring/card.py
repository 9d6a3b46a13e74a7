"""A score in words: the tables and notes that are printed, as plain text, and the card beside the report, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean, pstdev

from fingen.errors import visible
from fingen.scoring.charts import label
from fingen.scoring.columns import COLUMNS, MEASURES, qa_sentences, qa_table, rows_of
from fingen.scoring.compare import ALPHA
from fingen.scoring.report import Choices, Interval, Majority, Report, Score
from fingen.scoring.seeds import render_seeds

MAJORITY = "majority class"
NAMED = 10  # ids that are named in a line; the report has all of them
CLASSES_SHOWN = 40  # rows and columns of the confusion matrix
_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>`|\\"} | {c: f"\\{c}" for c in "*_[]~$#"})
_HEAD = ("subject", "on", "n", "accuracy %", "macro F1 %", "micro F1 %", "weighted F1 %", "unparseable")


def plain(value: object) -> str:
    """Text of others, harmless in a line on a terminal: no line breaks, nothing that steers it."""
    return visible(str(value))


def text(value: object) -> str:
    """Text of others, harmless in a line of Markdown: no line breaks, no markup."""
    return plain(value).translate(_MARKUP)


Cell = Callable[[object], str]  # how a cell is written


def render_table(report: Report, cell: Cell = text) -> str:
    """One row for each subject on each source; every figure in per cent, with its 95 % interval.

    Below them stands what the majority class comes to on the same rows. A subject on several benchmarks has two rows more:
    the mean of its figures, and their standard deviation.
    """
    rows: list[tuple[object, ...]] = []
    for key in report.order:
        scores = [score for score in report.scores if score.on == key and score.choices]
        rows += [_row(report, score, score.choices) for score in scores if score.choices]
        rows += [
            (f"{MAJORITY}: {one.answer}", key + _label(report, key), f"{n:,}", *map(_percent, _averages(one)), "")
            for n, one in majorities(scores)
        ]
    return _table(_HEAD, [*rows, *_means(report)], cell) if rows else ""


def majorities(scores: Iterable[Score]) -> list[tuple[int, Majority]]:
    """What the majority class comes to on the rows of some scores, each with their number; subjects mostly share one."""
    found: list[tuple[int, Majority]] = []
    for score in scores:
        if score.choices and score.choices.majority and (score.rows, score.choices.majority) not in found:
            found.append((score.rows, score.choices.majority))
    return found


def _averages(one: Choices | Majority) -> tuple[Interval, Interval, Interval, Interval]:
    return one.accuracy, one.macro_f1, one.micro_f1, one.weighted_f1


def render_answers(report: Report, cell: Cell = text) -> str:
    """Free text: the four columns of each tuned subject, and a row for each other one; per cent, with 95 % intervals."""
    table = qa_table(report)
    columns = [
        (
            row.on + _label(report, row.on),
            row.means,
            row.subject,
            row.measure,
            f"{row.rows:,}",
            *map(_cell, row.cells.values()),
        )
        for row in table
    ]
    parts = [_table(("on", "means", "tuned", "measure", "n", *COLUMNS), columns, cell)] if columns else []
    shown = {(row.on, name) for row in table for name in (row.subject, row.base)}
    others = [
        score
        for key in report.order
        for score in report.scores
        if score.on == key and score.texts and (score.on, score.subject) not in shown
    ]
    names = [name for name in MEASURES if any(getattr(score.texts, name) for score in others)]
    rows = [
        (label(score), score.on + _label(report, score.on), f"{score.rows:,}", *(_part(score, name) for name in names))
        for score in others
    ]
    head = ("subject", "on", "n", *(f"{MEASURES[name]} %" for name in names))
    return "\n\n".join([*parts, *([_table(head, rows, cell)] if rows else [])])


def _part(score: Score, measure: str) -> str:
    """A figure, and over how many rows it is where those are not all."""
    figure, rows = getattr(score.texts, measure), rows_of(score, measure)
    return _cell(figure) + (f", n = {rows:,}" if figure and rows < score.rows else "")


def render_notes(report: Report) -> list[str]:
    """What the table does not say: rows without an answer and so on, and what the place of an option decided."""
    several = len(report.scores) > 1
    return [
        f"{label(score)} on {score.on}: {note}" if several else note
        for score in report.scores
        for note in _notes(score)
    ] + list(_of_judge(report))


def render_pairs(report: Report) -> list[str]:
    """What is to be said of each two subjects on the same rows."""
    return [
        f"{pair.on}: {pair.first} -> {pair.second}: {100 * pair.difference.value:+.2f} points "
        f"({100 * pair.difference.low:+.1f} to {100 * pair.difference.high:+.1f}), exact McNemar p = {pair.p:.3g}: "
        + ("a difference is shown" if pair.p < ALPHA else "no difference shown")
        for pair in sorted(report.pairs, key=lambda pair: report.order.index(pair.on))
    ]


def render_card(report: Report) -> str:
    """The card of a score. Texts of answers are not in it."""
    tables = [table for table in (render_table(report), render_answers(report)) if table]
    lines = [f"# {text(report.name)}", "", "\n\n".join(tables), ""]
    notes = (*render_seeds(report), *render_pairs(report), *qa_sentences(report), *render_notes(report))
    lines += [f"- {text(note)}" for note in notes]
    lines += [f"- {line}" for line in _ways(report)]
    for score in report.scores:
        if score.choices:
            lines += ["", f"## {text(label(score))} on {text(score.on)}", "", *_classes(score.choices)]
    lines += ["", "## Inputs", "", *(f"- {line}" for line in _inputs(report))]
    return "\n".join(lines) + "\n"


def _ways(report: Report) -> Iterator[str]:
    """How the figures were come by."""
    drawn = f"{report.resamples:,}, seed {report.seed}"
    if any(score.choices for score in report.scores):
        yield f"Intervals are 95 %: by Wilson; of F1 by a bootstrap over rows ({drawn}), or Wilson's where that shows no spread."
        yield "An answer must name one option by its letter or its text. One that names none or several is unparseable: wrong."
        yield "F1 is over the classes that are right or answered somewhere."
        yield "The majority class is one answer to every row, the class that is right most often in the rows that are scored."
    if any(score.texts for score in report.scores):
        yield f"Free text: means over rows; 95 % intervals by a bootstrap over source passages ({drawn})."
        yield "ROUGE-L: F of the longest common subsequence, of words in English and of characters in Chinese."
        yield "Word F1, of rows in English: overlap of two bags of words without a, an, the and marks, as in SQuAD."
        yield "Character F1, of rows in Chinese: overlap of two bags of characters."
        yield "Figures found: of the reference's figures that the question leaves open, those that the answer gives with their unit."


def _row(report: Report, score: Score, choices: Choices) -> tuple[object, ...]:
    unread = f"{choices.unparseable:,} ({100 * choices.unparseable / score.rows:.2f} %)"
    figures = map(_percent, _averages(choices))
    return (label(score), score.on + _label(report, score.on), f"{score.rows:,}", *figures, unread)


def _label(report: Report, on: str) -> str:
    label = report.sources[on].label
    return f" [{label}]" if label else ""


def on_benchmarks(report: Report) -> dict[str, list[tuple[int, Choices | Majority]]]:
    """What each subject, and the majority class, came to on several benchmarks, each time with the rows; others are left out."""
    found: dict[str, list[tuple[int, Choices | Majority]]] = {}
    for key in (key for key in report.order if report.sources[key].kind == "benchmark"):
        scores = [score for score in report.scores if score.on == key]
        for score in scores:
            if score.choices:
                found.setdefault(label(score), []).append((score.rows, score.choices))
        if len(shared := majorities(scores)) == 1:  # else subjects answered other rows
            found.setdefault(MAJORITY, []).extend(shared)
    return {name: each for name, each in found.items() if len(each) > 1}


def _means(report: Report) -> Iterator[tuple[object, ...]]:
    """Mean and standard deviation (of these, not of a sample) of each subject's figures over the benchmarks."""
    for name, found in on_benchmarks(report).items():
        rows = ([100 * figure.value for figure in _averages(one)] for _, one in found)
        columns = list(zip(*rows, strict=True))
        for title, statistic in (("Mean", fmean), ("Std", pstdev)):
            values = [f"{statistic(column):.2f}" for column in columns]
            yield (name, f"{title} of {len(found)} benchmarks", "", *values, "")


def _notes(score: Score) -> Iterator[str]:
    choices = score.choices
    if score.missing:
        note = f"{len(score.missing):,} of {score.asked:,} rows have no answer: {_named(score.missing)}; the figures are over "
        note += f"the {score.rows:,} that have one"
        if choices:
            wrong = choices.accuracy.value * score.rows / score.asked
            note += f" (accuracy with the others as wrong: {100 * wrong:.2f} %)"
        yield note
    if score.unknown:
        yield f"{len(score.unknown):,} answers have no row and do not count: {_named(score.unknown)}"
    if choices and choices.unparseable:
        why = ", ".join(f"{why} ({count:,})" for why, count in choices.unparseable_why.items())
        yield f"{choices.unparseable:,} answers could not be read and count as wrong: {why}"
    yield from remarks(score)
    if judge := score.details.get("judge", {}).get("unjudged"):
        yield f"{judge:,} rows have no verdict of the judge"
    if turns := score.rotation:
        picked = ", ".join(
            f"{letter or 'unparseable'} {100 * got:.1f} (right {100 * turns.right.get(letter, 0):.1f})"
            for letter, got in turns.picked.items()
        )
        yield (
            f"over {turns.rotations} rotations of the options accuracy is {_percent(turns.accuracy)} %; right in every one: "
            f"{_percent(turns.consistent)} %; answered, in %: {picked}"
        )


def remarks(score: Score) -> Iterator[str]:
    """What a subject's figures do not show: that its answers were cut off or all the same, or that rows have two languages."""
    if score.cut:
        hint = "" if score.kind == "predictions" else ": give them more with --max-tokens"
        yield f"{score.cut:,} {'answer was' if score.cut == 1 else 'answers were'} cut off at the limit of tokens{hint}"
    for one in (score.choices, score.texts):
        if one and one.constant:
            yield str(one.constant)
    if score.texts and score.texts.words and score.texts.chars:
        yield f"{score.texts.words:,} rows are in English and measured by words, {score.texts.chars:,} in Chinese by characters"


def _of_judge(report: Report) -> Iterator[str]:
    """What is to be known of the judge of free text: it is one for all scores of a run."""
    judged = [score for score in report.scores if "judge" in score.details]
    if not judged:
        return
    texts, about = judged[0].texts, judged[0].details["judge"]
    versions = ", ".join(f"{name} version {one['version']}" for name, one in about["templates"].items())
    note = f"judged by {about['teacher']} ({versions or 'nothing had to be asked'})"
    if texts and texts.judge_agreement:
        kappa = "not defined" if about["kappa"] is None else f"{about['kappa']:.2f}"
        note += f"; it said the same of {_percent(texts.judge_agreement)} % of {about['twice']:,} rows judged twice, Cohen's kappa {kappa}"
    yield note + (f"; it could not go on: {about['failed']}" if about["failed"] else "")


def _cell(figure: Interval | None) -> str:
    return "" if figure is None else _percent(figure)


def _percent(figure: Interval) -> str:
    return f"{100 * figure.value:.2f} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else "")


def _classes(choices: Choices) -> list[str]:
    figures = [
        (name, _percent(one.precision), _percent(one.recall), f"{100 * one.f1:.2f}", one.support, one.answered)
        for name, one in choices.classes.items()
    ]
    table = _table(("class", "precision %", "recall %", "F1 %", "support", "answered"), figures, text)
    return [table, "", "Confusion:", "", *_confusion(choices)]


def _confusion(choices: Choices) -> list[str]:
    names = list(choices.classes)
    if len(names) > CLASSES_SHOWN:
        return [f"{len(names)} classes are too many for a table; score.json has it."]
    columns = [*names, *([""] if choices.unparseable else [])]
    rows = [[name, *(choices.confusion.get(name, {}).get(column, 0) for column in columns)] for name in names]
    return [_table(["right \\ answered", *(column or "unparseable" for column in columns)], rows, text)]


def _inputs(report: Report) -> Iterator[str]:
    for key, source in report.sources.items():
        label = f"; {source.label}" if source.label else ""
        yield f"{text(key)}: sha256 {source.sha256 or 'not known'}{text(label)}"
    for name, classes in {s.subject: s.details["classes"] for s in report.scores if s.kind == "classifier"}.items():
        yield f"{text(name)}: a classifier; its classes are {text(', '.join(classes))}"
    answers = [score.details["answers"] for score in report.scores if "answers" in score.details]
    for one in {one["sha256"]: one for one in answers}.values():
        yield f"{text(one['name'])}: sha256 {one['sha256']}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], cell: Cell) -> str:
    lines = [map(cell, head), ["---"] * len(head), *(map(cell, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
