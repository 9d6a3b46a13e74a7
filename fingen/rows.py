"""Files of rows that other people made: JSON lists, JSON lines, CSV and Parquet, each row with the place where it stands."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePath
from typing import Any, NoReturn, TextIO

from fingen.disk import LINE_BYTES, cut_lines, open_file, read_whole
from fingen.encodings import guess_encoding
from fingen.errors import RowError, SetError, UsageError

FORMS = 'give a JSON list or JSON lines of {"instruction": ..., "input": ..., "output": ...}, or a CSV file with such a header'
YAML_BYTES = 2 << 20  # of a file of settings
MOST_DEPTH = 50  # of YAML
MOST_VALUES = 500_000  # of YAML, each as often as an alias repeats it
BATCH_ROWS = 1_000  # of a table that are unpacked at once
VALUE_BYTES = 8  # that any value takes, once it is unpacked
LIST_BYTES = 256 << 20  # of a file that is read whole, as a JSON list is
LONG_CELL = 1 << 24  # characters; the csv module stops at 131,072, and a passage may be longer
_GAP = re.compile(r"[ \t\r\n]*")  # what JSON takes for white space
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
    "memory": "memory",
}  # those of `datasets`, and our own


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


def _first_character(path: Path) -> str:
    try:
        with open_file(path) as file:
            return file.read(256).decode("utf-8-sig", "replace").lstrip()[:1]
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a file of rows") from e


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a file, one at a time; U+2028 and the like end none. The end of a line is one byte in all that is read here.

    Raises:
        SetError: one is in another encoding, or without an end; names the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(cut_lines(file), 1):
            if len(line) > LINE_BYTES:
                raise _endless(path, number)
            try:
                yield line.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
            except UnicodeDecodeError as e:
                what = f"not UTF-8, from its byte {e.start} on"
                raise SetError(f"{path}, line {number}: {what}", hint="save it as UTF-8") from e


def _endless(path: Path, line: int) -> SetError:
    return SetError(f"{path}, line {line}: longer than {LINE_BYTES >> 20} MB", hint="see whether it is a file of rows")


def _is_cut(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def read_text(path: Path, *, fallback: str | None = None, encoding: str = "utf-8-sig") -> str:
    """A file's text with its line ends as they are: UTF-8 without its mark unless it is said, or else in the encoding `fallback`.

    Raises:
        UsageError: it cannot be read, or is too large. SetError: it is not UTF-8, and there is no fallback.
    """
    try:
        data = read_whole(path, LIST_BYTES)
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


def read_yaml(path: Path, *, hint: str) -> Any:
    """What a YAML file says.

    Raises:
        UsageError: it cannot be read, is no YAML in UTF-8, or says more than a file of settings does; names the file.
    """
    try:
        return parse_yaml(read_whole(path, YAML_BYTES).decode("utf-8-sig"))
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint=hint) from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{path}: not UTF-8 (byte {e.start})", hint="save the file as UTF-8") from e
    except ValueError as e:
        raise UsageError(f"{path}: not YAML ({' '.join(str(e).split())})", hint=hint) from e


def parse_yaml(text: str) -> Any:
    """What YAML says.

    Raises:
        ValueError: it is none, or says more than a file of settings does.
    """
    import yaml

    # The one in C, ten times as fast, where PyYAML has it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_bombs(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as e:
        raise ValueError(str(e)) from e


def _refuse_bombs(events: Iterable[Any]) -> None:
    """Refuse what is nested so deeply that the loader in C would end the process, and what aliases of aliases blow up.

    Raises:
        ValueError: it is one.
    """
    sizes: dict[str, int] = {}  # by anchor, with what is in it
    open_ones: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            open_ones.append((anchor, 0))
        elif kind in ("MappingEndEvent", "SequenceEndEvent", "ScalarEvent", "AliasEvent"):
            size = 1
            if kind == "AliasEvent":
                size = sizes.get(anchor or "", MOST_VALUES)  # it is in itself where it has no size yet
            elif kind != "ScalarEvent":
                anchor, size = open_ones.pop()
            if anchor:
                sizes[anchor] = size
            outer, so_far = open_ones.pop()
            open_ones.append((outer, so_far + size))
            if so_far + size > MOST_VALUES:
                raise ValueError(f"more than {MOST_VALUES:,} values")
        if len(open_ones) > MOST_DEPTH + 1:
            raise ValueError(f"nested more than {MOST_DEPTH} deep")


def _read_csv(path: Path, encoding: str) -> Iterator[_Row]:
    header: list[str] = []
    limit = csv.field_size_limit(LONG_CELL)
    try:
        with path.open(encoding=encoding, newline="") as file:  # line ends inside a cell belong to it
            reader = csv.reader(_csv_lines(path, file), strict=True)
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


def _csv_lines(path: Path, file: TextIO) -> Iterator[str]:
    for number in count(1):
        line = file.readline(LINE_BYTES + 1)
        if len(line) > LINE_BYTES:
            raise _endless(path, number)
        if not line:
            return
        yield line


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
