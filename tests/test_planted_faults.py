"""Statements about real reports, true ones and ones with a planted fault: what the check of figures must tell apart.

The short form of tests/benchmarks/bench_grounding.py, on another draw of statements.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COUNT, SEED = 240, 7


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark, which is a script beside its own modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "benchmarks"))
        import bench_grounding
    return bench_grounding


@pytest.fixture(scope="module")
def statements(bench: ModuleType, shared: Path, parses: Path) -> tuple[list[Any], Any]:
    """True statements and faulty ones, and the companies of all the reports."""
    planted, organisations = bench.build_statements(shared, parses, COUNT, SEED)
    return planted, organisations


@pytest.fixture(scope="module")
def measured(bench: ModuleType, statements: tuple[list[Any], Any]) -> Any:
    return bench.measure(*statements)


def test_the_true_ones_are_drawn_from_their_chunks_and_the_faults_are_not(bench: ModuleType, statements: Any):
    """The planting itself: a figure stands in its chunk or follows from its calculation, and a changed one does not."""
    planted, _ = statements
    true = [p.claim for p in planted if not p.fault]
    assert len(true) == COUNT
    assert {language: sum(c.passage.language == language for c in true) for language in ("en", "zh")} == {
        "en": COUNT // 2,
        "zh": COUNT // 2,
    }
    for claim in true:
        if claim.calc is None:
            assert bench.Known(claim.passage).has_digits(claim.figure), claim.text
        else:
            assert all(operand in claim.passage.text.replace(",", "") for operand in claim.operands), claim.text
            result = abs(evaluate(claim.calc))
            power = round((claim.figure.number / result).log10())
            unit = Decimal(1).scaleb(claim.figure.number.as_tuple().exponent)
            assert abs(result.scaleb(power) - claim.figure.number) <= unit / 2, claim.text
    known = {c.passage.chunk: bench.Known(c.passage) for c in true}
    for p in planted:
        if p.fault in ("figure: digit", "figure: transposed"):
            assert not known[p.claim.passage.chunk].has_digits(p.claim.figure), p.change


def evaluate(calc: str) -> Decimal:
    """A calculation of the kinds planted here: (a - b) / b * 100, (a + b) / 2, a / b * 100, a / b, a + b, a - b."""
    first, _, rest = calc.replace("(", "").replace(")", "").partition(" ")
    value = Decimal(first)
    tokens = rest.split()
    for sign, number in zip(
        tokens[::2], map(Decimal, tokens[1::2]), strict=True
    ):  # brackets stand only around the first two
        value = {"+": value + number, "-": value - number, "*": value * number, "/": value / number}[sign]
    return value


def test_true_statements_pass(bench: ModuleType, measured: Any):
    line = measured.lines[bench.TRUE]
    flagged = [bench.describe(p, failed) for p, failed in measured.wrong if not p.fault]
    assert line.all.share <= bench.MOST_FLAGGED, "\n".join(flagged)


@pytest.mark.parametrize("crowded", [False, True])
def test_what_is_not_in_the_chunk_is_caught(bench: ModuleType, measured: Any, crowded: bool):
    line = measured.lines["changed"]
    tally = line.dense if crowded else line.all
    missed = [bench.describe(p, failed) for p, failed in measured.wrong if "changed" in bench.groups_of(p)]
    assert tally.count > 300
    assert tally.share >= bench.CHANGED_GOAL, "\n".join(missed[:20])


def test_a_figure_of_another_row_or_period_is_caught(bench: ModuleType, measured: Any):
    line = measured.lines["swapped"]
    missed = [bench.describe(p, failed) for p, failed in measured.wrong if "swapped" in bench.groups_of(p)]
    assert line.all.count > 80
    assert line.all.share >= bench.SWAPPED_GOAL, "\n".join(missed[:20])


def test_a_calculation_that_does_not_hold_is_caught(bench: ModuleType, measured: Any):
    line = measured.lines["wrong calculation"]
    missed = [bench.describe(p, failed) for p, failed in measured.wrong if "wrong calculation" in bench.groups_of(p)]
    assert line.all.count > 80
    assert line.all.share >= bench.CHANGED_GOAL, "\n".join(missed[:20])
