"""What looking for hidden text costs, and what it leaves out. Goals: <= 12 % of the time of reading, no visible text lost.

Eight reports (English and Chinese, plain and designed), up to 40 pages each, read page by page in this process with the
look and without (the text is then taken from the page itself, as if there were nothing to look for), three times in turn;
CPU seconds, of each the least.
What was left out is printed with its page and place: whether it was visible is for a person to see.

    python tests/benchmarks/bench_visibility.py
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pymupdf

from fingen.documents import page as reading
from fingen.documents.visibility import Eye

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FINGEN_TEST_DATA") or ROOT.parent / "shared" / "data")
REPORTS = ("BESTBUY", "Incyte", "603339", "ACRES", "PEPSICO", "Kruger", "600519", "Commerzbank")
PAGES = 40
TURNS = 3
GOAL = 0.12


class Unlooked:
    """The page's text without a record."""

    def __init__(self, page: pymupdf.Page) -> None:
        self._page = page

    def text(self, flags: int) -> pymupdf.TextPage:
        turned = self._page.rotation_matrix if self._page.rotation else None
        return self._page.get_textpage(clip=pymupdf.INFINITE_RECT(), flags=flags, matrix=turned)


class Blind:
    """Sees everything."""

    def __init__(self, *_: Any) -> None:
        self.hidden: dict[str, int] = {}

    def look(self) -> None:
        pass


def seconds(page: pymupdf.Page, *, looks: bool) -> tuple[float, dict[str, int]]:
    drawing, eye = (reading.Drawing, Eye) if looks else (Unlooked, Blind)
    with mock.patch.object(reading, "Drawing", drawing), mock.patch.object(reading, "Eye", eye):
        start = time.process_time()
        hidden = reading.read_page(page).hidden
        return time.process_time() - start, hidden


def main() -> None:
    total = [0.0, 0.0]
    for path in sorted(DATA.glob("*/*.pdf")):
        if not any(name in path.name for name in REPORTS):
            continue
        times = [0.0, 0.0]
        with pymupdf.open(path) as pdf:
            for number in range(0, len(pdf), -(-len(pdf) // PAGES)):
                page = pdf[number]
                page.get_text()  # fonts are loaded for both
                best = [float("inf")] * 2
                for looks in (False, True) * TURNS:
                    spent, hidden = seconds(page, looks=looks)
                    best[looks] = min(best[looks], spent)
                times = [a + b for a, b in zip(times, best, strict=True)]
                if hidden:
                    print(f"{path.name} p. {number + 1}: left out {hidden}")
        total = [a + b for a, b in zip(total, times, strict=True)]
        print(f"{path.name}: + {times[1] / times[0] - 1:.0%}", flush=True)
    print(f"all: + {total[1] / total[0] - 1:.0%} (goal {GOAL:.0%})")


if __name__ == "__main__":
    main()
