"""Programs in FinQA's form run anew, by recursion and in exact fractions: what the evaluator of fingen is held against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

CALL = re.compile(r"(\w+)\(([^()]*)\)")


def evaluate(program: str, table: Sequence[Sequence[str]]) -> Decimal | str:
    """The value of the last step: a number to 28 digits, "yes" or "no"."""
    calls = CALL.findall(program)
    value = _value(len(calls) - 1, calls, {row[0]: row[1:] for row in table})
    return value if isinstance(value, str) else Decimal(value.numerator) / Decimal(value.denominator)


def _value(number: int, calls: Sequence[tuple[str, str]], rows: dict[str, Sequence[str]]) -> Fraction | str:
    name, said = calls[number]
    first, second = said.rsplit(", ", 1)
    if name.startswith("table_"):
        cells = [_number(cell.strip("$ ")) for cell in rows[first]]
        return {"max": max(cells), "min": min(cells), "sum": sum(cells), "average": sum(cells) / len(cells)}[name[6:]]
    a, b = (
        _value(int(text[1:]), calls, rows) if text.startswith("#") else _number(text.removeprefix("const_"))
        for text in (first, second)
    )
    assert not isinstance(a, str)
    assert not isinstance(b, str)
    if name == "greater":
        return "yes" if a > b else "no"
    return {"add": lambda: a + b, "subtract": lambda: a - b, "multiply": lambda: a * b, "divide": lambda: a / b}[name]()


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))
