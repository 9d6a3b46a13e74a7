"""Questions and answers in four columns: base, base + passage, tuned, tuned + passage. Is tuning worth it here?

On `test` (transfer: passages that were never trained on) and on `memory` (recall: a second wording of trained questions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fingen.disk import read_jsonl, sha256_file
from fingen.errors import SetError, UsageError
from fingen.records import Chunk
from fingen.scoring.aggregate import Drawing
from fingen.scoring.report import Contrast, Interval, Prediction, Report, Score
from fingen.scoring.rows import Asked, ScoringItem
from fingen.scoring.texts import difference
from fingen.sets import CHUNKS, MAKE_AGAIN, read_manifest

Context = Literal["", "passage"]
MEASURES = {
    "rouge_l": "ROUGE-L",
    "word_f1": "word F1",
    "char_f1": "character F1",
    "figures_recall": "figures found",
    "execution": "execution accuracy",
    "program": "program accuracy",
    "checks": "passes the checks",
    "em": "exact match",
    "span_f1": "F1",
    "scale": "scale",
    "judged": "judged the same",
}  # name in a prediction -> as it is shown
COLUMNS = ("base", "base + passage", "tuned", "tuned + passage")
_LEAVE = "leave --context out, or name a set that was made of documents"


@dataclass(frozen=True)
class QaRow:
    """One measure of one tuned subject on one source, beside its base. `cells`: column -> figure, None where not asked."""

    on: str
    means: str
    measure: str
    subject: str
    base: str
    rows: int  # the most that a column has
    cells: Mapping[str, Interval | None]


def read_passages(folder: Path | None, where: str) -> dict[str, Chunk]:
    """The passages of a set, by id.

    Raises:
        UsageError: it is no set; SetError: the set has no passages, or they were changed since it was made.
    """
    if folder is None:
        raise UsageError(
            f"--context: {where} is no set, so nothing says which passage a question is about", hint=_LEAVE
        )
    path, files = folder / CHUNKS, read_manifest(folder).files
    if CHUNKS not in files or not path.is_file():
        raise SetError(f"{folder}: the set has no passages: {CHUNKS} is missing", hint=_LEAVE)
    if sha256_file(path) != files[CHUNKS].sha256:
        raise SetError(f"{path}: changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return {chunk.id: chunk for chunk in read_jsonl(path, Chunk)}


def has_passage(item: ScoringItem) -> bool:
    """Whether a row was made with its passage in it, a conversation before its turns. An imported row's input is asked."""
    return bool((item.system if item.turns else item.input) and item.chunks)


def with_passage(item: ScoringItem, chunks: Mapping[str, Chunk], where: str) -> ScoringItem:
    """The row with the passages that it was made of, where rows made with --context passage have them.

    Raises:
        SetError: it has none, as an imported row, or the set lacks one; names the row.
    """
    if has_passage(item):
        return item
    if not item.chunks:
        raise SetError(f"{where}, row {item.number} ({item.id}): it was made of no passage", hint=_LEAVE)
    if absent := [chunk for chunk in item.chunks if chunk not in chunks]:
        raise SetError(f"{where}, row {item.number} ({item.id}): no passage {absent[0]} in {CHUNKS}", hint=MAKE_AGAIN)
    text = "\n\n".join(chunks[chunk].text for chunk in item.chunks)
    return replace(item, system=text) if item.turns else replace(item, input=text)


def in_contexts(asked: Asked, wanted: str) -> Iterator[Asked]:
    """The rows as they are to be asked: closed-book ("none"), with their passages, or "both" ways: two sources of one key.

    A row that was made with its passage is asked with it, whatever is wanted; so are its examples. Choices stay as they are.

    Raises:
        UsageError: passages are wanted, and the rows are of no set; SetError: see `with_passage`.
    """
    if not asked.is_text:
        yield asked
        return
    if wanted == "none" or all(map(has_passage, asked.items)):
        chunks: Mapping[str, Chunk] = {}
    else:
        chunks = read_passages(asked.folder, str(asked.path))

    def shown(items: Iterable[ScoringItem]) -> tuple[ScoringItem, ...]:
        return tuple(
            with_passage(item, chunks, str(asked.path)) for item in items if wanted != "none" or has_passage(item)
        )

    closed = tuple(item for item in asked.items if not has_passage(item))
    notes = asked.notes
    if closed and wanted != "passage":
        yield replace(asked, items=closed, examples=tuple(item for item in asked.examples if not has_passage(item)))
        notes = ()  # once is enough
    if opened := shown(asked.items):
        yield replace(asked, items=opened, examples=shown(asked.examples), context="passage", notes=notes)


def find_context(asked: Asked, *, tuned: bool) -> str:
    """What is asked where nobody says: a tuned model's questions both ways, where the set has the passages of all of them."""
    closed = [item for item in asked.items if not has_passage(item)]
    if not tuned or not asked.is_text or not closed or asked.folder is None or not all(item.chunks for item in closed):
        return "none"
    files = read_manifest(asked.folder).files
    return "both" if CHUNKS in files else "none"


