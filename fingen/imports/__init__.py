"""Existing data as records: one module a family, one entry a data set. From a file to rows and records; nothing is written."""

from __future__ import annotations

from fingen.imports import generic, intent, sentiment
from fingen.imports.base import Options, Source, Unusable

SOURCES: dict[str, Source] = {**intent.SOURCES, **sentiment.SOURCES, **generic.SOURCES}

__all__ = ["SOURCES", "Options", "Source", "Unusable"]
