"""The folder of a set before anything is written to it: whose it is, and what it was begun with."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from fingen import __version__
from fingen.config import RESERVED_SET_NAMES, Asking
from fingen.disk import KINDS, LOCK, PART, check_writable, describe, dump_json, lock, refuse_links
from fingen.errors import SetError, UsageError
from fingen.events import Estimate
from fingen.records import Manifest, Record, Usage, Withdrawn
from fingen.sets import (
    CARD,
    CHUNKS,
    INFO,
    JOURNAL,
    MANIFEST,
    REJECTED,
    REVIEWS,
    REWORKED,
    SPLITS,
    SetContent,
    read_manifest,
    write_set,
)
from fingen.teachers.asking import refuse_open_batches
from fingen.teachers.job import Job, estimate
from fingen.teachers.journal import Journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.wire import server_name

PATIENCE_SECONDS = 600.0  # for another process that writes the same set
JOURNAL_FILES = (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm")
FILES = frozenset(
    {*(f"{split}.jsonl" for split in SPLITS), CHUNKS, REJECTED, INFO, CARD, MANIFEST, REVIEWS, *JOURNAL_FILES}
)
MOST_NAMED, MOST_CHARACTERS = 4, 40  # differences that a message names, and of each value
_WAYS_ON = "write elsewhere with --out, or start it anew with --replace"
AS_BEFORE = f"give the settings that it was made with, {_WAYS_ON}"


def refuse_folder(folder: Path, *, is_part: bool = False) -> None:
    """Refuse to write a set, or a part of one, where none can be written, or over something else.

    What a set is made of, without a manifest, is what a run left that was killed.

    Raises:
        UsageError: the name is none for a set, or the folder cannot be written; SetError: it holds something else.
        LimitError: the disk is full.
    """
    if folder.name in RESERVED_SET_NAMES:
        raise UsageError(f"--out {folder}: {folder.name} is no name for a set", hint="choose another: --out build/NAME")
    check_writable(folder)
    refuse_links(folder)
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir()}
    foreign = sorted(name for name in names - FILES if not name.startswith("."))
    is_set = JOURNAL in names or (MANIFEST in names and describe(folder)) or (LOCK in names and not foreign)
    shown = [name for name in names if not name.startswith(".")]
    kinds = KINDS.keys() - {PART} if is_part else KINDS.keys()
    if not names.isdisjoint(kinds) or (shown and not is_set):
        listed = ", ".join((foreign or sorted(shown))[:3]) + (" ..." if len(foreign or shown) > 3 else "")
        said = describe(folder) or f"{folder} holds files that are no set: {listed}"
        raise SetError(said, hint="write to a folder of its own with --out")


def clear(folder: Path) -> None:
    """Remove what a set is made of, if no other process asks for it; the locks and foreign files stay."""
    refuse_open_batches(folder / JOURNAL)
    with RequestLocks(folder / LOCKS_FILE, alone=True):
        pass
    for name in (MANIFEST, *JOURNAL_FILES):
        (folder / name).unlink(missing_ok=True)


def start_anew(job: Job, consent: Callable[[Estimate], None]) -> Callable[[Estimate], None]:
    """Remove the set of a job, once its user has agreed to what is asked in its place.

    Returns the consent for what is asked beyond that.
    """
    refuse_open_batches(job.out / JOURNAL)
    if job.asking.export_requests or job.asking.import_answers:
        clear(job.out)
        return consent
    consent(estimate(job, missing=None, batch=job.asking.batch))
    clear(job.out)
    given = iter((True,))
    return lambda wanted: None if next(given, False) else consent(wanted)


def as_begun(asking: Asking, folder: Path, *, anew: bool) -> Asking:
    """The same servers, the one first that the set in a folder was begun with: the first one gives a teacher its name.

    Not where it is begun `anew`.
    """
    if anew or len(asking.base_url) < 2:
        return asking
    return named_first(asking, str((_begun(folder) or {}).get("teacher")))


def named_first(asking: Asking, begun: str) -> Asking:
    """The same servers, the one first that a teacher has its name of."""
    first = [url for url in asking.base_url if begun.endswith(f"@{server_name(url)}")]
    return dataclasses.replace(asking, base_url=tuple(dict.fromkeys([*first, *asking.base_url])))


def refuse_other(folder: Path, now: Mapping[str, Any], *, is_whole: bool = True, free: Set[str] = frozenset()) -> None:
    """Refuse to write over a set that another command has made, or the same one otherwise.

    Args:
        folder: where it may be.
        now: what it would be made with now, and "command"; a "teacher" stands there only where a journal is kept.
        is_whole: whether `now` has all settings, or those that are known so far.
        free: those that can be changed without paying, by another command.

    Raises:
        SetError: with what differs, and the ways on.
    """
    manifest, begun = _manifest(folder), _begun(folder)
    said = describe(folder) or f"{folder} was begun by `fingen {(begun or {}).get('command', 'score')}`"
    if manifest and (commands := manifest.settings.get(REWORKED)):
        by = " and ".join(f"`fingen {command}`" for command in commands)
        have = "have" if len(commands) > 1 else "has"
        raise SetError(f"{said}; {by} {have} reworked it since, which this would undo", hint=_WAYS_ON, taken=folder)
    keeps_journal = "teacher" in now
    if begun is None and keeps_journal and manifest:
        is_own = manifest.settings.get("command") == now["command"]
        raise SetError(f"{said}; its journal is not here" if is_own else said, hint=_WAYS_ON, taken=folder)
    before = begun if begun is not None else manifest.settings if manifest else None
    if before is None:
        if (folder / JOURNAL).exists() and not keeps_journal:
            raise SetError(f"{folder} holds a journal of answers", hint=_WAYS_ON, taken=folder)
        return
    if before.get("command") != now["command"]:
        raise SetError(said, hint=_WAYS_ON, taken=folder)
    if not is_whole:
        before = {name: value for name, value in before.items() if name in now}
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if not changed:  # or one that fingen did not have then, and that is off
        return
    rework = f"; or change it without paying: fingen dedup {folder}, fingen split {folder}"
    raise SetError(
        f"{folder} was made otherwise: {say_differences(before, now)}",
        hint=AS_BEFORE + (rework if set(changed) <= free else ""),
        taken=folder,
    )


def withdrawn_from(folder: Path) -> tuple[Withdrawn, ...]:
    """The reports that were withdrawn from the set in a folder; none where there is no set."""
    manifest = _manifest(folder)
    return manifest.withdrawn if manifest else ()


def refuse_withdrawn(folder: Path, reports: Iterable[str]) -> None:
    """Refuse to bring back what was withdrawn from a set. `reports` are the hashes of those that it would be made of.

    Raises:
        SetError: one of them was withdrawn from it.
    """
    names = {each.report: each.path or each.report[:12] for each in withdrawn_from(folder)}
    if back := [names[report] for report in reports if report in names]:
        raise SetError(f"{folder}: {back[0]} was withdrawn from it, and would come back",
                       hint=f"leave it out of the input, {_WAYS_ON}")  # fmt: skip


def _manifest(folder: Path) -> Manifest | None:
    if not (folder / MANIFEST).exists():
        return None
    try:
        return read_manifest(folder)
    except SetError as e:
        raise SetError(str(e), hint=_WAYS_ON) from e


def _begun(folder: Path) -> dict[str, Any] | None:
    """What the set's journal was begun with; None without a journal, or in one without an answer."""
    if not (folder / JOURNAL).exists():
        return None
    with Journal.open(folder / JOURNAL) as journal:
        return journal.settings()


