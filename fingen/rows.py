"""Files of rows that other people made: JSON lists, JSON lines, CSV and Parquet, each row with the place where it stands."""

from __future__ import annotations

import codecs
import csv
import difflib
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, NoReturn

from fingen.errors import RowError, SetError, UsageError

FORMS = 'give a JSON list or JSON lines of {"instruction": ..., "input": ..., "output": ...}, or a CSV file with such a header'
BATCH_ROWS = 1_000  # of a table that are unpacked at once
VALUE_BYTES = 8  # that any value takes, once it is unpacked
LONG_CELL = 1 << 24  # characters; the csv module stops at 131,072, and a passage may be longer
_GAP = re.compile(r"[ \t\r\n]*")  # what JSON takes for white space
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    "memory": "memory",
}  # those of `datasets`, and our own
_CHINESE = ("gbk", "gb18030")  # in what a Chinese file is that is not UTF-8; the second one has all of the first
_COMMON_SHARE = (
    0.7  # of what is not ASCII, in GB 2312's first part and marks: a text that is read so by mistake has next to none
)
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Raw:
    """A row as it was found. `line` (from 1) is the one it starts in; `number` is that too where a row is a line."""

    file: str
    number: int
    line: int | None  # None: it came from no file
    values: dict[str, Any]
    split: str | None = None  # that it was published in
    damage: str = ""  # why it can be no row at all; `values` then show what it was

    @property
    def where(self) -> str:
        """File and line, for a message."""
        if self.line is None:
            return f"{self.file}, row {self.number}"
        return f"{self.file}, line {self.line}" + ("" if self.number == self.line else f" (row {self.number})")

    def fail(self, what: str, *, hint: str = "mend the row, or take it out") -> NoReturn:
        """Refuse the row.

        Raises:
            RowError: always; it names file and line.
        """
        raise RowError(f"{self.where}: {what}", hint=hint)

    def text(self, name: str) -> str:
        """The text in a column, as it stands.

        Raises:
            RowError: there is no such column, or it holds no text.
        """
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            what = f"no text in {name!r}" if name in self.values else f"no column {name!r}"
            self.fail(f"{what}; it has {', '.join(self.values) or 'nothing'}{say_near((name,), self.values)}")
        return value


def say_near(names: Iterable[str], there: Iterable[str]) -> str:
    """A question whether a column is meant that is called nearly so; empty where none is, or one is there."""
    names, there = list(names), [str(name) for name in there]
    if set(names) & set(there):
        return ""
    folded = {name.strip().casefold(): name for name in there}
    near = (
        close[0] for name in names if (close := difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.75))
    )
    return next((f": is {folded[name]!r} meant for it?" for name in near), "")


@dataclass
class Allowance:
    """How much may be taken of what others publish; what is left of it goes down with each file."""

    rows: int
    bytes: int
    hint: str  # how it is raised

    def take(self, what: str, *, rows: int = 0, size: int = 0) -> None:
        """Take so many rows, and so many bytes.

        Raises:
            UsageError: that is more than is left.
        """
        if rows > self.rows:
            raise UsageError(f"{what}: {rows:,} rows, and {self.rows:,} more may be taken", hint=self.hint)
        if size > self.bytes:
            raise UsageError(f"{what}: {size:,} bytes, and {self.bytes:,} more may be taken", hint=self.hint)
        self.rows -= rows
        self.bytes -= size


def read_parquet(path: Path, name: str, allowance: Allowance) -> Iterator[Raw]:
    """The rows of a Parquet table, which is known as `name`. What they come to is known before they are unpacked.

    A few bytes can stand for a text in millions of rows: texts stay in their dictionary until they are counted.

    Raises:
        SetError: it is no such table. UsageError: it holds more than is allowed.
    """
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types; heavy, so only here
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # the same

    number = 0
    try:
        about = pq.read_metadata(path)
        refuse_twice(pq.read_schema(path).names, name)
        groups = [about.row_group(place) for place in range(about.num_row_groups)]
        allowance.take(name, rows=about.num_rows)
        columns = [group.column(place) for group in groups for place in range(group.num_columns)]
        packed = sum(max(column.total_uncompressed_size, VALUE_BYTES * column.num_values) for column in columns)
        replace(allowance).take(name, size=packed)
        texts = {column.path_in_schema for column in columns if column.physical_type == "BYTE_ARRAY"}
        with pq.ParquetFile(path, read_dictionary=sorted(texts)) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                allowance.take(name, size=sum(map(_unpacked_bytes, batch.columns)))
                for values in batch.to_pylist():
                    number += 1
                    yield Raw(name, number, None, values)
    except (OSError, ValueError, pa.ArrowException) as e:
        raise SetError(f"{name}: cannot be read as Parquet", hint="see whether its page shows a table of rows") from e


