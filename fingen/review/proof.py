"""A row as a reviewer has it: edited, or rescued from the rejects; and what the checks of `fingen verify` say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fingen.errors import UsageError
from fingen.pipeline.own_rows import PLACE
from fingen.quality.evidence import locate
from fingen.records import Chunk, Evidence, Manifest, Record, Rejected, SourceEntry, content_id
from fingen.tasks.table import worked_out
from fingen.verification.origin import Origin, build_origin
from fingen.verification.run import prove_record

FIELDS = ("instruction", "input", "output", "calc", "evidence")  # that may be edited; evidence is a list of quotes
MOST_CHARACTERS = 20_000  # of the texts of a row that is checked at once: patterns take their time on a longer one
ITEM = {"question": "instruction", "answer": "output", "calc": "calc"}  # of a teacher's pair -> of a record


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row: the check, in words, and where in its answer."""

    check: str
    detail: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Proved:
    """What the checks say of a row. `unchecked` are the laws that could not be looked at, and why."""

    faults: tuple[Fault, ...]
    unchecked: Mapping[str, str]
    levels: tuple[
        tuple[int, int, str, str], ...
    ]  # of the figures of the answer: start, end, level of proof, and a doubt or ""

    @property
    def failed(self) -> tuple[str, ...]:
        """The checks that it breaks, by name."""
        return tuple(dict.fromkeys(fault.check for fault in self.faults))


def origin_of(chunks: Sequence[Chunk], sources: Sequence[SourceEntry]) -> Origin:
    """What a row with these passages is checked against."""
    return build_origin(chunks, sources)


def prove(
    record: Record, origin: Origin, *, same_as: str | None = None, labels: frozenset[str] | None = None
) -> Proved:
    """Hold a row against the checks. `same_as` is another row that asks the same; `labels` are those that a label may be."""
    faults = [Fault("empty", "there is no answer")] if not record.output.strip() else []
    if not record.instruction.strip() and not record.input.strip():
        faults.append(Fault("empty", "there is no question"))
    if same_as is not None:
        faults.append(Fault("exact", f"it asks what {same_as} asks"))
    if labels and record.label and record.label not in labels:
        faults.append(Fault("label", f"no row of the set has the label {record.label!r}"))
    size = sum(map(len, (record.instruction, record.input, record.output, record.calc)))
    if size > MOST_CHARACTERS:
        return Proved((*faults, Fault("length", f"{size:,} characters")), {"answer": "too long to check here"}, ())
    laws = prove_record(record, origin)
    for each in (each for law in laws.values() for each in law.problems):
        said = (each.start, each.end) if each.output == record.output else (0, 0)  # else: of an earlier turn
        faults.append(Fault(each.reason, each.detail, *said))
    unchecked = {name: "; ".join(law.why) for name, law in laws.items() if law.unchecked}
    grounding = origin.ground(record)
    if grounding is None:
        return Proved(tuple(faults), unchecked, ())
    doubts = grounding.doubts
    levels = tuple((each.start, each.end, each.level, doubts.get(each.start, "")) for each in grounding.figures)
    return Proved(tuple(faults), unchecked, levels)


def apply_edit(record: Record, edit: Mapping[str, Any], chunks: Sequence[Chunk]) -> Record:
    """The row with the fields of an edit. A quote is given the page where the passages have it, or the first one's.

    Raises:
        UsageError: it names a field that cannot be edited, or gives what is no text.
    """
    if unknown := sorted(edit.keys() - set(FIELDS)):
        raise UsageError(f"{', '.join(unknown)}: cannot be edited")
    texts = {name: value for name, value in edit.items() if name != "evidence"}
    quotes = edit.get("evidence", ())
    if not all(isinstance(each, str) for each in (*texts.values(), *quotes)) or isinstance(quotes, str):
        raise UsageError("an edit gives a field that is no text")
    update: dict[str, Any] = dict(texts)
    if "output" in texts and record.label and record.label == record.output:
        update["label"] = texts["output"]  # a row that answers with its label
    if "evidence" in edit and list(quotes) != [quote.quote for quote in record.evidence]:
        evidence = _locate_all([quote for quote in quotes if quote.strip()], record, chunks)
        pages = sorted({quote.page for quote in evidence if quote.page and quote.document is None})
        update |= {"evidence": evidence, "pages": tuple(pages) or record.pages}
    return record.model_copy(update=update)


def _locate_all(quotes: Sequence[str], record: Record, chunks: Sequence[Chunk]) -> tuple[Evidence, ...]:
    old = {quote.quote: quote for quote in record.evidence}
    found: list[Evidence] = []
    for text in quotes:
        if text in old:
            found.append(old[text])
        else:
            page = chunks[0].first_page if chunks else 0
            found += locate(text, chunks) or (Evidence(quote=text, page=page),)
    return tuple(dict.fromkeys(found))


def edit_of(before: Record, after: Record) -> dict[str, Any]:
    """The fields in which two versions of a row differ, as they are in the second."""
    old, new = _fields(before), _fields(after)
    return {name: new[name] for name in FIELDS if old[name] != new[name]}


def _fields(record: Record) -> dict[str, Any]:
    return {**{name: getattr(record, name) for name in FIELDS}, "evidence": [quote.quote for quote in record.evidence]}


def rescued(rejected: Rejected, manifest: Manifest, chunks: Sequence[Chunk]) -> Record | None:
    """The row that a reject would be; None where it holds none, as an answer that could not be read."""
    item = {name: value for name, value in rejected.item.items() if name != PLACE}
    if "instruction" in item:
        try:
            return Record.model_validate(item)
        except ValidationError:
            return None
    record: Record | None = None
    for pair in item.get("turns") or [item]:  # those of a conversation, or the one pair
        found = _rescued_pair({**item, **pair}, manifest, chunks) if isinstance(pair, dict) else None
        if found is None:
            return None
        record = found.after(record) if record else found
    return record


def _rescued_pair(item: Mapping[str, Any], manifest: Manifest, chunks: Sequence[Chunk]) -> Record | None:
    texts = {name: item.get(name) for name in ("question", "answer")}
    if not all(isinstance(text, str) and text for text in texts.values()) or not chunks:
        return None
    first = chunks[0]
    quotes = [quote for quote in item.get("evidence") or () if isinstance(quote, str)]
    bare = Record(
        instruction=item["question"],
        input="",
        output=item["answer"],
        calc=item["calc"] if isinstance(item.get("calc"), str) else "",
        id=content_id("qa", first.document, item["question"], item["answer"]),
        task=_task(item, manifest),
        language=first.language,
        document=first.document,
        pages=tuple(sorted(set(first.pages) - {0})),
        chunks=tuple(chunk.id for chunk in chunks),
        teacher=manifest.teacher,
        origin="document",
    )
    if all(item.get(name) for name in ("operation", "program", "cells")):
        bare = bare.model_copy(update=worked_out(item))
    return apply_edit(bare, {"evidence": quotes}, chunks) if quotes else bare


def _task(item: Mapping[str, Any], manifest: Manifest) -> str:
    """The task of a pair: the kind that its teacher gave it, or what most rows of the set are."""
    named = "qa-conversation" if "turns" in item else f"qa-{item.get('kind')}"
    return (
        named if named in manifest.tasks else next(iter(Counter(manifest.tasks).most_common(1)), ("qa-concept", 0))[0]
    )
