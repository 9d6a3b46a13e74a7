"""The conductor of `fingen push`: a set is proved, laid out, looked through, shown, and goes to the Hub in one commit."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fingen.errors import HubError, SetError, ShortfallError, UsageError
from fingen.hub.client import STALE, Account, Hub, Remote, check_repo_id, read_matter
from fingen.hub.leaks import find_leaks, watch_machine
from fingen.pipeline.verify import Verification, verify
from fingen.records import Manifest
from fingen.sets import CARD, CHUNKS, MANIFEST, REJECTED, read_manifest

OFFLINE = "offline"  # the teacher that is a set of rules
SAMPLE = "sample_annual_report_2024.pdf"  # the report in raw/
NEVER_ALLOWED = frozenset({"files", "rows", "counts", "privacy"})  # laws that a set must keep to go anywhere
OWN_BY_THE_HUB = frozenset({".gitattributes"})
COMMITS = 3  # tried, where others commit at the same time
LEAKS_NAMED = 5


@dataclass(frozen=True)
class Wishes:
    """What a user may say of a push."""

    repo: str | None = None  # NAME or OWNER/NAME; None: the set's name, of the token's user
    public: bool = False
    licence: str | None = None  # as the Hub names it
    message: str | None = None  # of the commit
    overwrite: bool = False  # also where the data set there loses rows, columns or files
    allow_offline: bool = False  # also a set of the offline teacher or of the sample
    allow_failing: bool = False  # also a set that `fingen verify` finds fault with; the card says so
    with_chunks: bool = False
    with_rejects: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Plan:
    """What would go where, as it is shown before anything goes. `publishes`: it is private now, and would be seen by all."""

    set: str
    repo: str
    url: str
    visibility: str  # private or public
    exists: bool
    publishes: bool
    rows: dict[str, int]  # split -> rows
    files: dict[str, int]  # path on the Hub -> bytes, of all that the data set then is
    sent: list[str]  # those that the data set does not have as they are
    removed: list[str]
    teacher: str
    licence: str | None
    failing: dict[str, int]  # law -> rows, published all the same
    differences: list[str]  # between the data set there and this one
    losses: list[str]  # those by which it loses something
    notes: list[str]

    @property
    def changes(self) -> bool:
        """Whether anything there is not as it would be."""
        return bool(self.commits or self.publishes)

    @property
    def commits(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.sent or self.removed)


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    plan: Plan
    commit: str | None  # None: nothing was sent
    notes: list[str] = field(default_factory=list)
    next: str = ""
    exit_code: int = 0


def push(folder: Path, wishes: Wishes, agree: Callable[[Plan], None], *, quiet: bool = False) -> Pushed:
    """Publish the set in `folder`. `agree` sees the plan before anything is written to the Hub, and raises if nobody agrees.

    Raises:
        UsageError: the wishes do not fit the set or what is there. ShortfallError: the set is not fit to go.
        HubError: the Hub refuses or cannot be reached. In all of these nothing of the set has become visible.
    """
    manifest = read_manifest(folder)
    if not any(manifest.splits.values()):
        raise SetError(f"{folder}: the set has no records", hint=f"its rejects say why: {folder / REJECTED}")
    if wishes.repo:
        check_repo_id(wishes.repo)
    _refuse_offline(folder, manifest, wishes)
    hub = Hub(quiet=quiet)
    repo = _choose_repo(folder, wishes, hub.log_in())
    verification = verify(folder)
    failing = _judge(folder, verification, wishes)
    with tempfile.TemporaryDirectory(prefix="fingen-push-") as desk:
        from fingen.hub.content import pack  # after the proof: what that takes of memory is free again

        parcel = pack(
            folder,
            manifest,
            Path(desk),
            repo=repo,
            licence=wishes.licence,
            verification=verification,
            with_chunks=wishes.with_chunks,
            with_rejects=wishes.with_rejects,
        )
        _refuse_leaks(folder, parcel.files)
        shipment = _Shipment(folder, manifest, wishes, hub, repo, parcel.files, parcel.features, failing)
        return shipment.send(agree)


def _refuse_offline(folder: Path, manifest: Manifest, wishes: Wishes) -> None:
    made_offline = OFFLINE in manifest.teacher.split(", ")
    of_sample = any(Path(source.path).name == SAMPLE for source in manifest.sources)
    if wishes.allow_offline or not (made_offline or of_sample):
        return
    why = "its teacher is `offline`, a set of rules" if made_offline else "it is made of fingen's own sample report"
    raise UsageError(f"{folder}: {why}", hint="such a set is for trying fingen out; --allow-offline publishes it")


def _choose_repo(folder: Path, wishes: Wishes, account: Account) -> str:
    repo = wishes.repo or folder.resolve().name
    repo = repo if "/" in repo else f"{account.name}/{repo}"
    check_repo_id(repo)
    owner = repo.partition("/")[0]
    if owner not in account.owners:
        mine = ", ".join(sorted(account.owners))
        raise UsageError(f"--repo {repo}: {owner} is not yours", hint=f"the token may write to {mine}")
    return repo


def _judge(folder: Path, verification: Verification, wishes: Wishes) -> dict[str, int]:
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


def _refuse_leaks(folder: Path, files: Mapping[str, Path]) -> None:
    leaks = list(itertools.islice(find_leaks(files, watch_machine(folder)), LEAKS_NAMED + 1))
    if leaks:
        named = "; ".join(map(str, leaks[:LEAKS_NAMED])) + ("; and more" if len(leaks) > LEAKS_NAMED else "")
        raise ShortfallError(
            f"{folder}: what would go is private: {named}; nothing was uploaded",
            hint=f"gate the set anew (fingen dedup {folder} --privacy mask), or leave out the file with these rows",
        )


@dataclass
class _Shipment:
    """A set that is fit to go, on its way."""

    folder: Path
    manifest: Manifest
    wishes: Wishes
    hub: Hub
    repo: str
    files: Mapping[str, Path]
    features: Mapping[str, Any]
    failing: dict[str, int]
    known: dict[str, _Old] = field(default_factory=dict)  # commit -> what the data set says of itself there

    def send(self, agree: Callable[[Plan], None]) -> Pushed:
        """Show, ask, commit; where others commit meanwhile, look again."""
        remote = self.hub.look(self.repo)
        plan = self._plan(remote)
        agree(plan)
        if self.wishes.dry_run:
            return Pushed(plan, None, next="the same without --dry-run")
        said = self.hub.check_card(self.files[CARD].read_text(encoding="utf-8")) if plan.commits else []
        remote = remote or self.hub.create(self.repo, private=not self.wishes.public)
        commit: str | None = None
        for attempt in range(COMMITS + 1):
            current = self._plan(remote)
            if not current.commits:  # as in a second run, or where the answer to a commit was lost
                return self._sent(plan, remote, commit, said)
            if attempt == COMMITS:
                break
            try:
                files = {name: self.files[name] for name in current.sent}
                commit = self.hub.commit(remote, files, current.removed, self._message())
            except HubError as e:
                if e.status != STALE:
                    raise
            remote = self._look_again()
        raise HubError(
            f"{self.repo}: it is not what was committed; others write to it, or it ignores files of this kind",
            hint="look at its history on the Hub, then run the same command again",
        )

    def _look_again(self) -> Remote:
        remote = self.hub.look(self.repo)
        if remote is None:
            raise HubError(f"{self.repo} was there and is not any more", hint="run the same command again")
        return remote

    def _sent(self, plan: Plan, remote: Remote, commit: str | None, said: list[str]) -> Pushed:
        if plan.publishes and remote.private:
            self.hub.publish(self.repo)
        if plan.commits and commit is None:
            commit = remote.head
        return Pushed(plan, commit, said, f"fingen pull {self.repo}")

    def _message(self) -> str:
        return self.wishes.message or f"{self.manifest.name}: {sum(self.manifest.splits.values()):,} records"

    def _plan(self, remote: Remote | None) -> Plan:
        """What differs between the set and what is there.

        Raises:
            UsageError: it would be shown to everybody without --public, or lose something without --overwrite.
        """
        there = remote.files if remote else {}
        if remote and not remote.private and not self.wishes.public:
            raise UsageError(
                f"{self.repo} is public", hint="add --public to publish there, or name another data set with --repo"
            )
        old = self._old(remote) if remote else _Old()
        foreign = [] if old.manifest else sorted(there.keys() - OWN_BY_THE_HUB - {CARD})
        losses = [*old.losses(self.manifest, self.features), *(f"{name} is of another hand" for name in foreign)]
        ours = there.keys() - OWN_BY_THE_HUB if foreign else (old.files | {MANIFEST}) & there.keys()
        plan = Plan(
            set=str(self.folder),
            repo=self.repo,
            url=self.hub.url(self.repo),
            visibility="public" if self.wishes.public else "private",
            exists=remote is not None,
            publishes=bool(self.wishes.public and remote and remote.private),
            rows={split: rows for split, rows in self.manifest.splits.items() if rows},
            files={name: path.stat().st_size for name, path in self.files.items()},
            sent=[name for name, path in self.files.items() if not (remote and remote.holds(name, path))],
            removed=sorted(ours - self.files.keys()),
            teacher=self.manifest.teacher,
            licence=self.wishes.licence,
            failing=self.failing,
            differences=old.differences(self.manifest),
            losses=losses,
            notes=self._notes(remote, old),
        )
        if losses and plan.commits and not self.wishes.overwrite:
            said = "; ".join(
                [
                    *losses[:LEAKS_NAMED],
                    *([f"and {len(losses) - LEAKS_NAMED} more"] if len(losses) > LEAKS_NAMED else []),
                ]
            )
            raise UsageError(
                f"{self.repo} holds something else, and would lose: {said}",
                hint="look at it there; --overwrite replaces it (its history stays), --repo names another",
            )
        return plan

    def _notes(self, remote: Remote | None, old: _Old) -> list[str]:
        notes = []
        if remote and CARD in remote.files and not old.manifest:
            notes.append("the card that is there is replaced")
        if self.wishes.public and remote and remote.private:
            notes.append("it is private now, and becomes public")
        if self.manifest.sources and CHUNKS in self.files:
            notes.append("the passages go with it: they are the reports' own text, which may be under copyright")
        elif self.manifest.sources:
            notes.append(
                "the passages stay here, so nobody can prove quotes and figures without the reports (--with-chunks)"
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
        with tempfile.TemporaryDirectory(prefix="fingen-push-") as desk:
            texts = {
                name: self.hub.fetch(remote, name, Path(desk)).read_bytes().decode(errors="replace")
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
