"""`fingen withdraw`: sets made anew without a report, and what is out of date then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingen.config import BUILD, CACHE
from fingen.disk import (
    LOCK,
    build_folder,
    copy_folder,
    lock,
    make_folder,
    refuse_detour,
    refuse_links,
    replace_folder,
    sha256_file,
    spare_of,
)
from fingen.errors import SetError, UsageError
from fingen.events import Outcome, command_line
from fingen.lineage.erase import Erased, Marks, erase_cache, erase_journal, erase_teachers, find_journals, find_left
from fingen.lineage.items import ASIDE, Item, need_folder, read_shelf
from fingen.lineage.links import build_links
from fingen.lineage.rows import OnReport, Rows
from fingen.lineage.trace import Found, Subject, Walk, find_subject
from fingen.pipeline.rework import count_requests
from fingen.records import Manifest, Record, Rejected, Withdrawn
from fingen.set_folder import JOURNAL_FILES
from fingen.sets import JOURNAL, MANIFEST, SetContent, hash_manifest, write_set
from fingen.teachers.asking import refuse_open_batches
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks
from fingen.training.distill.plan import ANSWERS
from fingen.verification.origin import Origin, origin_of_set

DIGITS = 8  # of a manifest's hash, in the name of a set that is kept aside
NOTE = "withdrawn since: "
TEACHERS = ANSWERS.relative_to(BUILD)
STAGING = ".without"  # ends the name of a folder in which a set is made anew


@dataclass(frozen=True)
class Remade:
    """A set without the report: what went, and where it is as it was before ("" where it was not kept)."""

    set: str
    rows: dict[str, int]  # that went, by split
    left: dict[str, int]  # that are there, by split
    passages: int
    rejects: int  # that went
    orphans: int  # rows of `memory` that became rejects: train has not seen their passage any more
    kept: str


@dataclass(frozen=True)
class Outdated:
    """Something that was made with the report, and the command by which it is made anew."""

    kind: str
    place: str
    said: list[str]
    next: str


@dataclass(frozen=True)
class Withdrawal(Outcome):
    """What became of all that rests on a report.

    Attributes:
        sets: those made anew.
        outdated: what was made with it and is still there: adapters, models, scores, exports, pushes.
        untouched: set -> why its rows that may rest on the report cannot be told.
        unknown, damaged: as of `fingen trace`.
        erased: with `forget`: what was erased, and what was not.
    """

    report: str
    sha256: str
    build: str
    sets: list[Remade]
    outdated: list[Outdated]
    untouched: dict[str, str]
    unknown: dict[str, str]
    damaged: dict[str, str]
    erased: Erased | None = None
    dry_run: bool = False


@dataclass
class _Target:
    """A set that is made anew."""

    item: Item
    rows: Rows
    on: OnReport | None  # None: its manifest does not name the report, and its rows are known by their text
    gone: dict[str, set[str]]  # split -> ids of rows
    content: SetContent | None = None
    orphans: int = 0

    @property
    def folder(self) -> Path:
        return self.rows.folder


def withdraw(report: str, build: Path, *, forget: bool = False, dry_run: bool = False) -> Withdrawal:
    """Make each set that rests on a report anew without its rows; splits, order and all other rows stay as they are.

    A set is whole at any moment: as it was, or without the report. As it was it is kept below build/withdrawn/. With `forget`
    it is not, and the report's text is taken out of journals, caches and sets that were kept aside.

    Raises:
        UsageError: no such report. SetError: a set is damaged, or another process works on one; nothing is changed then.
        LimitError: the disk is full; the same command goes on.
    """
    need_folder(build)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(_alone(build))
            _recover(build)
        links = build_links(read_shelf(build))
        subject = find_subject([report], links)
        if subject.kind != "report":
            raise UsageError(
                f"{report} is a {subject.kind}, and no report", hint="name a report: its file, name or hash"
            )
        walk = Walk(links, subject)
        walk.go_down()
        targets = list(_targets(walk, subject, forget=forget))
        for target in targets:
            refuse_links(target.folder)
            refuse_detour(target.folder)
        journals = find_journals(build) if forget else []
        if forget:
            refuse_detour(build / TEACHERS)
        if not dry_run:
            for folder in sorted({target.folder for target in targets} | {path.parent for path in journals}):
                stack.enter_context(_alone(folder))
            _refuse_changed(targets)
        _build_all(targets, links.shelf.of("set"), subject, forget=forget)
        told = [_tell(target, None if forget else _aside(build, target)) for target in targets]
        erased = None
        if not dry_run:
            marks = _marks(walk, subject, targets) if forget else Marks()
            erased = _erase(build, marks, journals) if forget else None
            for target in targets:
                _replace(target, None if forget else _aside(build, target))
            if erased:
                find_left(build, marks, erased)
    now = [one.set for one, target in zip(told, targets, strict=True) if not target.item.is_aside]
    return Withdrawal(
        report=subject.name,
        sha256=subject.sha256,
        build=str(build),
        sets=told,
        outdated=list(_outdated(walk)),
        untouched={found.place: "; ".join(found.said) for found in _untouched(walk, targets)},
        unknown={item.where: why for item, why in links.unknown if item not in walk.found},
        damaged=links.shelf.damaged | walk.damaged,
        erased=erased,
        dry_run=dry_run,
        changed=bool(targets or (erased and (erased.journals or erased.cache or erased.teachers))) and not dry_run,
        notes=[note for target in targets for note in _notes(target)],
        next=command_line("fingen", "verify", now[0]) if now and not dry_run else "",
    )


def _recover(build: Path) -> None:
    """Tidy up after a process that was killed; on a system that cannot exchange folders at once, put back what it moved."""
    for spare in build.rglob(".*.old"):
        folder = spare.with_name(spare.name[1:-4])
        if spare == spare_of(folder) and not folder.exists():
            spare.rename(folder)
    for left in (*build.rglob(f".*{STAGING}"), *(build / ASIDE).glob(".*.part")):
        shutil.rmtree(left, ignore_errors=True)


def _aside(build: Path, target: _Target) -> Path | None:
    """Where a set is kept as it was; None of one that is kept there itself."""
    return None if target.item.is_aside else build / ASIDE / f"{target.item.name}-{target.item.sha256[:DIGITS]}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; no other one writes the set in it, or asks for it.

    Raises:
        SetError: another does, or batches are on their way.
    """
    try:
        with lock(folder), ExitStack() as stack:
            if (folder / JOURNAL).is_file():
                stack.enter_context(RequestLocks(folder / LOCKS_FILE, alone=True))
                refuse_open_batches(folder / JOURNAL)
            yield
    except SetError as e:
        if "another fingen process" not in str(e):
            raise
        raise SetError(str(e), hint="wait until it has ended; nothing was changed") from e


