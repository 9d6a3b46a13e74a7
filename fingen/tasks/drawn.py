"""Items that no document gives: each is drawn before it is asked for, and a request asks for several draws.

A draw is plain data: `n` (its running number below its label), `label`, and what makes the item like real ones (who asks,
about what, how, how hard). It is kept with the record that comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from fingen.prompts import Template
from fingen.records import Completion, Language, Parsed, Record, Request, content_id
from fingen.tasks.answers import Strict, build_request, items_schema, parse_items, unusable
from fingen.tasks.labels import Label

TOKENS = 96  # of an answer, for what stands around its items
ROOM = 4  # times the expected tokens that an answer may have

_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")

Draw = Mapping[str, Any]


class DrawnItem(Strict):
    """An item as a teacher writes it. `number` says which draw of the request it is for."""

    number: int = Field(ge=1)
    text: str = Field(min_length=1)


@dataclass(frozen=True)
class Form:
    """What items of a task are: how a teacher writes them, and what record comes of one.

    `build` takes the item, its draw, all labels and the teacher's name. `finish` takes all records of a split at once, for
    what must be balanced over them.
    """

    task: str  # of the records
    template: str  # its file is <template>.<language>.md
    item: type[DrawnItem]
    item_tokens: int  # of an answer, about
    build: Callable[[Any, Draw, Sequence[Label], Language, str], Record]
    problem: Callable[[Any, Draw, Sequence[Label], Language], str | None]  # what is wrong with an item, or None
    bare: Callable[[Record], Record]  # a finished record as `build` made it, to compare with; other records as they are
    finish: Callable[[Sequence[Record], Sequence[Label]], list[Record]]

    declared: tuple[str, ...] = ()  # what a reader of the set must know
    fixed_options: bool = False  # of lettered options: they stay in the order of the labels

    def answer_schema(self) -> dict[str, Any]:
        """The JSON schema that a teacher's answer must have."""
        return items_schema(self.item.model_json_schema())

    def request(
        self, template: Template, labels: Sequence[Label], draws: Sequence[Draw], briefs: Sequence[Draw], teacher: str
    ) -> Request:
        """Ask a teacher for an item to each draw, which `briefs` put in words. The labels are shared by all requests."""
        numbered = [{**brief, "number": number} for number, brief in enumerate(briefs, 1)]
        values = {"labels": labels, "draws": numbered, "count": len(draws)}
        room = ROOM * (TOKENS + self.item_tokens * len(draws))
        about = {"task": self.task, "max_tokens": room, "count": len(draws), "draws": tuple(map(dict, draws))}
        return build_request(template, values, self.answer_schema(), teacher, **about)

    def whole_problem(self, request: Request, completion: Completion) -> str | None:
        """What is wrong with an answer as a whole, for the teacher to mend."""
        return unusable(completion.text, self.item)

    def parse(self, request: Request, text: str) -> Parsed[tuple[Any, Draw]]:
        """The items of an answer with their draws, and those that are none.

        Raises:
            ValueError: the answer as a whole is not JSON of the asked form.
        """
        parsed = parse_items(text, self.item)
        wrong = parsed.broken
        found: dict[int, Any] = {}
        for item in parsed.items:
            if not 1 <= item.number <= len(request.draws):
                wrong.append((item.model_dump(), f"number {item.number}: {len(request.draws)} were asked for"))
            elif item.number in found:
                wrong.append((item.model_dump(), f"number {item.number} is there twice"))
            else:
                found[item.number] = item
        return Parsed([(found[number], request.draws[number - 1]) for number in sorted(found)], wrong, parsed.repairs)


def draft(form: str, item: DrawnItem, draw: Draw, language: Language, teacher: str, **texts: str) -> Record:
    """The record of an item before it is finished: `texts` are its instruction, input and output."""
    return Record(
        instruction=texts["instruction"],
        input=texts.get("input", ""),
        output=texts["output"],
        id=content_id(form[:2], language, item.text, texts["output"], draw["label"]),
        task=form,
        language=language,
        label=draw["label"],
        draws=dict(draw),
        teacher=teacher,
        origin="synthetic",
    )


def text_problem(text: str, labels: Sequence[Label], length: tuple[int, int]) -> str | None:
    """What is wrong with a text whatever its task: its length, odd characters, or that it names a label."""
    least, most = length
    if not least <= len(text) <= most:
        return f"length: {len(text)} characters"
    if _ODD.search(text):
        return "odd-characters: control characters or line breaks"
    named = next((label.name for label in labels if label.name.casefold() in text.casefold()), None)
    return f"names-label: {named}" if named else None
