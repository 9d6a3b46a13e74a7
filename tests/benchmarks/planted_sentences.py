"""True statements from sentences of real reports: an amount in another unit, the sentence under its company's name."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from planted_claims import TURNS, Claim, Figure, company_name, restate, rounded

from fingen.records import Document, Passage

AMOUNT = {
    "en": re.compile(r"(?P<currency>[$£])(?P<number>\d[\d,]*(?:\.\d+)?) (?P<unit>billion|million)\b"),
    "zh": re.compile(r"(?<![\d,.])(?P<currency>)(?P<number>\d[\d,]*(?:\.\d+)?)(?P<unit>亿元|万元|元)(?!/|每|人民币)"),
}
SPLIT = {"en": re.compile(r"(?<=[a-z)\d]\.) (?=[A-Z])"), "zh": re.compile(r"(?<=[。；])")}
LENGTH = {"en": (50, 330), "zh": (18, 150)}
LOWER = frozenset(
    "In As The On During This Our We For These At From Under Net Total There It Its All Cash Interest".split()
)
PERCENT = re.compile(r"(?<![\d.,])(\d+\.\d+) ?[%％]")
INTRO = {
    "en": ("According to {company}, {sentence}", "In its report, {company} states that {sentence}", "{company} says the following: {sentence}"),
    "zh": ("据{company}披露，{sentence}", "{company}在年报中说明：{sentence}"),
}  # fmt: skip
# A sentence that speaks of two years in turn: with its years exchanged it says something else.
YEARS = re.compile(r"(?<!\d)20\d\d(?!\d)")
IN_TURN = {
    "en": re.compile(r"respectively|compared (?:with|to)|\bversus\b|\bfrom\b.*\bto\b"),
    "zh": re.compile(r"分别|[（(]20\d\d年[^（）()]{1,8}[：:]"),
}
NEITHER = re.compile(r"per share|each of|both|以及20|至20|每股|每10股")


def sentence_claims(passage: Passage, document: Document, chance: random.Random) -> Iterator[Claim]:
    """The statements that the sentences of a passage's paragraphs give."""
    language = passage.language
    for kind, text in passage.kinds:
        if kind != "paragraph":
            continue
        for sentence in SPLIT[language].split(text):
            claim = _claim(sentence.strip(), passage, document, chance)
            if claim:
                yield claim


def _claim(sentence: str, passage: Passage, document: Document, chance: random.Random) -> Claim | None:
    language = passage.language
    low, high = LENGTH[language]
    whole = re.match(r"[A-Z]", sentence) if language == "en" else re.match(r"[\u4e00-\u9fff]|\d{4}年", sentence)
    brackets = sentence.count("(") == sentence.count(")") and sentence.count("（") == sentence.count("）")
    if not (low <= len(sentence) <= high and whole and brackets and sentence[-1] in ".。；") or re.search(
        r"[{}|]", sentence
    ):
        return None
    found = list(AMOUNT[language].finditer(sentence))
    if not 1 <= len(found) <= 3:
        return None
    match = chance.choice(found)
    number = Decimal(match["number"].replace(",", ""))
    figure = Figure(number, match["unit"], match["currency"])
    if len(figure.digits) < 2 or not number:
        return None
    kind = "quoted"
    if chance.random() < 0.75:
        other = _restated(figure, language, chance)
        if other is None:
            return None
        kind, figure = "sentence", other
    body = sentence[: match.start()] + "{figure}" + sentence[match.end() :]
    if language == "zh":
        body = body[:-1] + "。"
    elif body.split()[0] in LOWER and (intro_index := chance.randrange(2)) < 2:
        body = body[0].lower() + body[1:]
        return _finish(kind, intro_index, body, sentence, passage, document, figure, chance)
    index = 2 if language == "en" else chance.randrange(2)
    return _finish(kind, index, body, sentence, passage, document, figure, chance)


def _finish(kind: str, index: int, body: str, sentence: str, passage: Passage, document: Document, figure: Figure,
            chance: random.Random) -> Claim:  # fmt: skip
    language = passage.language
    words = {"company": company_name(document, language, chance)}
    template = INTRO[language][index].replace("{sentence}", body)
    turn = _turn(body, language)
    if turn:
        template = template.replace(turn[0], "{turn}")
        words["turn"] = turn[0]
    year = (document.period.end or "")[:4]
    question = (
        f"What figure does {document.company} give in its {year} report about this matter?"
        if language == "en"
        else f"{document.company}{year}年年报中的这一金额是多少？"
    )
    return Claim(kind, language, document, passage, template, words, figure, sentence, question,
                 turn=turn, years_swapped=_exchanged(template, sentence, language))  # fmt: skip


def _restated(figure: Figure, language: str, chance: random.Random) -> Figure | None:
    """The same amount in another unit."""
    if language == "zh":
        other = restate(figure.base, language, "", chance)
        return other if other and other.unit != figure.unit else None
    if figure.unit == "billion":
        return rounded(figure.base, "million", 0, figure.currency)
    if chance.random() < 0.2 and len(figure.digits) >= 3:
        return replace(figure, number=figure.base.quantize(Decimal(1)), unit="")
    other = rounded(figure.base, "billion", chance.choice((2, 3)), figure.currency)
    return other if other and len(other.digits) >= 2 and other.number >= Decimal("0.1") else None


def _turn(body: str, language: str) -> tuple[str, str] | None:
    """The one word of direction that stands right before the figure, and its opposite."""
    words = [word for pair in TURNS[language] for word in pair]
    pattern = r"\b(?:" + "|".join(words) + r")\b" if language == "en" else "|".join(dict.fromkeys(words))
    found = list(re.finditer(pattern, body))
    if len(found) != 1 or re.search(r"decrease|increase|减少|增加|offset", body.replace(found[0][0], "", 1)):
        return None
    gap = body[found[0].end() : body.find("{figure}")] if found[0].end() <= body.find("{figure}") else None
    close = gap is not None and re.fullmatch(r" (?:by |of |approximately )*|(?:约|了|人民币)*", gap)
    pairs = [(a, b) for pair in TURNS[language] for a, b in (pair, pair[::-1]) if a == found[0][0]]
    return pairs[0] if close else None


def _exchanged(template: str, sentence: str, language: str) -> str | None:
    """The template with its two years exchanged, where that makes it say something else."""
    years = list(YEARS.finditer(template))
    amounts = {m["number"] for m in AMOUNT[language].finditer(sentence)}
    if (
        len(years) != 2
        or years[0][0] == years[1][0]
        or NEITHER.search(sentence)
        or not IN_TURN[language].search(sentence)
    ):
        return None
    if len(amounts) < 2 and not re.search(r"(?:increased|decreased|增加|减少|下降|增长)", sentence):
        return None
    first, second = years
    return (
        template[: first.start()]
        + second[0]
        + template[first.end() : second.start()]
        + first[0]
        + template[second.end() :]
    )