def build_contrasts(
    scores: Sequence[Score], rows: Sequence[Prediction], clusters: Mapping[tuple[str, str], str], drawing: Drawing
) -> tuple[Contrast, ...]:
    """What tuning does beside its base, and beside its base with the passage; on the rows that both answered.

    `clusters` is (source, id of a row) -> what ties it to others.
    """
    answered: dict[tuple[str, str, str], dict[str, Prediction]] = {}
    for row in rows:
        if row.measures:
            answered.setdefault((row.subject, row.on, row.context), {})[row.id] = row
    found = []
    for on, tuned, base in _tuned(scores):
        for first_context, second_context in _CONTRASTS:
            first, second = answered.get((base, on, first_context), {}), answered.get((tuned, on, second_context), {})
            for measure in MEASURES:
                ids = [id for id in first if id in second and measure in first[id].measures and measure in second[id].measures]  # fmt: skip
                if ids:
                    before, after = ([side[id].measures[measure] for id in ids] for side in (first, second))
                    gain = difference(before, after, [clusters[on, id] for id in ids], drawing)
                    found.append(
                        Contrast(on=on, measure=measure, first=base, first_context=first_context, second=tuned,
                                 second_context=second_context, rows=len(ids), difference=gain)
                    )  # fmt: skip
    return tuple(found)


_CONTRASTS: tuple[tuple[Context, Context], ...] = (("", ""), ("passage", ""), ("passage", "passage"))


def _tuned(scores: Sequence[Score]) -> Iterator[tuple[str, str, str]]:
    """(source, tuned subject, its base) for each subject that was asked beside a base, in the order of the scores."""
    seen = dict.fromkeys((score.on, score.subject) for score in scores if score.kind == "adapter" and score.texts)
    for on, subject in seen:
        bases = list(dict.fromkeys(s.subject for s in scores if s.kind == "base" and s.on == on and s.texts))
        own = [base for base in bases if base == _base_of(scores, subject)]
        if own or len(bases) == 1:
            yield on, subject, (own or bases)[0]


def _base_of(scores: Sequence[Score], subject: str) -> object:
    return next((score.details.get("base") for score in scores if score.subject == subject), None)


def qa_table(report: Report) -> list[QaRow]:
    """The four columns of each tuned subject, on each source, by each measure; empty without questions and answers."""
    figures: dict[tuple[str, str, str], Score] = {
        (score.subject, score.on, score.context): score for score in report.scores if score.texts
    }
    table = []
    for on, tuned, base in _tuned(report.scores):
        sides = [(base, ""), (base, "passage"), (tuned, ""), (tuned, "passage")]
        columns = dict(zip(COLUMNS, (figures.get((subject, on, context)) for subject, context in sides), strict=True))
        for measure, shown in MEASURES.items():
            cells = {name: getattr(score.texts, measure) if score else None for name, score in columns.items()}
            if any(cells.values()):
                rows = max(rows_of(score, measure) for score in columns.values() if score)
                table.append(QaRow(on, report.sources[on].means, shown, tuned, base, rows, cells))
    return table


def rows_of(score: Score, measure: str) -> int:
    """How many of a score's rows have a measure."""
    field = {
        "figures_recall": "figures",
        "word_f1": "words",
        "char_f1": "chars",
        "execution": "executed",
        "checks": "checked",
    }.get(measure)
    return (getattr(score.texts, field) if field else 0) or score.rows


def qa_sentences(report: Report) -> list[str]:
    """What follows for who has to choose, in plain words. A difference is told only where its interval leaves out 0."""
    sentences = []
    for on, tuned, base in _tuned(report.scores):
        own = [each for each in report.contrasts if (each.on, each.first, each.second) == (on, base, tuned)]
        for contexts in _CONTRASTS:
            some = {c.measure: c for c in own if (c.first_context, c.second_context) == contexts}
            if some:
                sentences.append(f"{_where(report, on)}: {_sentence(some, tuned, base)}")
    return sentences


def _where(report: Report, on: str) -> str:
    source = report.sources[on]
    return " ".join(part for part in (on, f"({source.means})" if source.means else "", source.label) if part)


def _sentence(contrasts: Mapping[str, Contrast], tuned: str, base: str) -> str:
    """By the judge where there is one, else by ROUGE-L; where another measure shows the opposite, that is said instead."""
    lead = contrasts.get("judged") or contrasts["rouge_l"]
    sides = f"{_named(tuned, lead.second_context)} beside {_named(base, lead.first_context)}"
    figures = f"{_points(lead.difference)} of {MEASURES[lead.measure]}, {lead.rows:,} rows"
    ways = {name: _way(contrast.difference) for name, contrast in contrasts.items()}
    way = ways[lead.measure]
    if not way:
        return f"{sides}: no difference shown ({figures})"
    if against := [MEASURES[name] for name, other in ways.items() if other == -way]:
        return f"{sides}: the measures disagree ({figures}; by {' and '.join(against)} it is the other way round)"
    return f"{sides}: {'better' if way > 0 else 'worse'} ({figures}): {_FOLLOWS[lead.first_context, lead.second_context][way > 0]}"


_FOLLOWS: Mapping[tuple[Context, Context], tuple[str, str]] = {
    ("", ""): ("tuning made it worse here", "tuning serves you here"),
    ("passage", ""): (
        "retrieval serves you better than tuning here, where it finds the passage",
        "tuning serves you better than retrieval here",
    ),
    ("passage", "passage"): ("with retrieval, tuning made it worse here", "tuning serves you beside retrieval too"),
}  # (base's context, tuned's) -> what follows where tuned is worse, and where it is better


def _named(subject: str, context: Context) -> str:
    return f"{subject} with the passage in its prompt" if context else f"{subject} closed-book"


def _way(figure: Interval) -> int:
    """1 or -1 where the whole interval is on one side of 0."""
    return (figure.low > 0) - (figure.high < 0)


def _points(figure: Interval) -> str:
    value, low, high = (100 * part for part in (figure.value, figure.low, figure.high))
    return f"{value:+.1f} points (95 % {low:+.1f} to {high:+.1f})"
