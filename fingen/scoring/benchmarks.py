"""Benchmarks by name: the rows that are scored, with the splits and prompts that published figures were made with.

The splits of the sentiment data are those of FinGPT's benchmark code (github.com/AI4Finance-Foundation/FinGPT,
fingpt/FinGPT_Benchmark/benchmarks: fpb.py, fiqa.py, tfns.py, nwgi.py), the prompts are those of `fingen import`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fingen.config import BUILD, RENAMED
from fingen.disk import sha256_file, sha256_text
from fingen.errors import UsageError, did_you_mean
from fingen.imports.read import read_source
from fingen.imports.sentiment import LABELS
from fingen.imports.sources import SOURCES
from fingen.quality import contamination as kept
from fingen.records import Record
from fingen.scoring import finqa, tatqa
from fingen.scoring.report import ScoredRows
from fingen.scoring.rows import Asked, Metric, item_of
from fingen.sets import MANIFEST, read_manifest, read_split

PARTS = ("train", "validation", "test")  # in the order in which FinGPT strings them together


@dataclass(frozen=True)
class Benchmark:
    """Which rows of a source are scored."""

    split: str  # as the source is divided
    share: float | None = None  # of all published rows together, cut anew by FinGPT
    labels: tuple[str, ...] = ()  # the options of rows that have a label
    metric: Metric | None = None  # of its own: what an answer comes to by the published script
    is_known_bare: bool = False  # whether its questions are kept out without their options too: they ask the same


BENCHMARKS = {
    "openfindata": Benchmark("test"),
    "ant-intent": Benchmark("test"),
    "fpb": Benchmark("test", labels=LABELS),
    "fiqa": Benchmark("test", share=0.226, labels=LABELS),
    "tfns": Benchmark("validation", labels=LABELS),
    "nwgi": Benchmark("test", labels=LABELS),
    "finqa": Benchmark("test", metric=finqa.measure),
    "tat-qa": Benchmark("test", metric=tatqa.measure),
    "fineval": Benchmark("validation", is_known_bare=True),  # the answers of its test rows are not published
}


def read_benchmark(name: str, path: Path | None, say: Callable[[str], None] = lambda text: None) -> Asked:
    """The rows of a benchmark, from a file or folder, or fetched from the Hub where none is given, which `say` says before.

    Its other rows are examples. A file that has no rows of the published split is scored whole, and that is noted.

    Raises:
        UsageError: no benchmark of that name, no file and none that can be fetched; or as `fingen import` says.
        SetError: a malformed row, named by file and line. HubError: the Hub refused, or cannot be reached.
    """
    known = RENAMED.get(name, name)
    if known not in BENCHMARKS:
        hint = f"{did_you_mean(name, BENCHMARKS)} choose one of: {', '.join(BENCHMARKS)}".strip()
        raise UsageError(f"--benchmark {name}: no such benchmark", hint=hint)
    benchmark, source = BENCHMARKS[known], SOURCES[known]
    if path is None and source.hub is None:
        raise UsageError(
            f"--benchmark {name}: there is no copy that can be fetched",
            hint=f"get it from {source.where}; then --data FILE",
        )
    if path is None:
        say(f"{name}: fetching {source.hub} from the Hub" + (f" (licence: {source.licence})" if source.licence else ""))
    found = read_source(name, [path] if path else [], download=path is None)
    rows, others, notes = divide(known, found.splits)
    if known != name:
        notes.append(f"{name} is called {known} now")
    if found.rejected:
        notes.append(f"{name}: {len(found.rejected):,} rows cannot be asked; the first: {found.rejected[0].detail}")
    hashes = list(found.hashes.values())
    sha256 = hashes[0] if len(hashes) == 1 else sha256_text(*hashes)
    return Asked(
        key=name,
        source=ScoredRows(name=source.title, sha256=sha256, split="", kind="benchmark"),
        items=tuple(item_of(record, number, benchmark.labels) for number, record in enumerate(rows, 1)),
        path=path or Path(str(source.hub)),
        examples=tuple(item_of(record, number, benchmark.labels) for number, record in enumerate(others, 1)),
        notes=tuple(notes),
        metric=benchmark.metric,
    )


def find_kept_out(said: Path) -> kept.Benchmark:
    """What `--keep-out` names: a file, or a benchmark whose scored rows are in build/<name>, as `fingen import` writes them.

    NAME=FILE takes them from there. Nothing is fetched: a folder's settings may name a benchmark.

    Raises:
        UsageError: no such file, or no rows of that benchmark here. SetError: rows that cannot be read.
    """
    name, _, file = str(said).partition("=")
    known = RENAMED.get(name, name)
    if said.is_file() or known not in BENCHMARKS:
        return kept.benchmark_of(said)
    folder = BUILD / name
    if file:
        found = read_source(name, [Path(file)])
        splits: Mapping[str, Sequence[Record]] = found.splits
        hashes = list(found.hashes.values())
    elif (folder / MANIFEST).is_file():
        splits = {
            split: list(read_split(folder, split)) for split, count in read_manifest(folder).splits.items() if count
        }
        hashes = [sha256_file(folder / MANIFEST)]
    else:
        fetch = (
            f"fingen import {name} --download"
            if SOURCES[known].hub
            else f"fingen import {name} FILE (from {SOURCES[known].where})"
        )
        raise UsageError(f"--keep-out {name}: none of its rows are here", hint=f"{fetch}; or --keep-out {name}=FILE")
    scored = list(enumerate(divide(known, splits)[0], 1))
    rows = [kept.KeptOut(number, record.instruction, record.input) for number, record in scored]
    if BENCHMARKS[known].is_known_bare:
        rows += [kept.KeptOut(number, _before_options(record), "") for number, record in scored]
    return kept.Benchmark(name, tuple(rows), hashes[0] if len(hashes) == 1 else sha256_text(*hashes))


def divide(name: str, splits: Mapping[str, Sequence[Record]]) -> tuple[list[Record], list[Record], list[str]]:
    """Of the rows of a benchmark, by their published splits: those that are scored, the others, and what is to be said of it."""
    benchmark = BENCHMARKS[name]
    whole = list(chain.from_iterable(splits.get(part, ()) for part in PARTS))
    if benchmark.share and all(splits.get(part) for part in PARTS):
        rows, others = _cut(whole, benchmark.share)
        return rows, others, [f"{name}: FinGPT's test rows, {len(rows):,} of {len(whole):,}"]
    if benchmark.share or not splits.get(benchmark.split):
        published = "the three published parts" if benchmark.share else f"rows of the published {benchmark.split} split"
        said = f"{name}: {published} are not in it, so all {len(whole):,} rows are scored: figures of others do not compare"
        return whole, [], [said]
    rows = list(splits[benchmark.split])
    others = [record for part in PARTS if part != benchmark.split for record in splits.get(part, ())]
    return rows, others, [f"{name}: the published {benchmark.split} rows, {len(rows):,} of {len(whole):,}"]


def _before_options(record: Record) -> str:
    first, text = next(iter(record.options.items()))
    return record.instruction.partition(f"\n{first}. {text}\n")[0]


def _cut(rows: Sequence[Record], share: float) -> tuple[list[Record], list[Record]]:
    """FinGPT's cut, by the generator of `datasets`."""
    from datasets import Dataset  # type: ignore[import-untyped]  # it ships no types; slow to import, so only here

    drawn = Dataset.from_dict({"row": range(len(rows))}).train_test_split(test_size=share, seed=42)
    test = set(drawn["test"]["row"])
    return [row for i, row in enumerate(rows) if i in test], [row for i, row in enumerate(rows) if i not in test]