def _refuse_changed(targets: Sequence[_Target]) -> None:
    """Refuse to go on where a set was written between the look at it and the hold on it.

    Raises:
        SetError: one was.
    """
    for target in targets:
        path = target.folder / MANIFEST
        if not path.is_file() or sha256_file(path) != target.item.sha256:
            raise SetError(f"{target.folder}: another process has written it meanwhile",
                           hint="run the same command again; nothing was changed")  # fmt: skip


# --- which sets ------------------------------------------------------------------------------------------------------------


def _targets(walk: Walk, subject: Subject, *, forget: bool) -> Iterator[_Target]:
    """The sets that rest on the report, those that others were made of first."""
    items = [item for item in walk.found if item.kind == "set" and (forget or not item.is_aside)]
    for item in _in_order(items, walk):
        assert item.place
        held, rows = walk.held[item], Rows(item.place, item.about)
        on = walk.on.get(item)
        names_it = any(source.sha256 == subject.sha256 for source in item.about.sources)
        if names_it and on is None:
            raise SetError(f"{item.where} rests on it, and cannot be made anew: {walk.damaged.get(item.where, '')}",
                           hint="restore its files, or move it out of the way; nothing was changed")  # fmt: skip
        told = any(each.report == subject.sha256 and (each.path or each.passages) for each in item.about.withdrawn)
        if names_it or held.count or (forget and told):
            yield _Target(item, rows, on, {split: set(ids) for split, ids in held.rows.items()})


def _in_order(items: Sequence[Item], walk: Walk) -> list[Item]:
    """Parents before what was made of them; where they go round in a circle, as they stand."""
    left, ordered = list(items), list[Item]()
    while left:
        ready = [i for i in left if not any(link.parent in left for link in walk.links.above[i])] or left[:1]
        ordered += ready
        left = [item for item in left if item not in ready]
    return ordered


def _untouched(walk: Walk, targets: Sequence[_Target]) -> list[Found]:
    remade = {target.item for target in targets}
    return [
        found for item, found in walk.found.items()
        if item.kind == "set" and item not in remade and not item.is_aside and walk.held[item].unsure
    ]  # fmt: skip


