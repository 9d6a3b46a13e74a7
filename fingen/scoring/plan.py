"""What a run of `fingen score` is about, before anything is loaded or asked: the rows, and the folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fingen.adapters import MANIFEST as ADAPTER
from fingen.adapters import read_adapter
from fingen.config import BUILD, Scoring
from fingen.disk import sha256_file
from fingen.errors import UsageError
from fingen.scoring.benchmarks import read_benchmark
from fingen.scoring.columns import find_context, in_contexts
from fingen.scoring.report import ScoredRows
from fingen.scoring.rows import Asked, named, read_asked
from fingen.sets import MANIFEST, read_manifest
from fingen.training.models import HUB_ID, find_base

SCORES = BUILD / "scores"
FOREIGN = "adapter_config.json"  # an adapter that others made has this, and no manifest
NAMED = 3  # subjects that the name of a folder has


def read_sources(settings: Scoring, say: Callable[[str], None] = lambda text: None) -> list[Asked]:
    """The rows to score on, source by source: benchmarks, a set or a file, or else the sets that the adapters were tuned on.

    Raises:
        UsageError: nothing says what is right, or a set is not the one that an adapter was tuned on. SetError: rows are
            damaged. HubError: a benchmark cannot be fetched.
    """
    _refuse_clashes(settings)
    found = [read_benchmark(name, path, say) for name, path in _files(settings)]
    if rows := settings.data or settings.gold:
        found += _read_splits(rows, settings)
    elif not found and not settings.predictions:
        found = [asked for folder in _own_sets(settings) for asked in _read_splits(folder, settings)]
    found = [_lent(settings, _noted(settings, asked)) for asked in found]
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
        yield read_asked(rows, split, examples=examples)
    if not settings.splits:
        yield (asked := read_asked(rows, examples=examples))
        if asked.is_text and rows.is_dir() and not settings.predictions and read_manifest(rows).splits.get("memory"):
            memory = read_asked(rows, "memory", examples=examples)
            yield replace(memory, notes=(f"{rows}: its memory split is scored too, {len(memory.items):,} rows",))


def folder_of(settings: Scoring, sources: list[Asked]) -> Path:
    """Where the score goes: named after its subjects, and after its rows where those are not the subject's own."""
    if settings.out:
        return settings.out
    names = [Path(name).name for name in settings.adapters]
    names += [name.rpartition("/")[2] for name in settings.models]
    names += [name.replace(":", "-") for name in settings.teachers]
    names += [settings.predictions.stem] if settings.predictions else []
    names += ["baseline"] if settings.baseline and not names else []
    shown = "+".join(names[:NAMED]) + (f"+{len(names) - NAMED}" if len(names) > NAMED else "")
    only_own = bool(settings.predictions or (settings.adapters and not settings.benchmarks and not settings.data))
    if not only_own:
        shown += "-on-" + "+".join(asked.key for asked in sources)
    return SCORES / (re.sub(r"[^\w.+-]+", "-", shown).strip("-.") or "score")


def _refuse_clashes(settings: Scoring) -> None:
    if not (settings.adapters or settings.models or settings.teachers or settings.baseline or settings.predictions):
        raise UsageError(
            "nobody to score",
            hint="name an adapter, --model, --teacher, --baseline, or a file of answers with --predictions",
        )
    for name in settings.adapters:
        _refuse_no_adapter(name, settings.form)
    for name in settings.models:
        if find_base(name).built:
            hint = "name its folder in build/models/"
            raise UsageError(f"--model {name}: it is made from a set, by `fingen finetune --model {name}`", hint=hint)
    if settings.context and settings.predictions:
        raise UsageError("--context: answers that are there were asked in their own way", hint="leave --context out")
    if settings.gold and (settings.data or not settings.predictions):
        raise UsageError("--gold goes with --predictions alone", hint="name the rows of models and teachers with --set")
    if settings.splits and not (settings.data or settings.gold or settings.adapters):
        raise UsageError("--split goes with a set", hint="name it with --set")
    if settings.base and not settings.adapters:
        raise UsageError("--base goes with an adapter", hint="name a model of its own with --model")


