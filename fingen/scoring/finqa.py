"""FinQA's metrics: execution accuracy, and program accuracy, which asks whether two programs are the same algebra.

The verdicts are those of its published script (Chen et al., EMNLP 2021, github.com/czyssrs/FinQA, evaluate.py), whose
oddities are kept: a figure is known by how it is written (100 is not const_100), a step that takes a row by that and by
whether it is the first, and a figure that the right program lacks makes another program of it. What its script simplifies
by sympy is compared here as quotients of polynomials: that sees a few programs to be the same which sympy does not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fingen.quality.programs import OPERATIONS, ProgramError, Step, Value, check_form, execute, read_steps, tokenize
from fingen.scoring.rows import ScoringItem

Monomial = tuple[tuple[int, int], ...]  # (atom, power), by atom
Polynomial = dict[Monomial, int]
_MOST_TERMS = 4_000  # of a polynomial: programs of a dozen steps have some tens
_DEEPEST = 200  # steps that one result rests on in turn


@dataclass(frozen=True)
class Verdict:
    """What an answer comes to; `same_program` is None where the right program itself cannot be read."""

    executed: Value
    is_valid: bool
    is_right: bool
    same_program: bool | None


def judge(gold_program: str, gold_answer: Value, predicted: Any, table: Sequence[Sequence[str]]) -> Verdict:
    """Hold a predicted program (its tokens, "EOF" the last one) against the right one and its value."""
    run = execute(predicted, table)
    try:
        same: bool | None = is_same_program(tokenize(gold_program), predicted)
    except ProgramError:
        same = None
    return Verdict(run.value, run.is_valid, run.is_valid and run.value == gold_answer, same)


def is_same_program(gold: Sequence[str], predicted: Any) -> bool:
    """Whether two programs come to the same expression of the same figures, whatever these are.

    Raises:
        ProgramError: the right program is none.
    """
    algebra = _Algebra()
    wanted_steps = list(read_steps(gold[:-1]))
    for step in wanted_steps:
        for name in _names(step):
            algebra.symbol(name)
    try:
        tokens = predicted[:-1]
        check_form(tokens)
        steps = list(read_steps(tokens))
        if not all(algebra.knows(name) for step in steps for name in _names(step)):
            return False
        _check_references(steps)
    except (ProgramError, TypeError, AttributeError):
        return False
    wanted = algebra.result(wanted_steps)
    try:
        return algebra.is_same(wanted, algebra.result(steps))
    except ProgramError:
        return False


def _names(step: Step) -> list[str]:
    """The figures of a step; one that takes a row is a figure itself."""
    return [step.text] if step.takes_row else [text for text in (step.first, step.second) if "#" not in text]


def _check_references(steps: Sequence[Step]) -> None:
    for number, step in enumerate(steps):
        for text in () if step.takes_row else (step.first, step.second):
            if "#" in text and _reference(text, "#") >= number:
                raise ProgramError(f"{text} stands before its step")


def _reference(text: str, mark: str = "") -> int:
    try:
        return int(text.strip(mark) if mark else text.replace("#", ""))
    except ValueError as e:
        raise ProgramError(f"{text!r} is no step") from e


@dataclass(frozen=True)
class _Ratio:
    """A quotient of polynomials in the algebra's atoms; x/0 is x times the atom _POLE."""

    above: Polynomial
    below: Polynomial


@dataclass(frozen=True)
class _Greater:
    """That one expression is more than another."""

    one: _Ratio
    other: _Ratio


_Expression = _Ratio | _Greater
_ONE: Polynomial = {(): 1}
_POLE = 0  # an atom
_UNDEFINED = _Ratio({}, {})  # 0/0, and all that rests on it


