"""Programs in FinQA's form: steps over figures, each result known as #0, #1 and so on; that of the last is the answer.

`subtract(5829, 5735), divide(#0, 5735)` takes what is read of figures and constants (const_100) as it is written, and a step
such as `table_average(net sales, none)` takes the whole row of that name. The form, and each rule of how a program is read
and rounded, is that of FinQA (Chen et al., EMNLP 2021, github.com/czyssrs/FinQA): its predictions can be run here.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = float | str  # a number, "yes" or "no"
END = "EOF"  # the token that ends a program
NOTHING = "n/a"  # the value of a program without a step
DECIMALS = 5  # that values are rounded to
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "exp": operator.pow,
    "greater": lambda one, other: "yes" if one > other else "no",
}
TABLE: Mapping[str, Callable[[list[float]], float]] = {
    "table_max": max,
    "table_min": min,
    "table_sum": sum,
    "table_average": lambda row: sum(row) / len(row),
}
OPERATIONS = frozenset({*ARITHMETIC, *TABLE})
_TOKENS = re.compile(r"[^()]*\(|\)|[^()]+")
_STEP = 4  # tokens: the operation with its bracket, two arguments, the closing bracket


class ProgramError(ValueError):
    """A program that cannot be read; the message says why."""


@dataclass(frozen=True)
class Step:
    """One step; `text` is the step as it is written, by which one that takes a row is known."""

    operation: str
    first: str
    second: str
    text: str

    @property
    def takes_row(self) -> bool:
        """Whether it takes a row of a table in place of two figures."""
        return "table" in self.operation


@dataclass(frozen=True)
class Run:
    """What came of a program; where it is not `valid`, `value` is what the last finished step gave."""

    value: Value
    is_valid: bool


def tokenize(program: str) -> list[str]:
    """The tokens of a program, END behind them."""
    return [token for part in program.split(", ") for token in _TOKENS.findall(part)] + [END]


def check_form(tokens: Sequence[str]) -> None:
    """Refuse tokens that are not four by four an operation, two arguments and a bracket; an unfinished step is none.

    Raises:
        ProgramError: they are not.
    """
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ProgramError(f"token {place + 1} is no text")
        if place % _STEP == 0 and token.strip("(") not in OPERATIONS:
            raise ProgramError(f"{token!r} is no operation")
        if place % _STEP == _STEP - 1 and token != ")":
            raise ProgramError(f"{token!r} stands where a step ends")


def read_steps(tokens: Sequence[str]) -> Iterator[Step]:
    """The steps of a program without its last token, which is END.

    Raises:
        ProgramError: a step has no opening bracket, more than one, or one argument.
    """
    for text in map(str.strip, "|".join(tokens).split(")")[:-1]):
        parts = text.split("(")
        arguments = parts[1].strip("|").strip().split("|") if len(parts) == 2 else []
        if len(arguments) < 2:
            raise ProgramError(f"{text!r} is no step")
        yield Step(parts[0].strip("|").strip(), arguments[0].strip(), arguments[1].strip(), text)


def parse_program(program: str) -> tuple[Step, ...]:
    """The steps of a program as it is written.

    Raises:
        ProgramError: it is not in the form.
    """
    tokens = tokenize(program)[:-1]
    check_form(tokens)
    if not tokens or len(tokens) % _STEP:
        raise ProgramError("it ends inside a step" if tokens else "it has no step")
    return tuple(read_steps(tokens))


def parse_number(text: str) -> float:
    """A figure or constant of a program: 1,250.5, 12%, const_100, const_m1.

    Raises:
        ProgramError: it is neither.
    """
    plain = text.replace(",", "")
    candidates = [plain]
    if "%" in plain:
        candidates = [plain, plain.replace("%", "")]
    elif "const" in plain:
        constant = plain.replace("const_", "")
        candidates = [plain, "-1" if constant == "m1" else constant]
    for candidate in candidates:
        try:
            return float(candidate) / (100.0 if candidate != plain and "%" in plain else 1.0)
        except ValueError:
            continue
    raise ProgramError(f"{text!r} is no figure")


def execute(tokens: Any, table: Sequence[Sequence[str]]) -> Run:
    """Run a program, END its last token, on the rows of a table, each with its name first.

    A value is rounded to DECIMALS. A program that cannot be run, divides by zero or leaves the numbers is not valid.
    """
    machine = _Machine(table)
    try:
        tokens = tokens[:-1]
        check_form(tokens)
        for number, step in enumerate(read_steps(tokens)):
            machine.take(number, step)
        value = machine.value
        return Run(value if value in ("yes", "no", NOTHING) else round(value, DECIMALS), True)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError):  # what numbers that are none do
        return Run(machine.value, False)


class _Machine:
    """Runs steps one after another."""

    def __init__(self, table: Sequence[Sequence[str]]) -> None:
        self._table = table
        self._results: dict[int, Any] = {}
        self._row: list[float] | None = None  # that was read last: a step on a reference takes it again
        self.value: Any = NOTHING

    def take(self, number: int, step: Step) -> None:
        """Run one step.

        Raises:
            ProgramError, ArithmeticError, LookupError, TypeError: it cannot be run.
        """
        if step.takes_row:
            self.value = TABLE[step.operation](self._row_of(step))
        else:
            first, second = self._argument(step.first), self._argument(step.second)
            self.value = ARITHMETIC[step.operation](first, second)
        self._results[number] = self.value

    def _argument(self, text: str) -> Any:
        return self._results[int(text.replace("#", ""))] if "#" in text else parse_number(text)

    def _row_of(self, step: Step) -> list[float]:
        if "#" in step.first:
            self._argument(step.first)
        else:
            cells = {row[0]: row[1:] for row in self._table}[step.first]
            self._row = [parse_number(cell.replace("$", "").strip().split("(")[0].strip()) for cell in cells]
        if self._row is None:
            raise ProgramError(f"{step.text!r} takes no row")
        return self._row
