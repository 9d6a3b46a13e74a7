"""Sets in build/: written so that a manifest always means a whole set; read through it, and checked against it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
import yaml
from pydantic import BaseModel, ValidationError

from fingen.config import RESERVED_SET_NAMES, TERMS
from fingen.disk import (
    dump_json,
    read_jsonl,
    read_whole,
    refuse_links,
    say_invalid,
    sha256_file,
    unwritable,
    write_beside,
)
from fingen.errors import SetError, did_you_mean, visible
from fingen.leftovers import find_leftovers
from fingen.records import Chunk, FileEntry, Manifest, Record, Rejected
from fingen.spool import open_unnamed
from fingen.text import as_shown

SPLITS = ("train", "validation", "test", "memory")
MANIFEST = "manifest.json"
CHUNKS = "chunks.jsonl"
JOURNAL = "journal.sqlite"
REJECTED = "rejected.jsonl"
REVIEWS = "reviews.jsonl"  # what people said of the rows; no manifest lists it, and it is published nowhere
INFO = "dataset_info.json"
CARD = "README.md"
CARD_TEMPLATE = Path(__file__).with_name("card.md.j2")
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}  # LLaMA-Factory's names for an Alpaca row
RANKED = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}  # and for a preference
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # the Hub's names
LARGEST = "n>1M"
ALPACA_CONFIG = "alpaca"  # on the Hub: the form with the three columns of an Alpaca row alone
REWORKED = "reworked"  # among a set's settings: what `fingen dedup` and `fingen split` made of its own rows
REVIEWED = "review"  # the same: what people judged of it, in counts (`fingen review --apply`)
QUOTES, HASHED = "quotes", "sha256"  # the setting of a set that was published without quotes, and its value
SAMPLES = 2
COPIED_BYTES = 1 << 20  # that are in memory at once
LABELS_SHOWN = 40
DUPLICATES = ("exact", "near", "answer")  # reasons of rejects
FIGURES = ("figure", "unit", "sign", "calc", "step")  # the same
MAKE_AGAIN = "run the command that made the set again; it makes whole what is missing, without paying twice"

_PLAIN_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9.:-]+(?:/[\w.~%+,;=@&?/-]*)?", re.ASCII
)  # no mark of a table or a link
# What means something in Markdown or HTML. Entities where a backslash does not help in every place, as in a table cell.
_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>`|\\"} | {c: f"\\{c}" for c in "*_[]~$#"})


@dataclass(frozen=True)
class SetContent:
    """All that a set holds. The manifest's `files`, `splits`, `tasks` and `rejects` stay {}: `write_set` fills them."""

    splits: Mapping[str, Sequence[Record]]  # by the names in SPLITS; one that is missing or empty gets no file
    rejected: Sequence[Rejected]
    chunks: Sequence[Chunk]
    manifest: Manifest


@dataclass(frozen=True)
class Proof:
    """What one law of `fingen verify` came to, in rows; `why` says what kept rows from being checked."""

    title: str
    passed: int
    failed: int
    unchecked: int
    why: str


@dataclass(frozen=True)
class Publication:
    """What a card says besides where the set goes to the Hub. `matter` goes over the card's own front matter."""

    repo: str
    licence: str | None
    files: frozenset[str]  # that go
    proofs: Mapping[str, Proof]  # by law
    figures: Mapping[str, int]  # in answers: all, and by the level of their proof
    matter: Mapping[str, Any]


def say_figures(figures: Mapping[str, int]) -> str:
    """How many figures the answers of a set hold, and how far they are proved."""
    if "bound" not in figures:  # counted before there were levels
        return f"figures: {figures.get('all', 0):,} in the answers"
    found = {level: figures[level] for level in ("bound", "quoted", "computed")}
    if supported := figures.get("supported"):
        found["supported by a second teacher against a rule"] = supported
    failed = figures["all"] - sum(found.values())
    told = ", ".join(f"{count:,} {level}" for level, count in found.items())
    return f"figures: {figures['all']:,} in the answers: {told}" + (f", {failed:,} failed" if failed else "")


def say_terms(teachers: str) -> list[str]:
    """What those who wrote the rows say of a training on them: a line for each that does. `teachers` as a manifest names them."""
    told = []
    for teacher in teachers.split(", "):
        provider, _, model = teacher.partition(":")
        if "@" in model:
            told.append(f"{teacher}: the licence of that model says what may be trained on its answers")
        elif page := TERMS.get(provider):
            told.append(
                f"{teacher}: its provider limits what may be trained on its answers (nothing that competes with its own models); "
                f"before you tune or publish, read {page}"
            )
    return told


