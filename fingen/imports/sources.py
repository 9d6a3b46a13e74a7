"""All published data sets and forms that can be imported, by name."""

from __future__ import annotations

from fingen.config import RENAMED
from fingen.imports import fineval, generic, intent, sentiment, tables
from fingen.imports.base import ImportSource

SOURCES: dict[str, ImportSource] = {
    **intent.SOURCES,
    **sentiment.SOURCES,
    **tables.SOURCES,
    **fineval.SOURCES,
    **generic.SOURCES,
}


def find_source(name: str) -> ImportSource:
    """The source of that name, or of one that it had before."""
    return SOURCES[RENAMED.get(name, name)]
