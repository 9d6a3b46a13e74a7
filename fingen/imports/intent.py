"""Questions with lettered options and one right letter: OpenFinData's intent task, and Ant Group's."""

from __future__ import annotations

from collections.abc import Callable
from string import ascii_uppercase
from typing import Any

from fingen.imports.base import ImportSource, Options, Unusable, make_record
from fingen.records import Record
from fingen.rows import Raw
from fingen.tasks.intent import ROLE
from fingen.text import LETTER_ONLY, find_language

COLUMNS = frozenset({"question", "answer", *ascii_uppercase})


Render = Callable[[str, str], str]  # question, options -> instruction


def _whole(question: str, options: str) -> str:
    """For a question that states the role and the task itself."""
    return f"{question}\n{options}\n{LETTER_ONLY[find_language(question)]}"


def _bare(question: str, options: str) -> str:
    """For what a client typed, and nothing else: as `fingen synth intent` asks."""
    return ROLE[find_language(question)].format(text=question, options=options)


def _build(raw: Raw, render: Render) -> Record | Unusable:
    question = raw.text("question")
    options = {letter: _option(raw, letter) for letter in ascii_uppercase if raw.values.get(letter)}
    if len(options) < 2 or list(options) != list(ascii_uppercase[: len(options)]):
        raw.fail(f"options {', '.join(options) or 'missing'}; they must be A, B and so on, without a gap")
    answer = raw.values.get("answer")
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        if "answer" not in raw.values:
            raw.fail("no column 'answer'")
        return Unusable("no-answer", "it was published without its answer")
    if not isinstance(answer, str) or answer.strip() not in options:
        raw.fail(f"answer {answer!r} is none of {', '.join(options)}")
    answer = answer.strip()
    listed = "\n".join(f"{letter}. {option}" for letter, option in options.items())
    return make_record(
        instruction=render(question, listed),
        output=answer,
        task="intent",
        label=options[answer],
        options=options,
    )


def _option(raw: Raw, letter: str) -> str:
    value: Any = raw.values[letter]
    return value.strip() if isinstance(value, str) else raw.fail(f"option {letter} is no text")


def _build_openfindata(raw: Raw, options: Options) -> Record | Unusable:
    return _build(raw, _whole)


def _build_ant(raw: Raw, options: Options) -> Record | Unusable:
    return _build(raw, _bare)


SOURCES = {
    "openfindata": ImportSource(
        title="OpenFinData, intent task",
        where="https://github.com/open-compass/OpenFinData",
        build=_build_openfindata,
        columns=COLUMNS,
        split="test",
    ),
    "ant-intent": ImportSource(
        title="Ant Group's financial evaluation data, intent task",
        where="https://github.com/alipay/financial_evaluation_dataset",
        build=_build_ant,
        columns=COLUMNS,
        licence="CC-BY-4.0",
        split="test",
    ),
}