def say_review(settings: Mapping[str, Any]) -> str:
    """What people judged of a set, in counts; "" where nobody did, or it does not say so."""
    about = settings.get(REVIEWED)
    if not isinstance(about, Mapping):
        return ""
    counts = {name: about.get(name) for name in ("accepted", "edited", "rescued", "rejected", "undecided")}
    people = about.get("reviewers")
    if not all(isinstance(count, int) for count in counts.values()) or not isinstance(people, Mapping):
        return ""
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    kept = "kept" if about.get("undecided_rows") == "keep" else "left out"
    return (
        f"Rows judged by people ({len(people)}): {said}; undecided ones were {kept}.{_say_second(about.get('second'))}"
    )


def _say_second(second: Any) -> str:
    rows, agreed, kappa = (
        second.get(name) if isinstance(second, Mapping) else None for name in ("rows", "agreed", "kappa")
    )
    if not isinstance(rows, int) or not isinstance(agreed, int) or not rows:
        return ""
    value = f"{kappa:.2f}" if isinstance(kappa, int | float) else "not defined"
    return (
        f" {rows:,} of them were read a second time, blind, with the same verdict on {agreed:,}: Cohen's kappa {value}."
    )


def write_set(folder: Path, content: SetContent) -> bool:
    """Write the set; True if anything changed. The same content gives the same bytes. Rows are gone through once, one by one.

    The old manifest is removed before anything else is touched, and the new one is written last. Files that are as they
    should be are not written again; if all are, the manifest stays too. Who writes has the lock of the folder: what a run
    that was killed while it wrote has left there is removed.

    Raises:
        LimitError, UsageError: a file cannot be written; the folder then has no manifest.
    """
    with _Draft(folder) as draft:
        _render(content, draft)
        for name in {*draft.parts, *map(_file_name, SPLITS)}:
            for left in find_leftovers(folder / name):
                _remove(left)
        changed = [name for name, part in draft.parts.items() if not part.is_in(folder / name)]
        stale = [
            path for split in SPLITS if (path := folder / _file_name(split)).exists() and path.name not in draft.parts
        ]
        if not changed and not stale:
            return False
        for path in [folder / MANIFEST, *stale]:
            _remove(path)
        for name in [*(name for name in changed if name != MANIFEST), MANIFEST]:
            draft.write(name, folder / name)
    return True


def hash_manifest(content: SetContent, near: Path) -> str:
    """The hash that the manifest of a set will have: what others that are made of it know it by. `near` is where it will be."""
    with _Draft(near) as draft:
        return _render(content, draft)


@dataclass(frozen=True)
class _Part:
    """A file as it is to be, and where it lies in the draft."""

    start: int
    size: int
    sha256: str
    rows: int

    def is_in(self, path: Path) -> bool:
        """Whether a file is that one already."""
        return path.is_file() and path.stat().st_size == self.size and sha256_file(path) == self.sha256


class _Draft:
    """The files of a set before any of them is written, one after the other in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.parts: dict[str, _Part] = {}  # by name

    def __enter__(self) -> _Draft:
        self._file = open_unnamed(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, texts: Iterable[str]) -> _Part:
        """Draft a file; each text is a row of it, where it has rows."""
        start, size, rows, digest = self._file.tell(), 0, 0, hashlib.sha256()
        try:
            for text in texts:
                data = text.encode()
                digest.update(data)
                self._file.write(data)
                size, rows = size + len(data), rows + 1
        except OSError as e:
            raise unwritable(self._folder, e) from e
        self.parts[name] = part = _Part(start, size, digest.hexdigest(), rows)
        return part

    def write(self, name: str, path: Path) -> None:
        """Write a file as it is drafted."""
        part = self.parts[name]
        with write_beside(path) as beside, beside.open("wb") as file:
            self._file.seek(part.start)
            for left in range(part.size, 0, -COPIED_BYTES):
                file.write(self._file.read(min(left, COPIED_BYTES)))


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], batch_rows: int) -> Path:
    """Write a Parquet table of some columns, all texts; `batch_rows` of them are in memory at once. Returns its path.

    Raises:
        LimitError, UsageError: it cannot be written.
    """
    with open_table(path, columns, batch_rows) as write:
        for row in rows:
            write(row)
    return path


@contextmanager
def open_table(path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write a table as `write_table` does, row by row; it is there once all of them are."""
    from datasets import Features, Value  # type: ignore[import-untyped]  # it ships no types; slow, so only here
    from datasets.arrow_writer import ParquetWriter  # type: ignore[import-untyped]  # the same

    features = Features({name: Value("string") for name in columns})
    with (
        write_beside(path) as beside,
        ParquetWriter(features=features, path=str(beside), writer_batch_size=batch_rows) as writer,
    ):
        yield lambda row: writer.write({name: row[name] for name in columns})
        writer.finalize()