def _unpacked_bytes(column: Any) -> int:
    """What an Arrow column takes once each of its texts stands for itself."""
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]  # the same

    kind = column.type
    if pa.types.is_dictionary(kind):
        return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _unpacked_bytes(column.flatten())
    if pa.types.is_struct(kind):
        return sum(map(_unpacked_bytes, column.flatten()))
    return max(int(column.nbytes), VALUE_BYTES * len(column))


def refuse_twice(names: Iterable[str], where: str) -> None:
    """Refuse a header in which a name stands twice; columns without a name cannot be meant.

    Raises:
        SetError: one does.
    """
    counted = Counter(name.strip() for name in names)
    if twice := [name for name, count in counted.items() if name and count > 1]:
        raise SetError(
            f"{where}: the column {twice[0]!r} stands twice in the header", hint="rename one of them, or take it out"
        )


def read_raw(path: Path, *, keyed: bool = False) -> Iterator[Raw]:
    """The rows of a file: of a JSON list, of JSON lines, or of CSV with a header; with `keyed` the values of an object.

    Lines and cells are read row by row, so that a file may be larger than memory; a JSON list or object is read whole.

    Raises:
        UsageError: it cannot be read. SetError: it is not UTF-8, or a row is damaged or no object; names file and line.
    """
    for raw in _read(path, "utf-8-sig", keyed=keyed):
        if raw.damage:
            raw.fail(raw.damage, hint=FORMS)
        yield raw


def read_each(path: Path, *, keyed: bool = False) -> Iterator[Raw]:
    """The rows of a file as `read_raw` has them, but for a Chinese encoding that is guessed, and rows that are of no use: they say so."""
    return _read(path, guess_encoding(path) or "utf-8-sig", keyed=keyed)


def _read(path: Path, encoding: str, *, keyed: bool) -> Iterator[Raw]:
    if path.suffix.lower() == ".csv":
        rows = _read_csv(path, encoding)
    elif keyed or _first_character(path) == "[":
        rows = _read_elements(path, "{" if keyed else "[", encoding)
    else:
        rows = _read_lines(path, encoding)
    for row in rows:
        damage = row.damage
        if not damage and not isinstance(row.values, dict):
            damage = f"{type(row.values).__name__}, not an object"
        if not damage and row.may_be_cut and _is_cut(row.values):
            damage = "half a character: an escape from \\ud800 to \\udfff without its other half"
        # What is damaged is kept as ASCII: half a character cannot be written.
        yield Raw(
            str(path),
            row.number,
            row.line,
            {"damaged": json.dumps(row.values)} if damage else row.values,
            damage=damage,
        )


@dataclass(frozen=True)
class _Row:
    """A row as a file has it: its number, the line it starts in, what it holds, and whether that may be half a character."""

    number: int
    line: int
    values: Any
    may_be_cut: bool = False
    damage: str = ""


def guess_encoding(path: Path) -> str | None:
    """GBK or GB18030 where a file is not UTF-8 and reads as Chinese in it; else None. The file is read through, and not kept.

    Raises:
        UsageError: it cannot be read.
    """
    if _decodes(path, "utf-8") is not None:
        return None
    for encoding in _CHINESE:
        if (common := _decodes(path, encoding)) is not None:
            return encoding if common >= _COMMON_SHARE else None
    return None


def _decodes(path: Path, encoding: str) -> float | None:
    """The share of common characters among those beyond ASCII in a file; None where it is not in that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    beyond = common = 0
    try:
        with path.open("rb") as file:
            while True:
                block = file.read(_BLOCK_BYTES)
                text = decoder.decode(block, final=not block)
                if not text.isascii() and encoding != "utf-8":
                    counts = Counter(char for char in text if not char.isascii())
                    beyond += counts.total()
                    common += sum(count for char, count in counts.items() if _is_common(char))
                if not block:
                    return common / beyond if beyond else 1.0
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a file of rows") from e
    except UnicodeDecodeError:
        return None


def _is_common(char: str) -> bool:
    """Whether a character is a mark, or of the first level, of GB 2312: those of daily use."""
    try:
        lead = char.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return lead <= 0xD7


def _first_character(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(256).decode("utf-8-sig", "replace").lstrip()[:1]
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a file of rows") from e


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a file, one at a time; U+2028 and the like end none. The end of a line is one byte in all that is read here.

    Raises:
        SetError: it is in another encoding; names the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
            except UnicodeDecodeError as e:
                what = f"not UTF-8, from its byte {e.start} on"
                raise SetError(f"{path}, line {number}: {what}", hint="save it as UTF-8") from e


def _is_cut(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def read_text(path: Path, *, fallback: str | None = None, encoding: str = "utf-8-sig") -> str:
    """A file's text with its line ends as they are: UTF-8 without its mark unless it is said, or else in the encoding `fallback`.

    Raises:
        UsageError: it cannot be read. SetError: it is not UTF-8, and there is no fallback.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a file of rows") from e
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as e:
        if fallback:
            return data.decode(fallback)
        line = data.count(b"\n", 0, e.start) + 1
        raise SetError(f"{path}, line {line}: not UTF-8, from byte {e.start} on", hint="save it as UTF-8") from e


