"""Whether a model that has seen only the offline teacher's intent items knows what real clients mean.

A character n-gram logistic regression (scikit-learn: pip install -e '.[baseline]') is trained on 500 Chinese items of the
offline teacher, 100 a label, and judged on real questions of ../shared/data/intent/alipay_fineval_intent.csv. Beside it, in the
same run: the same model trained on 500 items put together from the label names and definitions alone.

That file has 329 questions in 33 classes of its own. Only the first 71 carry their class; the classes ask for the kind of
answer (advice, reasons, facts) more than for the subject. Two judgements follow:
- `classes`: the questions with a class that has one counterpart here (COUNTERPARTS gives it and the reason).
- `read`: all questions, each given the label that prompts/labels.zh.yaml gives it, by one reader (READ; numbers are the
  file's ids). Left out is what has no label here (other products, plain economics), needs the sentence before it, or could be
  given two labels in good faith. The reader gave the labels of the held-out half after the grammar was finished, before
  any model saw them.

A random half (seed 5) was looked at while the grammar was written; the other half is held out. Figures are means over five
draws of 500 items, with the lowest and highest. `balanced` is the mean of the labels' own accuracies: the file's questions
are mostly about funds. The interval is Wilson's for one run of that accuracy on so many questions.

Goal: 0.80 of `read` on the held-out half; it is not reached (see RESULTS.md), so the test holds FLOOR. For reference: 500
items that a strong model wrote from the label names alone bring this classifier to 0.69 on another real test.

    python tests/benchmarks/bench_intent.py [--held-out]
    pytest -m benchmark -s tests/benchmarks/bench_intent.py
"""

from __future__ import annotations

import csv
import os
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import sqrt
from pathlib import Path
from statistics import mean

import pytest

from fingen.quality.duplicates import fold
from fingen.tasks.client_specs import ClientSpecs
from fingen.tasks.labels import Label, read_labels
from fingen.teachers.offline.intent import write

