"""Which files are meant by the paths on the command line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fingen.documents.formats import SUFFIXES, may_be_document
from fingen.documents.overrides import OVERRIDES
from fingen.documents.workers import InputFile
from fingen.errors import UsageError
from fingen.wire import refuse_address

NAMED = 5  # files that a message names


def name_some(names: Sequence[str]) -> str:
    """Names as a sentence has them, where there are many the first ones, counted."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def find_sources(inputs: Sequence[Path]) -> list[InputFile]:
    """All documents below folders, and the files named, sorted by name. A document is named by its path relative to its input.

    Files of a format that is not read are among them where people keep such among reports: reading them says so.

    Two inputs that hold the same relative path are told apart by the input's own name in front. A file named outright is
    listed even when it does not exist: reading it will say so, and the others are still read.

    Raises:
        UsageError: an input is an address, or a folder that does not exist or holds no document, and nothing else was named.
    """
    found: list[tuple[Path, str, Path]] = []
    for given in inputs:
        refuse_address(given)
        if given.is_dir():
            files = sorted(
                path
                for path in given.rglob("*")
                if not path.name.startswith(".")
                and (_is_dangling(path) or (not path.is_dir() and may_be_document(path)))
            )
            found += [(path, path.relative_to(given).as_posix(), given) for path in files]
        else:
            found.append((given, given.name, given.parent))
    if not found:
        missing, others = [str(given) for given in inputs], passed_over(inputs)
        raise UsageError(
            f"no documents below {', '.join(missing)}" + (f"; there are {name_some(others)}" if others else ""),
            hint=f"name a folder that holds reports ({', '.join(sorted(SUFFIXES))}), or the files themselves",
        )
    once = list({os.path.realpath(path): (path, name, given) for path, name, given in reversed(found)}.values())
    names = Counter(name for _, name, _ in once)
    sources = [
        InputFile(path, _printable(name if names[name] == 1 else f"{given.resolve().name}/{name}"))
        for path, name, given in once
    ]
    return sorted(sources, key=lambda source: source.name)


def passed_over(inputs: Sequence[Path]) -> list[str]:
    """The files of folders that are no documents by name and content: code, settings, rows of data; none that is hidden."""
    inner = ((path, path.relative_to(given)) for given in inputs if given.is_dir() for path in given.rglob("*"))
    return sorted(
        _printable(name.as_posix())
        for path, name in inner
        if not any(part.startswith((".", "~$")) for part in name.parts)
        and path.name != OVERRIDES
        and path.is_file()
        and not may_be_document(path)
    )


def _is_dangling(path: Path) -> bool:
    """Whether it is a link to something that is not there: what that was nobody can tell, so it is named as not read."""
    return path.is_symlink() and not path.exists()


def _printable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are written out, as a shell does."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
