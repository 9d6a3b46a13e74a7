"""Existing data as records: one module a family, one entry a data set. From a file to rows and records; nothing is written."""

from __future__ import annotations

from fingen.imports import generic, intent, sentiment
from fingen.imports.base import ImportSource, Options, Unusable

SOURCES: dict[str, ImportSource] = {**intent.SOURCES, **sentiment.SOURCES, **generic.SOURCES}

__all__ = ["SOURCES", "ImportSource", "Options", "Unusable"]