def _marks(walk: Walk, subject: Subject, targets: Sequence[_Target]) -> Marks:
    """By what the report is known in files: what the sets have of it, and of others."""
    marks = Marks()
    for target in targets:
        marks.take(target.rows, target.on.passages if target.on else frozenset(), target.gone)
    doubtful = {item for item, _ in walk.links.unknown}
    for item in walk.links.shelf.of("set"):
        if item.place and item not in walk.found and item not in doubtful:
            with suppress(SetError):  # damaged: nothing in it is known to stay
                marks.take(Rows(item.place, item.about), frozenset(), {})
    for item in walk.links.shelf.of("set"):
        for each in item.about.withdrawn:
            marks.passages |= set(each.passages) if each.report == subject.sha256 else set()
    marks.close()
    return marks


# --- what they become ------------------------------------------------------------------------------------------------------


def _build_all(targets: Sequence[_Target], sets: Sequence[Item], subject: Subject, *, forget: bool) -> None:
    """Build what the sets become, before anything of them is written. A mix names its parts as they are then."""
    now = {each.before: item.sha256 for item in sets if not item.is_aside for each in item.about.withdrawn}
    for target in targets:
        target.content = _without(target, subject, now, forget=forget)
        now[target.item.sha256] = hash_manifest(target.content, target.folder)


def _without(target: _Target, subject: Subject, now: Mapping[str, str], *, forget: bool) -> SetContent:
    """A set without the rows, rejects and passages that rest on the report."""
    before, rows, on = target.item.about, target.rows, target.on
    splits = {
        split: [record for record in records if record.id not in target.gone.get(split, ())]
        for split, records in rows.splits.items()
    }
    chunks = [chunk for chunk in rows.chunks if not (on and chunk.id in on.passages)]
    rejected = [each for each in rows.rejected if not (on and on.has_rejected(each))]
    splits, orphans = _without_orphans(splits, rows)
    target.orphans = len(orphans)
    rejected += orphans
    origin = _origin(target.folder, before, {chunk.id for chunk in chunks})
    gone = sum(map(len, target.gone.values()))
    manifest = before.model_copy(
        update={
            "sources": tuple(source for source in before.sources if source.sha256 != subject.sha256),
            "settings": _with_parts(before.settings, now),
            "figures": origin.count_figures(record for own in splits.values() for record in own)
            if before.figures
            else {},
            "requests": count_requests(target.folder, before, origin) if on else before.requests,
            "declared": _declared(before, gone, subject),
            "withdrawn": _entries(target, subject, gone, forget=forget),
            "files": {},
        }
    )
    return SetContent(splits, rejected, chunks, manifest)


def _without_orphans(splits: dict[str, list[Record]], rows: Rows) -> tuple[dict[str, list[Record]], list[Rejected]]:
    """Take out rows that recall a passage which was trained on before, and is not any more."""
    train, trained = (
        {chunk for record in own.get("train", ()) for chunk in record.chunks} for own in (splits, rows.splits)
    )
    lost = trained - train
    fallen = [record for record in splits.get("memory", ()) if lost.intersection(record.chunks)]
    ids = {record.id for record in fallen}
    detail = "train has not seen its passage since a report was withdrawn"
    rejected = [Rejected(item=record.model_dump(mode="json"), reason="memory", detail=detail, chunks=record.chunks,
                         request=None) for record in fallen]  # fmt: skip
    kept = [record for record in splits.get("memory", ()) if record.id not in ids]
    return ({**splits, "memory": kept} if fallen else splits), rejected


def _origin(folder: Path, manifest: Manifest, chunks: set[str]) -> Origin:
    """The passages that stay."""
    origin = origin_of_set(folder)
    return Origin(
        {name: chunk for name, chunk in origin.chunks.items() if name in chunks},
        {name: passage for name, passage in origin.passages.items() if name in chunks},
        origin.organisations,
    )


def _with_parts(settings: dict[str, Any], now: Mapping[str, str]) -> dict[str, Any]:
    """The settings with the sets that a mix is made of as they are now."""
    parts = settings.get("sets")
    if not isinstance(parts, list):
        return settings
    told = [
        {**part, "manifest": now.get(str(part["manifest"]), part["manifest"])}
        if isinstance(part, dict) and "manifest" in part else part
        for part in parts
    ]  # fmt: skip
    return {**settings, "sets": told}


def _declared(before: Manifest, gone: int, subject: Subject) -> tuple[str, ...]:
    """What the set declares; where it says of rows how many there are, that some are not there any more."""
    if not before.declared or not gone:
        return before.declared
    return (*before.declared, f"{NOTE}{gone:,} rows that rest on the report {subject.sha256[:12]}")