def _file_name(split: str) -> str:
    return f"{split}.jsonl"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as e:
        raise unwritable(path, e) from e


def _render(content: SetContent, draft: _Draft) -> str:
    """Draft all files of a set, the manifest last; returns its hash."""
    unknown = set(content.splits) - set(SPLITS)
    if unknown:
        raise ValueError(f"no such split: {', '.join(sorted(unknown))}")
    seen, rejects, tables = _Seen(), Counter[str](), dict[str, _Part]()
    for split in SPLITS:
        if rows := content.splits.get(split):
            tables[_file_name(split)] = draft.add(_file_name(split), _lines(seen.watch(split, rows)))
    tables[REJECTED] = draft.add(REJECTED, _lines(_counted(content.rejected, rejects)))
    tables[CHUNKS] = draft.add(CHUNKS, _lines(content.chunks))
    tasks = sum(seen.tasks.values(), Counter[str]())
    manifest = content.manifest.model_copy(
        update={
            "format": Manifest.model_fields["format"].default,
            "splits": {split: seen.tasks[split].total() if split in seen.tasks else 0 for split in SPLITS},
            "tasks": dict(sorted(tasks.items())),
            "rejects": dict(sorted(rejects.items())),
        }
    )
    draft.add(INFO, [dump_json(_dataset_info(content.manifest, seen), indent=2) + "\n"])
    draft.add(CARD, [_fill_card(manifest, seen, None)])
    rows_of = {name: part.rows for name, part in tables.items()}
    files = {name: FileEntry(sha256=part.sha256, rows=rows_of.get(name)) for name, part in draft.parts.items()}
    listed = manifest.model_copy(update={"files": files})
    return draft.add(MANIFEST, [dump_json(listed.model_dump(mode="json"), indent=2) + "\n"]).sha256


def _lines(rows: Iterable[BaseModel]) -> Iterator[str]:
    return (dump_json(row.model_dump(mode="json")) + "\n" for row in rows)


def _counted(rejected: Iterable[Rejected], reasons: Counter[str]) -> Iterator[Rejected]:
    for each in rejected:
        reasons[each.reason] += 1
        yield each


def _dataset_info(manifest: Manifest, seen: _Seen) -> dict[str, Any]:
    """What LLaMA-Factory reads: the training split under the set's own name, the others behind it.

    Nothing for rows with earlier turns: it does not read them from a column of JSON, and would learn last answers without them.
    """
    if seen.has_turns:
        return {}
    told = {"system": "system"} if seen.has_system else {}
    info, name = alpaca_info(manifest, told), manifest.name
    return {
        name if split == "train" else f"{name}_{split}": {"file_name": _file_name(split), **info}
        for split in seen.tasks
    }


