"""The conductor of `fingen push` for sets: checked, laid out, looked through, shown, and to the Hub in one commit."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fingen.config import Push
from fingen.disk import sha256_file
from fingen.errors import SetError, ShortfallError, UsageError
from fingen.hub.client import Hub, Remote, check_repo_id, read_matter
from fingen.hub.shipment import Change, Pushed, Shipment, choose_repo, refuse_leaks
from fingen.hub.verbatim import Verbatim, count_verbatim
from fingen.pushes import leave_trace, note_push
from fingen.records import Manifest
from fingen.sets import CARD, CHUNKS, MANIFEST, QUOTES, REJECTED, read_manifest
from fingen.verification.run import Verification, verify

OFFLINE = "offline"  # the teacher that is a set of rules
SAMPLE = "sample_annual_report_2024.pdf"  # the report in raw/
NEVER_ALLOWED = frozenset({"files", "rows", "counts", "privacy"})  # laws that a set must keep to go anywhere


@dataclass(frozen=True)
class PushPlan(Change):
    """What would become of a data set on the Hub."""

    set: str
    rows: dict[str, int]  # split -> rows
    teacher: str
    failing: dict[str, int]  # law -> rows, published all the same
    verbatim: list[Verbatim]  # of each report, where quotes go; without them only what answers have goes
    without_quotes: bool


def push(folder: Path, wishes: Push, agree: Callable[[PushPlan], None], *, quiet: bool = False) -> Pushed[PushPlan]:
    """Publish the set in `folder`. `agree` sees the plan before anything is written to the Hub, and raises if nobody agrees.

    Raises:
        UsageError: the wishes do not fit the set or what is there. ShortfallError: the set is not fit to go.
        HubError: the Hub refuses or cannot be reached. In all of these nothing of the set has become visible.
    """
    manifest = read_manifest(folder)
    if not any(manifest.splits.values()):
        raise SetError(f"{folder}: the set has no records", hint=f"its rejects say why: {folder / REJECTED}")
    if wishes.without_quotes and wishes.with_chunks:
        raise UsageError("--without-quotes keeps back what --with-chunks sends", hint="give one of the two")
    if wishes.repo:
        check_repo_id(wishes.repo)
    _refuse_offline(folder, manifest, wishes)
    hub = Hub(quiet=quiet)
    repo = choose_repo(folder.resolve().name, wishes, hub)
    verification = verify(folder)
    failing = _judge(folder, verification, wishes)
    verbatim = count_verbatim(folder, manifest, with_chunks=wishes.with_chunks)
    with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
        from fingen.hub.content import pack  # after the proof: what that takes of memory is free again

        parcel = pack(
            folder,
            manifest,
            Path(staging),
            repo=repo,
            licence=wishes.licence,
            verification=verification,
            with_chunks=wishes.with_chunks,
            with_rejects=wishes.with_rejects,
            hashed=wishes.without_quotes,
        )
        hint = f"filter the set anew (fingen dedup {folder} --privacy mask), or leave out the file with these rows"
        refuse_leaks(folder, parcel.files, hint)
        pushed = _Pushing(folder, manifest, wishes, hub, repo, parcel.files, parcel.features, failing, verbatim).send(
            agree
        )
    if pushed.head:
        leave_trace(folder, repo, pushed.head)
        reports = sorted({source.sha256 for source in manifest.sources})
        note_push("set", manifest.name, sha256_file(folder / MANIFEST), repo=repo, commit=pushed.head, url=pushed.plan.url,
                  visibility=pushed.plan.visibility, reports=reports)  # fmt: skip
    return pushed


def _refuse_offline(folder: Path, manifest: Manifest, wishes: Push) -> None:
    made_offline = OFFLINE in manifest.teacher.split(", ")
    of_sample = any(Path(source.path).name == SAMPLE for source in manifest.sources)
    if wishes.allow_offline or not (made_offline or of_sample):
        return
    why = "its teacher is `offline`, a set of rules" if made_offline else "it is made of fingen's own sample report"
    raise UsageError(f"{folder}: {why}", hint="such a set is for trying fingen out; --allow-offline publishes it")


def _judge(folder: Path, verification: Verification, wishes: Push) -> dict[str, int]:
    """The laws that the set breaks, with rows, where that is allowed.

    Raises:
        ShortfallError: it is not.
    """
    failing = {name: law.failed for name, law in verification.laws.items() if law.failed}
    if failing and not (wishes.allow_failing and not failing.keys() & NEVER_ALLOWED):
        said = ", ".join(f"{name} ({rows:,})" for name, rows in failing.items())
        can = "" if failing.keys() & NEVER_ALLOWED else "; --allow-failing publishes it, with this on its card"
        raise ShortfallError(
            f"{folder}: `fingen verify` finds fault with {said}; nothing was uploaded",
            hint=f"fingen verify {folder} shows where{can}",
        )
    return failing


@dataclass
class _Pushing:
    """A set that is fit to go, compared with what is there."""

    folder: Path
    manifest: Manifest
    wishes: Push
    hub: Hub
    repo: str
    files: Mapping[str, Path]
    features: Mapping[str, Any]
    failing: dict[str, int]
    verbatim: list[Verbatim]
    known: dict[str, _Old] = field(default_factory=dict)  # commit -> what the data set says of itself there

    def send(self, agree: Callable[[PushPlan], None]) -> Pushed[PushPlan]:
        message = f"{self.manifest.name}: {sum(self.manifest.splits.values()):,} records"
        self.shipment = Shipment(self.hub, self.repo, self.files, self.wishes, self._describe, message)
        return self.shipment.send(agree)

    def _describe(self, remote: Remote | None) -> PushPlan:
        """What differs between the set and what is there."""
        old = self._old(remote) if remote else _Old()
        return PushPlan(
            **self.shipment.change(
                remote,
                old.files | {MANIFEST} if old.manifest else None,
                old.differences(self.manifest),
                old.losses(self.manifest, self.features),
                self._notes(),
            ),
            set=str(self.folder),
            rows={split: rows for split, rows in self.manifest.splits.items() if rows},
            teacher=self.manifest.teacher,
            failing=self.failing,
            verbatim=self.verbatim,
            without_quotes=self.wishes.without_quotes,
        )

    def _notes(self) -> list[str]:
        notes = []
        hashed = self.wishes.without_quotes or self.manifest.settings.get(QUOTES)
        if self.manifest.sources and hashed:
            notes.append(
                "hashes go in place of quotes and passages; questions, answers and the names of sections go as they are"
            )
        elif self.manifest.sources and CHUNKS in self.files:
            notes.append("the passages go with it: they are the reports' own text, which may be under copyright")
        elif self.manifest.sources:
            notes.append(
                "the passages stay here, so nobody can check quotes and figures without the reports (--with-chunks)"
            )
        if REJECTED in self.files:
            notes.append("the rejects go with it")
        return notes

    def _old(self, remote: Remote) -> _Old:
        if remote.head not in self.known:
            self.known[remote.head] = self._read(remote)
        return self.known[remote.head]

    def _read(self, remote: Remote) -> _Old:
        """What the data set there says of itself."""
        with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
            texts = {
                name: self.hub.fetch(remote, name, Path(staging)).read_bytes().decode(errors="replace")
                for name in (MANIFEST, CARD)
                if name in remote.files
            }
        try:
            manifest = Manifest.model_validate_json(texts.get(MANIFEST, ""))
        except ValidationError:  # none, or none of ours
            return _Old()
        card = texts.get(CARD, "")
        info = read_matter(card).get("dataset_info")
        listed = manifest.files.get(CARD)
        edited = CARD in texts and listed is not None and hashlib.sha256(card.encode()).hexdigest() != listed.sha256
        return _Old(manifest, info, card_edited=edited)


@dataclass(frozen=True)
class _Old:
    """A data set on the Hub that fingen has pushed, by its manifest; without one, one that it has not."""

    manifest: Manifest | None = None
    features: Mapping[str, Any] | None = None
    card_edited: bool = False

    @property
    def files(self) -> set[str]:
        return set(self.manifest.files) if self.manifest else set()

    def differences(self, new: Manifest) -> list[str]:
        """Old -> new, for what a person would want to know."""
        if self.manifest is None:
            return []
        old = self.manifest
        pairs = {
            "name": (old.name, new.name),
            "made by": (old.command, new.command),
            "teacher": (old.teacher, new.teacher),
            **{f"{split} rows": (old.splits.get(split, 0), new.splits.get(split, 0)) for split in new.splits},
        }
        return [f"{what}: {before} -> {now}" for what, (before, now) in pairs.items() if before != now]

    def losses(self, new: Manifest, features: Mapping[str, Any]) -> list[str]:
        """What is there and would not be any more."""
        if self.manifest is None:
            return []
        return [
            *_fewer("rows of", self.manifest.splits, new.splits),
            *_fewer("rows of task", self.manifest.tasks, new.tasks),
            *_columns(self.features, features),
            *([f"{CARD} was edited there"] if self.card_edited else []),
        ]


def _fewer(what: str, old: Mapping[str, int], new: Mapping[str, int]) -> Iterator[str]:
    return (f"{what} {name}: {rows:,} -> {new.get(name, 0):,}" for name, rows in old.items() if rows > new.get(name, 0))


def _columns(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(old, Mapping):
        return
    before, now = ({each["name"]: each for each in info.get("features") or ()} for info in (old, new))
    for name in before.keys() | now.keys():
        if before.get(name) != now.get(name):
            yield f"column {name}: " + (
                "is new" if name not in before else "goes" if name not in now else "changes its type"
            )
