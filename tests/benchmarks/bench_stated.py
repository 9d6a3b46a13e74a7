"""What a row costs that asks for what its passage does not state, in a report 20 times as long. Goal: at most 2 times as much.

A 10-K's passages, and the same 20 times over; one such row for each passage. `named` asks for the items of the rules, which
other passages state; `unknown` for two words that stand nowhere, so that all of the report has been looked through. CPU seconds, beside
those of going through the passages for each row, at the smaller size alone.

    python tests/benchmarks/bench_stated.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import fingen
from fingen import prompts
from fingen.items import StatedItems, find_stated
from fingen.records import Passage
from fingen.tasks.qa import build_passage

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
TIMES = 20
GOAL = 2.0
ITEMS = sorted(prompts.read_data("negative-words.en")["items"])
States = Callable[[Sequence[str], Passage], bool]


def one_by_one(passages: Sequence[Passage]) -> States:
    """Each row goes through the passages until one states its item."""
    return lambda items, own: any(find_stated(i, p) for p in passages if p.chunk != own.chunk for i in items)


def by_words(passages: Sequence[Passage]) -> States:
    """As a set is drawn."""
    index = StatedItems(passages)
    return lambda items, own: index.states(items, (own.chunk,))


def asked(kind: str, number: int) -> list[str]:
    """What the row of a passage asks for."""
    return ITEMS[number % len(ITEMS)].split(" | ") if kind == "named" else [f"zq{number}zq xv{number}xv"]


def measure(kind: str, passages: Sequence[Passage], look: Callable[[Sequence[Passage]], States]) -> tuple[float, int]:
    """CPU milliseconds a row, and rows whose item stands nowhere else."""
    started = time.process_time()
    states = look(passages)
    nowhere = sum(not states(asked(kind, n), own) for n, own in enumerate(passages))
    return (time.process_time() - started) / len(passages) * 1e3, nowhere


def copies(passages: Iterable[Passage], times: int) -> list[Passage]:
    """The passages so many times over, each a passage of its own."""
    return [each.model_copy(update={"chunk": f"{each.chunk}-{n}"}) for n in range(times) for each in passages]


def main() -> None:
    report = fingen.read_report(DATA / "pdf_en" / "BESTBUY_2023_10K.pdf")
    few = [build_passage(report, chunk) for chunk in report.chunks]
    many = copies(few, TIMES)
    print(f"{len(few):,} and {len(many):,} passages, {sum(len(each.text) for each in few):,} characters in the few")
    for kind in ("named", "unknown"):
        before, nowhere = measure(kind, few, one_by_one)
        now, same = measure(kind, few, by_words)
        large, _ = measure(kind, many, by_words)
        assert nowhere == same
        print(f"{kind}: {before:.2f} ms a row one by one, {now:.2f} by words; {TIMES} times as long {large:.2f}, "
              f"{large / now:.2f} times (goal <= {GOAL:g}); {nowhere} of {len(few)} stand nowhere else")  # fmt: skip


if __name__ == "__main__":
    main()
