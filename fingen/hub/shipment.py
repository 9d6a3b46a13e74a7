"""The way to the Hub, for whatever goes: what is wished, what would change there, and one commit that survives anything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from fingen.config import Push
from fingen.errors import HubError, ShortfallError, UsageError
from fingen.events import Outcome, command_line
from fingen.hub.client import STALE, Hub, Remote, check_repo_id
from fingen.hub.leaks import find_leaks, watch_machine

OWN_BY_THE_HUB = frozenset({".gitattributes"})
CARD = "README.md"
SOMEBODY = "you"  # whose repository a preview shows where nobody is logged in
COMMITS = 3  # tried, where others commit at the same time
NAMED = 5  # leaks or losses that a message names


@dataclass(frozen=True)
class Change:
    """What would become of a repository, as it is shown before anything goes. `publishes`: it is private, and would be seen by all."""

    repo: str
    url: str
    visibility: str  # private or public
    exists: bool
    publishes: bool
    files: dict[str, int]  # path on the Hub -> bytes, of all that is there then
    sent: list[str]  # those that are not there as they are
    removed: list[str]
    licence: str | None
    differences: list[str]  # between what is there and what comes
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


P = TypeVar("P", bound=Change)


@dataclass(frozen=True)
class Pushed(Outcome, Generic[P]):
    """What a push did."""

    plan: P
    commit: str | None  # None: nothing was sent
    head: str | None = None  # the commit that holds it; None after a dry run


def choose_repo(name: str, wishes: Push, hub: Hub) -> str:
    """The repository that is meant; below SOMEBODY where nobody is logged in and nothing is to be sent.

    Raises:
        UsageError: it can be none, or is somebody else's. HubError: the Hub takes no token, or cannot be reached.
    """
    repo = wishes.repo or name
    account = None if wishes.dry_run and hub.is_anonymous else hub.log_in()
    repo = repo if "/" in repo else f"{account.name if account else SOMEBODY}/{repo}"
    check_repo_id(repo)
    if account is None:
        return repo
    owner = repo.partition("/")[0]
    if owner not in account.owners:
        mine = ", ".join(sorted(account.owners))
        raise UsageError(f"--repo {repo}: {owner} is not yours", hint=f"the token may write to {mine}")
    return repo


def refuse_leaks(folder: Path, files: Mapping[str, Path], hint: str) -> None:
    """Look through what would go.

    Raises:
        ShortfallError: something in it is private.
    """
    leaks = list(itertools.islice(find_leaks(files, watch_machine(folder)), NAMED + 1))
    if leaks:
        named = "; ".join(map(str, leaks[:NAMED])) + ("; and more" if len(leaks) > NAMED else "")
        raise ShortfallError(f"{folder}: what would go is private: {named}; nothing was uploaded", hint=hint)


@dataclass
class Shipment(Generic[P]):
    """Files that are fit to go, on their way. `describe` says what would become of the repository as it is."""

    hub: Hub
    repo: str
    files: Mapping[str, Path]
    wishes: Push
    describe: Callable[[Remote | None], P]
    message: str  # of the commit, where none was wished

    def send(self, agree: Callable[[P], None]) -> Pushed[P]:
        """Show, ask, commit; where others commit meanwhile, look again.

        Raises:
            UsageError: it would be shown to everybody without --public, or lose something without --overwrite.
            HubError: the Hub refuses or cannot be reached.
        """
        is_blind = self.wishes.dry_run and self.hub.is_anonymous
        remote = None if is_blind else self.hub.look(self.repo)
        plan = self._plan(remote)
        agree(plan)
        if self.wishes.dry_run:
            return Pushed(plan, None, next="hf auth login" if is_blind else "", changed=False)
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
                commit = self.hub.commit(remote, files, current.removed, self.wishes.message or self.message)
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

    def _sent(self, plan: P, remote: Remote, commit: str | None, said: list[str]) -> Pushed[P]:
        if plan.publishes and remote.private:
            self.hub.publish(self.repo)
        if plan.commits and commit is None:
            commit = remote.head
        return Pushed(
            plan,
            commit,
            remote.head,
            notes=said,
            next=command_line("fingen", "pull", self.repo),
            changed=bool(plan.changes),
        )

    def _plan(self, remote: Remote | None) -> P:
        if remote and not remote.private and not self.wishes.public:
            raise UsageError(
                f"{self.repo} is public", hint="add --public to publish there, or name another one with --repo"
            )
        plan = self.describe(remote)
        if plan.losses and plan.commits and not self.wishes.overwrite:
            more = [f"and {len(plan.losses) - NAMED} more"] if len(plan.losses) > NAMED else []
            raise UsageError(
                f"{self.repo} holds something else, and would lose: {'; '.join([*plan.losses[:NAMED], *more])}",
                hint="look at it there; --overwrite replaces it (its history stays), --repo names another",
            )
        return plan

    def change(
        self, remote: Remote | None, ours: Collection[str] | None, differences: list[str], losses: list[str],
        notes: list[str],
    ) -> dict[str, Any]:  # fmt: skip
        """The fields of `Change`. `ours`: the files there that fingen has pushed, None where it has pushed none.

        Files of another hand stay beside those that fingen has pushed, and are a loss where it has pushed none.
        """
        there = remote.files.keys() - OWN_BY_THE_HUB if remote else set()
        foreign = [] if ours is not None else sorted(there - {CARD})
        replaced = there if foreign else set(ours or ()) & there
        first = ["the card that is there is replaced"] if remote and CARD in there and ours is None else []
        if self.wishes.public and remote and remote.private:
            first.append("it is private now, and becomes public")
        if self.hub.is_anonymous:
            first.append("nobody is logged in: what is there under that name was not looked at")
        return {
            "repo": self.repo,
            "url": self.hub.url(self.repo),
            "visibility": "public" if self.wishes.public else "private",
            "exists": remote is not None,
            "publishes": bool(self.wishes.public and remote and remote.private),
            "files": {name: path.stat().st_size for name, path in self.files.items()},
            "sent": [name for name, path in self.files.items() if not (remote and remote.holds(name, path))],
            "removed": sorted(replaced - self.files.keys()),
            "licence": self.wishes.licence,
            "differences": differences,
            "losses": [*losses, *(f"{name} is of another hand" for name in foreign)],
            "notes": [*first, *notes],
        }
