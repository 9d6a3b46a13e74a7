"""Sentences of financial news with their sentiment, in FinGPT's prompt form."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingen.documents.text import han_share
from fingen.records import Language, Record, content_id
from fingen.tasks.drawn import Draw, DrawnItem, Form
from fingen.tasks.labels import Label

LENGTH = {"en": (20, 400), "zh": (8, 160)}  # characters of a sentence
ASK = {
    "en": "What is the sentiment of this news? Please choose an answer from {{{names}}}.",
    "zh": "这条消息的情绪是什么？请从{{{names}}}中选择一个。",
}
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")


def build_record(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language, teacher: str) -> Record:
    """The row of an item."""
    return Record(
        instruction=ASK[language].format(names="/".join(label.name for label in labels)),
        input=item.text,
        output=draw["label"],
        id=content_id("se", language, item.text, draw["label"]),
        task="sentiment",
        language=language,
        label=draw["label"],
        draws=dict(draw),
        teacher=teacher,
        origin="synthetic",
    )


def find_problem(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language) -> str | None:
    """What is wrong with an item: its length or language, or that it names its label."""
    least, most = LENGTH[language]
    if not least <= len(item.text) <= most:
        return f"length: {len(item.text)} characters"
    if _ODD.search(item.text):
        return "odd-characters: control characters or line breaks"
    if named := next((label.name for label in labels if label.name.casefold() in item.text.casefold()), None):
        return f"names-label: {named}"
    return None if (han_share(item.text) > 0.3) == (language == "zh") else f"wrong-language: not {language}"


def form() -> Form:
    """Sentiment items as a form."""
    return Form(
        task="sentiment",
        template="sentiment",
        item=DrawnItem,
        item_tokens=90,
        build=build_record,
        problem=find_problem,
        bare=lambda record: record,
        finish=lambda records, labels: list(records),
    )
