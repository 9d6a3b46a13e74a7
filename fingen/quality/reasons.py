"""Steps before an answer: the cells that a program takes, what each of its steps gives, and then what the row answers.

They are written of the row's own program and cells, which `quality.steps` holds against passage and question, and they are
proved by writing them anew: every cell must be one that the program takes, as it stands in its table, and every result what
its step gives when it is run again. A text that differs anywhere is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, DecimalException, localcontext
from itertools import zip_longest
from typing import Any, Literal

from fingen.quality.calc import PRECISION
from fingen.quality.programs import ARITHMETIC, DECIMALS, ProgramError, Step, parse_program
from fingen.quality.steps import BY_NAME, Cell, Operation, cells_of
from fingen.records import Record
from fingen.thoughts import STEPS

STEP = "step"  # the reason of a row whose steps are wrong
REASONS = "reasons"  # in the draws of a row: its answer stands behind steps
_SIGNS = {"add": "+", "subtract": "-", "multiply": "×", "divide": "/", "greater": ">"}
_MOST_DECIMALS = 20
_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, DecimalException)
Level = Literal["bound", "computed"]  # of the proof of a figure
Piece = tuple[str, Level | None]  # a text, and the level where it is a figure


@dataclass(frozen=True)
class _Words:
    """How steps are written in a language."""

    cell: str
    between: str
    end: str
    points: str


_WORDS = {
    "en": _Words("{row} ({period}): ", "; ", ".", " percentage points"),
    "zh": _Words("{row}（{period}年）：", "；", "。", "个百分点"),
}


def with_steps(record: Record) -> Record:
    """The row with the steps of its program before its answer; as it is where it has no program, or has them.

    Raises:
        ProgramError: its program cannot be run on its cells.
    """
    if not record.program or _cut(record) is not None:
        return record
    output = "".join(text for text, _ in _write(record)) + record.output
    return record.model_copy(update={"output": output, "draws": {**record.draws, REASONS: True}, "figures": ()})


def without_steps(record: Record) -> Record:
    """The row with its answer alone, its figures where they stand in that; the same row where it has no steps."""
    at = _cut(record)
    if at is None:
        return record
    figures = tuple(_moved(each, -at) for each in record.figures if each.get("start", 0) >= at)
    draws = {name: value for name, value in record.draws.items() if name != REASONS}
    return record.model_copy(update={"output": record.output[at:], "figures": figures, "draws": draws})


def find_wrong_step(record: Record) -> str | None:
    """What is wrong with the steps before an answer, or None; a row that says that it has some must have them."""
    at = _cut(record)
    if at is None:
        return "the row says that its answer stands behind steps, and it has none" if REASONS in record.draws else None
    try:
        wanted = "".join(text for text, _ in _write(record))
    except ProgramError as e:
        return str(e)
    if record.output[:at] == wanted:
        return None
    between, answers = _WORDS[record.language].between, STEPS[record.language][1]
    parts = (text.removesuffix(answers).split(between) for text in (record.output[:at], wanted))
    for said, right in zip_longest(*parts, fillvalue=""):
        if said != right:
            return f"“{said.strip()}” stands where “{right.strip()}” follows from its program"
    raise AssertionError("two texts differ, and none of their parts do")


def figures_of_steps(record: Record) -> list[tuple[str, int, int, Level]]:
    """The figures of right steps: text, start and end in the output, and bound (a cell) or computed; none where there are none."""
    if _cut(record) is None or find_wrong_step(record) is not None:
        return []
    found, at = [], 0
    for text, level in _write(record):
        if level:
            found.append((text, at, at + len(text), level))
        at += len(text)
    return found


def steps_length(record: Record) -> int:
    """How many characters of the output stand before the answer."""
    return _cut(record) or 0


def _cut(record: Record) -> int | None:
    """Where the answer starts behind its steps; None where there are no steps."""
    begins, answers = STEPS[record.language]
    if not record.program or not record.output.startswith(begins):
        return None
    at = record.output.find(answers)
    return None if at < 0 else at + len(answers)


def _moved(figure: Mapping[str, Any], by: int) -> dict[str, Any]:
    return {**figure, "start": figure["start"] + by, "end": figure["end"] + by}


def _write(record: Record) -> list[Piece]:
    """The steps of a row, with what leads over to its answer.

    Raises:
        ProgramError: its program cannot be run on its cells.
    """
    words, (begins, answers) = _WORDS[record.language], STEPS[record.language]
    try:
        cells, operation = cells_of(record), BY_NAME[str(record.draws.get("operation"))]
        with localcontext() as context:
            context.prec = PRECISION
            parts = [_cell(cell, words) for cell in dict.fromkeys(cells)]
            parts += _work_out(parse_program(record.program), cells, operation, words)
    except _UNREADABLE as e:
        raise ProgramError(f"its program cannot be run on its cells: {e}") from e
    pieces: list[Piece] = [(begins, None)]
    for number, part in enumerate(parts):
        pieces += [(words.between, None)] * (number > 0) + part
    return [*pieces, (words.end + answers, None)]


def _cell(cell: Cell, words: _Words) -> list[Piece]:
    return [(words.cell.format(row=cell.row, period=cell.period), None), (cell.value, "bound")]


def _work_out(
    steps: Sequence[Step], cells: Sequence[Cell], operation: Operation, words: _Words
) -> Sequence[list[Piece]]:
    """Each step as it is written: to as few decimals as give, step by step, what the exact figures round to."""
    exact = operation.value([cell.size for cell in cells])
    for places in range(DECIMALS, _MOST_DECIMALS):
        machine = _Machine(cells, places)
        written = [machine.take(step) for step in steps]
        if exact is None:
            return written
        result = machine.results[-1]
        if all(_rounded(result, fewer) == _rounded(exact, fewer) for fewer in range(DECIMALS)):
            if operation.factor != 1:
                unit = words.points if operation.moves and len(steps) > 2 else "%"
                written[-1] += [(" = ", None), (f"{_shown(result * operation.factor)}{unit}", "computed")]
            return written
    raise ProgramError("its steps give something else than its operation")


class _Machine:
    """Runs steps, each on what is shown of the results before, and writes them down."""

    def __init__(self, cells: Sequence[Cell], places: int) -> None:
        self._cells, self._places = cells, places
        self._as_it_stands = {cell.literal: cell.value for cell in cells}
        self.results: list[Decimal] = []

    def take(self, step: Step) -> list[Piece]:
        """Run one step."""
        if step.takes_row:
            return self._of_row(step)
        (first, one), (second, other) = self._operand(step.first), self._operand(step.second)
        written: list[Piece] = [one, (f" {_SIGNS[step.operation]} ", None), other]
        if step.operation == "greater":
            if not first > second:
                raise ProgramError(f"{step.text} is not so")
            return written
        self.results.append(_rounded(ARITHMETIC[step.operation](first, second), self._places))
        return [*written, (" = ", None), (_shown(self.results[-1]), "computed")]

    def _of_row(self, step: Step) -> list[Piece]:
        if step.operation != "table_max" or any(cell.row != step.first for cell in self._cells):
            raise ProgramError(f"{step.text!r} takes other cells than are named")
        highest = max(self._cells, key=lambda cell: cell.size)
        self.results.append(highest.size)
        written: list[Piece] = [("max(", None)]
        for number, cell in enumerate(self._cells):
            written += [(", " if number else "", None), (cell.value, "bound")]
        return [*written, (") = ", None), (highest.value, "computed")]

    def _operand(self, text: str) -> tuple[Decimal, Piece]:
        if text.startswith("#"):
            result = self.results[int(text[1:])]
            return result, (_shown(result), "computed")
        if text.startswith("const_"):
            number = Decimal(text.removeprefix("const_"))
            return number, (_shown(number), None)
        return Decimal(text), (self._as_it_stands[text], "bound")


def _shown(value: Decimal) -> str:
    return f"{value.normalize() + 0:,f}"


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
