"""Running text of a given length about nothing in particular: what a model's answer has beside its facts."""

from __future__ import annotations

import random

NOUNS = "buyer order plant shift line store price margin hour crew route batch quota audit lease permit visit claim term".split()
VERBS = "follows limits carries delays lifts bears shapes meets drives leaves holds turns takes keeps needs".split()
HAN = "货单客户产线门店价格班组路线批次配额租约许可走访条款库房车间样品季节渠道"


def prose(about: str, *, words: int = 60) -> str:
    """Sentences that the seed `about` alone decides, without a figure, a name or a cause in them."""
    chance = random.Random(about)
    told: list[str] = []
    while sum(len(sentence.split()) for sentence in told) < words:
        first, second, third = (chance.choice(NOUNS) for _ in range(3))
        told.append(f"Each {first} {chance.choice(VERBS)} a {second}, and the {third} {chance.choice(VERBS)} it.")
    return " ".join(dict.fromkeys(told))


def chinese_prose(about: str, *, characters: int = 120) -> str:
    """The same in Chinese."""
    chance = random.Random(about)
    told = ""
    while len(told) < characters:
        told += "".join(chance.choices(HAN, k=10)) + "，" + "".join(chance.choices(HAN, k=8)) + "。"
    return told
