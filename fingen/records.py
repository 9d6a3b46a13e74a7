"""What flows through fingen: documents, chunks, requests, completions, records, rejects, manifests.

Everything here is frozen data that is written to and read from JSON. Content ids are hashes of content, so that the
same input gives the same ids on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    WrapSerializer,
    model_serializer,
    model_validator,
)

from fingen.disk import InnerPath, Name, dump_json, sha256_text

Language = Literal["en", "zh"]
BlockKind = Literal["heading", "paragraph", "table"]
BasisKind = Literal["consolidated", "parent", "quarter", "half-year", "nine months", "cumulative", "year", "restated", "as first reported",
                    "non-GAAP", "GAAP", "excluding one-offs", "segment", "continuing", "discontinued",
                    "convenience translation"]  # fmt: skip
SplitUnit = Literal["company", "document", "chunk"]
PLACE_MARK = " @ "  # between the section of a quote and what finds it again
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in points from the top left of the page


TOGETHER = "+"  # between the tasks of a request that asks for several


def _is_empty(value: object) -> bool:
    """Whether a field is left out where it is written: files of sets without it stay as they are."""
    return not value


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields: a typo in a file is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Take in what another process has read. Which fields were given is a set of its own in each; one is kept for all.

        It takes more than all else of a small object, and a report has thousands of blocks.
        """
        given = frozenset(state["__pydantic_fields_set__"])
        state["__pydantic_fields_set__"] = _GIVEN.setdefault(given, set(given))
        super().__setstate__(state)


_GIVEN: dict[frozenset[str], set[str]] = {}  # sets of names; a copy of an object copies its set, so that none changes


class Block(Frozen):
    """Where a piece of a chunk's text stands: `text[start:end]` is inside `box` on `page` (1-based).

    In a document without pages `page` is 0. Where a format has no boxes, `place` is what finds the piece again in the
    file: "#id" or "element N" in HTML, "paragraph N" or "table N" in Word, "line N" in text.
    """

    kind: BlockKind
    page: int
    box: Box
    start: int
    end: int
    place: str = Field(default="", exclude_if=_is_empty)


class Fact(Frozen):
    """What a tag of inline XBRL says that a piece of text is: `text[start:end]` of the chunk.

    `value` is the amount in full, with scale and sign, as a decimal number; the text of what is no number. `period` is a
    date, or the first and the last day: 2024-01-01/2024-12-31.
    """

    start: int
    end: int
    concept: str  # us-gaap:Revenues
    value: str
    unit: str = Field(default="", exclude_if=_is_empty)  # USD, shares, USD/shares, pure
    period: str = ""
    entity: str = Field(default="", exclude_if=_is_empty)  # the number that its registry gives the company
    dimensions: tuple[tuple[str, str], ...] = Field(default=(), exclude_if=_is_empty)  # axis and member, sorted
    scale: int = Field(default=0, exclude_if=_is_empty)  # powers of ten that the text leaves out
    sign: Literal["", "-"] = Field(default="", exclude_if=_is_empty)  # "-": the tag negates what the text shows


class Stated(Frozen):
    """What a document says of its own amounts, in its words, and the page that says it; empty where it is said nowhere.

    `page` is 0 where the document has no pages.
    """

    text: str
    page: int


class Basis(Stated):
    """What amounts are counted on: consolidated or parent, which time, restated or not. `column` where it is said of one."""

    kind: BasisKind
    column: str = ""


class AboutAmounts(Frozen):
    """What a passage's amounts are counted in, and on what basis, as its document says it."""

    unit: tuple[Stated, ...] = ()  # none: no amounts, or each says its own; with an empty text: said nowhere
    basis: tuple[Basis, ...] = ()  # none: not known

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value or name not in ("unit", "basis")}


