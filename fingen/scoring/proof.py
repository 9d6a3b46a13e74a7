"""Answers about documents, held against what their rows were made of: do they pass the checks of rows, and is the result right?"""

from __future__ import annotations

from fingen.quality.claims import QUANTITIES, ClaimContext
from fingen.quality.quantities import Quantity
from fingen.quality.reasons import without_steps
from fingen.quality.steps import Result, result_of
from fingen.records import Record
from fingen.scoring.rows import Asked, Metric, ScoringItem
from fingen.scoring.texts import TextRow, gives
from fingen.sets import CHUNKS, read_manifest, read_split
from fingen.verification.origin import Origin, is_label_alone, origin_of_set
from fingen.verification.run import prove_record

LAWS = ("figures", "binding", "programs", "names", "answer")  # that an answer can break, of those of `fingen verify`


def metric_of(asked: Asked) -> Metric | None:
    """What answers to rows of a set come to: `checks` where their passages are there, `execution` where they have a program.

    Nothing of rows that are about no document.
    """
    if asked.folder is None or not asked.is_text:
        return None
    records = {record.id: without_steps(record) for record in read_split(asked.folder, asked.source.split)}
    if not any(record.origin == "document" for record in records.values()):
        return None
    has_passages = CHUNKS in read_manifest(asked.folder).files
    origin = origin_of_set(asked.folder) if has_passages else Origin()

    def measure(item: ScoringItem, answer: str) -> dict[str, float]:
        record = records[item.id]
        if record.origin != "document" or is_label_alone(record):
            return {}
        found = {"checks": float(passes(record, answer, origin))} if origin.of(record) else {}
        is_right = gives_result(record, answer)
        return found if is_right is None else {**found, "execution": float(is_right)}

    return measure


def passes(record: Record, answer: str, origin: Origin) -> bool:
    """Whether a row would pass the checks of its making with this answer in place of its own."""
    if not answer.strip():
        return False
    laws = prove_record(record.model_copy(update={"output": answer, "figures": ()}), origin)
    return not any(laws[name].failed for name in LAWS)


def gives_result(record: Record, answer: str) -> bool | None:
    """Whether an answer gives what the program of a row comes to, as the row's own answer gives it; None where that has no figure."""
    result = result_of(record)
    if result is None:
        return None
    if (highest := result.is_highest_in(answer)) is not None:
        return highest
    row = TextRow(record.id, record.language, record.instruction, record.output, answer)
    wanted = [figure for figure in ClaimContext(record.output, None).figures if _is(figure, result)]
    return any(gives(row, figure) for figure in wanted) and not result.is_denied_by(answer) if wanted else None


def _is(figure: Quantity, result: Result) -> bool:
    """Whether a figure is the result to the digits that it shows."""
    if figure.kind not in QUANTITIES or (figure.kind != "amount") != result.is_rate:
        return False
    return abs(abs(result.value) - figure.shown) <= figure.step / figure.scale / 2
