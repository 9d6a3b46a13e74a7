"""How this installation came about, and so the command that adds an extra to it.

The distribution has a name of its own: on the package index, `fingen` is somebody else's.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "fingen-finetune"
CLONE = Path(__file__).resolve().parent.parent


def install_command(*extras: str, again: bool = False) -> str:
    """The command that installs this distribution with extras, in this environment, from where it came.

    From a clone, a folder or a file where that is still there, from a repository or an address, else from the index.
    """
    named = f"[{','.join(extras)}]" if extras else ""
    options, what = _source(_direct_url(), named)
    words = [sys.executable, "-m", "pip", "install", *(["--force-reinstall"] if again else []), *options, what]
    return " ".join(f'"{word}"' if sys.platform == "win32" else shlex.quote(word) for word in words)


def _source(origin: Mapping[str, Any], extras: str) -> tuple[list[str], str]:
    """Options of pip, and what it is to install."""
    url = str(origin.get("url", ""))
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        is_editable = bool((origin.get("dir_info") or {}).get("editable"))
        return (["-e"] if is_editable else [], f"{path}{extras}") if path.exists() else ([], f"{DISTRIBUTION}{extras}")
    if vcs := origin.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return [], f"{DISTRIBUTION}{extras}" + (f" @ {url}" if url else "")


def _direct_url() -> Mapping[str, Any]:
    """What pip wrote down of where it installed from (PEP 610); empty for an index."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:  # run from a clone that is not installed
        is_clone = (CLONE / "pyproject.toml").is_file()
        return {"url": CLONE.as_uri(), "dir_info": {"editable": True}} if is_clone else {}
    origin: Mapping[str, Any] = json.loads(text) if text else {}
    return origin
