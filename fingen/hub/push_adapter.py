"""The conductor of `fingen push` for adapters: safetensors, tokenizer, history, card and manifest, in one commit."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fingen.adapters import (
    CARD,
    FILES,
    MANIFEST,
    WEIGHTS,
    check_safetensors,
    parse_manifest,
    render_card,
)
from fingen.config import BUILD, Push
from fingen.disk import dump_json, sha256_file, write_text
from fingen.errors import UsageError
from fingen.hub.client import Hub, Remote, check_repo_id
from fingen.hub.leaks import without_places
from fingen.hub.shipment import Change, Pushed, Shipment, choose_repo, refuse_leaks
from fingen.pushes import find_trace, note_push
from fingen.training.foreign import read_any_adapter

ADAPTERS = BUILD / "adapters"  # where a pull puts it
FOR_SETS = {"with_chunks": "--with-chunks", "with_rejects": "--with-rejects", "without_quotes": "--without-quotes",
            "allow_failing": "--allow-failing"}  # fmt: skip


@dataclass(frozen=True)
class AdapterPlan(Change):
    """What would become of a model repository on the Hub."""

    adapter: str
    base: str
    set: str
    scores: int  # on the card


def push_adapter(
    folder: Path, wishes: Push, agree: Callable[[AdapterPlan], None], *, quiet: bool = False
) -> Pushed[AdapterPlan]:
    """Publish the adapter in `folder`. `agree` sees the plan before anything is written to the Hub, and raises if nobody agrees.

    Only files that an adapter is made of go: never checkpoints, optimizer states, or anything pickled.

    Raises:
        UsageError: the wishes do not fit the adapter or what is there. ShortfallError: something in it is private.
        HubError: the Hub refuses or cannot be reached. In all of these nothing of the adapter has become visible.
    """
    manifest = read_any_adapter(folder, wishes.base, wishes.form)
    if meant := [flag for name, flag in FOR_SETS.items() if getattr(wishes, name)]:
        raise UsageError(f"{folder} is an adapter: {', '.join(meant)} means nothing for it", hint="push it without")
    if wishes.repo:
        check_repo_id(wishes.repo)
    if manifest["base"]["built"] and not wishes.allow_offline:
        raise UsageError(
            f"{folder}: its base model was made here, of random weights, and is nowhere else",
            hint="such an adapter is for trying fingen out; --allow-offline publishes it",
        )
    check_safetensors(folder / WEIGHTS[0])
    hub = Hub(kind="model", quiet=quiet)
    repo = choose_repo(folder.resolve().name, wishes, hub)
    with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
        listed, files = pack_adapter(folder, manifest, Path(staging), repo, wishes.licence)
        refuse_leaks(folder, files, "see that file; tune again where it is the set: fingen dedup SET --privacy mask")
        pushed = _Pushing(folder, listed, wishes, hub, repo, files).send(agree)
    if pushed.head:
        of_set = manifest["set"] and manifest["set"]["sha256"]
        note_push("adapter", manifest["name"], sha256_file(folder / WEIGHTS[0]), repo=repo, commit=pushed.head,
                  url=pushed.plan.url, visibility=pushed.plan.visibility, of_set=of_set)  # fmt: skip
    return pushed


def pack_adapter(
    folder: Path, manifest: Mapping[str, Any], staging: Path, repo: str, licence: str | None
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Lay out in `staging` what goes: the manifest as it goes, and the files by their path on the Hub."""
    files = {name: folder / name for name in sorted(FILES - {CARD, MANIFEST}) if (folder / name).is_file()}
    base = dict(manifest["base"])
    name = repo.partition("/")[2]
    config = json.loads(files[WEIGHTS[1]].read_text(encoding="utf-8"))
    if (tidied := without_places(config)) != config:
        files[WEIGHTS[1]] = write_text(staging / WEIGHTS[1], dump_json(tidied, indent=2) + "\n")
    data = manifest["set"]
    trace = find_trace(BUILD, data["sha256"]) if data else None
    where = dict(zip(("repo", "commit"), trace, strict=True)) if trace else {}
    base["source"] = base["hub_id"] or without_places(base["source"])
    listed = without_places({**manifest, "base": base, "set": data and {**where, **data}})
    listed |= {"name": name, "folder": (ADAPTERS / name).as_posix(), "merged": (BUILD / "models" / name).as_posix()}
    card = render_card(listed, folder=listed["folder"], repo=repo, licence=licence)
    files[CARD] = write_text(staging / CARD, card)
    listed["files"] = {each: sha256_file(path) for each, path in files.items()}
    files[MANIFEST] = write_text(staging / MANIFEST, dump_json(listed, indent=2) + "\n")
    return listed, files


