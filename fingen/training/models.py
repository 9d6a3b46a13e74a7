"""Which base model a name means, and what it needs. Nothing is loaded or fetched here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fingen.config import MODELS, Alias
from fingen.disk import read_whole
from fingen.errors import UsageError, did_you_mean

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Base:
    """A base model as it was named. `billions` of parameters is None where nobody has said how many."""

    name: str  # as it stands in folder names
    source: str  # hub id or folder; for the tiny model, that it is built
    local: bool
    alias: Alias | None
    billions: float | None

    @property
    def built(self) -> bool:
        """Whether it is made here from the set."""
        return self.alias is not None and self.alias.hub_id is None


def find_base(name: str) -> Base:
    """The base model that a name means: an alias, a folder, or a hub id.

    Raises:
        UsageError: none of these; names the nearest aliases.
    """
    if alias := MODELS.get(name.lower()):
        return Base(name.lower(), alias.hub_id or "built from the set", False, alias, alias.billions)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Base(_folder_name(folder.resolve().name), str(folder), True, None, _stored_billions(folder))
    known = next((alias for alias in MODELS.values() if alias.hub_id == name), None)
    if HUB_ID.fullmatch(name):
        return Base(_folder_name(name.rpartition("/")[2]), name, False, known, known.billions if known else None)
    raise UsageError(
        f"no base model {name!r}: no alias, no folder, and no hub id (owner/name)",
        hint=f"{did_you_mean(name, MODELS, most=3, likeness=0.5)} `fingen models` lists all".strip(),
    )


def shadow_note(source: str) -> str | None:
    """What to tell where a folder here has the name of a model on the Hub: it is the folder that is taken."""
    if HUB_ID.fullmatch(source) and Path(source).is_dir():
        return f"{source} is the folder of that name here, not what the Hub has under it"
    return None


def is_hub_id(source: str) -> bool:
    """Whether a model is named by its id on the Hub, and not by its folder.

    Raises:
        UsageError: it is neither.
    """
    if Path(source).is_dir():
        return False
    if not HUB_ID.fullmatch(source):
        raise UsageError(f"{source}: no such folder, and no hub id (owner/name)", hint="name the model's folder")
    return True


def _folder_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).lower()


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A model folder's config.json, or another such file of it; {} if there is none.

    Raises:
        UsageError: it is not JSON.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        config = json.loads(read_whole(path))
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{path}: {e}", hint="fetch the model again") from e
    return config if isinstance(config, dict) else {}


def _stored_billions(folder: Path) -> float | None:
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    config = read_config(folder)
    each = 4 if "32" in str(config.get("dtype") or config.get("torch_dtype")) else 2
    return stored / each / 1e9 if stored else None
