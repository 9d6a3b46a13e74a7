"""The two inputs of a score: rows with what is right (gold), and a subject's raw answers to them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fingen.errors import SetError
from fingen.records import Record
from fingen.sets import MANIFEST, read_manifest, read_split
from fingen.tasks.rows import Raw, read_raw

ANSWERS = ("prediction", "pred_answer", "answer", "output")  # what the column of a raw answer is called
CERTAIN = 2  # of these, so many are never a gold column
GOLD = (
    "gold",
    "answer",
    "output",
)  # what the column of the right answer is called; for a row without options `label` too
LONGEST_LABEL = 80  # characters; what is longer is free text
_LETTER = re.compile(r"[A-Z]")
_FORM = 'give JSON lines of {"id": ..., "prediction": ...}, or "row" in place of "id"'


@dataclass(frozen=True)
class Item:
    """One row to be answered. `options`: key -> text; `right`: the key of the right one. `number` counts from 1."""

    id: str
    number: int
    options: Mapping[str, str]
    right: str

    def name(self, key: str) -> str:
        """The class that a key stands for: its text, or the key itself where that is not known."""
        return self.options[key] or key


@dataclass(frozen=True)
class Answer:
    """A raw answer, and where it stands. Either `id` or `row` (from 1) says what it answers."""

    where: str
    id: str | None
    row: int | None
    model: str | None
    text: str


class _Gold(NamedTuple):
    where: str
    number: int
    id: str
    options: dict[str, str] | None
    right: str


def read_items(path: Path) -> tuple[list[Item], Path]:
    """The rows of a file or of a set's test split (validation where it has none), and the file that was read.

    Rows are those of a set with options or labels, or objects with `id`, `gold` (or `answer`) and, where they have options,
    `options` or one column for each letter. A row without an id is known by its number.

    Raises:
        UsageError: the file cannot be read. SetError: it is empty, a row has no gold answer or one that is no option, an id
            is there twice, or answers are free text; names file and row.
    """
    whole = path.is_dir()
    if whole:
        path /= "test.jsonl" if read_manifest(path).splits.get("test") else "validation.jsonl"
    if whole or ((path.parent / MANIFEST).is_file() and path.name in read_manifest(path.parent).files):
        records = enumerate(read_split(path.parent, path.stem), 1)
        return _items([_from_record(path, *row) for row in records], path), path
    golds = [_from_raw(raw, number, raw.values.get("id")) for number, raw in enumerate(read_raw(path), 1)]
    return _items(golds, path), path


def read_answers(path: Path) -> tuple[list[Answer], list[Item] | None]:
    """The answers of a file, and the rows where it says what is right itself (a column `gold`).

    Raises:
        UsageError: the file cannot be read. SetError: it is empty, a row has no answer or says not what it answers, or two
            of one model answer the same; names file and row.
    """
    raws = list(read_raw(path))
    if not raws:
        raise SetError(f"{path}: no rows", hint=_FORM)
    answers = [_answer(raw) for raw in raws]
    _refuse_twice((f"answer of {a.model or 'one subject'} to {_target(a)}", a.where) for a in answers)
    if not all("gold" in raw.values for raw in raws):
        return answers, None
    golds: dict[str, _Gold] = {}
    for number, (raw, answer) in enumerate(zip(raws, answers, strict=True), 1):
        gold = _from_raw(raw, answer.row or number, answer.id)
        if (first := golds.setdefault(gold.id, gold)).options != gold.options or first.right != gold.right:
            raise SetError(f"{gold.where}: gold is not as in {first.where}", hint="mend one of the two")
    return answers, _items(list(golds.values()), path)


def _answer(raw: Raw) -> Answer:
    columns = [name for name in ANSWERS if name in raw.values]
    if not columns:
        raw.fail(f"no answer in {', '.join(raw.values) or 'an empty row'}", hint=_FORM)
    if len(columns) > 1 and columns[0] not in ANSWERS[:CERTAIN]:
        raw.fail(f"{' and '.join(columns)}: which is the subject's?", hint='call its column "prediction"')
    text = raw.values[columns[0]]
    if text is not None and not isinstance(text, str):
        raw.fail(f"{columns[0]} is {type(text).__name__}, not text", hint=_FORM)
    known, number, model = (raw.values.get(name) for name in ("id", "row", "model"))
    if isinstance(number, str) and number.isdecimal():  # a cell of CSV
        number = int(number)
    if known is None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raw.fail("no id, and no row number from 1 on", hint=_FORM)
    return Answer(
        where=raw.where,
        id=None if known is None else str(known),
        row=number if known is None else None,
        model=None if model is None else str(model),
        text=text or "",
    )


def _target(answer: Answer) -> str:
    return f"id {answer.id}" if answer.id is not None else f"row {answer.row}"


def _from_record(path: Path, number: int, record: Record) -> _Gold:
    where = f"{path}, row {number}"
    right = record.output if record.options else record.label
    if not right:
        raise SetError(f"{where}: neither options nor a label", hint="free text cannot be scored yet; name another set")
    return _Gold(where, number, record.id, record.options, right)


def _from_raw(raw: Raw, number: int, known: Any) -> _Gold:
    values = raw.values
    options = values.get("options") or {name: text for name, text in values.items() if _LETTER.fullmatch(name)} or None
    if options and not _are_texts(options):
        raw.fail("options are no texts by their letters", hint='give {"A": "...", "B": "..."}')
    columns = GOLD if options else (*GOLD[:1], "label", *GOLD[1:])
    right = next((values[name] for name in columns if values.get(name) is not None), None)
    if not isinstance(right, str) or not right.strip():
        raw.fail(f"no gold answer in {', '.join(values) or 'an empty row'}", hint="call its column gold")
    if len(right) > LONGEST_LABEL:
        raw.fail(
            f"a gold answer of {len(right)} characters", hint="free text cannot be scored yet; labels and letters can"
        )
    return _Gold(raw.where, number, str(number if known is None else known), options, right.strip())


def _are_texts(options: Any) -> bool:
    return isinstance(options, dict) and all(isinstance(text, str) for text in options.values())


def _items(golds: list[_Gold], path: Path) -> list[Item]:
    """The rows; those without options share as such all that is right somewhere."""
    if not golds:
        raise SetError(f"{path}: no rows", hint="name a file of rows with what is right")
    _refuse_twice((f"id {gold.id}", gold.where) for gold in golds)
    shared = _shared_options({gold.right for gold in golds if not gold.options})
    return [_item(gold, gold.options or shared) for gold in golds]


def _shared_options(names: set[str]) -> dict[str, str]:
    if names and all(_LETTER.fullmatch(name) for name in names):
        return {chr(code): "" for code in range(ord("A"), ord(max(names)) + 1)}
    return {name: name for name in sorted(names)}


def _item(gold: _Gold, options: Mapping[str, str]) -> Item:
    keys = [key for key in options if _same(gold.right, key)]
    keys = keys or [key for key, text in options.items() if _same(gold.right, text)]
    if len(keys) != 1:
        what = f"{gold.right!r} is {'more than one' if keys else 'none'} of the options {', '.join(options)}"
        raise SetError(f"{gold.where}: {what}", hint="the gold answer must be the letter or the text of one option")
    return Item(gold.id, gold.number, options, keys[0])


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFKC", one).strip() == unicodedata.normalize("NFKC", other).strip()


def _refuse_twice(named: Iterable[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for name, where in named:
        if name in first:
            raise SetError(f"{where}: {name} is there twice, first in {first[name]}", hint="take one of the two out")
        first[name] = where


def match(items: list[Item], answers: Iterable[Answer]) -> tuple[dict[str, Answer], list[Answer]]:
    """Answers by the id of their row, and those that answer no row.

    Raises:
        SetError: one row is answered by its id and by its number.
    """
    ids, numbers = {item.id: item for item in items}, {item.number: item for item in items}
    found: dict[str, Answer] = {}
    unknown = []
    for answer in answers:
        item = ids.get(answer.id) if answer.id is not None else numbers.get(answer.row or 0)
        if item is None:
            unknown.append(answer)
        elif item.id in found:
            first = found[item.id].where
            raise SetError(f"{answer.where}: row {item.id} is answered twice, first in {first}", hint="take one out")
        else:
            found[item.id] = answer
    return found, unknown


def by_model(answers: list[Answer]) -> Iterator[tuple[str | None, list[Answer]]]:
    """The answers of each model in the order in which they come."""
    for model in dict.fromkeys(answer.model for answer in answers):
        yield model, [answer for answer in answers if answer.model == model]