class Chunk(AboutAmounts):
    """A passage of one document, never cut inside a sentence or a table row."""

    id: str
    document: str
    language: Language
    first_page: int
    last_page: int
    section: tuple[str, ...]
    text: str
    tokens: int  # estimated
    blocks: tuple[Block, ...]
    facts: tuple[Fact, ...] = Field(default=(), exclude_if=_is_empty)  # by their place in the text

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages that its blocks stand on, ascending; none where its document has no pages."""
        return tuple(sorted({block.page for block in self.blocks if block.page}))


class Period(Frozen):
    """The time a report covers. `end` is an ISO date, or a year where no more is known.

    `fiscal_year` is the name of the year where it is not the one that it ends in: fiscal 2022 ended on January 1, 2023.
    """

    kind: Literal["annual", "half-year", "quarterly", "unknown"] = "unknown"
    end: str | None = None
    fiscal_year: int | None = None

    @model_serializer(mode="wrap")
    def _without_fiscal_year(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name != "fiscal_year" or value}


class Document(Frozen):
    """One input file, read. `path` is relative to the input it was found below."""

    path: str
    sha256: str
    pages: int  # 0: it has none
    language: Language
    company: str | None
    period: Period
    chunks: tuple[Chunk, ...]
    names: dict[str, str] = Field(
        default_factory=dict
    )  # language -> the company's name in it, where the report gives one
    amendment: str | None = None  # the words by which it says that it amends another report: 10-K/A, 更正后
    author: str | None = None  # who wrote it, where that is not the company: a broker
    filing: dict[str, str] = Field(
        default_factory=dict
    )  # source (its address), accession, filed: as documents.yaml states
    image_pages: tuple[int, ...] = ()  # scanned, and not read
    ocr_pages: tuple[int, ...] = ()  # scanned, or of unreadable text, and read by OCR
    ocr_engine: str | None = None
    ocr_confidence: tuple[float, ...] = ()  # for each of ocr_pages, 0..1
    unreadable_pages: tuple[int, ...] = ()  # their text is not what they show, and was left out
    skipped_pages: tuple[int, ...] = ()  # given up: damaged or too slow
    vertical_pages: tuple[int, ...] = ()  # some of their lines run from top to bottom: their order is not sure
    shells: tuple[
        str, ...
    ] = ()  # what the file is beside a report, where its pages may be a cover only: XFA form, portfolio
    left_out: tuple[str, ...] = ()  # documents of a submission that are not text: type and file
    elsewhere: str = ""  # the sentence by which it says that its statements are in another document
    unnamed_glyphs: int = 0  # that the pages show and no map of their fonts names; each is a mark in the text
    encoding: str = ""  # that its text seems to be in, where that had to be guessed
    hidden: dict[str, int] = Field(default_factory=dict)  # hidden text left out: kind -> runs
    oversize: int = 0  # chunks over the budget because one sentence or row is


class Passage(AboutAmounts):
    """A chunk as a teacher sees it, with what it must know of the document."""

    chunk: str
    document: str
    company: str | None
    period: Period
    language: Language
    section: tuple[str, ...]
    pages: tuple[int, int]  # first and last; 0: there are none
    text: str
    kinds: tuple[tuple[BlockKind, str], ...]  # the text again, block by block
    facts: tuple[Fact, ...] = Field(default=(), exclude_if=_is_empty)


class Request(Frozen):
    """One question to a teacher. `system` is shared by many requests (a provider may cache it), `prompt` is its own."""

    key: str  # hash of teacher, texts and schema; not of max_tokens: asking with more room is the same question
    task: str  # of the records that come of it; several are parted by TOGETHER
    template: str
    system: str
    prompt: str
    answer_schema: dict[str, Any]
    max_tokens: int
    count: int  # items asked for, at most
    passages: tuple[Passage, ...] = ()
    draws: tuple[dict[str, Any], ...] = ()  # in place of passages: what each item is to be like
    follow_ups: tuple[str, ...] = ()  # an unusable answer and what was wrong with it, by turns; no part of the key

    @property
    def where(self) -> str:
        """What a message calls it: document and page (or section) of its first passage."""
        if not self.passages:
            return f"request {self.key[:12]}"
        first = self.passages[0]
        place = f"page {first.pages[0]}" if first.pages[0] else " > ".join(first.section)
        return ", ".join(filter(None, (first.document, place)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it asks for."""
        return tuple(self.task.split(TOGETHER))


