"""Question-answer pairs about passages: what a document task is, and how an item becomes a row.

A `DocumentTask` says all that differs between kinds of pairs: the name that `--task` takes, whether a second passage is shown
beside the first, how a teacher writes an item, what an item must pass, and what record comes of it. Its help stands in
`config.TASKS`, its templates are <name>.<language>.md. Tasks that name the same template are asked for in one request about a
passage, which is then paid once; each item says which kind it is. The rules that the offline teacher has for a task, if it has
any, are an entry of `teachers.offline.PAIRS`; without one it answers with no pairs, and the summary says so. The table of all
tasks is `tasks.documents`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field, create_model

from fingen.disk import read_whole
from fingen.errors import UsageError
from fingen.prompts import Template, quoted, report_name
from fingen.quality.checks import CHECKS, Check
from fingen.records import (
    TOGETHER,
    BlockKind,
    Chunk,
    Completion,
    Document,
    Evidence,
    Parsed,
    Passage,
    Record,
    Request,
    content_id,
)
from fingen.tasks.answers import Strict, build_request, parse_items, unusable
from fingen.text import UNKNOWN_GLYPH, is_auditors, is_cjk, sentences

TOPICS_BYTES = 1 << 20  # that a file of topics may have
MAX_TOKENS = 4096  # of an answer; four pairs of 600 characters with their quotes need half of it
PAIR_TOKENS = 450  # of an answer, for one pair; measured on answers of 80-300 words
PAIR_CHARACTERS = {"en": 1500, "zh": 400}  # running text that is worth a pair
TABLE_SHARE = 0.5  # of a table's characters that count as running text: its rows repeat their dots, units and years
AUDITORS = {  # beside the section: whose words a passage holds
    "en": " (the auditor's words, not the company's: an answer says that the auditor of the company states them)",
    "zh": "（以下为审计师的陈述，不是公司的陈述：答案须写明是该公司的审计师所述）",
}
SPARE = 2  # times the pairs of a table that the rules write: another table of the report may speak against one
UNNAMED = {"en": "not known; say “the report” and name no company", "zh": "未知；请写“该报告”，不写公司名称"}
TIMES = ("quarter", "half-year", "nine months", "cumulative", "year")
NO_PAGES = {"en": "none", "zh": "无"}
UNIT_UNKNOWN = {
    "en": "the report does not state one for these amounts; give no scale that is not printed",
    "zh": "报告未说明这些金额的单位；不要写没有印出的单位",
}
MARKS = ("passage", "example")  # that parts of a request stand between
TABLE = "qa-table"  # the task of rows with a program over the cells of a table
NEGATIVE = "qa-negative"  # the task of rows whose passage does not state what is asked for
UNSTATED = "not-stated"  # their label
NOT_STATED = {"en": "The passage does not state this.", "zh": "材料中没有说明。"}


class QaItem(Strict):
    """One pair as a teacher writes it."""

    question: str = Field(min_length=1, description="stands on its own: names the company and the period")
    rephrased: str = Field(min_length=1, description="the same question in other words")
    answer: str = Field(min_length=1)
    evidence: list[str] = Field(description="verbatim quotes from the passage")
    calc: str | None = Field(description="arithmetic expression for a computed figure, else null")

    @property
    def pairs(self) -> Sequence[QaItem]:
        """Itself: an item that is one pair."""
        return (self,)


class Item(Protocol):
    """What a teacher writes for a task: a pair, or several that follow each other in a conversation."""

    @property
    def pairs(self) -> Sequence[QaItem]:
        """The pairs, in their order."""

    def model_dump(self) -> dict[str, Any]:
        """It as it was written."""


class QaAnswer(Strict):
    """A teacher's whole answer."""

    items: list[QaItem]
    reason: str | None = Field(description="why there are no items, else null")


