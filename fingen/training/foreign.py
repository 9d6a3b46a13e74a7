"""Adapters of any origin: the manifest of one that fingen made, and what stands in its place for a peft adapter of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fingen.adapters import FOREIGN, MANIFEST, WEIGHTS, read_adapter, read_adapter_config
from fingen.config import FORMS
from fingen.disk import refuse_links, sha256_file
from fingen.errors import UsageError
from fingen.training.models import HUB_ID, Base, find_base


def read_any_adapter(folder: Path, base: str | None = None, form: str | None = None) -> dict[str, Any]:
    """The manifest of an adapter. One that others made (LLaMA-Factory, peft) has none: it is made of what is said of it.

    Its set, rows and metrics are then None, and so is its template's hash: nobody wrote them down.

    Args:
        folder: the adapter.
        base: the model that it was tuned on; where it is not said, an adapter of others may name one on the Hub.
        form: how its prompts looked in its training, one of FORMS; fingen's own adapters know it.

    Raises:
        UsageError: there is no whole adapter, it is not what is said, or what must be known of it is not said.
    """
    if (folder / MANIFEST).is_file() or not (folder / FOREIGN).is_file():
        manifest = read_adapter(folder)
        _refuse_other(folder, manifest, base, form)
        return manifest
    need_form(str(folder), form)
    refuse_links(folder)
    if not (folder / WEIGHTS[0]).is_file():
        raise UsageError(
            f"{folder}: it has no {WEIGHTS[0]}", hint="pickled weights are not read: save it as safetensors"
        )
    found = find_adapted(str(folder), base, read_adapter_config(folder / FOREIGN))
    files = {name: sha256_file(folder / name) for name in WEIGHTS}
    about = {
        "source": found.source, "hub_id": None if found.local else found.source, "revision": None, "built": False,
        "licence": found.alias.licence if found.alias else None, "remote_code": False,
    }  # fmt: skip
    return {
        "format": 1, "name": folder.resolve().name, "run": files[WEIGHTS[0]], "base": about, "load": "auto", "set": None,
        "recipe": None, "template": {"form": form, "sha256": None}, "rows": None, "metrics": None, "settings": {},
        "sources": {}, "files": files,
    }  # fmt: skip


def need_form(name: str, form: str | None) -> None:
    """Refuse an adapter of others of which nothing says how its prompts looked in its training.

    Raises:
        UsageError: `form` is None, or none that there is.
    """
    if form in FORMS:
        return
    raise UsageError(
        f"{name}: nothing says how its prompts looked in its training",
        hint="pass --form fingpt (Instruction/Input/Answer), or --form chat (its base's chat template)",
    )


def find_adapted(name: str, base: str | None, named: str | None) -> Base:
    """The base of an adapter of others: as it is said, or the one on the Hub that its configuration names.

    Where else it lies is for its user to say: a folder that others name is not looked into.

    Raises:
        UsageError: neither, or one that is made from a set.
    """
    if base is None and (named is None or not HUB_ID.fullmatch(named)):
        said = f"{name}: its base model is no id on the Hub: {named or 'it names none'}"
        raise UsageError(said, hint="name the base it was tuned on with --base")
    found = find_base(base or str(named))
    if found.built:
        said = f"--base {base}: it is made from a set, by `fingen finetune --model {base}`"
        raise UsageError(said, hint="name its folder in build/models/")
    return found


def _refuse_other(folder: Path, manifest: dict[str, Any], base: str | None, form: str | None) -> None:
    tuned, on = manifest["template"]["form"], manifest["base"]["source"]
    if form and form != tuned:
        raise UsageError(f"{folder}: it was tuned with the form {tuned}, not {form}", hint="leave --form out")
    if base and find_base(base).source != on:
        raise UsageError(f"{folder}: it was tuned on {on}, not on {base}", hint="leave --base out")
