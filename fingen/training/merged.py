"""What a merged model says of itself: what it was made of, what was checked of it, and which files it has. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fingen.adapters import WEIGHTS
from fingen.disk import check_writable, describe, dump_json, read_object, sha256_file, write_text
from fingen.errors import UsageError

MERGED = "merged.json"  # written last: the folder is whole


def made_of(adapter: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a merged model is, from the manifest of its adapter: weights by their hashes, not places."""
    base = adapter["base"]
    return {
        "adapter": adapter["files"].get(WEIGHTS[0]),
        "base": {name: base.get(name) for name in ("source", "revision", "weights")},
        "template": adapter["template"]["sha256"] or adapter["template"]["form"],
    }


def weights_of(folder: Path) -> dict[str, str]:
    """The hashes of a model's weights."""
    return {path.name: sha256_file(path) for path in sorted(folder.glob("*.safetensors"))}


def find_merged(
    out: Path, adapter: Mapping[str, Any], tolerance: float | None, *, replace: bool = False
) -> dict[str, Any] | None:
    """What the model in `out` says of itself, if it is the one that this merge would make, and whole.

    Raises:
        UsageError: `out` cannot be written or holds something else, or another model that is not to be replaced.
    """
    check_writable(out)
    made = read_object(out / MERGED)
    if not made:
        if out.is_dir() and any(out.iterdir()):
            said = describe(out) or f"{out} holds files that are no merged model"
            raise UsageError(said, hint="name another folder with --out")
        return None
    same = made.get("made_of") == made_of(adapter) and tolerance in (None, made.get("tolerance"))
    if same and is_whole(out, made.get("files") or {}):
        return made
    if not replace:
        made_from = f"the adapter {made['adapter']}" if made.get("adapter") else "a teacher, by `fingen distill`"
        of = made_from + ("" if same else ", as it was, or merged otherwise")
        said = f"{out} holds another model, or another state of it: of {of}"
        raise UsageError(said, hint="name another folder with --out, or pass --replace")
    return None


def write_merged(folder: Path, record: Mapping[str, Any]) -> None:
    """Write what is known of a model whose files are all there; one in GGUF is made of them, and none of them."""
    own = (
        path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MERGED and path.suffix != ".gguf"
    )
    files = {path.name: sha256_file(path) for path in own}
    write_text(folder / MERGED, dump_json({**record, "files": files}, indent=2) + "\n")


def is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether all files of a model are as they were written."""
    return bool(files) and all(
        (folder / name).is_file() and sha256_file(folder / name) == sha256 for name, sha256 in files.items()
    )
