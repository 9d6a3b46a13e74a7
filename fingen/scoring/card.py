"""A score as Markdown: the table that is printed, and the card beside the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fingen.scoring.report import Figure, Report

NAMED = 10  # ids that are named in a line; the report has all of them
CLASSES_SHOWN = 40  # rows and columns of the confusion matrix
_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>`|\\"} | {c: f"\\{c}" for c in "*_[]~$#"})
_HEAD = ("subject", "n", "accuracy %", "macro F1 %", "micro F1 %", "weighted F1 %", "unparseable")


def render_table(reports: Iterable[Report]) -> str:
    """One row for each subject; every figure in per cent, with its 95 % interval."""
    return _table(_HEAD, [_row(report) for report in reports])


def render_notes(report: Report) -> list[str]:
    """What the table does not say: rows without an answer and answers without a row, and why answers could not be read."""
    notes = []
    if report.missing:
        wrong = report.accuracy.value * report.rows / report.asked
        notes.append(
            f"{len(report.missing):,} of {report.asked:,} rows have no answer: {_named(report.missing)}; the figures are over "
            f"the {report.rows:,} that have one (accuracy with the others as wrong: {100 * wrong:.2f} %)"
        )
    if report.unknown:
        notes.append(f"{len(report.unknown):,} answers have no row and do not count: {_named(report.unknown)}")
    if report.unparseable:
        why = ", ".join(f"{why} ({count:,})" for why, count in report.unparseable_why.items())
        notes.append(f"{report.unparseable:,} answers could not be read and count as wrong: {why}")
    return notes


def render_card(report: Report) -> str:
    """The card of a score. Texts of answers are not in it."""
    lines = [f"# {text(report.subject)} on {text(report.gold.name)}", "", render_table([report]), ""]
    lines += [f"- {text(note)}" for note in render_notes(report)]
    lines += [
        f"- {line}"
        for line in (
            f"Intervals are 95 %: by Wilson; of F1 by a bootstrap over rows ({report.resamples:,}, seed {report.seed}).",
            "An answer must name one option by its letter or its text. One that names none or several is unparseable: wrong.",
            "F1 is over the classes that are right or answered somewhere.",
        )
    ]
    lines += ["", "## Classes", ""]
    figures = [
        (name, _percent(one.precision), _percent(one.recall), f"{100 * one.f1:.2f}", one.support, one.answered)
        for name, one in report.classes.items()
    ]
    lines += [_table(("class", "precision %", "recall %", "F1 %", "support", "answered"), figures), ""]
    lines += ["## Confusion", "", *_confusion(report), "", "## Inputs", ""]
    lines += [
        f"- {text(source.name)}: sha256 {source.sha256}" for source in dict.fromkeys((report.answers, report.gold))
    ]
    return "\n".join(lines) + "\n"


def text(value: object) -> str:
    """Text of others, harmless in a line of Markdown: no line breaks, no markup."""
    return "".join(char for char in " ".join(str(value).split()) if char.isprintable()).translate(_MARKUP)


def _row(report: Report) -> tuple[object, ...]:
    figures = (report.accuracy, report.macro_f1, report.micro_f1, report.weighted_f1)
    share = report.unparseable / report.rows
    unread = f"{report.unparseable:,} ({100 * share:.2f} %)"
    return (report.subject, f"{report.rows:,}", *map(_percent, figures), unread)


def _percent(figure: Figure) -> str:
    return f"{100 * figure.value:.2f} ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else "")


def _confusion(report: Report) -> list[str]:
    names = list(report.classes)
    if len(names) > CLASSES_SHOWN:
        return [f"{len(names)} classes are too many for a table; report.json has it."]
    columns = [*names, *([""] if report.unparseable else [])]
    rows = [[name, *(report.confusion.get(name, {}).get(column, 0) for column in columns)] for name in names]
    return [_table(["right \\ answered", *(column or "unparseable" for column in columns)], rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell if cell == "---" else text(cell) for cell in map(str, line)) + " |" for line in lines
    )
