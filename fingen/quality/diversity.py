"""How varied the texts of a set are: distinct n-grams, how alike the nearest two are, how long they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, quantiles

from rapidfuzz import fuzz, process

from fingen.disk import sha256_text
from fingen.text import is_cjk

SAMPLE = 400  # texts of which the nearest neighbour is looked for


def measure(texts: Sequence[str]) -> dict[str, float]:
    """What a report on a set says of its texts; {} for fewer than two.

    - distinct_1, distinct_2: different units (a Chinese character, a word) and pairs of them, as a share of all.
    - self_similarity: mean over a sample of the likeness to the most alike other text, 0 to 1 (indel ratio of characters).
    - length_p10, length_p50, length_p90: characters.
    """
    if len(texts) < 2:
        return {}
    units = [_units(text) for text in texts]
    single = [unit for row in units for unit in row]
    pairs = [pair for row in units for pair in pairwise(row)]
    lengths = quantiles([len(text) for text in texts], n=10, method="inclusive")
    return {
        "distinct_1": _share(single),
        "distinct_2": _share(pairs),
        "self_similarity": round(_self_similarity(texts), 4),
        "length_p10": lengths[0],
        "length_p50": lengths[4],
        "length_p90": lengths[8],
    }


def _units(text: str) -> list[str]:
    spaced = "".join(f" {char} " if is_cjk(char) else char for char in text.casefold())
    return spaced.split()


def _share(grams: Sequence[object]) -> float:
    return round(len(set(grams)) / len(grams), 4) if grams else 0.0


def _self_similarity(texts: Sequence[str]) -> float:
    """The sample depends on the texts alone, not on their order."""
    sample = sorted(range(len(texts)), key=lambda i: sha256_text(texts[i]))[:SAMPLE]
    nearest = []
    for i in sample:
        scores = process.extract(texts[i], texts, scorer=fuzz.ratio, limit=2)
        nearest.append(next((score for _, score, at in scores if at != i), 0.0) / 100)
    return fmean(nearest)
