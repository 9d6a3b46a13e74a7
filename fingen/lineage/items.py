"""The things that lie in build/: sets, adapters, models, scores, reproductions, exports, and pushes to the Hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from fingen import adapters, sets
from fingen.config import PUSHES
from fingen.disk import SET, read_object, read_whole, say_invalid, sha256_file
from fingen.errors import FingenError, SetError, UsageError, visible
from fingen.pushes import Push, read_pushes, read_trace
from fingen.records import Manifest
from fingen.scoring.report import REPORT, Report

Kind = Literal["report", "set", "adapter", "model", "score", "reproduction", "export", "push"]
KINDS: tuple[Kind, ...] = ("report", "set", "adapter", "model", "score", "reproduction", "export", "push")
ASIDE = "withdrawn"  # a folder below build/: in it lie sets as they were before a report was withdrawn
MOST_FOLDERS = 100_000  # that are looked through
WEIGHTS = "*.safetensors"
MOST_BYTES = 16 << 30  # of a file that is hashed
M = TypeVar("M", bound=BaseModel)


class _About(BaseModel):
    """What is read of a file that lies in a folder; what else is there does not matter."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Base(_About):
    source: str | None = None
    weights: dict[str, str] = {}


class _MadeOf(_About):
    adapter: str | None = None
    base: _Base = _Base()


class _Set(_About):
    name: str
    sha256: str


class _Teacher(_Base):
    name: str = ""
    adapter: str | None = None  # hash of its weights; None: it is a model


class _Distilled(_About):
    teacher: _Teacher


class Merged(_About):
    """merged.json, of what was merged or distilled."""

    adapter: str | None = ""
    files: dict[str, str] = {}
    made_of: _MadeOf = _MadeOf()
    base: _Base = _Base()
    set: _Set | None = None
    distilled: _Distilled | None = None


class Tiny(_About):
    """origin.json: `set` is a hash of the set's manifest and the ids of its training rows."""

    set: str
    seed: int = 0


class Export(_About):
    """.export: `files` by their hashes."""

    set: str
    manifest: str
    format: str = ""
    files: dict[str, str] = {}


class Reproduction(_About):
    """reproduction.json."""

    settings: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Item:
    """One thing. `sha256` is what it is known by: of a set's manifest, an adapter's weights, a report's file, else of its own manifest."""

    kind: Kind
    name: str
    sha256: str
    place: Path | None = None  # its folder; None of a report, of a push, and of a base model that lies elsewhere
    about: Any = None  # what it says of itself
    is_aside: bool = False  # a set as it was before a report was withdrawn

    @property
    def where(self) -> str:
        """What a message calls it."""
        return str(self.place) if self.place else self.name

    @property
    def weights(self) -> frozenset[str]:
        """The hashes of a model's weights."""
        return frozenset(self.about[1].values()) if self.kind == "model" and self.about else frozenset()


@dataclass
class Shelf:
    """All that lies in a folder. `damaged`: path -> why it was not read."""

    folder: Path
    items: list[Item] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)

    def of(self, *kinds: Kind) -> list[Item]:
        """The items of these kinds."""
        return [item for item in self.items if item.kind in kinds]


