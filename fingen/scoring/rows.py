"""What is read of files: rows with what is right, and a subject's raw answers to them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fingen.disk import sha256_file
from fingen.errors import SetError, UsageError
from fingen.records import Language, Record, parse_nested, take
from fingen.rows import Raw, read_raw
from fingen.scoring.language import language_of, parse_language
from fingen.scoring.report import ScoredRows
from fingen.sets import MANIFEST, SPLITS, read_manifest, read_split
from fingen.text import LETTER_ONLY, find_language

ANSWERS = ("prediction", "pred_answer", "answer", "output")  # what the column of a raw answer is called
CERTAIN = 2  # of these, so many are never a gold column
GOLD = (
    "gold",
    "answer",
    "output",
)  # what the column of the right answer is called; for a row without options `label` too
QUESTIONS = ("instruction", "question")  # what the column of the question is called
OPTIONS = 'give {"A": "...", "B": "..."}'
LONGEST_LABEL = {"en": 80, "zh": 30}  # characters; what is longer is free text
MEANS = {"test": "transfer", "validation": "transfer", "memory": "recall"}  # of questions and answers
ENDS = ("finish_reason", "stop_reason")  # what the column is called that says how an answer ended, if there is one
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
_LETTER = re.compile(r"[A-Z]")
_FORM = 'give JSON lines of {"id": ..., "prediction": ...}, or "row" in place of "id"'


@dataclass(frozen=True)
class ScoringItem:
    """One row to be answered. `number` counts from 1.

    A choice has `options`, key -> text, and `right` is the key of the right one. Free text has no options, and `right` is the
    reference. `instruction` and `input` are what is asked; both are empty where a file gives what is right and nothing else.
    """

    id: str
    number: int
    options: Mapping[str, str]
    right: str
    instruction: str = ""
    input: str = ""
    language: Language = "en"
    chunks: tuple[str, ...] = ()  # ids of the passages that it was made of
    turn: int = 0  # places that its options were moved on by
    system: str = ""  # what is told before the question
    turns: tuple[Mapping[str, str], ...] = ()  # what was said before it: role and content, given as it is
    facts: Mapping[str, Any] = field(default_factory=dict)  # what a metric of its own holds the answer against

    def name(self, key: str) -> str:
        """The class that a key stands for: its text, or the key itself where that is not known."""
        return self.options[key] or key

    @property
    def gold(self) -> str:
        """The class that is right, or the reference."""
        return self.name(self.right) if self.options else self.right

    @property
    def cluster(self) -> str:
        """What ties the row to others: rows about one passage are not independent of each other."""
        return self.chunks[0] if self.chunks else self.id

    @property
    def question(self) -> str:
        """What is asked now."""
        return "\n".join(part for part in (self.instruction, self.input) if part)

    @property
    def text(self) -> str:
        """The question as shown, below what was said before it."""
        return "\n".join([*(turn["content"] for turn in self.turns), self.question])


Metric = Callable[[ScoringItem, str], dict[str, float]]  # an item and the answer -> what it comes to, each 0..1


@dataclass(frozen=True)
class Asked:
    """Rows of one source, to be answered. `examples` are training rows of the same kind, where there are some."""

    key: str  # in a report
    source: ScoredRows
    items: tuple[ScoringItem, ...]
    path: Path  # the file that was read
    folder: Path | None = None  # the set that it is a split of
    examples: tuple[ScoringItem, ...] = ()
    notes: tuple[str, ...] = ()
    context: Literal["", "passage"] = ""  # what stands before the questions
    teachers: frozenset[str] = frozenset()  # who wrote the rows, where no people did
    metric: Metric | None = None  # that its rows were published with

    @property
    def is_text(self) -> bool:
        """Whether the answers are free text."""
        return not self.items[0].options


@dataclass(frozen=True)
class Answer:
    """A raw answer, and where it stands. Either `id` or `row` (from 1) says what it answers."""

    where: str
    id: str | None
    row: int | None
    model: str | None
    text: str
    cut: bool = False  # whether it ended because it might not be longer


class _Gold(NamedTuple):
    """What one row says, before the options that all rows share are known."""

    where: str
    number: int
    id: str
    options: dict[str, str] | None
    right: str
    instruction: str = ""
    input: str = ""
    language: Language = "en"
    chunks: tuple[str, ...] = ()
    is_text: bool = False
    system: str = ""
    turns: tuple[Mapping[str, str], ...] = ()


def read_asked(path: Path, split: str | None = None, *, examples: bool = False) -> Asked:
    """The rows of a file, or of a split of a set: test, else validation, unless one is named.

    Rows are those of a set, or objects with `id`, `gold` (or `answer`) and, where they have options, `options` or one column
    for each letter. A row without an id is known by its number, the language of one without a `language` by
    its texts. `examples` has the training rows of a set read too.

    Raises:
        UsageError: the file cannot be read. SetError: it is empty, a row has no gold answer or one that is no option, another
            language than English and Chinese, an id is there twice, or choices and free text stand in one file; names file
            and row.
    """
    if path.is_dir():
        return _read_set(path, split or _default_split(path), examples=examples, chosen=split is None)
    if (path.parent / MANIFEST).is_file() and path.name in read_manifest(path.parent).files and path.stem in SPLITS:
        if split not in (None, path.stem):
            raise UsageError(
                f"{path}: it is the {path.stem} split, not {split}", hint="leave --split out, or name the set"
            )
        return _read_set(path.parent, path.stem, examples=examples, chosen=False)
    if split:
        raise UsageError(f"{path}: a file has no splits", hint="leave --split out, or name a set")
    golds = [_from_raw(raw, number, raw.values.get("id")) for number, raw in enumerate(read_raw(path), 1)]
    return _of_file(path, _items(golds, path))


def read_tasks(path: Path, split: str | None = None, *, examples: bool = False) -> Iterator[Asked]:
    """The same; of a mix the rows of each task apart: they are asked, and their answers counted, in ways of their own.

    Raises:
        UsageError, SetError: as `read_asked`.
    """
    if not path.is_dir() or read_manifest(path).command != "mix":
        yield read_asked(path, split, examples=examples)
        return
    chosen = split or _default_split(path)
    tasks = dict.fromkeys(record.task for record in read_split(path, chosen))
    for task in tasks:
        yield _read_set(path, chosen, examples=examples, chosen=split is None, task=task if len(tasks) > 1 else "")


def _of_file(path: Path, items: Iterable[ScoringItem]) -> Asked:
    source = ScoredRows(name=path.name, sha256=sha256_file(path), split="", kind="file")
    return Asked(path.name, source, tuple(items), path)


def limited(asked: Asked, limit: int | None) -> Asked:
    """At most so many of the rows, under a key of their own: what comes of a part is no figure of the whole."""
    if limit is None or limit >= len(asked.items):
        return asked
    part = f"{limit:,} of {len(asked.items):,} rows"
    note = (
        f"{asked.key}: {part} are scored (--limit): these are no figures of the whole, and do not compare with others'"
    )
    items = tuple(take(asked.items, limit))
    return replace(asked, key=f"{asked.key} ({part})", items=items, notes=(*asked.notes, note))


def _default_split(folder: Path) -> str:
    splits = read_manifest(folder).splits
    if not splits.get("test") and not splits.get("validation"):
        there = ", ".join(name for name, rows in splits.items() if rows) or "no records at all"
        raise SetError(
            f"{folder}: neither a test nor a validation split; it has {there}",
            hint="name another set, or a file of rows",
        )
    return "test" if splits.get("test") else "validation"


def _read_set(folder: Path, split: str, *, examples: bool, chosen: bool, task: str = "") -> Asked:
    manifest, path = read_manifest(folder), folder / f"{split}.jsonl"
    records = {split: list(read_split(folder, split))}
    others = [name for name in ("train", "validation") if name != split and manifest.splits.get(name)]
    records |= {name: list(read_split(folder, name)) for name in others}
    if task:
        records = {name: [record for record in rows if record.task == task] for name, rows in records.items()}
    labels = {record.label for rows in records.values() for record in rows if _is_class(record)}
    golds = {name: [_from_record(folder, name, *row) for row in enumerate(rows, 1)] for name, rows in records.items()}
    items, wrote = _items(golds[split], path, labels), _teachers(records[split])
    source = ScoredRows(
        name=f"{manifest.name}, {task}" if task else manifest.name,
        sha256=manifest.files[path.name].sha256,
        split=split,
        kind="set",
        means=MEANS.get(split, "") if not items[0].options else "",  # type: ignore[arg-type]  # a value of MEANS
        same_teacher=named(_teachers(records.get("train", ())) & wrote),
    )
    notes = []
    if chosen:
        what = f"the {task} rows of its {split} split are" if task else f"its {split} split is"
        why = "" if split == "test" else ": the set has no test split"
        notes.append(f"{folder}: {what} scored, {len(items):,} rows{why}")
    shown = _items(golds["train"], path, labels) if examples and split != "train" and golds.get("train") else []
    return Asked(
        " ".join(filter(None, (manifest.name, split, task))),
        source,
        tuple(items),
        path,
        folder,
        tuple(shown),
        tuple(notes),
        teachers=wrote,
    )


def named(teachers: frozenset[str]) -> str | None:
    """Teachers as a source names them; None where there are none."""
    return ", ".join(sorted(teachers)) or None


def _teachers(records: Iterable[Record]) -> frozenset[str]:
    """Who wrote the rows: not people, and nobody where they were imported as they were published."""
    return frozenset(record.teacher for record in records if record.origin != "imported")


def read_answers(path: Path) -> tuple[list[Answer], Asked | None]:
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
    return answers, _of_file(path, _items(list(golds.values()), path))


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
        cut=any(str(raw.values.get(name)).casefold() in CUT for name in ENDS),
    )


def _target(answer: Answer) -> str:
    return f"id {answer.id}" if answer.id is not None else f"row {answer.row}"


def item_of(record: Record, number: int, labels: Iterable[str] = ()) -> ScoringItem:
    """A record as a row to be answered; `labels` are the options of one that has a label and no options.

    Raises:
        SetError: its right answer is none of its options.
    """
    gold = _from_record(Path(record.task), "", number, record)
    item = _item(gold, gold.options or {name: name for name in labels})
    return replace(item, facts={**record.draws, "program": record.program}) if item.right and not item.options else item


def _is_class(record: Record) -> bool:
    """Whether the label is the right answer. That of a row about a document says that its passage does not state one."""
    return bool(record.label and not record.options and record.origin != "document")


def _from_record(folder: Path, split: str, number: int, record: Record) -> _Gold:
    asked = f"{record.instruction}\n{record.input}"  # what others made does not say its language
    is_text = not record.options and not _is_class(record)
    return _Gold(
        where=f"{folder / split}.jsonl, row {number}" if split else f"{folder}, row {number}",
        number=number,
        id=record.id,
        options=record.options or None,
        right=record.output if record.options or is_text else record.label,
        instruction=record.instruction,
        input=record.input,
        language=language_of(record.output, asked) if record.origin == "imported" else record.language,
        chunks=record.chunks,
        is_text=is_text,
        system=record.system,
        turns=record.messages,
    )


def _from_raw(raw: Raw, number: int, known: Any) -> _Gold:
    values = raw.values
    options = _options(raw) or {name: text for name, text in values.items() if _LETTER.fullmatch(name)} or None
    if options and not _are_texts(options):
        raw.fail("options are no texts by their letters", hint=OPTIONS)
    columns = GOLD if options else (*GOLD[:1], "label", *GOLD[1:])
    right = next((values[name] for name in columns if values.get(name) not in (None, "")), None)
    if not isinstance(right, str) or not right.strip():
        raw.fail(f"no gold answer in {', '.join(values) or 'an empty row'}", hint="call its column gold")
    question = next((values[name] for name in QUESTIONS if values.get(name)), "")
    given = values["input"] if isinstance(values.get("input"), str) else ""
    return _Gold(
        where=raw.where,
        number=number,
        id=str(number if known is None else known),
        options=options,
        right=right.strip(),
        instruction=_with_options(question, options) if isinstance(question, str) else "",
        input=given,
        language=_language(raw) or language_of(right, f"{question}\n{given}"),
        is_text=not options and len(right) > LONGEST_LABEL[find_language(right)],
    )


def _options(raw: Raw) -> Any:
    try:
        return parse_nested(raw.values.get("options") or None)
    except ValueError:
        raw.fail("options are no JSON", hint=OPTIONS)


def _language(raw: Raw) -> Language | None:
    try:
        return parse_language(raw.values.get("language"))
    except ValueError as e:
        raw.fail(str(e), hint='write "en" or "zh", or leave it empty: then it is found in the texts')


def _with_options(question: str, options: Mapping[str, str] | None) -> str:
    """A question with its lettered options below it, unless it has them in it."""
    if not question or not options or all(text in question for text in options.values()):
        return question
    listed = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    return f"{question}\n{listed}\n{LETTER_ONLY[find_language(question)]}"


def _are_texts(options: Any) -> bool:
    return isinstance(options, dict) and all(isinstance(text, str) for text in options.values())


def _items(golds: list[_Gold], path: Path, labels: Iterable[str] = ()) -> list[ScoringItem]:
    """The rows; those without options share as such all that is right somewhere. One free text makes all of them free text."""
    if not golds:
        raise SetError(f"{path}: no rows", hint="name a file of rows with what is right")
    _refuse_twice((f"id {gold.id}", gold.where) for gold in golds)
    text = next((gold for gold in golds if gold.is_text), None)
    if text and (choice := next((gold for gold in golds if gold.options), None)):
        raise SetError(
            f"{path}: {choice.where} is a choice and {text.where} free text", hint="score them apart, in two files"
        )
    shared = {} if text else _shared_options({*labels, *(gold.right for gold in golds if not gold.options)})
    return [_item(gold, gold.options or shared) for gold in golds]


def _shared_options(names: set[str]) -> dict[str, str]:
    if names and all(_LETTER.fullmatch(name) for name in names):
        return {chr(code): "" for code in range(ord("A"), ord(max(names)) + 1)}
    return {name: name for name in sorted(names)}


def _item(gold: _Gold, options: Mapping[str, str]) -> ScoringItem:
    item = ScoringItem(
        id=gold.id, number=gold.number, options=options, right=gold.right, instruction=gold.instruction, input=gold.input,
        language=gold.language, chunks=gold.chunks, system=gold.system, turns=gold.turns,
    )  # fmt: skip
    if not options:
        return item
    keys = [key for key in options if _same(gold.right, key)]
    keys = keys or [key for key, text in options.items() if _same(gold.right, text)]
    if len(keys) != 1:
        what = f"{gold.right!r} is {'more than one' if keys else 'none'} of the options {', '.join(options)}"
        raise SetError(f"{gold.where}: {what}", hint="the gold answer must be the letter or the text of one option")
    return replace(item, right=keys[0])


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFKC", one).strip() == unicodedata.normalize("NFKC", other).strip()


def _refuse_twice(named: Iterable[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for name, where in named:
        if name in first:
            raise SetError(f"{where}: {name} is there twice, first in {first[name]}", hint="take one of the two out")
        first[name] = where


def match(items: Iterable[ScoringItem], answers: Iterable[Answer]) -> tuple[dict[str, Answer], list[Answer]]:
    """Answers by the id of their row, and those that answer no row.

    Raises:
        SetError: one row is answered by its id and by its number.
    """
    items = list(items)
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