@dataclass
class _Pushing:
    """An adapter that is fit to go, compared with what is there."""

    folder: Path
    manifest: dict[str, Any]
    wishes: Push
    hub: Hub
    repo: str
    files: Mapping[str, Path]
    known: dict[str, tuple[dict[str, Any] | None, bool]] = field(
        default_factory=dict
    )  # commit -> manifest, card edited

    def send(self, agree: Callable[[AdapterPlan], None]) -> Pushed[AdapterPlan]:
        message = f"{self.manifest['name']}: LoRA adapter for {self.manifest['base']['source']}"
        self.shipment = Shipment(self.hub, self.repo, self.files, self.wishes, self._describe, message)
        return self.shipment.send(agree)

    def _describe(self, remote: Remote | None) -> AdapterPlan:
        old, edited = self._old(remote) if remote else (None, False)
        new, base = self.manifest, self.manifest["base"]
        stays = sorted(
            path.name for path in self.folder.iterdir() if path.name not in FILES and not path.name.startswith(".")
        )
        notes = [f"stays here: {', '.join(stays)}"] if stays else []
        if not base["hub_id"]:
            notes.append("its base model is a folder of this machine: who pulls the adapter must have it")
        if new["set"] is None:
            notes.append("another program made it: the card says that its rows and its training are not known")
        elif "repo" not in new["set"]:
            notes.append("its set was not pushed from here, so the card names it by its hash")
        return AdapterPlan(
            **self.shipment.change(
                remote,
                {*old["files"], MANIFEST} if old else None,
                _differences(old, new) if old else [],
                [*(_losses(old, new) if old else ()), *([f"{CARD} was edited there"] if edited else ())],
                notes,
            ),
            adapter=str(self.folder),
            base=base["source"],
            set=new["set"]["name"] if new["set"] else "unknown",
            scores=len(new.get("scores", ())),
        )

    def _old(self, remote: Remote) -> tuple[dict[str, Any] | None, bool]:
        """The manifest there, if it is one of ours, and whether the card is not the one that it lists."""
        if remote.head not in self.known:
            with tempfile.TemporaryDirectory(prefix="fingen-push-") as staging:
                texts = {
                    name: self.hub.fetch(remote, name, Path(staging)).read_bytes()
                    for name in (MANIFEST, CARD)
                    if name in remote.files
                }
            try:
                old = parse_manifest(texts.get(MANIFEST, b"").decode(errors="replace"), self.repo)
            except UsageError:  # none, or none of ours
                self.known[remote.head] = None, False
            else:
                listed = old["files"].get(CARD)
                edited = CARD in texts and listed not in (None, hashlib.sha256(texts[CARD]).hexdigest())
                self.known[remote.head] = old, edited
        return self.known[remote.head]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Old -> new, for what a person would want to know."""
    pairs = {
        "base model": (old["base"]["source"], new["base"]["source"]),
        "set": tuple((each["set"] or {}).get("sha256", "unknown")[:12] for each in (old, new)),
        "training rows": tuple((each["rows"] or {}).get("train") for each in (old, new)),
        "validation loss": tuple((each["metrics"] or {}).get("validation_loss") for each in (old, new)),
        "scores": (len(old.get("scores", ())), len(new.get("scores", ()))),
        **{name: (old["settings"].get(name), value) for name, value in new["settings"].items()},
    }
    return [f"{what}: {before} -> {now}" for what, (before, now) in pairs.items() if before != now]


def _losses(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What is there and would not be any more."""
    before, now = ({(score["on"], score["subject"]) for score in each.get("scores", ())} for each in (old, new))
    lost = [f"the score of the {subject} on {on}" for on, subject in sorted(before - now)]
    other = old["base"]["source"] != new["base"]["source"]
    return [*(["an adapter for another base model"] if other else []), *lost]