DATA = Path(os.environ.get("FINGEN_TEST_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
FILE = DATA / "intent" / "alipay_fineval_intent.csv"
PER_LABEL, RUNS, SPLIT_SEED, Z = 100, 5, 5, 1.96
GOAL, FLOOR = 0.80, 0.72  # reached: 0.76, of which five draws of items take up to 0.04
SECTOR, STOCK, MARKET, SERVICE, FUND = "行业板块问询", "个股问询", "大盘问询", "客服问询", "基金问询"

COUNTERPARTS = {
    "条件选基": FUND,  # choosing a fund by a condition
    "产品评测": FUND,  # the products of that platform are funds
    "持仓整体分析": FUND,  # the holdings analysed are fund holdings
    "持仓单品分析": FUND,  # one fund of them
    # None for 基本信息 (facts of a fund, but fees and settlement too, which are client service here), nor for 买卖建议, 操作建议
    # and 涨跌及解读: advice and reasons, for funds, sectors and markets alike.
}
READ = {
    SECTOR: "2 6 12 15 18 23 30 43 97 100 107 112 115 127 130 153 155 157 164 200 227 228 232 233 240 241 246 247 251 257 "
    "258 260 265 266 269 273 274 276 280 283 285 289 298 305 306 307 310 315 317 318 322",
    STOCK: "182 231 255 271 277 278 281 294 312 314 326",
    MARKET: "0 1 27 70 78 105 141 174 196 198 229 263 284 300 316",
    SERVICE: "31 45 49 75 183 210 225 237 248 252 293 296 328",
    FUND: "3 5 7 8 9 11 13 14 17 22 26 28 32 34 35 36 37 38 39 40 42 44 48 53 57 60 61 62 65 67 69 71 72 73 76 79 84 87 "
    "90 91 92 98 99 102 104 106 108 110 111 113 116 118 119 124 126 128 131 133 139 140 142 143 145 146 148 149 "
    "151 154 158 159 162 165 168 169 170 172 173 175 176 178 179 180 184 185 186 188 190 191 192 194 197 201 203 "
    "204 205 206 207 208 209 213 214 215 217 218 219 220 221 222 224 230 235 238 239 242 244 256 259 261 268 282 "
    "286 291 295 297 299 309 313 319 324 327",
}


@dataclass(frozen=True)
class Judged:
    """Real questions and the labels they should get."""

    texts: list[str]
    labels: list[str]


def read_questions() -> dict[str, dict[str, str]]:
    """Rows of the file by id."""
    with FILE.open(encoding="utf-8-sig", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def halves(ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """The ids looked at while the grammar was written, and those held out."""
    numbers = sorted(map(int, ids))
    seen = set(random.Random(SPLIT_SEED).sample(numbers, len(numbers) // 2))
    return {str(n) for n in numbers if n in seen}, {str(n) for n in numbers if n not in seen}


def judged(rows: dict[str, dict[str, str]], half: set[str]) -> dict[str, Judged]:
    """The two judgements of a half."""
    answers = {id_: row.get(row["answer"], row["answer"]) for id_, row in rows.items()}
    by_class = {id_: COUNTERPARTS[answers[id_]] for id_ in half if answers[id_] in COUNTERPARTS}
    by_reader = {id_: label for label, ids in READ.items() for id_ in ids.split() if id_ in half}
    return {
        name: Judged([rows[id_]["question"] for id_ in sorted(found)], [found[id_] for id_ in sorted(found)])
        for name, found in (("classes", by_class), ("read", by_reader))
    }


def offline_items(labels: Sequence[Label], seed: int) -> Judged:
    """The first 100 different items of each label."""
    draws, seen, items = ClientSpecs(labels, "zh", seed=seed), set(), Judged([], [])
    for label in labels:
        questions = (write(draw, "zh") for draw in draws.of(label.name))
        fresh = (text for text in questions if not (fold(text) in seen or seen.add(fold(text))))
        items.texts.extend(islice(fresh, PER_LABEL))
        items.labels.extend([label.name] * PER_LABEL)
    return items


def named_items(labels: Sequence[Label], seed: int) -> Judged:
    """What can be put together from label names and definitions alone."""
    rng, items = random.Random(seed), Judged([], [])
    frames = ("我想问{}", "请问{}", "{}怎么样", "{}是什么", "关于{}", "帮我看看{}", "{}怎么办", "想了解{}")
    for label in labels:
        parts = [part for part in re.split("[，。、：；（）]", label.definition.removeprefix("客户")) if part]
        subject = label.name.removesuffix("问询")
        texts = [frame.format(of + part) for frame in frames for part in parts for of in ("", subject)]
        items.texts.extend(rng.sample(texts, PER_LABEL))
        items.labels.extend([label.name] * PER_LABEL)
    return items


def predict(train: Judged, texts: list[str]) -> list[str]:
    """Labels by logistic regression on TF-IDF of character 1- to 4-grams."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError:
        pytest.skip("scikit-learn is missing: pip install -e '.[baseline]'")
    features = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(C=10, max_iter=2000))
    return list(model.fit(train.texts, train.labels).predict(texts))


def accuracy(predicted: Sequence[str], gold: Sequence[str]) -> float:
    return mean(p == g for p, g in zip(predicted, gold, strict=True))


def balanced(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """The mean of the labels' own accuracies."""
    pairs = list(zip(predicted, gold, strict=True))
    return mean(mean(p == g for p, g in pairs if g == label) for label in set(gold))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (E. B. Wilson, 1927)."""
    centre = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return centre - half, centre + half


def report(half: dict[str, Judged], *, mistakes: bool) -> float:
    """Print all figures of a half; returns the mean accuracy of the offline items on `read`."""
    labels = read_labels(None, "zh")
    reached = 0.0
    for made, make in (("offline items", offline_items), ("names and definitions", named_items)):
        trained = [make(labels, seed) for seed in range(RUNS)]
        for name, real in half.items():
            runs = [predict(items, real.texts) for items in trained]
            shares = [accuracy(run, real.labels) for run in runs]
            low, high = wilson(mean(shares), len(real.texts))
            even = mean(balanced(run, real.labels) for run in runs)
            print(
                f"{made:22} {name:8} n={len(real.texts):3}  accuracy {mean(shares):.3f} ({min(shares):.3f}-{max(shares):.3f})"
                f"  interval {low:.2f}-{high:.2f}  balanced {even:.3f}"
            )
            if name == "read" and made == "offline items":
                reached = mean(shares)
                for label in labels:
                    own = [i for i, gold in enumerate(real.labels) if gold == label.name]
                    right = mean(run[i] == label.name for run in runs for i in own) if own else float("nan")
                    print(f"    {label.name} n={len(own):3}  {right:.2f}")
                if mistakes:
                    for text, gold, *given in zip(real.texts, real.labels, *runs, strict=True):
                        wrong = [label for label in given if label != gold]
                        if len(wrong) > RUNS // 2:
                            print(f"    {gold} taken for {max(wrong, key=wrong.count)}: {text}")
    return reached


def main(*, held_out: bool, mistakes: bool = False) -> float:
    rows = read_questions()
    seen, rest = halves(list(rows))
    print("held out" if held_out else "development half")
    reached = report(judged(rows, rest if held_out else seen), mistakes=mistakes and not held_out)
    print(f"goal {GOAL:.2f}: {'reached' if reached >= GOAL else 'missed'}")
    return reached


@pytest.mark.benchmark
def test_offline_items_teach_what_clients_mean():
    if not FILE.is_file():
        pytest.skip(f"no {FILE}; FINGEN_TEST_DATA can name another folder")

    assert main(held_out=True) >= FLOOR


if __name__ == "__main__":
    main(held_out="--held-out" in sys.argv, mistakes="--mistakes" in sys.argv)
