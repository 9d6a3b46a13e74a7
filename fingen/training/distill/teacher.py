"""Who a student learns from: an adapter on its base, a merged model, or a model as it is. Its weights are loaded when they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from fingen.adapters import is_adapter
from fingen.disk import read_object
from fingen.errors import UsageError
from fingen.training.base import choose_load, load_tokenizer
from fingen.training.foreign import read_any_adapter
from fingen.training.merged import MERGED, made_of, weights_of
from fingen.training.models import find_base
from fingen.training.template import Template
from fingen.training.use import load_adapter, load_model, read_template, template_of


@dataclass(frozen=True)
class Teacher:
    """A teacher that is not loaded yet. `identity` says which weights it has; `base` is what they stem from."""

    source: str
    name: str
    template: Template
    identity: Mapping[str, Any]
    base: Mapping[str, Any]
    load: str
    is_adapter: bool
    trust_remote_code: bool

    def load_model(self) -> Any:
        """The model, ready to be asked; an adapter is merged into its base, in memory.

        Raises:
            UsageError, HubError, LimitError: it cannot be loaded.
        """
        if not self.is_adapter:
            return load_model(self.source, load=self.load, trust_remote_code=self.trust_remote_code).model
        tuned = load_adapter(Path(self.source), load=self.load, trust_remote_code=self.trust_remote_code)
        return tuned.model.merge_and_unload(safe_merge=True).eval()


def open_teacher(name: str, load: str, *, trust_remote_code: bool = False) -> Teacher:
    """Find out who a teacher is and how it is asked, without its weights.

    Raises:
        UsageError: there is none, or its template is not that of its training. HubError: it cannot be fetched.
    """
    load = choose_load(load)
    if is_adapter(Path(name)):
        manifest = read_any_adapter(Path(name))
        template = read_template(Path(name), manifest, trust_remote_code=trust_remote_code)
        return Teacher(
            name, str(manifest["name"]), template, made_of(manifest), manifest["base"], load, True, trust_remote_code
        )
    found = find_base(name)
    tokenizer = load_tokenizer(found.source, trust_remote_code=trust_remote_code)
    identity = identify(found.source)
    made = read_object(Path(found.source) / MERGED)
    base = made.get("base") or {
        "source": found.source, "hub_id": None if found.local else found.source, "revision": identity.get("revision"),
        "built": False, "licence": found.alias.licence if found.alias else None,
    }  # fmt: skip
    return Teacher(
        found.source,
        found.name,
        template_of(found.source, tokenizer)[0],
        identity,
        base,
        load,
        False,
        trust_remote_code,
    )


def identify(source: str) -> dict[str, Any]:
    """Which weights a model has: of a folder their hashes, on the Hub its commit."""
    folder = Path(source)
    if folder.is_dir():
        return {"weights": weights_of(folder)}
    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as e:
        raise UsageError(f"{source}: no model that can be read", hint="check the name and the network") from e
    return {"source": source, "revision": getattr(config, "_commit_hash", None)}
