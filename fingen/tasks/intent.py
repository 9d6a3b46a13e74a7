"""Intent items: which of some lettered options is meant by what a client says. One letter is right."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fingen.disk import sha256_text
from fingen.records import Language, Record
from fingen.tasks.drawn import Draw, DrawnItem, Form, draft, text_problem
from fingen.tasks.labels import Label
from fingen.text import han_share

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = {"en": (3, 300), "zh": (2, 120)}  # characters of what a client says
ROLE = {
    "en": "You sort what clients of a financial services company say by what they want. Which of the options below fits "
    "best? Answer with the letter only.\nClient: {text}\n{options}",
    "zh": "你负责识别金融客户的问询意图。下面这句话最符合哪一个选项？只回答选项字母。\n问句：{text}\n{options}",
}
_META = re.compile(
    r"\bas an ai\b|\bthe client (?:asks|says|wants)\b|作为(?:一个|一名)?(?:AI|人工智能)|问询$|^(?:问句|客户)[：:]",
    re.IGNORECASE,
)


def build_record(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language, teacher: str) -> Record:
    """The row of an item, before its options are lettered."""
    return draft("intent", item, draw, language, teacher, instruction=item.text, output="")


def find_problem(item: DrawnItem, draw: Draw, labels: Sequence[Label], language: Language) -> str | None:
    """What is wrong with an item: its length or language, or that it is no client who speaks."""
    if problem := text_problem(item.text, labels, LENGTH[language]):
        return problem
    if _META.search(item.text):
        return f"meta: speaks about the task: {item.text[:60]}"
    if language == "en" and han_share(item.text) > 0.5:
        return "wrong-language: not in English"
    if language == "zh" and not re.search(r"[\u4e00-\u9fff]", item.text) and len(item.text) > 24:
        return "wrong-language: not in Chinese"
    return None


def letter(records: Sequence[Record], labels: Sequence[Label], *, seed: int, fixed: bool) -> list[Record]:
    """The records of a split with their options: the right letter is spread evenly, over all of them and over each label's.

    `fixed` keeps the options in the order of the labels. Which letter a record gets depends on the other records of its
    split, the order of its wrong options on itself alone.
    """
    names = [label.name for label in labels]
    by_label = sorted(records, key=lambda record: (names.index(record.label), sha256_text(str(seed), record.id)))
    lettered = {
        record.id: _lettered(record, names, None if fixed else place % len(names), seed)
        for place, record in enumerate(by_label)
    }
    return [lettered[record.id] for record in records]


def _lettered(record: Record, names: Sequence[str], place: int | None, seed: int) -> Record:
    order = list(names)
    if place is not None:
        wrong = [name for name in names if name != record.label]
        wrong.sort(key=lambda name: sha256_text(str(seed), record.id, name))
        order = [*wrong[:place], record.label, *wrong[place:]]
    options = dict(zip(LETTERS, order, strict=False))
    listed = "\n".join(f"{letter}. {name}" for letter, name in options.items())
    output = next(letter for letter, name in options.items() if name == record.label)
    instruction = ROLE[record.language].format(text=record.instruction, options=listed)
    return record.model_copy(update={"instruction": instruction, "output": output, "options": options})


def bare(record: Record) -> Record:
    """A row of such a set as it was before its options were lettered: what the client says; other rows as they are."""
    before, after = ROLE[record.language].split("{text}")
    if record.task != "intent" or not record.instruction.startswith(before):
        return record
    options = after.format(options="\n".join(f"{letter}. {name}" for letter, name in record.options.items()))
    text = record.instruction.removeprefix(before).removesuffix(options)
    return record.model_copy(update={"instruction": text, "options": None})


def form(*, seed: int, fixed_options: bool) -> Form:
    """Intent items as a form."""
    return Form(
        task="intent",
        template="intent",
        item=DrawnItem,
        item_tokens=40,
        build=build_record,
        problem=find_problem,
        bare=bare,
        finish=lambda records, labels: letter(records, labels, seed=seed, fixed=fixed_options),
        fixed_options=fixed_options,
    )
