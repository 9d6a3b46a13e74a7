"""Reports that are there more than once: the same one twice, and one that an amendment takes the place of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from fingen.quality.duplicates import fold
from fingen.records import Chunk, Period

SAME = 0.9  # share of their lines that two copies of a report have in common
WHOLE = 0.5  # share of the lines of a report from which on its amendment takes its place, and is no part of it alone


class About(Protocol):
    """What is to be known of a document, as properties."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def company(self) -> str | None: ...  # noqa: D102
    @property
    def period(self) -> Period: ...  # noqa: D102
    @property
    def language(self) -> str: ...  # noqa: D102
    @property
    def amendment(self) -> str | None: ...  # noqa: D102


D = TypeVar("D", bound=About)


def repeated(documents: Sequence[D], chunks: Callable[[D], Iterable[Chunk]]) -> dict[str, str]:
    """The documents to leave out, and why: `documents` in the order in which the first of equals is kept."""
    left_out = same_content(documents)
    others = [document for document in documents if document.path not in left_out]
    return left_out | same_report(others, chunks)


def same_content(documents: Sequence[About]) -> dict[str, str]:
    """The documents whose file is there before, and where."""
    left_out: dict[str, str] = {}
    first: dict[str, str] = {}
    for document in documents:
        if document.sha256 in first:
            left_out[document.path] = f"same content as {first[document.sha256]}"
        first.setdefault(document.sha256, document.path)
    return left_out


def same_report(documents: Sequence[D], chunks: Callable[[D], Iterable[Chunk]]) -> dict[str, str]:
    """The documents that are another one's copy, or that another one amends, and which; `chunks` gives those of a document."""
    left_out: dict[str, str] = {}
    groups: dict[tuple[str, ...], list[D]] = defaultdict(list)
    for document in documents:
        if document.company and document.period.end:
            key = fold(document.company), document.period.kind, document.period.end, document.language
            groups[key].append(document)
    for group in groups.values():
        left_out |= _of_group(group, chunks)
    return left_out


def _of_group(group: list[D], chunks: Callable[[D], Iterable[Chunk]]) -> dict[str, str]:
    """Those of reports of one company, kind and period that are left out; the last amendment is the newest."""
    if len(group) < 2:
        return {}
    lines = {document.path: _lines(chunks(document)) for document in group}
    left_out: dict[str, str] = {}
    kept: list[D] = []
    for document in sorted(group, key=lambda each: each.amendment is None):  # amendments first
        mine = lines[document.path]
        for other in kept:
            theirs = lines[other.path]
            if other.amendment and not document.amendment and len(theirs) >= WHOLE * len(mine):
                left_out[document.path] = f"replaced by {other.path}, which amends it ({other.amendment})"
                break
            if len(mine & theirs) >= SAME * len(mine | theirs):
                left_out[document.path] = f"the same report as {other.path}, with nearly the same text"
                break
        else:
            kept.append(document)
    return left_out


def _lines(chunks: Iterable[Chunk]) -> frozenset[str]:
    return frozenset(line for chunk in chunks for line in chunk.text.splitlines())
