"""Question-answer pairs on financial topics. No document grounds them: what can be checked is their form."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from fingen.records import Language, Record
from fingen.tasks.drawn import Draw, DrawnItem, Form, draft
from fingen.tasks.labels import Label
from fingen.text import han_share

QUESTION = {"en": (15, 500), "zh": (6, 200)}  # characters
ANSWER = {"en": (200, 3000), "zh": (60, 1200)}
# Forms of the row, taken in turn: how the question stands in it. The first part is the instruction, the second the input.
FORMS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("{question}", ""),
        ("You are a financial adviser. Answer the client's question.", "{question}"),
        ("Explain to a client ({topic}): {question}", ""),
        ("Answer the following question on {topic} so that a layman understands it.", "{question}"),
    ),
    "zh": (
        ("{question}", ""),
        ("你是一位金融理财顾问，请回答客户的问题。", "{question}"),
        ("请向客户说明（{topic}）：{question}", ""),
        ("请用通俗的语言回答下面这个关于{topic}的问题。", "{question}"),
    ),
}
_BOILERPLATE = re.compile(
    r"\bas an ai\b|\bi(?:'m| am) sorry\b|作为(?:一个|一名)?(?:AI|人工智能)|抱歉，|无法回答", re.IGNORECASE
)
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")


class TopicItem(DrawnItem):
    """A pair as a teacher writes it: `text` is the question."""

    answer: str = Field(min_length=1)


def build_record(item: TopicItem, draw: Draw, labels: Sequence[Label], language: Language, teacher: str) -> Record:
    """The row of a pair, before it is put in a form."""
    return draft("topics", item, draw, language, teacher, instruction=item.text, output=item.answer)


def find_problem(item: TopicItem, draw: Draw, labels: Sequence[Label], language: Language) -> str | None:
    """What is wrong with a pair: length, language, boilerplate, odd characters, or an answer that repeats the question."""
    for name, text, (least, most) in (
        ("question", item.text, QUESTION[language]),
        ("answer", item.answer, ANSWER[language]),
    ):
        if not least <= len(text) <= most:
            return f"length: the {name} has {len(text)} characters"
        if _ODD.search(text):
            return f"odd-characters: in the {name}"
        if (han_share(text) > 0.3) != (language == "zh"):
            return f"wrong-language: the {name} is not {language}"
    if found := _BOILERPLATE.search(item.answer):
        return f"boilerplate: {found[0]}"
    return "copies-question: the answer repeats the question" if item.answer in item.text else None


def put_in_forms(records: Sequence[Record], labels: Sequence[Label]) -> list[Record]:
    """The rows of a split, each in one of the forms by its id. A topic is no label: it stays in the draw."""
    return [_put(record) for record in records]


def _put(record: Record) -> Record:
    forms = FORMS[record.language]
    instruction, context = forms[int(record.id[-8:], 16) % len(forms)]
    values = {"question": record.instruction, "topic": record.label}
    return record.model_copy(
        update={"instruction": _fill(instruction, values), "input": _fill(context, values), "label": None}
    )


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def form() -> Form:
    """Topic pairs as a form."""
    return Form(
        task="topics",
        template="topics",
        item=TopicItem,
        item_tokens=450,
        build=build_record,
        problem=find_problem,
        bare=lambda record: record,
        finish=put_in_forms,
        declared=("no document grounds these answers: they are what the teacher knows, checked for form alone",),
    )