def _entries(target: _Target, subject: Subject, gone: int, *, forget: bool) -> tuple[Withdrawn, ...]:
    """What was withdrawn from a set so far, and now. What is forgotten is known by its hash alone."""
    before = target.item.about
    names = [source.path for source in before.sources if source.sha256 == subject.sha256]
    keeps_answers = not forget and (target.folder / JOURNAL).is_file()
    passages = tuple(sorted(target.on.passages)) if target.on and keeps_answers else ()
    path = "" if forget or not names else names[0]
    now = Withdrawn(report=subject.sha256, path=path, rows=gone, before=target.item.sha256, passages=passages)
    then = tuple(
        each.model_copy(update={"path": "", "passages": ()}) if forget and each.report == subject.sha256 else each
        for each in before.withdrawn
    )
    return (*then, now)


# --- on the disk -------------------------------------------------------------------------------------------------------------


def _erase(build: Path, marks: Marks, journals: Sequence[Path]) -> Erased:
    """Take the report's text out of journals and caches, before the sets that know its passages lose them."""
    counts = {str(path): count for path in journals if (count := erase_journal(path, marks))}
    teachers = erase_teachers(build / TEACHERS) if marks.is_known else []
    return Erased(counts, erase_cache(build / CACHE.name, marks), teachers)


def _replace(target: _Target, kept: Path | None) -> None:
    """Put what a set becomes in its place; as it was it is kept in `kept`, without its journal."""
    assert target.content
    folder = target.folder
    if kept and not kept.exists():
        make_folder(kept.parent)
        with build_folder(kept) as beside:
            copy_folder(folder, beside, leave={*JOURNAL_FILES, LOCK, LOCKS_FILE})
    beside = folder.with_name(f".{folder.name}{STAGING}")
    shutil.rmtree(beside, ignore_errors=True)
    copy_folder(folder, beside)
    write_set(beside, target.content)
    replace_folder(folder, beside)


def _tell(target: _Target, kept: Path | None) -> Remade:
    assert target.content
    return Remade(
        set=str(target.folder),
        rows={split: len(ids) for split, ids in target.gone.items() if ids},
        left={split: len(records) for split, records in target.content.splits.items()},
        passages=len(target.rows.chunks) - len(target.content.chunks),
        rejects=len(target.rows.rejected) - len(target.content.rejected) + target.orphans,
        orphans=target.orphans,
        kept=str(kept) if kept else "",
    )


def _notes(target: _Target) -> Iterator[str]:
    assert target.content
    if target.item.is_aside:
        return
    if target.on and target.on.unsure:
        yield f"{target.folder}: {target.on.unsure}"
    if empty := [
        split for split, records in target.rows.splits.items() if records and not target.content.splits[split]
    ]:
        left = any(target.content.splits.values())
        advice = f"; `fingen split {target.folder}` divides it afresh" if left else "; it can be deleted"
        yield f"{target.folder}: no row is left in {', '.join(empty)}{advice}"


# --- what is out of date -------------------------------------------------------------------------------------------------------


def _outdated(walk: Walk) -> Iterator[Outdated]:
    for item, found in sorted(walk.found.items(), key=lambda each: (each[1].kind, each[1].place)):
        if item.kind != "set":
            yield Outdated(item.kind, found.place, found.said, _next(item, walk))


def _next(item: Item, walk: Walk) -> str:
    """The command to type to make something anew; "" where there is none."""
    above = dict.fromkeys(link.parent for link in walk.links.above[item] if not link.parent.is_aside)
    sets, adapters = ([each for each in above if each.kind == kind] for kind in ("set", "adapter"))
    place = item.where
    match item.kind:
        case "adapter":
            base = item.about["base"]
            model = "tiny" if base["built"] else base["source"]
            named = ["--set", sets[0].where] if sets else []
            return command_line("fingen", "finetune", "--model", model, *named, "--out", place, "--replace")
        case "model":
            return command_line("fingen", "merge", adapters[0].where, "--out", place, "--replace") if adapters else ""
        case "score":
            return command_line("fingen", "score", *(each.where for each in adapters), "--out", place, "--replace")
        case "export":
            form = item.about.format
            return command_line("fingen", "export", *(each.where for each in sets[:1]), "--format", form, "--out", place,
                                "--replace")  # fmt: skip
        case "push":
            of = next((each.where for each in above if each.place), "")
            return command_line("fingen", "push", of, "--repo", item.about.repo, "--overwrite") if of else ""
    return ""