class _Algebra:
    """Expressions over atoms: the figures of the right program, and powers of one expression by a term."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}
        self._powers: list[tuple[_Ratio, Monomial, int]] = []
        self._atoms = 0

    def symbol(self, name: str) -> _Ratio:
        """The atom of a figure."""
        if name not in self._symbols:
            self._symbols[name] = self._fresh()
        return _Ratio({((self._symbols[name], 1),): 1}, _ONE)

    def knows(self, name: str) -> bool:
        """Whether a figure is one of the right program's."""
        return name in self._symbols

    def _fresh(self) -> int:
        self._atoms += 1
        return self._atoms

    def result(self, steps: Sequence[Step]) -> _Expression:
        """What the last step comes to.

        Raises:
            ProgramError: there is none, or a step refers to none.
        """
        if not steps:
            raise ProgramError("it has no step")
        return self._expression(len(steps) - 1, steps, _DEEPEST)

    def _expression(self, number: int, steps: Sequence[Step], depth: int) -> _Expression:
        if not (0 <= number < len(steps) and depth):
            raise ProgramError(f"#{number} is no step to go by")
        step = steps[number]
        if step.takes_row:
            return self.symbol(step.text)
        one, other = (
            self._expression(_reference(text), steps, depth - 1) if "#" in text else self.symbol(text)
            for text in (step.first, step.second)
        )
        if step.operation not in OPERATIONS or isinstance(one, _Greater) or isinstance(other, _Greater):
            raise ProgramError(f"{step.text!r} is no algebra")
        return self._combine(step.operation, one, other)

    def _combine(self, operation: str, one: _Ratio, other: _Ratio) -> _Expression:
        if operation != "greater" and _UNDEFINED in (one, other):
            return _UNDEFINED
        match operation:
            case "add":
                return _sum(one, other)
            case "subtract":
                return _sum(one, other, -1)
            case "multiply":
                return _ratio(_times(one.above, other.above), _times(one.below, other.below))
            case "divide" if not other.above:
                pole: Polynomial = {((_POLE, 1),): 1}
                return _Ratio(_times(one.above, pole), one.below) if one.above else _UNDEFINED
            case "divide":
                return _ratio(_times(one.above, other.below), _times(one.below, other.above))
            case "exp":
                return self._power(one, other)
        return _Greater(one, other)

    def _power(self, base: _Ratio, exponent: _Ratio) -> _Ratio:
        """A power as the product of those by each term of its exponent: a^(b+c) is a^b a^c, and (ab)^c is an atom."""
        found = _Ratio(_ONE, _ONE)
        terms = _terms(exponent)
        for term, times in terms if terms is not None else [(((-1, self._whole(exponent)),), 1)]:
            factor = base if not term else _Ratio({((self._power_atom(base, term), 1),): 1}, _ONE)
            for _ in range(min(abs(times), _DEEPEST)):
                found = self._combine("multiply" if times > 0 else "divide", found, factor)  # type: ignore[assignment]
        return found

    def _whole(self, exponent: _Ratio) -> int:
        """An atom for an exponent that is a quotient."""
        return self._power_atom(exponent, ())

    def _power_atom(self, base: _Ratio, term: Monomial) -> int:
        for known, of, atom in self._powers:
            if of == term and _equal(known, base):
                return atom
        self._powers.append((base, term, self._fresh()))
        return self._powers[-1][-1]

    def is_same(self, one: _Expression, other: _Expression) -> bool:
        """Whether two expressions are the same algebra; of comparisons, those of linear sides are solved, others are not."""
        if isinstance(one, _Greater) and isinstance(other, _Greater):
            if _equal(one.one, other.one) and _equal(one.other, other.other):
                return True
            differences = [_sum(each.one, each.other, -1) for each in (one, other)]
            return all(map(self._is_linear, differences)) and _is_multiple(*differences)
        return isinstance(one, _Ratio) and isinstance(other, _Ratio) and _equal(one, other)

    def _is_linear(self, ratio: _Ratio) -> bool:
        """Whether it is a sum of figures, each times a number."""
        atoms, symbols = list(ratio.above), set(self._symbols.values())
        return set(ratio.below) == {()} and all(
            sum(power for _, power in term) <= 1 and {atom for atom, _ in term} <= symbols for term in atoms
        )


def _terms(ratio: _Ratio) -> list[tuple[Monomial, int]] | None:
    """The terms of a polynomial with whole coefficients; None where it is a quotient."""
    if set(ratio.below) == {()} and all(times % ratio.below[()] == 0 for times in ratio.above.values()):
        return [(term, times // ratio.below[()]) for term, times in ratio.above.items()]
    for times in {abs(each) for each in ratio.below.values()}:  # x/x is 1
        if ratio.above and _equal(ratio, _Ratio({(): times}, _ONE)):
            return [((), times)]
    return [((), 1)] if _equal(ratio, _Ratio(_ONE, _ONE)) else None


def _sum(one: _Ratio, other: _Ratio, sign: int = 1) -> _Ratio:
    if one.below == other.below:
        return _ratio(_plus(one.above, other.above, sign), one.below)
    above = _plus(_times(one.above, other.below), _times(other.above, one.below), sign)
    return _ratio(above, _times(one.below, other.below))


def _ratio(above: Polynomial, below: Polynomial) -> _Ratio:
    return _Ratio(above, below if above else _ONE)


def _plus(one: Polynomial, other: Polynomial, sign: int = 1) -> Polynomial:
    found = dict(one)
    for term, times in other.items():
        found[term] = found.get(term, 0) + sign * times
    return {term: times for term, times in found.items() if times}


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    if len(one) * len(other) > _MOST_TERMS:
        raise ProgramError("it is too long to be compared")
    found: Polynomial = {}
    for term, times in one.items():
        for factor, more in other.items():
            powers = dict(term)
            for atom, power in factor:
                powers[atom] = powers.get(atom, 0) + power if atom != _POLE else 1
            joined = tuple(sorted(powers.items()))
            found[joined] = found.get(joined, 0) + times * more
    return {term: times for term, times in found.items() if times}


def _equal(one: _Ratio, other: _Ratio) -> bool:
    if _UNDEFINED in (one, other):
        return one == other
    return _times(one.above, other.below) == _times(other.above, one.below)


def _is_multiple(one: _Ratio, other: _Ratio) -> bool:
    left, right = _times(one.above, other.below), _times(other.above, one.below)
    if set(left) != set(right):
        return False
    first = next(iter(left), None)
    if first is None:
        return True
    a, b = left[first], right[first]
    return a * b > 0 and all(left[term] * b == right[term] * a for term in left)


def measure(item: ScoringItem, answer: str) -> dict[str, float]:
    """What an answer comes to: the program in it, or its tokens as a JSON list. A right program that is none counts as not met."""
    facts = item.facts
    verdict = judge(facts["program"], facts["answer"], read_program(answer), facts["table"])
    return {"execution": float(verdict.is_right), "program": float(verdict.same_program is True)}


def read_program(answer: str) -> list[str] | None:
    """The tokens of the program that an answer holds; None where it holds none."""
    try:
        tokens = json.loads(answer) if answer.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        tokens = None
    if isinstance(tokens, list):
        return tokens
    lines = [line.strip(" `.") for line in answer.splitlines()]
    return next((tokenize(line) for line in lines if line.partition("(")[0] in OPERATIONS), None)
