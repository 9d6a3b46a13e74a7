"""The rows of an experiment: those that were published, as a set to tune on, and the files that its score is read from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from fingen.disk import dump_json, sha256_file, write_text
from fingen.errors import ShortfallError, UsageError
from fingen.imports.base import make_record
from fingen.imports.read import Rows, number_ids, read_rows
from fingen.imports.sources import SOURCES
from fingen.records import Record, Rejected, content_id
from fingen.reproduce.published import GIVEN_ROWS, GOLD, Experiment
from fingen.rows import read_raw
from fingen.scoring.benchmarks import divide
from fingen.set_folder import make_manifest, write_anew
from fingen.sets import SetContent

PUBLISHED = "published"  # the set of published rows


@dataclass(frozen=True)
class PublishedRows:
    """A set that was made of published rows, and what is to be known of it."""

    folder: Path
    rows: int  # that are trained on, repeats counted
    notes: tuple[str, ...]


def find_missing(experiment: Experiment, files: Mapping[str, Path]) -> list[str]:
    """What must be given by a file and was not: each name, and where to get it."""
    missing = [
        f"--data {name}=FILE: get it from {SOURCES[name].where}"
        for name in dict.fromkeys((*experiment.sources, *experiment.benchmarks))
        if name not in files and SOURCES[name].hub is None
    ]
    if experiment.rows_where and experiment.rows_hub is None and GIVEN_ROWS not in files:
        missing.append(f"--data {GIVEN_ROWS}=FILE: the training rows, from {experiment.rows_where}")
    return missing


def names_of(experiment: Experiment) -> tuple[str, ...]:
    """What `--data NAME=FILE` takes for an experiment."""
    own = (GIVEN_ROWS,) if experiment.rows_where else ()
    gold = (GOLD,) if experiment.task == "qa" else ()
    return tuple(dict.fromkeys((*experiment.sources, *experiment.benchmarks, *own, *gold)))


def fetch(name: str, folder: Path) -> Path:
    """Store a source's copy on the Hub as files, a split each, so that what is trained on and what is scored are the same.

    Raises:
        HubError: it cannot be fetched. LimitError: the disk is full.
    """
    target = folder / name
    if (target / "fetched").is_file():
        return target
    found = read_rows(SOURCES[name], name, [], download=True)
    _write(found, target)
    return target


def _write(found: Rows, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split in {raw.split for raw in found.raws}:
        rows = (dump_json(raw.values) for raw in found.raws if raw.split == split)
        write_text(folder / f"{split or 'train'}.jsonl", "".join(f"{row}\n" for row in rows))
    write_text(folder / "fetched", "\n".join(f"{where} {sha256}" for where, sha256 in found.hashes.items()) + "\n")


def build_published_set(
    experiment: Experiment, files: Mapping[str, Path], out: Path, scale: float, *, replaced: bool
) -> PublishedRows:
    """Make the set of the experiment's own training rows, each source as often as it was published, its test rows left out.

    Args:
        experiment: what was published.
        files: the file or folder of each name.
        out: folder of the set.
        scale: share of each source's rows that is taken, from its start.
        replaced: whether a set that was made otherwise is written over.

    Raises:
        UsageError: a file is missing. SetError: a row is malformed. ShortfallError: there are no training rows.
    """
    train: list[Record] = []
    validation: list[Record] = []
    rejected: list[Rejected] = []
    notes: list[str] = []
    hashes: dict[str, dict[str, str]] = {}
    for source, times, found in _read(experiment, files):
        rows, said = _training_rows(source, found)
        held: Sequence[Record] = found.splits.get("validation", ()) if source == GIVEN_ROWS else ()
        taken = rows[: math.ceil(len(rows) * scale)]
        train += [*taken] * times
        validation += held[: math.ceil(len(held) * scale)]
        rejected += found.rejected
        hashes[source] = found.hashes
        notes += [*said, f"{source}: {len(taken):,} of {len(rows):,} training rows" + f", {times} times" * (times > 1)]
        if licence := SOURCES[source].licence if source in SOURCES else None:
            notes.append(f"licence of {source}: {licence}")
    if any(experiment.sources.get(name, 1) > 1 for name in hashes):
        notes.append("repeats of a row stand on both sides of the validation share, as they did in the published run")
    if not train:
        raise ShortfallError("no training rows", hint="; ".join(notes) or "name their files with --data")
    settings = {"command": "reproduce", "sources": {name: experiment.sources.get(name, 1) for name in hashes},
                "scale": scale, "sha256": hashes}  # fmt: skip
    records = number_ids([*train, *validation])
    splits = {"train": records[: len(train)], "validation": records[len(train) :]}
    manifest = make_manifest(out.name, "reproduce", settings, records, tuple(notes))
    content = SetContent({name: rows for name, rows in splits.items() if rows}, rejected, [], manifest)
    write_anew(out, content, replace=replaced)
    return PublishedRows(out, len(train), tuple(notes))


def _read(experiment: Experiment, files: Mapping[str, Path]) -> Iterator[tuple[str, int, Rows]]:
    for name, times in experiment.sources.items():
        if name in files:
            yield name, times, read_rows(SOURCES[name], name, [files[name]])
    if experiment.rows_where:
        given = replace(SOURCES["alpaca"], hub=experiment.rows_hub, where=experiment.rows_where)
        paths = [files[GIVEN_ROWS]] if GIVEN_ROWS in files else []
        yield GIVEN_ROWS, 1, read_rows(given, GIVEN_ROWS, paths, download=not paths)


def _training_rows(name: str, found: Rows) -> tuple[Sequence[Record], list[str]]:
    """The rows that are trained on: of a benchmark those that it does not score."""
    if name == GIVEN_ROWS:
        return found.splits.get("train", ()), found.said
    _, others, said = divide(name, found.splits)
    return others, said


def conflicting_texts(path: Path) -> frozenset[str]:
    """The sentences of Financial PhraseBank that stand in it with two labels."""
    found = read_rows(SOURCES["fpb"], "fpb", [path])
    labels: dict[str, set[str]] = {}
    for record in chain.from_iterable(found.splits.values()):
        labels.setdefault(record.input, set()).add(record.label)
    return frozenset(text for text, each in labels.items() if len(each) > 1)


def parse_files(pairs: Sequence[str], experiment: Experiment) -> dict[str, Path]:
    """`NAME=PATH` texts as paths by name.

    Raises:
        UsageError: one has no `=`, a name that the experiment does not have, or a path where nothing is.
    """
    files: dict[str, Path] = {}
    allowed = names_of(experiment)
    for text in pairs:
        name, equals, path = text.partition("=")
        if not equals or name not in allowed:
            raise UsageError(f"--data {text}: no NAME=PATH of this experiment", hint=f"its names: {', '.join(allowed)}")
        if not Path(path).exists():
            raise UsageError(f"--data {text}: there is no {path}", hint="name a file or a folder")
        files[name] = Path(path)
    return files


def build_gold_set(path: Path, out: Path, *, replaced: bool) -> PublishedRows:
    """Make a set of FinGLM's questions that ask for an amount, with their published answers; each is a test row.

    Raises:
        SetError: a row is malformed. ShortfallError: none asks for an amount.
    """
    records, others = [], 0
    for raw in read_raw(path):
        prompt, answers = raw.values.get("prompt"), raw.values.get("answer")
        right = prompt.get("prom_answer") if isinstance(prompt, dict) else None
        if not isinstance(right, str) or not is_amount(right):
            others += 1
            continue
        if not isinstance(answers, list) or not answers or not isinstance(answers[0], str):
            raw.fail("no list of answers in 'answer'")
        records.append(make_record(instruction=raw.text("question"), output=answers[0], task="qa", teacher="human"))
    if not records:
        raise ShortfallError(
            f"{path}: no question that asks for an amount", hint="give FinGLM's questions with answers"
        )
    named = [
        record.model_copy(update={"id": content_id("gold", record.instruction, record.output)}) for record in records
    ]
    rows = number_ids(named)
    note = f"gold: {len(rows):,} questions for an amount; {others:,} others are left out"
    settings = {"command": "reproduce", "sha256": sha256_file(path)}
    manifest = make_manifest(out.name, "reproduce", settings, rows, (note,))
    write_anew(out, SetContent({"test": rows}, [], [], manifest), replace=replaced)
    return PublishedRows(out, 0, (note,))


def is_amount(text: str) -> bool:
    """Whether a text is a number and nothing else."""
    return re.fullmatch(r"-?[\d,]+(\.\d+)?(元|%)?", text.strip()) is not None
