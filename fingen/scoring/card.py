"""A score as Markdown: the table that is printed, and the card beside the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, pstdev

from fingen.scoring.columns import COLUMNS, MEASURES, qa_sentences, qa_table
from fingen.scoring.compare import ALPHA
from fingen.scoring.report import Choices, Figure, Report, Score

NAMED = 10  # ids that are named in a line; the report has all of them
CLASSES_SHOWN = 40  # rows and columns of the confusion matrix
_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>`|\\"} | {c: f"\\{c}" for c in "*_[]~$#"})
_HEAD = ("subject", "on", "n", "accuracy %", "macro F1 %", "micro F1 %", "weighted F1 %", "unparseable")


def render_table(report: Report) -> str:
    """One row for each subject on each source; every figure in per cent, with its 95 % interval.

    A subject on several benchmarks has two rows more: the mean of its figures, and their standard deviation.
    """
    rows: list[tuple[object, ...]] = []
    for key in report.order:
        rows += [_row(report, score, score.choices) for score in report.scores if score.on == key and score.choices]
    return _table(_HEAD, [*rows, *_means(report)]) if rows else ""


def render_answers(report: Report) -> str:
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
    parts = [_table(("on", "means", "tuned", "measure", "n", *COLUMNS), columns)] if columns else []
    shown = {(row.on, name) for row in table for name in (row.subject, row.base)}
    others: list[tuple[object, ...]] = []
    for key in report.order:
        for score in report.scores:
            if score.on == key and score.texts and (score.on, score.subject) not in shown:
                cells = (_cell(getattr(score.texts, name)) for name in MEASURES)
                others.append((_name(score), score.on + _label(report, score.on), f"{score.rows:,}", *cells))
    parts += [_table(("subject", "on", "n", *(f"{name} %" for name in MEASURES.values())), others)] if others else []
    return "\n\n".join(parts)


def render_notes(report: Report) -> list[str]:
    """What the table does not say: rows without an answer and so on, and what the place of an option decided."""
    several = len(report.scores) > 1
    return [
        f"{_name(score)} on {score.on}: {note}" if several else note
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
    lines += [f"- {text(note)}" for note in (*render_pairs(report), *qa_sentences(report), *render_notes(report))]
    lines += [f"- {line}" for line in _ways(report)]
    for score in report.scores:
        if score.choices:
            lines += ["", f"## {text(_name(score))} on {text(score.on)}", "", *_classes(score.choices)]
    lines += ["", "## Inputs", "", *(f"- {line}" for line in _inputs(report))]
    return "\n".join(lines) + "\n"


def text(value: object) -> str:
    """Text of others, harmless in a line of Markdown: no line breaks, no markup."""
    return "".join(char for char in " ".join(str(value).split()) if char.isprintable()).translate(_MARKUP)


def _ways(report: Report) -> Iterator[str]:
    """How the figures were come by."""
    drawn = f"{report.resamples:,}, seed {report.seed}"
    if any(score.choices for score in report.scores):
        yield f"Intervals are 95 %: by Wilson; of F1 by a bootstrap over rows ({drawn}), or Wilson's where that shows no spread."
        yield "An answer must name one option by its letter or its text. One that names none or several is unparseable: wrong."
        yield "F1 is over the classes that are right or answered somewhere."
    if any(score.texts for score in report.scores):
        yield f"Free text: means over rows; 95 % intervals by a bootstrap over source passages ({drawn})."
        yield "ROUGE-L: F of the longest common subsequence, of words in English and of characters in Chinese."
        yield "Character F1: overlap of two bags of characters. It is high by chance in English, where letters are few."
        yield "Figures found: of the reference's figures that the question leaves open, those that the answer gives with their unit."


def _name(score: Score) -> str:
    more = (f" + {score.context}" if score.context else "") + (f", {score.shots} shots" if score.shots else "")
    return score.subject + more


def _row(report: Report, score: Score, choices: Choices) -> tuple[object, ...]:
    figures = (choices.accuracy, choices.macro_f1, choices.micro_f1, choices.weighted_f1)
    unread = f"{choices.unparseable:,} ({100 * choices.unparseable / score.rows:.2f} %)"
    return (_name(score), score.on + _label(report, score.on), f"{score.rows:,}", *map(_percent, figures), unread)


def _label(report: Report, on: str) -> str:
    label = report.sources[on].label
    return f" [{label}]" if label else ""


def _means(report: Report) -> Iterator[tuple[object, ...]]:
    """Mean and standard deviation (of these, not of a sample) of each subject's figures over the benchmarks."""
    benchmarks = {key for key, source in report.sources.items() if source.kind == "benchmark"}
    named: dict[str, list[Choices]] = {}
    for score in report.scores:
        if score.on in benchmarks and score.choices:
            named.setdefault(_name(score), []).append(score.choices)
    for name, found in named.items():
        if len(found) > 1:
            columns = [
                [100 * figure.value for figure in (one.accuracy, one.macro_f1, one.micro_f1, one.weighted_f1)]
                for one in found
            ]
            for title, statistic in (("Mean", fmean), ("Std", pstdev)):
                values = [f"{statistic(column):.2f}" for column in zip(*columns, strict=True)]
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


def _cell(figure: Figure | None) -> str:
    return "" if figure is None else _percent(figure)


def _percent(figure: Figure) -> str:
    return f"{100 * figure.value:.2f} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else "")


def _classes(choices: Choices) -> list[str]:
    figures = [
        (name, _percent(one.precision), _percent(one.recall), f"{100 * one.f1:.2f}", one.support, one.answered)
        for name, one in choices.classes.items()
    ]
    table = _table(("class", "precision %", "recall %", "F1 %", "support", "answered"), figures)
    return [table, "", "Confusion:", "", *_confusion(choices)]


def _confusion(choices: Choices) -> list[str]:
    names = list(choices.classes)
    if len(names) > CLASSES_SHOWN:
        return [f"{len(names)} classes are too many for a table; score.json has it."]
    columns = [*names, *([""] if choices.unparseable else [])]
    rows = [[name, *(choices.confusion.get(name, {}).get(column, 0) for column in columns)] for name in names]
    return [_table(["right \\ answered", *(column or "unparseable" for column in columns)], rows)]


def _inputs(report: Report) -> Iterator[str]:
    for key, source in report.sources.items():
        label = f"; {source.label}" if source.label else ""
        yield f"{text(key)}: sha256 {source.sha256 or 'not known'}{text(label)}"
    answers = [score.details["answers"] for score in report.scores if "answers" in score.details]
    for one in {one["sha256"]: one for one in answers}.values():
        yield f"{text(one['name'])}: sha256 {one['sha256']}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell if cell == "---" else text(cell) for cell in map(str, line)) + " |" for line in lines
    )
