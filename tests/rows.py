"""The rows of a set's files with their lists and objects, which are JSON in a text on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NESTED = ("options", "pages", "chunks", "evidence", "figures", "turns", "draws", "scores", "review")


def parse_row(line: str, **options: Any) -> dict[str, Any]:
    """A line of a split's file as a row; of any other file as it is."""
    row: dict[str, Any] = json.loads(line, **options)
    is_record = {"instruction", "origin"} <= row.keys()
    return {name: json.loads(value) if is_record and name in NESTED else value for name, value in row.items()}


def read_rows(*paths: Path) -> list[dict[str, Any]]:
    """The rows of all files that are there; other ends of lines than \\n are text."""
    texts = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
    return [parse_row(line) for text in texts for line in text.split("\n")[:-1]]


def dump_row(row: dict[str, Any]) -> str:
    """The line of a row, as a set has it."""
    texts = {n: json.dumps(v, ensure_ascii=False) if n in NESTED else v for n, v in row.items()}
    return json.dumps(texts, ensure_ascii=False)