T = TypeVar("T")
Broken = tuple[dict[str, Any], str]  # an item that is none, and what is wrong with it


@dataclass
class Parsed(Generic[T]):
    """What an answer holds."""

    items: list[T] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)  # what had to be forgiven to read it
    reason: str = ""  # why there are no items, where the answer says so


def request_key(teacher_name: str, system: str, prompt: str, answer_schema: dict[str, Any]) -> str:
    """The identity of a question: who is asked, what, and in which form; asking with more room is the same question.

    The order of the schema's fields counts: a teacher writes its answer in that order.
    """
    return sha256_text(teacher_name, system, prompt, dump_json(answer_schema))


class Usage(Frozen):
    """Tokens billed. The three kinds of input add up to the whole input."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0


class Completion(Frozen):
    """A teacher's raw answer, stored before anything is validated."""

    key: str
    text: str
    stop_reason: str  # end_turn, max_tokens, refusal, error
    teacher: str
    usage: Usage = Usage()
    cost_usd: float | None = None  # None: the price is not known
    attempt: int = 1
    possibly_billed: bool = False  # an attempt that timed out or broke off
    error: str | None = None


class Evidence(Frozen):
    """A verbatim quote and the page it stands on (1-based); `document` where that is not the record's own.

    In a document without pages `page` is 0, and `place` says where the quote stands: its section, and behind PLACE_MARK
    what finds it again in the file.
    """

    quote: str
    page: int = 0
    place: str | None = None
    document: str | None = None

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value}


def parse_nested(value: Any) -> Any:
    """The list or object that a column holds, from its JSON or as it is.

    Raises:
        ValueError: a text that is no JSON.
    """
    if value in ("[]", "{}"):  # most columns of most rows
        return [] if value == "[]" else {}
    try:
        return json.loads(value) if isinstance(value, str) else value
    except RecursionError as e:
        raise ValueError("nested too deeply") from e


