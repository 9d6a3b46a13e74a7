"""The last look before anything leaves: personal data, keys and paths of this machine, in every text of every file.

What is found is told by kind and place alone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import get_token

from fingen.quality.privacy import PRIVATE, scan
from fingen.records import Language, parse_nested
from fingen.wire import Secret, find_key

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
OWN_KEY, OWN_PATH = "a key of this machine", "a path of this machine"
SHORTEST_KEY = 12  # characters; a shorter one is a word such as "none", as local servers take it
_NAMES_A_SECRET = re.compile(r"key|token|secret|passw|pwd|credential", re.IGNORECASE)
_EMPTY = ("", "[]", "{}")  # as most columns of most rows are
_LEAST_NUMBER = 10**9  # no shorter number is a card or a phone
_BINARY = (".parquet", ".safetensors", ".png", ".model")  # tables say what the JSON lines say; the others hold no text
_PIECES = ("tokenizer.json", "vocab.json", "merges.txt")  # a vocabulary: pieces of words, a hundred thousand of them
_PLACE = re.compile(
    r"(?<![\w/.:~-])(?:[A-Za-z]:)?(?:[/\\][^/\\\s,;:'\"]+)+[/\\](?=[^/\\\s])"
)  # the folders of an absolute path


Find = Callable[[str, Language], Iterable[str]]  # the kinds of what is private in a text


@dataclass(frozen=True)
class Leak:
    """Something private. `row` is its line, from 1; 0 in a file that has no rows."""

    file: str
    row: int
    field: str
    kind: str

    def __str__(self) -> str:
        where = f"{self.file}, row {self.row}" if self.row else self.file
        return f"{where}, {self.field}: {self.kind}" if self.field else f"{where}: {self.kind}"


@dataclass(frozen=True)
class OwnSecrets:
    """What must not leave besides what has the form of something private: keys and places of this machine."""

    secrets: tuple[Secret, ...]
    places: tuple[str, ...]

    def find(self, text: str, language: Language) -> Iterator[str]:
        """The kinds of what is private in a text."""
        yield from sorted({found.kind for found in scan(text, language)} & PRIVATE)
        yield from self.find_own(text)

    def find_own(self, text: str) -> Iterator[str]:
        """Only what is this machine's own."""
        if any(secret.mask(text) != text for secret in self.secrets):
            yield OWN_KEY
        if any(place in text for place in self.places):
            yield OWN_PATH


def watch_machine(folder: Path) -> OwnSecrets:
    """The keys that are set here, and the folders by which this machine and its user are known."""
    keys = (get_token(), *map(find_key, KEYS))
    places = {Path.home(), Path.cwd(), folder.resolve().parent}
    named = sorted(f"{place}{os.sep}" for place in places if len(place.parts) > 1)
    return OwnSecrets(tuple(Secret(key) for key in keys if key and len(key) >= SHORTEST_KEY), tuple(named))


def without_places(value: Any) -> Any:
    """The same without the folders of absolute paths: where files lay on this machine is nobody's business."""
    if isinstance(value, str):
        return _PLACE.sub("", value)
    if isinstance(value, Mapping):
        tidied: dict[str, Any] = {}
        for name, inner in value.items():
            short = without_places(name)
            tidied[short if short not in tidied else f"{short} ({len(tidied)})"] = without_places(inner)
        return tidied
    return [without_places(inner) for inner in value] if isinstance(value, list) else value


def find_leaks(files: Mapping[str, Path], own: OwnSecrets) -> Iterator[Leak]:
    """Look through JSON lines row by row, through JSON value by value, through other texts line by line.

    A vocabulary is looked through as one text, for what is this machine's own: its pieces name nobody.
    """

    @lru_cache(maxsize=1 << 14)  # names of fields, labels, documents: the same ones in every row
    def find(text: str, language: Language) -> tuple[str, ...]:
        return tuple(own.find(text, language))

    for name, path in files.items():
        if path.suffix in _BINARY:
            continue
        with path.open(encoding="utf-8") as file:
            if name in _PIECES:
                yield from (Leak(name, 0, "", kind) for kind in own.find_own(file.read()))
                continue
            if path.suffix == ".json":
                yield from _in_value(name, 0, json.load(file), find, "zh")
                continue
            for number, line in enumerate(file, 1):
                if path.suffix == ".jsonl":
                    row = json.loads(line)
                    yield from _in_value(name, number, row, find, "en" if row.get("language") == "en" else "zh")
                else:
                    yield from (Leak(name, number, "", kind) for kind in find(line, "en"))


def _in_value(file: str, row: int, value: Any, find: Find, language: Language) -> Iterator[Leak]:
    for field, text in _texts(value, ()):
        name = field[-1] if field else ""
        if _NAMES_A_SECRET.search(name):
            text = f"{name}={text}"  # a random value is a key only where something says so
        for kind in find(text, language):
            yield Leak(file, row, ".".join(field), kind)


def _texts(value: Any, field: Sequence[str]) -> Iterator[tuple[Sequence[str], str]]:
    """Every text in a value, the names of fields and long numbers too, each with where it stands.

    A list or object that is JSON in a text is looked into: an escape there would hide what stands beside it.
    """
    if isinstance(value, str):
        inside = _nested(value)
        if inside is None:
            yield field, value
        else:
            yield from _texts(inside, field)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield field, name
            if inner not in _EMPTY:
                yield from _texts(inner, (*field, name))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, field)
    elif isinstance(value, int) and abs(value) >= _LEAST_NUMBER:
        yield field, str(value)


def _nested(text: str) -> Any:
    """The list or object that a text is the JSON of; None where it is none."""
    try:
        return parse_nested(text) if text.startswith(("[", "{")) else None
    except ValueError:
        return None
