"""The summary of a run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fingen.config import Pdf2qa
from fingen.errors import DocumentError
from fingen.events import Outcome, command_line
from fingen.pipeline.looking import Draw
from fingen.pipeline.notes import document_notes, passed_over_note
from fingen.pipeline.reading import Unread, left_out
from fingen.pipeline.repairing import Repairs
from fingen.pipeline.reports import Reports
from fingen.quality.splits import note_companies
from fingen.records import Chunk, Document
from fingen.sets import SetContent
from fingen.teachers.answers import repair_notes

SLIPS = "{} quotes differ from the source in a few letters; the source's own words are stored"
INVALID_ANSWERS = 0.2  # from this share of unusable answers on, a run falls short


@dataclass(frozen=True)
class Summary(Outcome):
    """What a run did. `exit_code` is 0, or 1 where it fell short."""

    set: str
    teacher: str
    documents: list[dict[str, Any]]
    unread: list[dict[str, Any]]
    pages: int
    chunks: int
    chunks_asked: int
    left_out: dict[str, int]  # sort of section -> passages not asked about because of it
    chunks_with_records: int
    records: dict[str, dict[str, int]]  # task -> split -> rows
    rejects: dict[str, int]
    figures: dict[str, int]  # in the answers of all rows: all, and by the level of their proof
    repaired: dict[str, int] | None  # pairs sent back to their teacher, requests that took, pairs kept of what came
    checked: (
        dict[str, Any] | None
    )  # by a second teacher: pairs, agreed, agreement (share), claims by verdict, unchecked, failed
    judged: dict[str, Any] | None  # what a judge made of the kept items: teacher, judged, unjudged, means by point
    private: dict[str, int]  # kind of personal data -> times it was found
    coverage: dict[str, dict[str, int]]  # section -> chunks asked, with records
    requests: dict[str, int]  # asked now, from the journal, without an answer; unusable answers
    cost_usd: float | None  # of all runs
    expected_usd: float | None  # what the estimate said of the same requests
    seconds: dict[str, float]


class Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Write down the seconds since the last lap."""
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 2)
        self._last = now


def summarize(
    settings: Pdf2qa,
    content: SetContent,
    documents: Reports,
    unread: Unread,
    chunks: Sequence[Chunk],
    draw: Draw,
    asked: int,
    repairs: Repairs,
    check_failed: str,
    expected_usd: float | None,
    changed: bool,
    clock: Clock,
) -> Summary:
    """The summary of a finished run."""
    answered = {chunk for record in draw.kept for chunk in record.chunks}
    requests = content.manifest.requests
    errors = [error for error in unread.values() if isinstance(error, DocumentError)]
    short = bool(errors) or draw.unusable >= INVALID_ANSWERS * requests
    return Summary(
        set=str(settings.out),
        teacher=content.manifest.teacher,
        documents=[_about(head, size) for head, size in zip(documents.heads, documents.sizes(), strict=True)],
        unread=[_why_unread(path, reason) for path, reason in unread.items()],
        pages=sum(head.pages for head in documents.heads),
        chunks=len(documents.chunks),
        chunks_asked=len(chunks),
        left_out=left_out(documents, settings.sections),
        chunks_with_records=sum(chunk.id in answered for chunk in chunks),
        records=_count(content.splits),
        rejects=dict(sorted(Counter(rejected.reason for rejected in draw.rejected).items())),
        figures=content.manifest.figures,
        repaired=_repaired(repairs, draw),
        checked={**draw.checked, "failed": check_failed} if draw.checked else None,
        judged=draw.judged,
        private=dict(sorted(draw.private.items())),
        coverage=_coverage(chunks, answered),
        requests={
            "asked": asked,
            "from_journal": requests + len(repairs.requests) - asked - draw.unanswered,
            "unanswered": draw.unanswered,
            "unusable": draw.unusable,
        },
        cost_usd=content.manifest.cost_usd,
        expected_usd=expected_usd,
        changed=changed,
        seconds=clock.laps,
        notes=[
            *passed_over_note(settings),
            *document_notes(documents, chunks, draw.kept, draw.rejected),
            *note_companies(content.splits, content.manifest.sources, content.manifest.split_by),
            *([SLIPS.format(draw.slips)] if draw.slips else []),
            *repair_notes(draw.repairs),
        ],
        next=command_line("fingen", "verify", settings.out),
        exit_code=1 if short else 0,
    )


def _repaired(repairs: Repairs, draw: Draw) -> dict[str, int] | None:
    if not repairs.requests:
        return None
    kept = sum(record.id in draw.mended for record in draw.kept)
    return {"sent": repairs.sent, "requests": len(repairs.requests), "kept": kept}


def _about(head: Document, chunks: int) -> dict[str, Any]:
    about = head.model_dump(mode="json", exclude={"chunks", "sha256", "names"})
    return {**about, "chunks": chunks}


def _why_unread(path: str, reason: DocumentError | str) -> dict[str, Any]:
    if isinstance(reason, str):
        return {"path": path, "reason": reason, "hint": ""}
    return {"path": path, "reason": reason.reason, "detail": reason.detail, "page": reason.page, "hint": reason.hint}


def _count(splits: Any) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for split, rows in splits.items():
        for record in rows:
            task = counts.setdefault(record.task, dict.fromkeys(splits, 0))
            task[split] += 1
    return dict(sorted(counts.items()))


def _coverage(chunks: Iterable[Chunk], answered: set[str]) -> dict[str, dict[str, int]]:
    sections: dict[str, dict[str, int]] = {}
    for chunk in chunks:
        name = " > ".join(chunk.section[:2]) or "(no section)"
        section = sections.setdefault(name, {"asked": 0, "with_records": 0})
        section["asked"] += 1
        section["with_records"] += chunk.id in answered
    return sections
