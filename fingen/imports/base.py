"""What every reader of a published data set shares: its options, its rows as records, and rows that cannot be one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fingen.errors import RowError
from fingen.records import Record, Rejected, Turn, content_id
from fingen.rows import Raw, read_each
from fingen.text import find_language

UNKNOWN = "unknown"  # who labelled or wrote it
MALFORMED = "malformed"  # the reason of a row that is in no good form


@dataclass(frozen=True)
class Options:
    """What a user may say about how rows are read."""

    text: str | None = None  # column of the text to label
    label: str | None = None  # column of its label
    instruction: str | None = None  # in place of the one that lists the labels
    with_reasons: bool = False  # the published reasons as output, not the label alone


@dataclass(frozen=True)
class Unusable:
    """A row in good form that can be no record, and why."""

    reason: str
    detail: str


Build = Callable[[Raw, Options], Record | Unusable]


@dataclass(frozen=True)
class ImportSource:
    """A published data set, or a form that many have: where it comes from, and how its rows become records."""

    title: str
    where: str  # a page to get it from; empty for a form
    build: Build
    columns: frozenset[str]  # those that are read; others are left out, which is said
    hub: str | None = None  # id of a copy that `datasets` loads without running a script
    files: tuple[str, ...] = ("*.csv", "*.json", "*.jsonl")  # what is read of a folder
    licence: str | None = None
    split: str = "train"  # of rows that were published in none
    read: Callable[[Path], Iterator[Raw]] = read_each
    prepare: Callable[[Sequence[Raw], Options], Options] | None = None  # what must be known of all rows first
    published: Callable[[int], list[str]] | None = None  # number of rows -> the split of each, where it is a rule
    rule: str = ""  # that rule, in words


def make_record(
    *,
    instruction: str,
    output: str,
    task: str,
    input: str = "",
    system: str = "",
    turns: tuple[Turn, ...] = (),
    label: str = "",
    options: dict[str, str] | None = None,
    scores: dict[str, float] | None = None,
    teacher: str = UNKNOWN,
) -> Record:
    """A row as a record; it has no id yet."""
    return Record(
        instruction=instruction,
        input=input,
        output=output,
        system=system,
        turns=turns,
        id="",
        task=task,
        language=find_language(input or instruction),
        label=label,
        options=options or {},
        scores=scores or {},
        teacher=teacher,
        origin="imported",
    )


def read_row(source: ImportSource, raw: Raw, options: Options) -> Record | Rejected:
    """A row as a record with an id, a hash of its content; or as a reject that says where it stands."""
    try:
        if raw.damage:
            raw.fail(raw.damage)
        built = source.build(raw, options)
    except RowError as e:
        return Rejected(item=raw.values, reason=MALFORMED, detail=str(e), chunks=(), request=None)
    if isinstance(built, Unusable):
        detail = f"{raw.where}: {built.detail}"
        return Rejected(item=raw.values, reason=built.reason, detail=detail, chunks=(), request=None)
    if built.id:
        return built
    before = (*((built.system,) if built.system else ()), *(turn.content for turn in built.turns))
    id = content_id("im", built.task, *before, built.instruction, built.input, built.output)
    return built.model_copy(update={"id": id})
