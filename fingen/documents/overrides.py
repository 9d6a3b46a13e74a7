"""What a YAML file beside the reports states about them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationError

from fingen.errors import UsageError
from fingen.records import Frozen, Language, Period
from fingen.rows import read_yaml

OVERRIDES = "documents.yaml"  # beside the reports: file name -> what an Override has
MOST_CHARACTERS = 120
MOST_ADDRESS = 500  # characters
_ADDRESS = re.compile(r"https?://[!-~]+")
_HINT = (
    'write lines such as:  report.pdf: {company: "Example Inc.", period: {kind: annual, end: "2024-12-31"}, language: en, '
    'source: "https://www.example.com/report.pdf", accession: "0000000000-24-000001", filed: "2025-02-01"}'
)


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():  # marks that turn the direction of writing are not printable either
        raise ValueError("is not one line of text")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"has more than {MOST_CHARACTERS} characters")
    return text.strip()


def _address(text: str) -> str:
    if len(text) > MOST_ADDRESS or not _ADDRESS.fullmatch(text):
        raise ValueError("is no address that starts with https://")
    return text


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _checked(period: Period) -> Period:
    if period.end and not re.fullmatch(r"(?:19|20)\d\d", period.end):
        _day(period.end)
    return period


def _written(value: Any) -> Any:
    """Dates and years that YAML has read as such, as they were written."""
    if isinstance(value, dict):
        return {name: _written(each) if name == "end" else each for name, each in value.items()}
    return str(value) if isinstance(value, (date, int)) and not isinstance(value, bool) else value


class Override(Frozen):
    """What a line of documents.yaml may state about a document."""

    company: Annotated[str, AfterValidator(_one_line)] | None = None
    period: Annotated[Period, BeforeValidator(_written), AfterValidator(_checked)] | None = None
    language: Language | None = None
    source: Annotated[str, AfterValidator(_address)] | None = None  # where the report was taken from
    accession: Annotated[str, BeforeValidator(_written), AfterValidator(_one_line)] | None = None  # its filing's number
    filed: Annotated[str, BeforeValidator(_written), AfterValidator(_day)] | None = None

    @property
    def filing(self) -> dict[str, str]:
        """Where the report was filed, as far as it is stated."""
        return self.model_dump(include={"source", "accession", "filed"}, exclude_none=True)


def read_overrides(folder: Path) -> dict[str, Override]:
    """The overrides beside the reports, by file name; none where there is no file.

    Raises:
        UsageError: the file is not YAML, or states something else.
    """
    path = folder / OVERRIDES
    if not path.is_file():
        return {}
    try:
        data: Any = read_yaml(path, hint=_HINT) or {}
        return {str(name): Override.model_validate(value) for name, value in data.items()}
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: {place + ': ' if place else ''}{first['msg']}", hint=_HINT) from e
    except (ValueError, AttributeError) as e:
        raise UsageError(f"{path}: {next(iter(str(e).splitlines()), '')}", hint=_HINT) from e