def is_split(name: str) -> bool:
    """Whether a name is a word for a split, and nothing else."""
    return name.lower() in _SPLIT_WORDS


def find_split(path: PurePath) -> str | None:
    """The split that a path speaks of: sent_valid.csv and validation/a.csv are validation; None where it says nothing.

    The nearest folder that speaks of one goes before the file's own name, as in `datasets`; give no more of the path than
    belongs to the data.
    """
    names = (*reversed(path.parent.parts), path.stem)
    words = (word for name in names for word in re.split(r"[^a-z]+", name.lower()))
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)


def _read_csv(path: Path, encoding: str) -> Iterator[_Row]:
    header: list[str] = []
    limit = csv.field_size_limit(LONG_CELL)
    try:
        with path.open(encoding=encoding, newline="") as file:  # line ends inside a cell belong to it
            reader = csv.reader(file, strict=True)
            while True:
                line = reader.line_num + 1
                cells = next(reader, None)
                if cells is None:
                    return
                if cells and not header:
                    header = cells
                    refuse_twice(header, f"{path}, line {line}")
                elif len(cells) not in (0, len(header)):
                    yield _Row(line, line, cells, damage=f"{len(cells)} columns, not {len(header)} as in the header")
                elif cells:
                    yield _Row(line, line, dict(zip(header, cells, strict=True)))
    except csv.Error as e:
        raise SetError(f"{path}, line {reader.line_num}: {e}", hint="mend the line") from e
    except UnicodeDecodeError:
        deque(_lines(path, encoding), maxlen=0)  # which names the line
        raise
    finally:
        csv.field_size_limit(limit)


class _Decoder(json.JSONDecoder):
    """A decoder that notes which names stand twice in an object: `json` takes the last one."""

    def __init__(self) -> None:
        self._twice: list[str] = []
        super().__init__(object_pairs_hook=self._object)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            self._twice += [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        return values

    def take_damage(self) -> str:
        """What was noted since it was taken last, as a row says it."""
        said = f"{self._twice[0]!r} stands twice in an object" if self._twice else ""
        self._twice.clear()
        return said


def _read_lines(path: Path, encoding: str) -> Iterator[_Row]:
    decoder = _Decoder()
    for number, line in enumerate(_lines(path, encoding), 1):
        if line.strip():
            try:
                values = decoder.decode(line)
            except (ValueError, RecursionError) as e:  # ValueError: also a number of more digits than Python reads
                raise SetError(f"{path}, line {number}: not JSON: {e}", hint=FORMS) from e
            yield _Row(number, number, values, "\\ud" in line.lower(), decoder.take_damage())


def _read_elements(path: Path, opening: str, encoding: str) -> Iterator[_Row]:
    text = read_text(path, encoding=encoding)
    may_be_cut = "\\ud" in text.lower()  # only an escape can name half a character; few files have one
    line, counted, decoder = 1, 0, _Decoder()
    try:
        for number, (start, value) in enumerate(_elements(text, opening, decoder), 1):
            line += text.count("\n", counted, start)
            counted = start
            yield _Row(number, line, value, may_be_cut, decoder.take_damage())
    except json.JSONDecodeError as e:
        raise SetError(f"{path}, line {e.lineno}: not JSON: {e.msg} (column {e.colno})", hint=FORMS) from e
    except RecursionError as e:
        raise SetError(f"{path}, line {line}: nested too deeply", hint=FORMS) from e
    except ValueError as e:
        raise SetError(f"{path}, line {line}: a number of too many digits", hint=FORMS) from e


def _elements(text: str, opening: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, Any]]:
    """(offset, value) of each element of a JSON list, or of each value of an object; the json module has no such walk."""
    closing = {"[": "]", "{": "}"}[opening]
    at = _after(text, _skip(text, 0), opening)
    while text[at : at + 1] != closing:
        if opening == "{":
            _, at = decoder.raw_decode(text, at)
            at = _after(text, _skip(text, at), ":")
        value, end = decoder.raw_decode(text, at)
        yield at, value
        at = _skip(text, end)
        if text[at : at + 1] != closing:
            at = _after(text, at, ",")
            if text[at : at + 1] == closing:
                raise json.JSONDecodeError("a comma after the last element", text, at)
    if (end := _skip(text, at + 1)) != len(text):
        raise json.JSONDecodeError("more after the end", text, end)


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _after(text: str, at: int, mark: str) -> int:
    """The offset of what comes after a mark that must stand at `at`."""
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"expected {mark!r}", text, at)
    return _skip(text, at + 1)
