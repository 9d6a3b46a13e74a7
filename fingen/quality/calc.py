"""Arithmetic expressions as a teacher gives them for a computed figure: read without eval, worked out exactly."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

MAX_LENGTH = 300  # characters; a longer one computes nothing that a reader could follow
PRECISION = 40  # digits carried
_ALLOWED = re.compile(r"[0-9.+\-*/() ]+")
_GROUPED = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
# What may stand in an expression beside figures of the source: conversions, averages, months, days of a year.
CONSTANTS = frozenset(
    map(Decimal, ("1", "2", "3", "4", "5", "10", "12", "100", "360", "365", "366", "1000", "10000", "1000000"))
) | {Decimal(10**8), Decimal(10**9)}
CONVERSIONS = frozenset(map(Decimal, (1000, 10**4, 10**6, 10**8, 10**9)))


def is_constant(operand: Decimal) -> bool:
    """Whether an operand needs no source: a whole number of CONSTANTS; 4.0 is a figure, not the number of quarters."""
    return operand in CONSTANTS and operand.as_tuple().exponent == 0


class CalcError(ValueError):
    """An expression that cannot be read or worked out; the message says why."""


@dataclass(frozen=True, slots=True)
class Calc:
    """An expression, its exact value and the numbers in it (without signs, in order)."""

    text: str
    value: Decimal
    operands: tuple[Decimal, ...]
    tree: ast.expr

    def degree(self, degree_of: Callable[[Decimal], int]) -> int | None:
        """How often an amount counts in the result: 1 for an amount, 0 for a ratio; None where the terms do not agree.

        `degree_of` says it of an operand: 1 for an amount of the source, 0 for a percentage or a constant.
        """
        return _degree(self.tree, self.text, degree_of)

    def scales(self, scales_of: Callable[[Decimal], set[Decimal]]) -> set[Decimal]:
        """What the value may be multiplied by to be in base units: a million divided by a million is one.

        `scales_of` says it of an operand, 0 for a percentage or a bare number.
        """
        found = _scales(self.tree, self.text, scales_of)
        return found - {Decimal(0)} or {Decimal(1)}

    @property
    def subtracts(self) -> bool:
        """Whether one figure is taken from another in the end: of ratios and percentages that gives percentage points."""
        node = _without_hundred(self.tree, self.text)
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
            return False
        return not any(_is_number(side, self.text, whole) for side in (node.left, node.right) for whole in (1, 100))

    @property
    def difference(self) -> tuple[Decimal, Decimal] | None:
        """The two numbers of a plain difference, whatever unit it is brought into, else None."""
        node = self.tree
        while (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div | ast.Mult)
            and isinstance(node.right, ast.Constant)
        ):
            if _number(node.right, self.text) not in CONVERSIONS | {Decimal(100)}:
                return None
            node = node.left  # in another unit
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
            return None
        if not isinstance(node.left, ast.Constant) or not isinstance(node.right, ast.Constant):
            return None
        return _number(node.left, self.text), _number(node.right, self.text)

    def growth_sign(self) -> int | None:
        """1 or -1 for (a - b) / b and a / b - 1, whichever way the difference is written: the base is the older figure."""
        node = _without_hundred(self.tree, self.text)
        if not isinstance(node, ast.BinOp):
            return None
        if isinstance(node.op, ast.Sub) and _is_number(node.right, self.text, 1) and isinstance(node.left, ast.BinOp):
            return _sign(self.value)
        if not isinstance(node.op, ast.Div) or not isinstance(node.left, ast.BinOp):
            return None
        difference = node.left
        if not isinstance(difference.op, ast.Sub):
            return None
        base = _evaluate(node.right, self.text)
        new, old = _evaluate(difference.left, self.text), _evaluate(difference.right, self.text)
        if base == old:
            return _sign(new - old)
        return _sign(old - new) if base == new else None


def parse_calcs(text: str) -> tuple[Calc, ...]:
    """The expressions of a record's `calc`: one, or several parted by ";".

    Taken are plain numbers (a thousands separator is harmless), + - * / and brackets.

    Raises:
        CalcError: an expression is too long, holds something else, or divides by zero.
    """
    return tuple(_parse(part.strip()) for part in re.split(r"[;；]", text) if part.strip())


def _parse(text: str) -> Calc:
    text = _GROUPED.sub("", text.replace("×", "*").replace("÷", "/").replace("（", "(").replace("）", ")"))
    if len(text) > MAX_LENGTH:
        raise CalcError(f"longer than {MAX_LENGTH} characters")
    if not _ALLOWED.fullmatch(text):
        raise CalcError("holds something other than numbers, + - * / and brackets")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as e:
        raise CalcError("is no arithmetic expression") from e
    operands = tuple(_numbers(tree, text))
    if not operands:
        raise CalcError("holds no number")
    return Calc(text, _evaluate(tree, text), operands, tree)


def _numbers(node: ast.expr, text: str) -> Iterator[Decimal]:
    if isinstance(node, ast.Constant):
        yield _number(node, text)
    elif isinstance(node, ast.UnaryOp):
        yield from _numbers(node.operand, text)
    elif isinstance(node, ast.BinOp):
        yield from _numbers(node.left, text)
        yield from _numbers(node.right, text)
    else:
        raise CalcError("holds something other than numbers, + - * / and brackets")


def _number(node: ast.Constant, text: str) -> Decimal:
    """The number as it is written: the parser itself would round it to binary."""
    return Decimal(text[node.col_offset : node.end_col_offset])


def _evaluate(node: ast.expr, text: str) -> Decimal:
    with localcontext() as context:
        context.prec = PRECISION
        try:
            return _work_out(node, text)
        except (DivisionByZero, InvalidOperation, Overflow) as e:
            raise CalcError("divides by zero or leaves the range of numbers") from e


def _work_out(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.Constant):
        return _number(node, text)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _work_out(node.operand, text)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = _work_out(node.left, text), _work_out(node.right, text)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
    raise CalcError("holds something other than numbers, + - * / and brackets")


def _degree(node: ast.expr, text: str, degree_of: Callable[[Decimal], int]) -> int | None:
    if isinstance(node, ast.Constant):
        return degree_of(_number(node, text))
    if isinstance(node, ast.UnaryOp):
        return _degree(node.operand, text, degree_of)
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _degree(node.left, text, degree_of), _degree(node.right, text, degree_of)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Mult):
        return left + right
    if isinstance(node.op, ast.Div):
        return left - right
    return left if left == right else None


def _scales(node: ast.expr, text: str, scales_of: Callable[[Decimal], set[Decimal]]) -> set[Decimal]:
    if isinstance(node, ast.UnaryOp):
        return _scales(node.operand, text, scales_of)
    if not isinstance(node, ast.BinOp):
        number = _number(node, text) if isinstance(node, ast.Constant) else Decimal(1)
        return {Decimal(0)} if is_constant(number) else scales_of(number)
    left, right = _scales(node.left, text, scales_of), _scales(node.right, text, scales_of)
    if isinstance(node.op, ast.Mult):
        return {(one or Decimal(1)) * (other or Decimal(1)) for one in left for other in right}
    if isinstance(node.op, ast.Div):
        return {(one or Decimal(1)) / (other or Decimal(1)) for one in left for other in right}
    return left & right or left | right


def _without_hundred(node: ast.expr, text: str) -> ast.expr:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        if _is_number(node.right, text, 100):
            return node.left
        if _is_number(node.left, text, 100):
            return node.right
    return node


def _is_number(node: ast.expr, text: str, value: int) -> bool:
    return isinstance(node, ast.Constant) and _number(node, text) == value


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)
