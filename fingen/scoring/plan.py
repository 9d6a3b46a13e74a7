"""What a run of `fingen score` is about, before anything is loaded or asked: the rows, and the folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fingen.config import BUILD, Scoring
from fingen.errors import UsageError
from fingen.scoring.columns import find_context, in_contexts
from fingen.scoring.report import ScoredRows
from fingen.scoring.rows import Asked, limited, read_tasks
from fingen.sets import read_manifest

SCORES = BUILD / "scores"
NAMED = 3  # subjects that the name of a folder has


def read_sources(settings: Scoring, say: Callable[[str], None] = lambda text: None) -> list[Asked]:
    """The rows to score on, source by source: benchmarks, a set or a file, or else the sets that the adapters were tuned on.

    Raises:
        UsageError: nothing says what is right, or a set is not the one that an adapter was tuned on. SetError: rows are
            damaged. HubError: a benchmark cannot be fetched.
    """
    _refuse_clashes(settings)
    found = list(_read_benchmarks(settings, say))
    if rows := settings.data or settings.gold:
        found += _read_splits(rows, settings)
    elif not found and not settings.predictions:
        found = [asked for folder in _own_sets(settings) for asked in _read_splits(folder, settings)]
    if settings.adapters:
        from fingen.scoring.tuned import with_own_sets  # what adapters bring along is loaded for those who have one

        found = [with_own_sets(settings.adapters, asked, examples=_needs_examples(settings)) for asked in found]
    found = [limited(asked, settings.limit) for asked in found]
    keys = [asked.key for asked in found]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"{twice} is there twice", hint="name each benchmark and set once")
    if settings.predictions:
        return found
    tuned = bool(settings.adapters)
    return [one for asked in found for one in in_contexts(asked, settings.context or find_context(asked, tuned=tuned))]


def _read_splits(rows: Path, settings: Scoring) -> Iterator[Asked]:
    """The splits that are named; else the default one, and beside a test of questions and answers their memory."""
    examples = _needs_examples(settings)
    for split in settings.splits:
        yield from read_tasks(rows, split, examples=examples)
    if not settings.splits:
        yield from (found := list(read_tasks(rows, examples=examples)))
        has_text = any(asked.is_text for asked in found)
        if has_text and rows.is_dir() and not settings.predictions and read_manifest(rows).splits.get("memory"):
            for memory in read_tasks(rows, "memory", examples=examples):
                yield replace(memory, notes=(f"{rows}: its memory split is scored too, {len(memory.items):,} rows",))


def folder_of(settings: Scoring, sources: list[Asked]) -> Path:
    """Where the score goes: named after its subjects, and after its rows where those are not the subject's own."""
    if settings.out:
        return settings.out
    names = [Path(name).name for name in settings.adapters]
    names += [name.rpartition("/")[2] for name in settings.models]
    names += [name.replace(":", "-") for name in settings.teachers]
    names += [settings.predictions.stem] if settings.predictions else []
    names += [Path(name).name for name in settings.classifiers]
    names += ["baseline"] if settings.baseline and not names else []
    shown = "+".join(names[:NAMED]) + (f"+{len(names) - NAMED}" if len(names) > NAMED else "")
    only_own = bool(settings.predictions or (settings.adapters and not settings.benchmarks and not settings.data))
    if not only_own:
        shown += "-on-" + "+".join(asked.key for asked in sources)
    return SCORES / (re.sub(r"[^\w.+-]+", "-", shown).strip("-.") or "score")


def is_asking(settings: Scoring) -> bool:
    """Whether somebody is to be asked, and not only read."""
    loaded = settings.adapters or settings.models or settings.classifiers
    return bool(loaded or settings.teachers or settings.baseline)


def _refuse_clashes(settings: Scoring) -> None:
    if not (is_asking(settings) or settings.predictions):
        raise UsageError(
            "nobody to score",
            hint="name an adapter, --model, --teacher, --classifier, --baseline, or a file of answers with --predictions",
        )
    if settings.adapters or settings.models or settings.classifiers:
        from fingen.scoring.tuned import refuse_misnamed  # as in read_sources

        refuse_misnamed(settings)
    if settings.context and settings.predictions:
        raise UsageError("--context: answers that are there were asked in their own way", hint="leave --context out")
    if settings.limit and settings.predictions:
        raise UsageError("--limit: answers that are there are read whole", hint="leave --limit out")
    if settings.gold and (settings.data or not settings.predictions):
        raise UsageError("--gold goes with --predictions alone", hint="name the rows of models and teachers with --set")
    if settings.splits and not (settings.data or settings.gold or settings.adapters):
        raise UsageError("--split goes with a set", hint="name it with --set")
    if settings.base and not settings.adapters:
        raise UsageError("--base goes with an adapter", hint="name a model of its own with --model")


def _files(settings: Scoring) -> Iterator[tuple[str, Path | None]]:
    """Each benchmark with its file, None where it is to be fetched."""
    if settings.files and len(settings.files) != len(settings.benchmarks):
        raise UsageError(
            f"--data is there {len(settings.files)} times and --benchmark {len(settings.benchmarks)} times",
            hint="give one --data for each --benchmark, in their order; or none, to have them fetched",
        )
    yield from zip(settings.benchmarks, settings.files or [None] * len(settings.benchmarks), strict=True)


def _read_benchmarks(settings: Scoring, say: Callable[[str], None]) -> Iterator[Asked]:
    files = list(_files(settings))
    if files:
        from fingen.scoring.benchmarks import read_benchmark  # with the readers of all published data sets

        for name, path in files:
            yield read_benchmark(name, path, say)


def _needs_examples(settings: Scoring) -> bool:
    return settings.baseline or settings.shots > 0


def _own_sets(settings: Scoring) -> list[Path]:
    """The sets that the adapters were tuned on, each once."""
    if settings.adapters:
        from fingen.scoring.tuned import own_sets  # as in read_sources

        if found := own_sets(settings.adapters):
            return found
    raise UsageError("nothing says on which rows", hint="name a set or a file with --set, or a --benchmark")


def same_rows(sources: list[Asked]) -> dict[str, ScoredRows]:
    """The sources of a report, by key."""
    return {asked.key: asked.source for asked in sources}