def say_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what differs, in one line: each setting by its name, old -> new."""
    old, new = dict(_flat(before)), dict(_flat(now))
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    said = (f"{name} {_short(old.get(name))} -> {_short(new.get(name))}" for name in islice(changed, MOST_NAMED))
    more = len(changed) - MOST_NAMED
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name} {key}".strip())
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value, 1):
            yield from _flat(each, f"{name} {place}")
    else:
        yield name, value


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else dump_json(value)
    if len(text) == 64 and all(character in "0123456789abcdef" for character in text):
        return text[:8]  # a hash
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."


def make_manifest(
    name: str, command: str, settings: Mapping[str, Any], records: Iterable[Record], declared: tuple[str, ...]
) -> Manifest:
    """The manifest of a set that nobody was asked for: no requests, tokens or cost of its own."""
    return Manifest(
        name=name,
        command=command,
        teacher=", ".join(sorted({record.teacher for record in records})),
        settings=dict(settings),
        prompts={},
        sources=(),
        unread={},
        files={},
        splits={},
        tasks={},
        rejects={},
        requests=0,
        usage=Usage(),
        cost_usd=0.0,
        split_by="chunk",
        declared=declared,
        versions={"fingen": __version__, "datasets": version("datasets"), "python": platform.python_version()},
    )


def write_anew(out: Path, content: SetContent, *, replace: bool) -> bool:
    """Write a set that is made in one step; True if anything changed.

    Raises:
        SetError: the folder holds a set that was made otherwise, and `replace` is not given.
    """
    with lock(out, patience_seconds=PATIENCE_SECONDS):
        refuse_folder(out)
        if replace:
            clear(out)
        else:
            refuse_other(out, content.manifest.settings)
            content = _with_withdrawn(out, content)
        return write_set(out, content)


def _with_withdrawn(out: Path, content: SetContent) -> SetContent:
    """The content, for a set that reports were withdrawn from.

    Raises:
        SetError: one would come back. Rows of a file do not say which of them are of a report.
    """
    withdrawn = withdrawn_from(out)
    if not withdrawn:
        return content
    of_file = content.manifest.command.startswith("import")
    refuse_withdrawn(out, [each.report for each in (withdrawn if of_file else ())])
    refuse_withdrawn(out, [source.sha256 for source in content.manifest.sources])
    return dataclasses.replace(content, manifest=content.manifest.model_copy(update={"withdrawn": withdrawn}))