@cache
def answer_schema(item: type[Strict] = QaItem, kinds: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON schema that a teacher's answer must have. It is shared by all requests: not to be changed.

    Where there are several `kinds`, an item says first which it is.
    """
    listed: Any = list[item]  # type: ignore[valid-type]  # a class that is known when it runs
    answer = create_model("QaAnswer", __base__=QaAnswer, __doc__=QaAnswer.__doc__, items=(listed, ...))
    schema = answer.model_json_schema()
    if len(kinds) > 1:
        asked = schema["$defs"][item.__name__]
        asked["properties"] = {"kind": {"enum": list(kinds), "type": "string"}, **asked["properties"]}
        asked["required"] = ["kind", *asked["required"]]
    return schema


@cache
def _item_model(item: type[Strict], kinds: tuple[str, ...]) -> type[Strict]:
    """An item as it is read: one of several kinds that does not say which is taken for the first one."""
    if len(kinds) < 2:
        return item
    kind: Any = Literal[kinds]
    return create_model(item.__name__, __base__=item, kind=(kind | None, None))


def build_passage(document: Document, chunk: Chunk) -> Passage:
    """What a teacher sees of a chunk: the text, whole and paragraph by paragraph, and whose report it is from.

    Sentences and rows with a glyph that has no name are left out: nobody can tell what they say.
    """
    kinds, text = tuple(_paragraphs(chunk)), chunk.text
    if UNKNOWN_GLYPH in text:
        kinds = tuple((kind, named) for kind, block in kinds if (named := _named_only(kind, block)))
        text = "\n".join(block for _, block in kinds)
    return Passage(
        chunk=chunk.id,
        document=document.path,
        company=document.names.get(chunk.language, document.company),
        period=document.period,
        language=chunk.language,
        section=chunk.section,
        pages=(chunk.first_page, chunk.last_page),
        text=text,
        kinds=kinds,
        facts=chunk.facts if text == chunk.text else (),
        unit=chunk.unit,
        basis=chunk.basis,
    )


def _named_only(kind: BlockKind, text: str) -> str:
    if kind == "table":
        return "\n".join(row for row in text.split("\n") if UNKNOWN_GLYPH not in row)
    whole = [text[start:end] for start, end in sentences(text) if UNKNOWN_GLYPH not in text[start:end]]
    return ("" if whole and is_cjk(whole[0][0]) else " ").join(whole)


def _paragraphs(chunk: Chunk) -> Iterable[tuple[Any, str]]:
    """The blocks of a chunk, those joined again that a page or column break had parted."""
    start = 0
    for block, following in zip(chunk.blocks, [*chunk.blocks[1:], None], strict=True):
        if following is None or "\n" in chunk.text[block.end : following.start]:
            yield block.kind, chunk.text[start : block.end]
            start = following.start if following else 0


def pairs_worth(passages: Sequence[Passage], most: int, teacher: str) -> int:
    """Pairs to ask for: as many as the passages' substance is worth, at least 1 and at most `most`.

    The rules are asked for the most: they write what they find, and nothing to fill a number.
    """
    if teacher == "offline":
        return most
    share = {"paragraph": 1.0, "table": TABLE_SHARE, "heading": 0.0}
    worth = sum(
        share[kind] * len(text) / PAIR_CHARACTERS[passage.language]
        for passage in passages
        for kind, text in passage.kinds
    )
    return min(most, max(1, round(worth)))


def read_questions(path: Path) -> tuple[str, ...]:
    """The user's own topics, one a line; empty lines and lines with # are left out.

    Raises:
        UsageError: the file cannot be read, or holds nothing.
    """
    try:
        lines = [line.strip() for line in read_whole(path, TOPICS_BYTES).decode().splitlines()]
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{path}: cannot be read: {e}", hint="give a text file with one topic a line") from e
    topics = tuple(line for line in lines if line and not line.startswith("#"))
    if not topics:
        raise UsageError(f"{path}: no topic in it", hint="write one topic or question a line")
    return topics


def _template_values(passage: Passage) -> dict[str, str]:
    first, last = passage.pages
    pages = str(first) if first == last else f"{first}-{last}"
    head = {
        "report": report_name(passage.period, passage.language),
        "company": passage.company or UNNAMED[passage.language],
        "section": " > ".join(passage.section) + (AUDITORS[passage.language] if is_auditors(passage.section) else ""),
        "pages": pages if last else NO_PAGES[passage.language],
        "unit": unit_line(passage),
        "basis": basis_line(passage),
    }
    lines = {name: " ".join(value.split()) for name, value in head.items()}  # one line each: the text begins below
    return {name: quoted(value, *MARKS) for name, value in {**lines, "text": passage.text}.items()}


def unit_line(passage: Passage) -> str:
    """Tell the unit of the passage's amounts in a line, "" where they need none."""
    said = [_with_page(stated.text, stated.page, passage.language) for stated in passage.unit if stated.text]
    return "; ".join(
        [*said, *([UNIT_UNKNOWN[passage.language]] if not all(unit.text for unit in passage.unit) else [])]
    )


def basis_line(passage: Passage) -> str:
    """Tell the basis of the passage's amounts in a line, "" where it is not known."""
    known = [basis for basis in passage.basis if not (basis.column and basis.kind in TIMES)]  # a column shows its time
    said = {(f"{basis.column}: " if basis.column != basis.text and basis.column else "") + basis.text: basis.page
            for basis in known}  # fmt: skip
    return "; ".join(_with_page(text, page, passage.language) for text, page in said.items())


def _with_page(text: str, page: int, language: str) -> str:
    if not page:
        return text
    return f"{text}（第{page}页）" if language == "zh" else f"{text} (page {page})"


def build_record(item: QaItem, request: Request, evidence: tuple[Evidence, ...], teacher: str) -> Record:
    """The closed-book row of an item; its task is the one that the request asks for, or the first of them."""
    first = request.passages[0]
    return Record(
        instruction=item.question,
        input="",
        output=item.answer,
        id=content_id("qa", first.document, item.question, item.answer),
        task=request.tasks[0],
        language=first.language,
        document=first.document,
        pages=tuple(sorted(({quote.page for quote in evidence if quote.document is None} or set(first.pages)) - {0})),
        chunks=tuple(passage.chunk for passage in request.passages),
        evidence=evidence,
        calc=item.calc or "",
        teacher=teacher,
        origin="document",
    )


@dataclass(frozen=True)
class DocumentTask:
    """What pairs of a task are: how a teacher is asked for them, what they must pass, and what record comes of one.

    `build` takes the item, its request, its evidence and the teacher's name.
    """

    name: str  # what `--task` takes
    task: str  # of the records
    template: str = ""  # <template>.<language>.md; empty: the task's own name
    per_table: int = 0  # pairs at most on each table of a passage, in place of those on the passage
    takes_tables: bool = False  # a passage is worth asking about also where it is a table alone
    pairs_each: int = 1  # that an item is as long as, about
    per_passage: int = 0  # pairs on a passage, in place of as many as its length is worth
    has_companion: bool = False  # beside a passage the one that it belongs with is shown, where the documents have one
    item: type[Strict] = QaItem
    checks: Mapping[str, Check] = field(default_factory=lambda: CHECKS)
    build: Callable[[Any, Request, tuple[Evidence, ...], str], Record] = build_record

    @property
    def shared(self) -> tuple[str, type[Strict]]:
        """What tasks have in common that one request asks for."""
        return self.template or self.name, self.item


def ask_pairs(
    tasks: Sequence[DocumentTask],
    template: Template,
    passages: tuple[Passage, ...],
    *,
    most: int,
    teacher: str,
    examples: Sequence[Mapping[str, Any]] = (),
    questions: Sequence[str] = (),
) -> Request:
    """Ask a teacher for pairs of these tasks on the passages: of each as many as their length is worth, `most` at the most.

    `examples` are model pairs to show, `questions` the user's own topics.
    """
    count = count_asked(tasks, passages, most, teacher)
    kinds = tuple(task.name for task in tasks)
    values = {
        "kinds": list(kinds),
        "count": count,
        "passages": [_template_values(passage) for passage in passages],
        "examples": list(examples),
        "questions": list(questions),
    }
    about = {"task": TOGETHER.join(task.task for task in tasks), "max_tokens": MAX_TOKENS, "count": count * len(tasks)}
    schema = answer_schema(tasks[0].item, kinds if len(kinds) > 1 else ())
    return build_request(template, values, schema, teacher, passages=passages, **about)


def count_asked(tasks: Sequence[DocumentTask], passages: Sequence[Passage], most: int, teacher: str) -> int:
    """Pairs of each of the tasks that a request asks for, at most; `most` is what a user wants of a passage."""
    if tasks[0].per_passage:
        return tasks[0].per_passage
    if tasks[0].per_table:
        return _count_tables(passages) * min(tasks[0].per_table, 2 * most) * (SPARE if teacher == "offline" else 1)
    return max(1, pairs_worth(passages, most, teacher) // tasks[0].pairs_each)


def _count_tables(passages: Sequence[Passage]) -> int:
    return max(1, sum(kind == "table" for passage in passages for kind, _ in passage.kinds))


def most_of_a_table(request: Request) -> int:
    """Pairs that a set takes of each table that the rules were asked about: of what they write some falls."""
    return request.count // (_count_tables(request.passages) * SPARE)


def whole_problem(tasks: Sequence[DocumentTask], completion: Completion) -> str | None:
    """What is wrong with an answer as a whole, for the teacher to mend; an item that is wrong alone is only rejected."""
    model = _model(tasks)
    problem = unusable(completion.text, model)
    if problem is None and completion.attempt == 1:  # once: what says nothing twice has nothing to say
        parsed = parse_items(completion.text, model)
        if not (parsed.items or parsed.broken or parsed.reason):
            return "no items, and no `reason`: say in one sentence why there is nothing to ask"
    return problem


def parse_pairs(tasks: Sequence[DocumentTask], text: str) -> Parsed[tuple[DocumentTask, Item]]:
    """The valid items of an answer, each with its task, and the others.

    Raises:
        ValueError: the answer as a whole is not JSON of the asked form.
    """
    parsed = parse_items(text, _model(tasks))
    by_name = {task.name: task for task in tasks}
    written: list[Any] = parsed.items
    items = [(by_name.get(getattr(item, "kind", None) or "", tasks[0]), item) for item in written]
    return Parsed(items, parsed.broken, parsed.repairs, parsed.reason)


def _model(tasks: Sequence[DocumentTask]) -> type[Strict]:
    return _item_model(tasks[0].item, tuple(task.name for task in tasks))


def reworded(record: Record, question: str) -> Record:
    """The row asked for with the second wording of its question, for the memory split."""
    draws = {**record.draws, "rewords": record.id}
    return record.model_copy(update={
        "instruction": question, "id": content_id("qa", "memory", record.id, question), "draws": draws,
    })  # fmt: skip


def with_passage(record: Record, shown: list[Chunk]) -> Record:
    """The open-book row: the chunks in `shown`, its own and maybe others, stand in `input`, of a conversation before all turns."""
    ids = tuple(chunk.id for chunk in shown)
    draws = {**record.draws, "context": "passage", "distractors": len(shown) - 1, "stated": True}
    text = "\n\n".join(chunk.text for chunk in shown)
    id = content_id("qa", "passage", record.id, *ids)
    place = "system" if record.turns else "input"
    return record.model_copy(update={place: text, "chunks": ids, "draws": draws, "id": id})


def without_passage(record: Record, shown: Chunk, asked: Sequence[str]) -> Record:
    """The row with another passage in its input, one that does not state what is `asked` for: saying so is right."""
    bare = record.model_copy(update={"task": NEGATIVE, "id": content_id("qa", "passage", record.id, shown.id)})
    return not_stated(bare, asked, shown.text, (shown.id,), shown.pages)


def not_stated(
    record: Record, asked: Sequence[str], text: str, chunks: tuple[str, ...], pages: tuple[int, ...]
) -> Record:
    """A row whose passage, `text`, does not state the items that are `asked` for."""
    draws = {"context": "passage", "distractors": 1, "stated": False, "asked": list(asked)}
    return record.model_copy(
        update={
            "input": text,
            "output": NOT_STATED[record.language],
            "label": UNSTATED,
            "chunks": chunks,
            "pages": pages,
            "draws": draws,
            "evidence": (),
            "calc": "",
            "program": "",
        }
    )
