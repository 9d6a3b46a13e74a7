"""Make a set anew from its own journal, else from its own rows: other splits, other filters. Nothing is asked or paid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from fingen.config import CACHE, Filters, Splitting
from fingen.disk import lock
from fingen.errors import SetError
from fingen.events import Outcome
from fingen.pipeline.drawing import divide, draw_records
from fingen.pipeline.filters import OpenFilters, open_filters
from fingen.pipeline.judging import judge_requests, with_scores
from fingen.pipeline.looking import Looks
from fingen.pipeline.own_rows import is_reworked, rework_rows
from fingen.pipeline.repairing import is_repair
from fingen.quality.privacy import protect_reject
from fingen.quality.reasons import with_steps
from fingen.quality.splits import document_units, note_companies
from fingen.records import TOGETHER, Manifest, Request
from fingen.sets import JOURNAL, SPLITS, SetContent, read_manifest, read_split, refuse_preferences, write_set
from fingen.spool import Spool
from fingen.tasks import qa
from fingen.tasks.documents import named_tasks
from fingen.tasks.qa import DocumentTask
from fingen.teachers.asked import Requests, by_key
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin, origin_of_set

PATIENCE_SECONDS = 60.0  # for another process that writes the same set
AGAIN = "run `fingen pdf2qa` on its reports again; what is answered is not paid twice"


@dataclass(frozen=True)
class Reworked(Outcome):
    """What became of a set."""

    set: str
    splits_before: dict[str, int]  # split -> rows
    splits: dict[str, int]
    rejects_before: dict[str, int]  # reason -> items
    rejects: dict[str, int]
    moved: int  # rows that are in another split than before


def rework(
    folder: Path,
    filters: Filters,
    *,
    splitting: Splitting | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Reworked:
    """Put a set through these filters again: what `pdf2qa` has made here from its journal, any other from its own rows.

    With `splitting` the records are also divided afresh, by its shares and units ("auto": as before); otherwise each
    keeps its split, or its passage does. `say` is told where another process is waited for.

    Raises:
        SetError: no such set, or it is damaged; UsageError: see `open_filters`.
    """
    command = "split" if splitting else "dedup"
    refuse_preferences(folder, read_manifest(folder), command)  # read before: a lock would make the folder
    opened = open_filters(filters, folder)
    with lock(folder, patience_seconds=PATIENCE_SECONDS, say=say):
        before, notes = read_manifest(folder), list[str]()
        split_of = _split_of(folder, before)
        origin = origin_of_set(folder, on_disk=True)
        if before.command == "pdf2qa" and origin.chunks and (folder / JOURNAL).is_file() and not is_reworked(before):
            content = _draw_again(folder, before, origin, opened, splitting)
        else:
            content, notes = rework_rows(folder, before, origin, opened, splitting)
        changed = write_set(folder, content)
    if splitting:
        notes += note_companies(content.splits, content.manifest.sources, content.manifest.split_by)
    after = read_manifest(folder)
    moved = sum(split_of.get(row.id, split) != split for split, rows in content.splits.items() for row in rows)
    return Reworked(
        set=str(folder),
        splits_before=before.splits,
        splits=after.splits,
        rejects_before=before.rejects,
        rejects=after.rejects,
        moved=moved,
        changed=changed,
        notes=notes,
    )


def _split_of(folder: Path, manifest: Manifest) -> dict[str, str]:
    return {row.id: split for split in SPLITS if manifest.splits.get(split) for row in read_split(folder, split)}


def _draw_again(
    folder: Path, before: Manifest, origin: Origin, opened: OpenFilters, splitting: Splitting | None
) -> SetContent:
    """The records of a set from its journal; with `splitting` its units are assigned afresh there."""
    filters = opened.filters
    with Journal.open(folder / JOURNAL) as journal:
        requests = Requests(folder, _requests(before, origin, journal))
        asked = _count(requests)
        if asked != before.requests:
            said = f"its journal gives {asked} requests, and its manifest says {before.requests}"
            raise SetError(f"{folder}: {said}", hint=AGAIN)
        contest = before.settings.get("check") is not None
        draw = draw_records(
            by_key(requests),
            journal,
            Looks(origin, before.teacher, filters.privacy, contest, cache=CACHE),
            opened,
            before.settings.get("check"),
            before.settings.get("negatives"),
        )
        if judge := before.settings.get("judge"):
            scoring = judge_requests(draw.kept, origin.chunks, judge)
            draw.replace(with_scores(draw.kept, scoring, journal)[0])
        how = splitting or _as_before(before)
        split_by: Any = before.split_by if how.by == "auto" else how.by
        settings = {
            **before.settings,
            **opened.settings,
            "split": list(how.shares),
            "memory": how.memory_share,
        }
        if splitting:
            journal.forget_splits()
        units = document_units(before.sources, split_by)
        chunks, negatives = Spool(folder, origin.chunks.values()), before.settings.get("negatives")
        splits = divide(
            draw, how, settings["context"], split_by, filters.privacy, units, origin, journal, negatives=negatives
        )
        bound = journal.settings() or {}
        journal.write_settings({**bound, **{k: v for k, v in settings.items() if k in bound}, "split_by": split_by})
    if settings.get("reasons"):
        splits = {split: Spool(folder, map(with_steps, rows)) for split, rows in splits.items()}
    splits = {split: Spool(folder, map(origin.with_figures, rows)) for split, rows in splits.items()}
    figures = origin.count_figures(chain.from_iterable(splits.values()))
    update = {
        "settings": settings,
        "split_by": split_by,
        "figures": figures,
        "files": {},
        "checked": draw.checked or {},
    }
    manifest = before.model_copy(update=update)
    return SetContent(
        splits, Spool(folder, (protect_reject(each, filters.privacy) for each in draw.rejected)), chunks, manifest
    )


def _count(requests: Iterable[Request]) -> int:
    return sum(not is_repair(request.template) for request in requests)


def count_requests(folder: Path, manifest: Manifest, origin: Origin) -> int:
    """How many requests a set counts that has no passages but those: where its journal gives it again, those in there."""
    if manifest.command != "pdf2qa" or is_reworked(manifest) or not (folder / JOURNAL).is_file():
        return manifest.requests
    with Journal.open(folder / JOURNAL) as journal:
        return _count(_requests(manifest, origin, journal))


def refuse_other_filters(folder: Path, filters: Filters) -> None:
    """Refuse to lose a filter on the way: one that the set has must be given again.

    Raises:
        SetError: the filters are not those of the set.
    """
    settings, now = read_manifest(folder).settings, open_filters(filters, folder).settings
    other = [f"{name} {json.dumps(settings[name])}" for name in now if name in settings and settings[name] != now[name]]
    if other:
        raise SetError(
            f"{folder} was made with other filters: {'; '.join(other)}",
            hint="give them again (--keep-out, --against, --privacy), or change them with `fingen dedup`",
        )


def _as_before(manifest: Manifest) -> Splitting:
    train, validation, test = manifest.settings["split"]
    return Splitting(shares=(train, validation, test), by=manifest.split_by, memory_share=manifest.settings["memory"])


def _requests(manifest: Manifest, origin: Origin, journal: Journal) -> Iterator[Request]:
    """The requests of a set, in the order in which they were made: by their first passage, then by task.

    After them those by which rejected pairs went back, round by round.
    """
    by_record = {task.task: task for task in named_tasks(manifest.settings["tasks"])}
    tasks = list(by_record)
    order = {chunk: index for index, chunk in enumerate(origin.chunks)}
    places = []
    for number, chunks, names, template in journal.rows(
        "SELECT rowid, chunks, task, template FROM requests ORDER BY rowid"
    ):
        shown, asked, name = json.loads(chunks), names.split(TOGETHER), template.partition(".")[0]
        if shown and set(asked) <= by_record.keys() and all(chunk in order for chunk in shown):
            places.append((name if is_repair(name) else "", order[shown[0]], tasks.index(asked[0]), number))
    for *_, number in sorted(places):
        (row,) = journal.rows("SELECT * FROM requests WHERE rowid = ?", number)
        asked = row["task"].split(TOGETHER)
        yield _request(json.loads(row["chunks"]), row, origin, manifest, [by_record[name] for name in asked])


def _request(chunks: list[str], row: Any, origin: Origin, manifest: Manifest, asked: Sequence[DocumentTask]) -> Request:
    """A request as far as its answer is looked at; the texts that were sent stay in the journal."""
    passages = tuple(origin.passages[chunk] for chunk in chunks)
    return Request(
        key=row["key"],
        task=row["task"],
        template=row["template"],
        system="",
        prompt=row["prompt"],
        answer_schema={},
        max_tokens=row["max_tokens"],
        count=qa.count_asked(asked, passages, manifest.settings["per_chunk"], manifest.teacher) * len(asked),
        passages=passages,
    )
