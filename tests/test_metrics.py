"""`fingen.metrics` against scikit-learn, definitions solved in another way, exact distributions, and published figures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from functools import partial
from statistics import NormalDist, quantiles

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fingen import metrics

CLASSES = ("fund", "stock", "market", "service")
PAIRS = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from((*CLASSES, None))), min_size=1, max_size=60)
TRIPLES = st.lists(
    st.tuples(st.sampled_from(CLASSES), *[st.sampled_from((*CLASSES, None))] * 2), min_size=1, max_size=40
)


@settings(deadline=None)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs):
    sklearn = pytest.importorskip("sklearn.metrics", reason="the extra [baseline] is not installed")
    right, answered = [right for right, _ in pairs], [answer or "(none)" for _, answer in pairs]
    classes = sorted({*right, *answered} - {"(none)"})
    counts = Counter(pairs)
    ours = metrics.class_scores(counts)

    assert metrics.accuracy(counts) == pytest.approx(sklearn.accuracy_score(right, answered), abs=1e-12)
    table = sklearn.precision_recall_fscore_support(right, answered, labels=classes, zero_division=0)
    assert list(ours) == classes
    for name, precision, recall, f1, support in zip(classes, *table, strict=True):
        assert (ours[name].precision, ours[name].recall, ours[name].f1) == pytest.approx(
            (precision, recall, f1), abs=1e-12
        )
        assert ours[name].support == support
    for average in ("macro", "micro", "weighted"):
        theirs = sklearn.f1_score(right, answered, labels=classes, average=average, zero_division=0)
        assert metrics.f1(counts, average) == pytest.approx(theirs, abs=1e-12)


def test_scores_of_a_case_done_by_hand():
    # fund: 2 of 3 met, answered 3 times; stock: 1 of 2 met, answered once; one answer could not be read
    counts = Counter(
        {("fund", "fund"): 2, ("fund", None): 1, ("stock", "fund"): 1, ("stock", "stock"): 1},
    )
    fund, stock = metrics.class_scores(counts).values()

    assert metrics.accuracy(counts) == 3 / 5
    assert (fund.precision, fund.recall, fund.f1, fund.support, fund.answered) == (2 / 3, 2 / 3, 2 / 3, 3, 3)
    assert (stock.precision, stock.recall, stock.f1, stock.support, stock.answered) == (1, 1 / 2, 2 / 3, 2, 1)
    assert metrics.f1(counts, "micro") == pytest.approx(6 / 9)
    assert metrics.f1(counts, "macro") == pytest.approx(2 / 3)


@given(PAIRS)
def test_micro_f1_is_the_accuracy_where_all_could_be_read(pairs):
    read = Counter((right, answer) for right, answer in pairs if answer is not None)
    assume(read)

    assert metrics.f1(read, "micro") == pytest.approx(metrics.accuracy(read), abs=1e-12)
    assert metrics.f1(Counter(pairs), "micro") >= metrics.accuracy(Counter(pairs)) - 1e-12


def test_one_class_and_no_answer_that_could_be_read_have_defined_values():
    assert metrics.f1({("fund", "fund"): 3}, "macro") == 1
    assert [metrics.f1({("fund", None): 3}, average) for average in ("macro", "micro", "weighted")] == [0, 0, 0]


# Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_as_published(hits: int, rows: int, low: float, high: float):
    assert metrics.wilson(hits, rows) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_ends_are_where_the_score_test_just_rejects(rows: int, share: float, level: float):
    hits = round(share * rows)
    low, high = metrics.wilson(hits, rows, level)
    z = NormalDist().inv_cdf((1 + level) / 2)

    assert 0 <= low <= hits / rows <= high <= 1
    for end in (low, high):  # |p - end| = z * standard error under `end`; at 0 and 1 both sides are 0
        assert abs(hits / rows - end) == pytest.approx(z * math.sqrt(end * (1 - end) / rows), abs=1e-7)
    mirrored = metrics.wilson(rows - hits, rows, level)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_chance_of_all_that_is_no_likelier(first: int, second: int):
    ways = [math.comb(first + second, k) for k in range(first + second + 1)]
    chance = Fraction(sum(way for way in ways if way <= ways[first]), 2 ** (first + second))

    assert metrics.mcnemar(first, second) == float(chance)
    assert metrics.mcnemar(second, first) == float(chance)


def test_mcnemar_by_hand_and_with_many_rows():
    assert metrics.mcnemar(0, 0) == 1
    assert metrics.mcnemar(0, 5) == 2 / 32
    assert metrics.mcnemar(1, 9) == 22 / 1024
    assert metrics.mcnemar(5000, 5000) == 1
    assert 0 < metrics.mcnemar(5000, 5500) < 1e-5


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50), st.integers(1, 19))
def test_quantiles_are_those_of_the_standard_library(values: list[float], twentieth: int):
    expected = quantiles(values, n=20, method="inclusive")[twentieth - 1]

    assert metrics.quantile(sorted(values), twentieth / 20) == pytest.approx(expected, abs=1e-9)


def binomial_quantile(rows: int, chance: float, share: float) -> int:
    total = 0.0
    for hits in range(rows + 1):
        total += math.comb(rows, hits) * chance**hits * (1 - chance) ** (rows - hits)
        if total >= share:
            return hits
    return rows


@pytest.mark.parametrize(("rows", "hits"), [(40, 30), (75, 53), (12, 1)])
def test_the_bootstrap_of_accuracy_is_the_binomial_that_it_draws_from(rows: int, hits: int):
    pairs = [("a", "a")] * hits + [("a", None)] * (rows - hits)
    ((low, high),) = metrics.bootstrap(pairs, [metrics.accuracy], resamples=20_000, seed=1)

    # a quantile of so many draws may fall to the neighbouring number of hits, no further
    assert low * rows == pytest.approx(binomial_quantile(rows, hits / rows, 0.025), abs=1)
    assert high * rows == pytest.approx(binomial_quantile(rows, hits / rows, 0.975), abs=1)


@settings(max_examples=25, deadline=None)
@given(PAIRS, st.integers(0, 5))
def test_a_bootstrap_is_repeatable_and_inside_the_range(pairs, seed: int):
    statistics = [metrics.accuracy, *(partial(metrics.f1, average=name) for name in ("macro", "micro", "weighted"))]
    intervals = metrics.bootstrap(pairs, statistics, resamples=50, seed=seed)

    assert intervals == metrics.bootstrap(pairs, statistics, resamples=50, seed=seed)
    assert intervals[:1] == metrics.bootstrap(pairs, statistics[:1], resamples=50, seed=seed)
    assert all(0 <= low <= high <= 1 for low, high in intervals)


@given(PAIRS)
def test_a_resample_has_as_many_rows_and_no_others(pairs):
    def strangers(sample) -> int:
        return len(set(sample) - set(pairs))

    drawn = metrics.bootstrap(pairs, [lambda sample: sum(sample.values()), strangers], resamples=5)

    assert drawn == ((len(pairs), len(pairs)), (0, 0))


def test_another_seed_draws_other_rows():
    pairs = [("a", "a")] * 300 + [("a", "b")] * 200
    drawn = {metrics.bootstrap(pairs, [metrics.accuracy], resamples=41, seed=seed) for seed in range(5)}

    assert len(drawn) > 1


def test_clusters_are_drawn_whole():
    pairs = [("a", "a")] * 20 + [("a", "b")] * 10
    repeated = [pair for pair in pairs for _ in range(4)]
    clusters = [number for number in range(len(pairs)) for _ in range(4)]
    alone = metrics.bootstrap(pairs, [metrics.accuracy], resamples=500)

    assert metrics.bootstrap(repeated, [metrics.accuracy], resamples=500, clusters=clusters) == alone
    ((low, high),) = metrics.bootstrap(repeated, [metrics.accuracy], resamples=500)
    assert high - low < 0.7 * (alone[0].high - alone[0].low)


@given(TRIPLES)
def test_a_difference_is_that_of_the_accuracies(triples):
    first = Counter((right, answer) for right, answer, _ in triples)
    second = Counter((right, answer) for right, _, answer in triples)

    expected = metrics.accuracy(second) - metrics.accuracy(first)
    assert metrics.difference(Counter(triples)) == pytest.approx(expected, abs=1e-12)


def test_a_paired_bootstrap_draws_rows_and_not_sides():
    same = [("a", "a", "a")] * 30 + [("a", "b", "b")] * 30

    assert metrics.bootstrap(same, [metrics.difference], resamples=200) == ((0, 0),)


WRONG = {
    "accuracy({})": lambda: metrics.accuracy({}),
    'f1({}, "macro")': lambda: metrics.f1({}, "macro"),
    "wilson(0, 0)": lambda: metrics.wilson(0, 0),
    "wilson(3, 2)": lambda: metrics.wilson(3, 2),
    "wilson(-1, 2)": lambda: metrics.wilson(-1, 2),
    "wilson(1, 2, 1.0)": lambda: metrics.wilson(1, 2, 1.0),
    "mcnemar(-1, 2)": lambda: metrics.mcnemar(-1, 2),
    "difference({})": lambda: metrics.difference({}),
    "quantile([], 0.5)": lambda: metrics.quantile([], 0.5),
    "bootstrap([], [metrics.accuracy])": lambda: metrics.bootstrap([], [metrics.accuracy]),
    'bootstrap([("a", "a")], [metrics.accuracy], resamples=0)': lambda: metrics.bootstrap(
        [("a", "a")], [metrics.accuracy], resamples=0
    ),
    'bootstrap([("a", "a")], [metrics.accuracy], clusters=["x", "y"])': lambda: metrics.bootstrap(
        [("a", "a")], [metrics.accuracy], clusters=["x", "y"]
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_has_no_value_is_refused(wrong: str):
    with pytest.raises(ValueError, match=r"no rows|no interval|negative|no quantile|needs rows|shorter|longer"):
        WRONG[wrong]()


def test_metrics_import_the_standard_library_alone():
    code = "import sys; before = set(sys.modules); import fingen.metrics; import json; print(json.dumps(sorted({n.partition('.')[0] for n in set(sys.modules) - before})))"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert set(json.loads(run.stdout)) - sys.stdlib_module_names == {"fingen"}