def alpaca_info(manifest: Manifest, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """How LLaMA-Factory reads the rows of a set; `more` are further columns, by its names for them."""
    if manifest.is_preferences:
        return {"formatting": "alpaca", "ranking": True, "columns": {**RANKED, **more}}
    return {"formatting": "alpaca", "columns": {**COLUMNS, **more}}


@dataclass
class _Seen:
    """What is said of the rows of a set, gathered in one pass over them."""

    tasks: dict[str, Counter[str]] = field(default_factory=dict)  # split -> task -> rows
    labels: dict[str, Counter[str]] = field(default_factory=dict)  # label -> split -> rows
    languages: set[str] = field(default_factory=set)
    has_turns: bool = False  # in any row
    has_system: bool = False
    _first: dict[str, Record] = field(default_factory=dict)  # of each task in the first split
    _more: list[Record] = field(default_factory=list)

    def watch(self, split: str, records: Iterable[Record]) -> Iterator[Record]:
        """Pass the rows of a split on."""
        tasks = self.tasks[split] = Counter()
        is_first = len(self.tasks) == 1
        for record in records:
            tasks[record.task] += 1
            self.languages.add(record.language)
            self.has_turns = self.has_turns or bool(record.turns)
            self.has_system = self.has_system or bool(record.system)
            if record.label:
                self.labels.setdefault(record.label, Counter())[split] += 1
            if is_first:
                self._first.setdefault(record.task, record)
                if len(self._more) < SAMPLES:
                    self._more.append(record)
            yield record

    @property
    def samples(self) -> list[Record]:
        """The first rows, of different tasks where there are some."""
        first = list(self._first.values())
        return [*first, *(record for record in self._more if record not in first)][:SAMPLES]


def render_card(
    manifest: Manifest, splits: Mapping[str, Iterable[Record]], publication: Publication | None = None
) -> str:
    """The card of a set; of `manifest` the files are not looked at. Rows are read once, one by one."""
    seen = _Seen()
    for split, records in splits.items():
        deque(seen.watch(split, records), maxlen=0)
    return _fill_card(manifest, seen, publication)


def _fill_card(manifest: Manifest, seen: _Seen, publication: Publication | None) -> str:
    environment = jinja2.Environment(  # not escaped for HTML: the card is Markdown, and `text` escapes for both
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=as_shown,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"text": markdown_text, "address": _address}
    template = environment.from_string(CARD_TEMPLATE.read_text(encoding="utf-8"))
    matter = {**_front_matter(manifest, seen), **(publication.matter if publication else {})}
    keep_out, against = (manifest.settings.get(name) or {} for name in ("keep_out", "against"))
    total = sum(manifest.splits.values())
    wrong = sum(manifest.rejects.get(reason, 0) for reason in FIGURES)
    return template.render(
        front_matter=yaml.safe_dump(matter, allow_unicode=True, sort_keys=False),
        manifest=manifest,
        publication=publication,
        hashed=manifest.settings.get(QUOTES) == HASHED,
        total=total,
        counts=seen.tasks,
        has_turns=seen.has_turns,
        labels=sorted(seen.labels.items())[:LABELS_SHOWN],
        labels_left=max(0, len(seen.labels) - LABELS_SHOWN),
        data_files={split: _file_name(split) for split in seen.tasks},
        info=_hub_info(publication.repo, manifest) if publication else None,
        review=say_review(manifest.settings),
        duplicates=sum(manifest.rejects.get(reason, 0) for reason in DUPLICATES),
        wrong_figures=wrong,
        grounded=total / (total + wrong) if total + wrong else None,
        keep_out=keep_out if isinstance(keep_out, Mapping) else {},
        against=against if isinstance(against, Mapping) else {},
        samples=[_fenced(record) for record in seen.samples],
    )


def _hub_info(repo: str, manifest: Manifest) -> dict[str, Any]:
    """The entry by which LLaMA-Factory loads the set from the Hub."""
    return {"hf_hub_url": repo, "subset": ALPACA_CONFIG, **alpaca_info(manifest)}


def _front_matter(manifest: Manifest, seen: _Seen) -> dict[str, Any]:
    rows = sum(manifest.splits.values())
    matter: dict[str, Any] = {
        "pretty_name": visible(manifest.name),
        "language": sorted(seen.languages),
        "task_categories": ["question-answering", "text-generation"],
        "size_categories": [next((size for limit, size in SIZES if rows < limit), LARGEST)],
        "tags": ["finance", "dpo" if manifest.is_preferences else "instruction-tuning", "fingen"],
    }
    if seen.tasks:
        files = [{"split": split, "path": _file_name(split)} for split in seen.tasks]
        matter["configs"] = [{"config_name": "default", "data_files": files}]
        features = [{"name": name, "dtype": "string"} for name in manifest.columns]
        matter["dataset_info"] = {"features": features}  # of no rows, and of dates alone, no type can be seen
    return matter


def _fenced(record: Record) -> str:
    """A code block that its content cannot end: in JSON a line break is an escape, so no line can be a fence."""
    return f"```json\n{visible(dump_json(record.model_dump(mode='json'), indent=2), lines=True)}\n```"


def markdown_text(value: str) -> str:
    """Text from a document or a file name, harmless anywhere in a line of Markdown: no line breaks, no markup."""
    return visible(value).translate(_MARKUP)


def _address(filing: Mapping[str, str]) -> str:
    """Where a document was taken from, as Markdown: an address that can be followed if it is one; empty if nothing is known."""
    source, accession = filing.get("source", ""), filing.get("accession", "")
    link = f"<{source}>" if _PLAIN_ADDRESS.fullmatch(source) else markdown_text(source)
    return ", ".join(filter(None, (link, markdown_text(f"accession {accession}" if accession else ""))))


def newest_set(build: Path) -> Path:
    """The set below `build` whose manifest is newest.

    Raises:
        SetError: there is no whole set.
    """
    manifests = [path for path in build.glob(f"*/{MANIFEST}") if path.parent.name not in RESERVED_SET_NAMES]
    if not manifests:
        raise SetError(f"{build}: no set here", hint="make one, for example: fingen pdf2qa reports/")
    return max(manifests, key=lambda path: (path.stat().st_mtime_ns, path.parent.name)).parent


def read_manifest(folder: Path) -> Manifest:
    """Read what the set says about itself.

    Raises:
        SetError: there is no set, it is not whole, or its manifest is damaged.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        near = did_you_mean(folder.name, (each.parent.name for each in folder.parent.glob(f"*/{MANIFEST}")))
        raise SetError(f"{folder}: no such set", hint=near or "name a folder that `fingen pdf2qa` has made")
    if not path.is_file():
        raise SetError(f"{folder}: the set is not whole: it has no {MANIFEST}", hint=MAKE_AGAIN)
    refuse_links(folder)
    return parse_manifest(read_whole(path), str(path))


def refuse_preferences(folder: Path, manifest: Manifest, command: str) -> None:
    """Do nothing where the rows of a set are questions with an answer each.

    Raises:
        SetError: they are preferences, which the command does not take.
    """
    if manifest.is_preferences:
        made_of = str(manifest.settings.get("set", ""))
        hint = f"name the set that it was made of: {made_of}; of this one learns `fingen finetune --objective dpo`"
        raise SetError(f"{folder}: its rows are preferences, and `fingen {command}` takes none", hint=hint)


def parse_manifest(text: bytes, where: str) -> Manifest:
    """The manifest of a set. `where` is named where it is none.

    Raises:
        SetError: it is none, or gives a path in place of a name; names the field.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as e:
        raise SetError(f"{where}: {say_invalid(e)}", hint=MAKE_AGAIN) from e


def read_split(folder: Path, split: str) -> Iterator[Record]:
    """The records of a split, from a file that the manifest lists and that is as it was written.

    Raises:
        SetError: no such set or split, or the file is missing or was changed; when it is reached, a row that is cut.
    """
    manifest = read_manifest(folder)
    path = folder / _file_name(split)
    if path.name not in manifest.files:
        there = ", ".join(name for name, rows in manifest.splits.items() if rows) or "no records at all"
        raise SetError(f"{folder}: no split {split!r}; it has {there}", hint="name one of those that are there")
    if not path.is_file():
        raise SetError(f"{path}: missing, though {MANIFEST} lists it", hint=MAKE_AGAIN)
    if sha256_file(path) != manifest.files[path.name].sha256:
        raise SetError(f"{path}: changed since the set was made", hint=f"restore the file, or {MAKE_AGAIN}")
    return read_jsonl(path, Record)


@dataclass(frozen=True)
class RecordSet:
    """A set as it lies on disk. To iterate over it reads its rows one by one, all splits in their order."""

    folder: Path
    manifest: Manifest

    def __len__(self) -> int:
        return sum(self.manifest.splits.values())

    def __iter__(self) -> Iterator[Record]:
        return (record for split in self._names for record in read_split(self.folder, split))

    @property
    def _names(self) -> list[str]:
        return [split for split in SPLITS if self.manifest.splits.get(split)]

    @cached_property
    def splits(self) -> dict[str, list[Record]]:
        """The records of each split that has some.

        Raises:
            SetError: a file is missing or was changed.
        """
        return {split: list(read_split(self.folder, split)) for split in self._names}

    def to_datasets(self) -> Any:
        """The splits as a `datasets.DatasetDict`, with the columns that the files have: each is a text."""
        from datasets import Dataset, DatasetDict, Features, Value

        features = Features({name: Value("string") for name in self.manifest.columns})
        rows = {split: [record.model_dump(mode="json") for record in self.splits[split]] for split in self._names}
        return DatasetDict({split: Dataset.from_list(each, features=features) for split, each in rows.items()})

    def to_pandas(self) -> Any:
        """All rows as a `pandas.DataFrame`, with their split in the first column; lists and objects are JSON texts."""
        from datasets import concatenate_datasets

        named = [rows.add_column("split", [split] * len(rows)) for split, rows in self.to_datasets().items()]
        return concatenate_datasets(named).select_columns(["split", *self.manifest.columns]).to_pandas()


def open_set(folder: Path) -> RecordSet:
    """Open a set to read its rows.

    Raises:
        SetError: there is no set, or it is not whole.
    """
    return RecordSet(folder, read_manifest(folder))
