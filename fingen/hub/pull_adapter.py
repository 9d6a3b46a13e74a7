"""The conductor of `fingen pull` for adapters: each file compared with the manifest, nothing that could run code."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingen.adapters import (
    CARD,
    FILES,
    MANIFEST,
    WEIGHTS,
    check_safetensors,
    is_pickle,
    parse_manifest,
    read_adapter,
    read_adapter_config,
    write_manifest,
)
from fingen.config import BUILD
from fingen.disk import is_inner_path, lock, refuse_others, sha256_file
from fingen.errors import UsageError
from fingen.events import Outcome, command_line
from fingen.hub.client import Hub, Remote
from fingen.hub.shipment import OWN_BY_THE_HUB
from fingen.rows import Allowance
from fingen.set_folder import PATIENCE_SECONDS

STAGING = ".pull"  # in the folder of the adapter: where files arrive, so that a second run finds those that are there
ADAPTER_BYTES = 64 << 30  # that all files of an adapter may have
CODE = (".py", ".so", ".dll", ".sh")


@dataclass(frozen=True)
class PulledAdapter(Outcome):
    """What a pull did."""

    adapter: str
    repo: str
    commit: str
    base: str
    set: str
    scores: int  # on the card


def pull_adapter(hub: Hub, remote: Remote, out: Path, *, replace: bool = False) -> PulledAdapter:
    """Bring an adapter that fingen has pushed into the folder `out`, to be used as it is.

    Raises:
        UsageError: it is none, holds what could run code, was changed since it was pushed, or `out` is in the way.
        HubError: the Hub refuses or cannot be reached.
    """
    _refuse_code(remote)
    _refuse_folder(out)
    with lock(out, patience_seconds=PATIENCE_SECONDS):
        listed = _read_manifest(hub, remote, out / STAGING)
        wanted = {
            **listed,
            "name": out.resolve().name,
            "folder": out.as_posix(),
            "merged": (BUILD / "models" / out.name).as_posix(),
        }
        if changed := _is_other(out, wanted, replace=replace):
            _bring(hub, remote, out / STAGING, listed["files"])
            _place(out / STAGING, out, wanted)
        shutil.rmtree(out / STAGING, ignore_errors=True)
    manifest = read_adapter(out)
    base, left = manifest["base"], sorted(remote.files.keys() - FILES - OWN_BY_THE_HUB)
    notes = [f"left there: {', '.join(left)}"] if left else []
    if base["remote_code"]:
        notes.append(f"{base['source']} brings Python code of its own: chat and merge need --trust-remote-code")
    if not base["hub_id"]:
        notes.append(f"its base model is a folder and not on the Hub: put it at {base['source']}")
    return PulledAdapter(
        adapter=str(out),
        repo=remote.repo,
        commit=remote.head,
        base=base["source"],
        set=manifest["set"]["name"] if manifest["set"] else "unknown",
        scores=len(manifest.get("scores", ())),
        notes=notes,
        changed=changed,
        next=command_line("fingen", "chat", out),
    )


def _refuse_code(remote: Remote) -> None:
    pickles = sorted(name for name in remote.files if is_pickle(name))
    code = sorted(name for name in remote.files if name.lower().endswith(CODE))
    for names, what in ((pickles, "pickles, which can run code when they are read"), (code, "code")):
        if names:
            raise UsageError(
                f"{remote.repo}: it holds {what}: {', '.join(names)}; nothing was brought",
                hint="have its owner push it with fingen, or pull a commit without them with --revision",
            )
    if MANIFEST not in remote.files:
        raise UsageError(
            f"{remote.repo}: no adapter that fingen has pushed: it has no {MANIFEST}",
            hint="a model is named to `fingen finetune --model` by its id and needs no pull",
        )


def _refuse_folder(out: Path) -> None:
    """Refuse what is no adapter. Files of one without a manifest are what a pull left that was killed, if it left its staging folder."""
    is_own = (out / MANIFEST).is_file() or (out / STAGING).is_dir()
    refuse_others(out, FILES if is_own else (), "whole adapter")


def _read_manifest(hub: Hub, remote: Remote, staging: Path) -> dict[str, Any]:
    """The manifest as it is there. It names no file that is not one of an adapter's."""
    where = f"{remote.repo}/{MANIFEST}"
    listed = parse_manifest(hub.fetch(remote, MANIFEST, staging).read_bytes().decode(errors="replace"), where)
    files: Mapping[str, str] = listed["files"]
    if not is_inner_path(listed["base"]["source"]):  # an adapter that was made here may name any folder of this machine
        hint = "have its owner push it with fingen"
        raise UsageError(f"{where}: base.source: no path within its folder; nothing was brought", hint=hint)
    odd = sorted(name for name in files if name not in FILES - {MANIFEST})
    if odd or not files.keys() >= {*WEIGHTS}:
        what = f"lists {', '.join(odd)}, which is no file of an adapter" if odd else "does not list the weights"
        raise UsageError(f"{where} {what}; nothing was brought", hint="have its owner push it with fingen")
    missing = sorted(files.keys() - remote.files.keys())
    if missing:
        raise UsageError(
            f"{where} lists {', '.join(missing)}, and that is not there",
            hint="pull a commit that is whole with --revision",
        )
    return listed


def _is_other(out: Path, wanted: Mapping[str, Any], *, replace: bool) -> bool:
    """Whether the folder does not hold this adapter as it is there.

    Raises:
        UsageError: it holds another, which is not to be replaced.
    """
    if not (out / MANIFEST).is_file():
        return True
    try:
        here = read_adapter(out)
    except UsageError:  # damaged
        here = {}
    if _without_card(here) == _without_card(wanted):
        return False
    if not replace:
        raise UsageError(
            f"{out} holds another adapter, or another state of it", hint="pull elsewhere with --out, or --replace it"
        )
    return True


def _bring(hub: Hub, remote: Remote, staging: Path, files: Mapping[str, str]) -> None:
    """Fetch the files, and check each by its hash."""
    allowance = Allowance(0, ADAPTER_BYTES, "have its owner see to it")
    for name, sha256 in files.items():
        if sha256_file(hub.fetch(remote, name, staging, allowance)) != sha256:
            raise UsageError(
                f"{remote.repo}: {name} was changed there since it was pushed",
                hint="pull the commit that was pushed with --revision, or have it pushed again",
            )
    check_safetensors(staging / WEIGHTS[0])
    read_adapter_config(staging / WEIGHTS[1], f"{remote.repo}/{WEIGHTS[1]}")


def _place(staging: Path, out: Path, wanted: Mapping[str, Any]) -> None:
    """Move the files to where they belong; card and manifest are written last."""
    (out / MANIFEST).unlink(missing_ok=True)
    for name in FILES - wanted["files"].keys():
        (out / name).unlink(missing_ok=True)
    for name in wanted["files"]:
        (staging / name).replace(out / name)
    write_manifest(out, wanted)


def _without_card(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without the hash of the card, which names the folder that it is in."""
    files = {name: sha256 for name, sha256 in manifest.get("files", {}).items() if name != CARD}
    return {**manifest, "files": files}
