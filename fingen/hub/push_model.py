"""The conductor of `fingen push` for whole models, distilled or merged: the files that they say they are made of, in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from fingen.adapters import check_safetensors
from fingen.config import Push
from fingen.disk import dump_json, read_object, sha256_file, write_text
from fingen.errors import UsageError
from fingen.events import command_line
from fingen.hub.client import Hub, Remote, check_repo_id
from fingen.hub.leaks import without_places
from fingen.hub.push_adapter import FOR_SETS
from fingen.hub.shipment import CARD, Change, Pushed, Shipment, choose_repo, refuse_leaks
from fingen.pushes import note_push
from fingen.training.distill.licences import begins_rightly, find_terms, rightly_named
from fingen.training.merged import MERGED, is_whole

WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class ModelPlan(Change):
    """What would become of a model repository on the Hub."""

    model: str
    base: str
    made_by: str  # its teacher, or the adapter that was merged into it


def push_model(
    folder: Path, wishes: Push, agree: Callable[[ModelPlan], None], *, quiet: bool = False
) -> Pushed[ModelPlan]:
    """Publish the model in `folder`. `agree` sees the plan before anything is written to the Hub, and raises if nobody agrees.

    Only files that merged.json lists go, as they are; the card without places of this machine, with the licence.

    Raises:
        UsageError: the wishes do not fit the model or what is there, it is not as it was made, or the licence of what it was made with
            wants another name. ShortfallError: something in it is private. HubError: the Hub refuses or cannot be reached.
    """
    record = read_object(folder / MERGED)
    if not is_whole(folder, record.get("files") or {}):
        raise UsageError(f"{folder}: not as it was made", hint="make it again with --replace")
    _refuse_wishes(folder, record, wishes)
    if wishes.repo:
        check_repo_id(wishes.repo)
    hub = Hub(kind="model", quiet=quiet)
    repo = choose_repo(folder.resolve().name, wishes, hub)
    _refuse_name(repo, record)
    with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
        listed, files = _pack(folder, record, Path(staging), wishes.licence)
        refuse_leaks(folder, files, "see that file; make it again where it is the set: fingen dedup SET --privacy mask")
        pushed = _Pushing(folder, listed, wishes, hub, repo, files).send(agree)
    if pushed.head:
        weights = next(name for name in sorted(record["files"]) if name.endswith(WEIGHTS))
        note_push("model", folder.resolve().name, record["files"][weights], repo=repo, commit=pushed.head, url=pushed.plan.url,
                  visibility=pushed.plan.visibility, of_set=(record.get("set") or {}).get("sha256"))  # fmt: skip
    if wishes.dry_run:
        return pushed
    return replace(pushed, next=command_line("fingen", "chat", repo))


def _refuse_wishes(folder: Path, record: Mapping[str, Any], wishes: Push) -> None:
    meant = [flag for name, flag in {**FOR_SETS, "base": "--base", "form": "--form"}.items() if getattr(wishes, name)]
    if meant:
        raise UsageError(f"{folder} is a model: {', '.join(meant)} means nothing for it", hint="push it without")
    if record["base"].get("built") and not wishes.allow_offline:
        raise UsageError(
            f"{folder}: it was made here, of random weights",
            hint="such a model is for trying fingen out; --allow-offline publishes it",
        )
    for name in record["files"]:
        if name.endswith(WEIGHTS):
            check_safetensors(folder / name)


def _refuse_name(repo: str, record: Mapping[str, Any]) -> None:
    """Refuse a name that the licence of what the model was made with forbids."""
    owner, _, name = repo.partition("/")
    for of in ((record.get("distilled") or {}).get("teacher", {}).get("base"), record["base"]):
        terms = find_terms(of or {})
        if terms and not begins_rightly(name, terms):
            raise UsageError(
                f"{repo}: a model that was made with {terms.family} has to be named so: {terms.name} in front",
                hint=f"--repo {owner}/{rightly_named(name, terms)}",
            )


def _pack(
    folder: Path, record: Mapping[str, Any], staging: Path, licence: str | None
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Lay out in `staging` what goes: what the model says of itself, and the files by their path on the Hub."""
    files = {name: folder / name for name in sorted(record["files"])}
    card = without_places((folder / CARD).read_text(encoding="utf-8"))
    if licence:
        card = card.replace("---\n", f"---\n{yaml.safe_dump({'license': licence})}", 1)
    files[CARD] = write_text(staging / CARD, card)
    listed = without_places(dict(record))
    listed["files"] = {name: sha256_file(path) for name, path in files.items()}
    files[MERGED] = write_text(staging / MERGED, dump_json(listed, indent=2) + "\n")
    return listed, files


@dataclass
class _Pushing:
    """A model that is fit to go, compared with what is there."""

    folder: Path
    record: dict[str, Any]
    wishes: Push
    hub: Hub
    repo: str
    files: Mapping[str, Path]
    known: dict[str, dict[str, Any]] = field(default_factory=dict)  # commit -> what the model there says of itself

    def send(self, agree: Callable[[ModelPlan], None]) -> Pushed[ModelPlan]:
        message = f"{self.folder.resolve().name}: of {_made_by(self.record)}"
        self.shipment = Shipment(self.hub, self.repo, self.files, self.wishes, self._describe, message)
        return self.shipment.send(agree)

    def _describe(self, remote: Remote | None) -> ModelPlan:
        old, new = self._old(remote) if remote else {}, self.record
        stays = sorted(
            path.name for path in self.folder.iterdir() if path.name not in self.files and not path.name.startswith(".")
        )
        return ModelPlan(
            **self.shipment.change(
                remote,
                {*old["files"], MERGED} if old else None,
                _differences(old, new) if old else [],
                ["a model of another base"] if old and old["base"].get("source") != new["base"]["source"] else [],
                [f"stays here: {', '.join(stays)}"] if stays else [],
            ),
            model=str(self.folder),
            base=new["base"]["source"],
            made_by=_made_by(new),
        )

    def _old(self, remote: Remote) -> dict[str, Any]:
        """What the model there says of itself; empty where it is none of ours."""
        if remote.head not in self.known:
            with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
                there = self.hub.fetch(remote, MERGED, Path(staging)) if MERGED in remote.files else None
                old = read_object(there) if there else {}
            whole = isinstance(old.get("files"), dict) and isinstance(old.get("base"), dict)
            self.known[remote.head] = old if whole else {}
        return self.known[remote.head]


def _made_by(record: Mapping[str, Any]) -> str:
    distilled = record.get("distilled")
    return f"the teacher {distilled['teacher']['name']}" if distilled else f"the adapter {record['adapter']}"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Old -> new, for what a person would want to know."""
    pairs = {
        "base model": tuple(each["base"].get("source") for each in (old, new)),
        "set": tuple(str((each.get("set") or {}).get("sha256", "unknown"))[:12] for each in (old, new)),
        **{name: ((old.get("settings") or {}).get(name), value) for name, value in (new.get("settings") or {}).items()},
    }
    return [f"{what}: {before} -> {now}" for what, (before, now) in pairs.items() if before != now]