def need_folder(folder: Path) -> None:
    """Make sure that there is a folder to look through.

    Raises:
        UsageError: there is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", hint="name the one where sets and adapters lie with --build")


def read_shelf(folder: Path) -> Shelf:
    """Look through a folder and all below it. Links are not followed; what cannot be read is said and left out.

    Raises:
        UsageError: there is no such folder.
    """
    need_folder(folder)
    shelf = Shelf(folder)
    for here, names in _walk(shelf):
        for marker, (kind, read) in _MARKERS.items():
            if marker in names:
                _take(shelf, here, marker, kind, read)
    _take_pushes(shelf)
    order = {id(item): (KINDS.index(item.kind), str(item.place)) for item in shelf.items}
    shelf.items.sort(key=lambda item: order[id(item)])
    return shelf


def _walk(shelf: Shelf) -> Iterator[tuple[Path, list[str]]]:
    """Each folder and the names of its files; hidden ones are what a run has left."""
    for count, (top, folders, files) in enumerate(os.walk(shelf.folder)):
        here = Path(top)
        if count >= MOST_FOLDERS:
            shelf.damaged[top] = f"more than {MOST_FOLDERS:,} folders: the rest was not looked through"
            return
        for name in sorted(folders):
            if (here / name).is_symlink():
                shelf.damaged[str(here / name)] = "a link to a folder: it was not followed"
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield here, files


def _take(shelf: Shelf, here: Path, marker: str, kind: Kind, read: Callable[[Path], tuple[str, str, Any]]) -> None:
    path = here / marker
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(here.resolve()):
            raise UsageError("a link that leads out of its folder")
        name, sha256, about = read(path)
    except (FingenError, OSError, RuntimeError) as e:  # RuntimeError: a link to itself
        shelf.damaged[str(path)] = visible(str(e).removeprefix(f"{path}: "))
        return
    is_aside = here.parent.name == ASIDE
    shelf.items.append(Item(kind, name, sha256, here, about, is_aside))


def _read_set(path: Path) -> tuple[str, str, Manifest]:
    manifest = sets.parse_manifest(read_whole(path), str(path))
    return manifest.name, sha256_file(path), manifest


def _read_adapter(path: Path) -> tuple[str, str, Mapping[str, Any]]:
    manifest = adapters.parse_manifest(read_whole(path).decode(errors="replace"), str(path))
    return path.parent.name, manifest["files"].get(adapters.WEIGHTS[0], ""), manifest


def _read_model(path: Path) -> tuple[str, str, tuple[Merged | Tiny, dict[str, str]]]:
    about = _parse(path, Merged) if path.name == "merged.json" else _parse(path, Tiny)
    files = sorted(path.parent.glob(WEIGHTS))
    if isinstance(about, Merged):  # it says of itself what they are, and they are large
        weights = {each.name: about.files[each.name] for each in files if each.name in about.files}
    else:
        weights = {each.name: sha256 for each in files if (sha256 := hash_of(each))}
    return path.parent.name, hash_of(path), (about, weights)


def hash_of(path: Path) -> str:
    """The hash of a file; "" of what is none, leads elsewhere, or is larger than anything that fingen makes."""
    is_file = path.is_file() and not path.is_symlink() and path.stat().st_size <= MOST_BYTES
    return sha256_file(path) if is_file else ""


def _read_score(path: Path) -> tuple[str, str, Report]:
    try:
        report = Report.model_validate_json(read_whole(path))
    except ValidationError as e:
        raise SetError(say_invalid(e)) from e
    return path.parent.name, hash_of(path), report


def _read_export(path: Path) -> tuple[str, str, Export]:
    about = _parse(path, Export)
    return path.parent.name, hash_of(path), about


def _read_reproduction(path: Path) -> tuple[str, str, Reproduction]:
    about = _parse(path, Reproduction)
    return path.parent.name, hash_of(path), about


def _parse(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate(read_object(path))
    except ValidationError as e:
        raise SetError(say_invalid(e)) from e


_MARKERS: dict[str, tuple[Kind, Callable[[Path], tuple[str, str, Any]]]] = {
    SET: ("set", _read_set),
    adapters.MANIFEST: ("adapter", _read_adapter),
    "merged.json": ("model", _read_model),
    "origin.json": ("model", _read_model),
    REPORT: ("score", _read_score),
    "reproduction.json": ("reproduction", _read_reproduction),
    ".export": ("export", _read_export),
}


def _take_pushes(shelf: Shelf) -> None:
    """What went to the Hub: as it was written down, and where beside a set alone stands where it is."""
    path = shelf.folder / PUSHES.name
    try:
        pushes, lines = read_pushes(path)
    except FingenError as e:
        pushes, lines = [], []
        shelf.damaged[str(path)] = str(e)
    if lines:
        shelf.damaged[str(path)] = f"{len(lines)} lines cannot be read, the first is line {lines[0]}"
    known = {(push.sha256, push.repo, push.commit) for push in pushes}
    for item in shelf.of("set"):
        if item.place and not item.is_aside and (trace := read_trace(item.place, item.sha256)):
            repo, commit = trace
            if (item.sha256, repo, commit) not in known:
                pushes.append(Push(at="", kind="set", name=item.name, sha256=item.sha256, repo=repo, commit=commit,
                                   url="", visibility=""))  # fmt: skip
    for push in pushes:
        shelf.items.append(Item("push", f"{push.repo} at {push.commit[:12]}", push.commit, None, push))
