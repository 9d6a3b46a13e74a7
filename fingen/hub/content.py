"""What of a set goes to the Hub: the JSON lines as they are, tables of them, the manifest and a card of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Features, Value  # type: ignore[import-untyped]  # it ships no types
from datasets.info import DatasetInfo, DatasetInfosDict  # type: ignore[import-untyped]  # the same
from huggingface_hub import DatasetCard, DatasetCardData
from pydantic import BaseModel

from fingen.disk import dump_json, open_atomic, read_jsonl, sha256_file, write_text
from fingen.errors import UsageError
from fingen.hub.client import read_matter
from fingen.hub.leaks import without_places
from fingen.hub.verbatim import without_quotes, without_quotes_in_reject
from fingen.records import FileEntry, Manifest, Record, Rejected
from fingen.sets import (
    ALPACA_CONFIG,
    CARD,
    CHUNKS,
    HASHED,
    INFO,
    MANIFEST,
    QUOTES,
    REJECTED,
    SPLITS,
    Proof,
    Publication,
    alpaca_info,
    open_table,
    read_split,
    render_card,
)
from fingen.verification.run import Verification

TABLES = "data"  # folder of the tables
DEFAULT_CONFIG = "default"
BATCH_ROWS = 2_000  # of a table that are in memory at once


@dataclass(frozen=True)
class Parcel:
    """The files that go, by their path on the Hub."""

    files: dict[str, Path]
    rows: dict[str, int]  # split -> rows
    features: dict[str, Any]  # column -> type, as the card has it

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files.values())


def pack(
    folder: Path,
    manifest: Manifest,
    staging: Path,
    *,
    repo: str,
    licence: str | None,
    verification: Verification,
    with_chunks: bool = False,
    with_rejects: bool = False,
    hashed: bool = False,
) -> Parcel:
    """Lay out in `staging` what goes of the set in `folder`; the same set gives the same bytes. Rows are read one by one.

    `hashed`: with hashes in place of quotes and passages, which the manifest then says.

    Raises:
        SetError: a file is not as the manifest says. UsageError: the card cannot be read back.
    """
    splits = [split for split in SPLITS if manifest.splits.get(split)]
    if hashed:
        manifest = manifest.model_copy(update={"settings": {**manifest.settings, QUOTES: HASHED}})

    def rows_of(split: str) -> Iterator[Record]:
        rows = read_split(folder, split)
        return map(without_quotes, rows) if hashed else rows

    own = [f"{split}.jsonl" for split in splits]
    unchanged = [*([] if hashed else own), INFO, *([CHUNKS] if with_chunks else [])]
    entries = {name: manifest.files[name] for name in unchanged if name in manifest.files}
    files = {name: folder / name for name in entries}
    changed: dict[str, Iterable[BaseModel]] = (
        {name: rows_of(split) for name, split in zip(own, splits, strict=True)} if hashed else {}
    )
    if with_rejects and REJECTED in manifest.files:
        changed[REJECTED] = _tidy_rejects(folder / REJECTED, hashed=hashed)
    for name, lines in changed.items():
        files[name] = _write_lines(staging / name, lines)
        entries[name] = FileEntry(sha256=sha256_file(files[name]), rows=manifest.files[name].rows)
    features = _texts(manifest.columns)
    plain = tuple(alpaca_info(manifest)["columns"].values())  # which any version of any tool can read
    columns = {TABLES: tuple(features), ALPACA_CONFIG: plain}
    tables = {split: {f"{place}/{split}.parquet": each for place, each in columns.items()} for split in splits}
    shown = frozenset(entries).union(*tables.values())
    matter = _matter(splits, licence, features)
    publication = Publication(repo, licence, shown, _proofs(verification), verification.figures, matter)
    clean = Manifest.model_validate(without_places(manifest.model_dump(mode="json")))
    card = render_card(clean, {split: _tabled(rows_of(split), staging, tables[split]) for split in splits}, publication)
    for split, named in tables.items():
        files |= {name: staging / name for name in named}
        entries |= {name: FileEntry(sha256=sha256_file(files[name]), rows=manifest.splits[split]) for name in named}
    files[CARD] = write_text(staging / CARD, _checked(card))
    entries[CARD] = FileEntry(sha256=sha256_file(files[CARD]), rows=None)
    listed = clean.model_copy(update={"files": entries})
    files[MANIFEST] = write_text(staging / MANIFEST, dump_json(listed.model_dump(mode="json"), indent=2) + "\n")
    return Parcel(files, {split: manifest.splits[split] for split in splits}, matter["dataset_info"])


def _tidy_rejects(path: Path, *, hashed: bool) -> Iterator[Rejected]:
    """The rejects, whose details may name files."""
    for row in read_jsonl(path, Rejected):
        tidied = without_quotes_in_reject(row) if hashed else row
        yield tidied.model_copy(update={"detail": without_places(tidied.detail)})


def _write_lines(to: Path, rows: Iterable[BaseModel]) -> Path:
    with open_atomic(to) as file:
        file.writelines(dump_json(row.model_dump(mode="json")) + "\n" for row in rows)
    return to


# --- tables -------------------------------------------------------------------------------------------------------------


def _tabled(rows: Iterable[Record], staging: Path, tables: Mapping[str, Sequence[str]]) -> Iterator[Record]:
    """Pass rows on to the card: once they are through, they stand in tables of some columns too, by the names of these."""
    with ExitStack() as stack:
        opened = (open_table(staging / name, columns, BATCH_ROWS) for name, columns in tables.items())
        writers = [stack.enter_context(each) for each in opened]
        for record in rows:
            row = record.model_dump(mode="json")
            for write in writers:
                write(row)
            yield record


def _texts(names: Iterable[str]) -> Features:
    """The types of columns, all texts: tables of any sets can be put together."""
    return Features({name: Value("string") for name in names})


# --- the card -----------------------------------------------------------------------------------------------------------


def _matter(splits: list[str], licence: str | None, features: Features) -> dict[str, Any]:
    """Front matter: what the Hub and `datasets` must know."""
    data = DatasetCardData(license=licence) if licence else DatasetCardData()
    DatasetInfosDict({DEFAULT_CONFIG: DatasetInfo(features=features)}).to_dataset_card_data(data)
    data["configs"] = [  # all of one kind of file: `datasets` takes no other kind for a second one
        {"config_name": name, "data_files": [{"split": split, "path": f"{place}/{split}.parquet"} for split in splits]}
        for name, place in ((DEFAULT_CONFIG, TABLES), (ALPACA_CONFIG, ALPACA_CONFIG))
    ]
    matter: dict[str, Any] = data.to_dict()  # type: ignore[no-untyped-call]  # huggingface_hub's own
    return matter


def _proofs(verification: Verification) -> dict[str, Proof]:
    return {
        name: Proof(law.title, law.passed, law.failed, law.unchecked, "; ".join(law.why))
        for name, law in verification.laws.items()
        if name != "files"  # of the folder here, which is another one for whoever pulls it
    }


def _checked(card: str) -> str:
    """The card, once the Hub's own classes have read it.

    Raises:
        UsageError: they cannot.
    """
    if not read_matter(card).get("configs"):
        raise UsageError("the card cannot be read back", hint="is --license one that the Hub knows?")
    return str(DatasetCard(card))
