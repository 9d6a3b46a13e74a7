"""Reads reports in the process that asks, for tests of what comes after: a worker is slow to start, and has tests of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fingen.config import ReadSettings
from fingen.documents import InputFile
from fingen.documents.read import read_document
from fingen.errors import DocumentError
from fingen.records import Document


def read_here(
    sources: Sequence[InputFile], how: ReadSettings, *, workers: int, cache: Path | None = None
) -> Iterator[Document | DocumentError]:
    for source in sources:
        try:
            yield read_document(source.path, source.name, how, cache=cache)
        except DocumentError as e:
            yield e
