"""Where on the Hub a set is: left in its folder by a push and a pull, so that an adapter's card can name its commit."""

from __future__ import annotations

from pathlib import Path

from fingen.disk import dump_json, read_object, sha256_file, write_text
from fingen.sets import MANIFEST

TRACE = ".hub.json"


def leave_trace(folder: Path, repo: str, commit: str) -> None:
    """Note beside the set that this commit holds it, as long as its manifest stays the same.

    Raises:
        LimitError: the folder cannot be written.
    """
    write_text(
        folder / TRACE, dump_json({"repo": repo, "commit": commit, "manifest": sha256_file(folder / MANIFEST)}) + "\n"
    )


def find_trace(build: Path, manifest: str) -> tuple[str, str] | None:
    """Repository and commit of the set below `build` whose manifest has this SHA-256; None if no trace of it is there."""
    for path in sorted(build.glob(f"*/{TRACE}")):
        try:
            trace = read_object(path)
            if trace["manifest"] == manifest == sha256_file(path.with_name(MANIFEST)):
                return str(trace["repo"]), str(trace["commit"])
        except (OSError, KeyError):  # no trace then: nothing rests on it
            continue
    return None
