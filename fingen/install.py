"""How this installation came about, and so the command that adds an extra to it.

The distribution has a name of its own: on the package index, `fingen` is somebody else's.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "fingen-finetune"
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:>=(?P<least>[\d.]+))?(?:\s*;\s*extra\s*==\s*['\"](?P<extra>[\w-]*)['\"])?"
)
CLONE = Path(__file__).resolve().parent.parent


def install_command(*extras: str, again: bool = False) -> str:
    """The command that installs this distribution with extras, in this environment, from where it came.

    From a clone, a folder or a file where that is still there, from a repository or an address, else from the index.
    """
    named = f"[{','.join(extras)}]" if extras else ""
    options, what = _source(_direct_url(), named)
    words = [sys.executable, "-m", "pip", "install", *(["--force-reinstall"] if again else []), *options, what]
    return " ".join(f'"{word}"' if sys.platform == "win32" else shlex.quote(word) for word in words)


def origin() -> str:
    """Where this installation came from, in words; an address as it is, with what stands in it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(DISTRIBUTION)
    except PackageNotFoundError:
        return f"run from {CLONE}, not installed"
    about = _direct_url()
    url = str(about.get("url", ""))
    if not url:
        return "installed from the index"
    parts = urlsplit(url)
    if (about.get("dir_info") or {}).get("editable"):
        return f"editable: it runs from {url2pathname(parts.path)}"
    return f"installed from {url2pathname(parts.path) if parts.scheme == 'file' else url}"


def requirements() -> dict[str, dict[str, tuple[int, ...]]]:
    """What it asks for: extra -> package -> the least version. The base is the extra ""; empty where nobody can say."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        project = CLONE / "pyproject.toml"
        about = tomllib.loads(project.read_text(encoding="utf-8"))["project"] if project.is_file() else {}
        extras = {"": about.get("dependencies", []), **about.get("optional-dependencies", {})}
        wanted = [f"{line}; extra == '{extra}'" for extra, lines in extras.items() for line in lines]
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for line in wanted:
        if asked := _REQUIREMENT.match(line):
            least = tuple(map(int, asked["least"].split("."))) if asked["least"] else ()
            found.setdefault(asked["extra"] or "", {})[asked["name"]] = least
    return found


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
