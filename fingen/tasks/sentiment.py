"""Sentences of financial news with their sentiment, in FinGPT's prompt form."""

from __future__ import annotations

from collections.abc import Sequence

from fingen.records import Language, Record
from fingen.tasks.drawn import Draw, DrawnItem, Form, draft, text_problem
from fingen.tasks.labels import Label
from fingen.text import han_share

LENGTH = {"en": (20, 400), "zh": (8, 160)}  # characters of a sentence
ASK = {
    "en": "What is the sentiment of this news? Please choose an answer from {{{names}}}.",
    "zh": "这条消息的情绪是什么？请从{{{names}}}中选择一个。",
}


def build_record(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language, teacher: str) -> Record:
    """The row of an item."""
    ask = ASK[language].format(names="/".join(label.name for label in labels))
    return draft("sentiment", item, draw, language, teacher, instruction=ask, input=item.text, output=draw["label"])


def find_problem(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language) -> str | None:
    """What is wrong with an item: its length or language, or that it names its label."""
    if problem := text_problem(item.text, labels, LENGTH[language]):
        return problem
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