def _refuse_no_adapter(name: str, form: str | None) -> None:
    """Refuse what is no adapter, and one of others where nothing says how its prompts looked in its training."""
    folder = Path(name)
    if is_ours(name):
        return
    if folder.is_dir() and not (folder / FOREIGN).is_file():
        raise UsageError(f"{name}: no adapter: it has neither {ADAPTER} nor {FOREIGN}", hint="name an adapter's folder")
    if not folder.is_dir() and not HUB_ID.fullmatch(name):
        raise UsageError(f"{name}: no such adapter", hint="name a folder that `fingen finetune` has made, or a Hub id")
    if form is None:
        raise UsageError(
            f"{name}: nothing says how its prompts looked in its training",
            hint="pass --form fingpt (Instruction/Input/Answer), or --form chat (its base's chat template)",
        )


def is_ours(name: str) -> bool:
    """Whether this is the folder of an adapter that fingen made."""
    return (Path(name) / ADAPTER).is_file()


def _files(settings: Scoring) -> Iterator[tuple[str, Path | None]]:
    """Each benchmark with its file, None where it is to be fetched."""
    if settings.files and len(settings.files) != len(settings.benchmarks):
        raise UsageError(
            f"--data is there {len(settings.files)} times and --benchmark {len(settings.benchmarks)} times",
            hint="give one --data for each --benchmark, in their order; or none, to have them fetched",
        )
    yield from zip(settings.benchmarks, settings.files or [None] * len(settings.benchmarks), strict=True)


def _needs_examples(settings: Scoring) -> bool:
    return settings.baseline or settings.shots > 0


def _own_sets(settings: Scoring) -> Iterator[Path]:
    """The sets that the adapters were tuned on, each once."""
    seen: set[Path] = set()
    for name in settings.adapters:
        folder = Path(name)
        if not is_ours(name):
            continue
        stored = read_adapter(folder)["set"]
        rows = BUILD / stored["name"]
        if not (rows / MANIFEST).is_file():
            raise UsageError(
                f"{folder}: the set that it was tuned on is not in {rows}",
                hint="name rows to score on with --set or --benchmark",
            )
        if sha256_file(rows / MANIFEST) != stored["sha256"]:
            raise UsageError(
                f"{folder}: {rows} is not as it was when the adapter was tuned on it: rows that are scored now may have been trained on",
                hint=f"make the set again as it was, name other rows with --set or --benchmark, or insist with --set {rows}",
            )
        if rows not in seen:
            seen.add(rows)
            yield rows
    if not seen:
        raise UsageError("nothing says on which rows", hint="name a set or a file with --set, or a --benchmark")


def _noted(settings: Scoring, asked: Asked) -> Asked:
    """The rows of a set with what the adapters' own sets say of them: that one teacher wrote both, or that both are one set."""
    if asked.folder is None:
        return asked
    sha256, name, notes = sha256_file(asked.folder / MANIFEST), read_manifest(asked.folder).name, list(asked.notes)
    known = frozenset((asked.source.same_teacher or "").split(", ")) - {""}
    for adapter in filter(is_ours, settings.adapters):
        stored = read_adapter(Path(adapter))["set"]
        if stored["name"] == name and stored["sha256"] != sha256:
            notes.append(f"{adapter} was tuned on another state of {asked.folder}: its rows may have been trained on")
        own = BUILD / stored["name"]
        if (own / MANIFEST).is_file() and sha256_file(own / MANIFEST) == stored["sha256"]:
            known |= asked.teachers & frozenset(read_manifest(own).teacher.split(", "))
    source = asked.source.model_copy(update={"same_teacher": named(known)})
    return replace(asked, source=source, notes=tuple(notes))


def _lent(settings: Scoring, asked: Asked) -> Asked:
    """The rows with examples: their own, or else the training rows of the first set that an adapter was tuned on."""
    if asked.examples or asked.source.split == "train" or not _needs_examples(settings):
        return asked
    for adapter in filter(is_ours, settings.adapters):
        stored = read_adapter(Path(adapter))["set"]
        own = BUILD / stored["name"]
        if (own / MANIFEST).is_file() and sha256_file(own / MANIFEST) == stored["sha256"]:
            examples = read_asked(own, examples=True).examples
            note = f"{asked.key}: it has no training rows; examples are those of {own}"
            return replace(asked, examples=examples, notes=(*asked.notes, note))
    return asked


def same_rows(sources: list[Asked]) -> dict[str, ScoredRows]:
    """The sources of a report, by key."""
    return {asked.key: asked.source for asked in sources}