def _dump_nested(value: Any, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
    return dump_json(dump(value)) if info.mode == "json" else dump(value)


# Readers take a column's type from the first rows that they see. A list or object that is empty there has none, so that
# it is JSON in a text on disk; it is read from both.
# In a record's draws: the reasons of rules that read words and speak against it, and the second teacher that supports it still.
CONTESTED, SUPPORTED_BY = "contested", "supported_by"
_NESTED = (BeforeValidator(parse_nested), WrapSerializer(_dump_nested))


class Turn(Frozen):
    """One thing that was said before the question of a record, and by whom. An answer may have what it rests on."""

    role: str  # user, assistant
    content: str
    evidence: tuple[Evidence, ...] = Field(default=(), exclude_if=_is_empty)
    figures: tuple[dict[str, Any], ...] = Field(default=(), exclude_if=_is_empty)
    calc: str = Field(default="", exclude_if=_is_empty)

    @property
    def message(self) -> dict[str, str]:
        """Who says what, as chat templates and providers take it."""
        return {"role": self.role, "content": self.content}


class Record(Frozen):
    """One validated row: an Alpaca row first, its provenance after.

    In a conversation `turns` are what was said before `instruction`, and all else is about its last answer.

    On disk each column is a text in each row of every set, empty where it has no meaning ("", "[]", "{}"), so that files
    of any sets load together: no column is null or of another type in one of them.
    """

    instruction: str
    input: str
    output: str
    system: str = ""  # what the model is told before all turns
    id: str
    task: str
    language: Language
    label: str = ""
    options: Annotated[dict[str, str], *_NESTED] = Field(default_factory=dict)  # letter -> text
    document: str = ""
    filing: Annotated[dict[str, str], *_NESTED] = Field(
        default_factory=dict
    )  # of the document: source, accession, filed
    pages: Annotated[tuple[int, ...], *_NESTED] = ()  # none: the document has no pages
    chunks: Annotated[tuple[str, ...], *_NESTED] = ()
    evidence: Annotated[tuple[Evidence, ...], *_NESTED] = ()
    figures: Annotated[
        tuple[dict[str, Any], ...], *_NESTED
    ] = ()  # of the answer: said, start, end, and the level of its proof
    calc: str = ""
    program: str = ""  # the steps whose result is the answer
    turns: Annotated[tuple[Turn, ...], *_NESTED] = ()  # that came before
    draws: Annotated[dict[str, Any], *_NESTED] = Field(default_factory=dict)
    scores: Annotated[dict[str, float], *_NESTED] = Field(default_factory=dict)
    review: Annotated[dict[str, Any], *_NESTED] = Field(default_factory=dict)  # a person's verdict, and what it changed
    teacher: str
    origin: Literal["document", "synthetic", "imported"]
    rejected: str = Field(default="", exclude_if=_is_empty)  # of a preference: an answer that is worse than the output
    reason: str = Field(
        default="", exclude_if=_is_empty
    )  # what is wrong with it: a word, and behind ": " what was found

    @property
    def prompt(self) -> str:
        """Instruction and input as one text, joined as LLaMA-Factory joins those of an Alpaca row."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, row: Any) -> Any:
        """Read rows in which what is empty is null, as sets were written before; what a preference says twice is read once."""
        if not isinstance(row, dict):
            return row
        twice = ("prompt", "chosen") if row.get("rejected") else ()
        return {name: value for name, value in row.items() if value is not None and name not in twice}

    @model_serializer(mode="wrap")
    def _with_preference(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write a preference under the names that trainers read: prompt, chosen, rejected."""
        row = dump(self)
        if not self.rejected:
            return row  # type: ignore[no-any-return]  # a dictionary, as of every model
        named = {"prompt": self.prompt, "chosen": self.output, "rejected": self.rejected, "reason": self.reason}
        return {**named, **row}

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """What was said before its question: role and content."""
        return tuple(turn.message for turn in self.turns)

    @property
    def said(self) -> tuple[str, ...]:
        """All texts of the conversation in their order: the system message, the turns, the question, its input, the answer."""
        before = (turn.content for turn in self.turns)
        return self.system, *before, self.instruction, self.input, self.output

    @property
    def questions(self) -> tuple[str, ...]:
        """All that was asked up to its answer, the last its instruction: a later question may rest on an earlier one."""
        return *(turn.content for turn in self.turns if turn.role == "user"), self.instruction

    @property
    def exchanges(self) -> tuple[Record, ...]:
        """Each answer of the conversation as a record of its own, with the turns before its question; the last is the record itself."""
        answered = (
            (place, question, answer)
            for place, (question, answer) in enumerate(pairwise(self.turns))
            if (question.role, answer.role) == ("user", "assistant")
        )
        own: dict[str, Any] = dict.fromkeys(("input", "label", "program", "rejected", "reason"), "")
        own["options"] = {}
        earlier = (
            self.model_copy(
                update=own
                | {"instruction": question.content, "output": answer.content, "turns": self.turns[:place]}
                | {name: getattr(answer, name) for name in ("evidence", "figures", "calc")}
            )
            for place, question, answer in answered
        )
        return *earlier, self

    def after(self, before: Record) -> Record:
        """The record as what follows another one in a conversation: what that one's answer rests on stands there, and here too."""
        asked = Turn(role="user", content=before.instruction)
        told = Turn(role="assistant", content=before.output, evidence=before.evidence, calc=before.calc)
        evidence = tuple(dict.fromkeys((*self.evidence, *before.evidence)))
        return self.model_copy(update={
            "turns": (*before.turns, asked, told), "evidence": evidence,
            "pages": tuple(sorted({*self.pages, *before.pages})),
            "id": content_id(self.id.partition("-")[0], before.id, self.id),
        })  # fmt: skip


PREFERENCE = ("prompt", "chosen", "rejected", "reason")  # columns that rows of preferences alone have
COLUMNS = tuple(name for name in Record.model_fields if name not in PREFERENCE)  # those that all rows have


class Rejected(Frozen):
    """An item that did not become a record, and why."""

    item: dict[str, Any]
    reason: str
    detail: str
    chunks: tuple[str, ...]
    request: str | None


class FileEntry(Frozen):
    """One file of a set, as the manifest lists it."""

    sha256: str
    rows: int | None


class SourceEntry(Frozen):
    """One input document, as the manifest lists it."""

    path: str
    sha256: str
    pages: int
    language: Language
    company: str | None
    names: dict[str, str] = Field(default_factory=dict)  # language -> the company's name in it
    author: str | None = None
    filing: dict[str, str] = Field(default_factory=dict)
    period: Period
    image_pages: tuple[int, ...] = ()


class Withdrawn(Frozen):
    """A report that a set rested on once, and what the set was then."""

    report: str  # sha256 of the file
    path: str = ""  # its name in the set; empty once it is forgotten
    rows: int  # that went with it
    before: str  # sha256 of the manifest that the set had: by it adapters and scores of then are known
    passages: tuple[str, ...] = ()  # ids of its chunks, where a journal has answers about them still


class Manifest(Frozen):
    """What a set is and what made it. Written last; no time of day in it."""

    # 1: rows with null, and with lists and objects as they are; 2: every document has pages; 3: not every one, and what
    # stands in one without them has a place
    format: Literal[1, 2, 3] = 3
    name: Name
    command: str
    teacher: str
    settings: dict[str, Any]
    prompts: dict[str, str]  # template name -> sha256
    sources: tuple[SourceEntry, ...]
    unread: dict[str, str]  # input file -> why it could not be read
    files: dict[InnerPath, FileEntry]
    splits: dict[Name, int]
    tasks: dict[str, int]
    rejects: dict[str, int]  # reason -> items
    requests: int
    usage: Usage
    cost_usd: float | None
    split_by: SplitUnit
    figures: dict[str, int] = Field(default_factory=dict)  # in the answers: all, bound, quoted, computed
    checked: dict[str, Any] = Field(
        default_factory=dict
    )  # what a second teacher said of the pairs, and how often it agreed
    declared: tuple[str, ...] = ()  # published splits and repeats that verify reports and does not fail on
    withdrawn: tuple[Withdrawn, ...] = ()
    versions: dict[str, str]

    @property
    def is_preferences(self) -> bool:
        """Whether its rows are preferences: a prompt, a chosen and a rejected answer."""
        return self.command == "prefer"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its rows have on disk."""
        return (*PREFERENCE, *COLUMNS) if self.is_preferences else COLUMNS

    @model_serializer(mode="wrap")
    def _without_withdrawn(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value or name != "withdrawn"}


def content_id(prefix: str, *parts: str) -> str:
    """A short stable id: the prefix and 16 hexadecimal digits of the parts' SHA-256."""
    return f"{prefix}-{sha256_text(*parts)[:16]}"


class _Named(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=_Named)


def take(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """At most so many of some rows, in their order: those whose ids have the lowest hashes, wherever in a file they stand."""
    if limit is None or limit >= len(rows):
        return list(rows)
    chosen = take_ids((row.id for row in rows), limit)
    return [row for row in rows if row.id in chosen]


def take_ids(ids: Iterable[str], limit: int) -> set[str]:
    """Those of some ids that have the lowest hashes, at most so many rows of them."""
    return set(sorted(ids, key=sha256_text)[:limit])
