"""Draws rows of a set for a reader to judge: `python tests/benchmarks/draw_pairs.py build/SET --seed 1601 > drawn.jsonl`.

As many of each document as the others give, so that a long report does not stand for all; rows of the memory split are left
out, which only reword others. The same set and seed give the same rows.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SPLITS = ("train", "validation", "test")


def draw(rows: Sequence[dict[str, Any]], seed: int, count: int) -> list[dict[str, Any]]:
    """`count` rows, one of each document in turn; the order of the rows does not matter."""
    rng = random.Random(seed)
    by_document: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["id"])):
        by_document[row["document"]].append(row)
    piles = [by_document[name] for name in sorted(by_document)]
    for pile in piles:
        rng.shuffle(pile)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < count and any(piles):
        rng.shuffle(piles)
        drawn += [pile.pop() for pile in piles if pile]
    return drawn[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=60)
    asked = parser.parse_args()
    files = [asked.set / f"{split}.jsonl" for split in SPLITS]
    rows = [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]
    for row in draw(rows, asked.seed, asked.count):
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
