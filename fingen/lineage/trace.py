"""`fingen trace`: what rests on a report, a row, a set, an adapter or a model, and what that rests on itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fingen.adapters import WEIGHTS
from fingen.disk import sha256_file
from fingen.errors import FingenError, SetError, UsageError
from fingen.lineage.items import KINDS, Item, Kind, hash_of, read_shelf
from fingen.lineage.links import By, Link, Links, build_links
from fingen.lineage.rows import Held, OnReport, Rows, hold, on_report, text_of
from fingen.records import Record
from fingen.scoring.report import PREDICTIONS

LEAST_DIGITS = 8  # of a hash by which something is named
NAMED = 5  # things that a message names
_HASH = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},64}}")


@dataclass
class Found:
    """One thing on the way, up or down.

    Attributes:
        by: what says that it is on the way: the hash of content, or a name or place alone.
        of: what it rests on; on the way up, what rests on it.
        said: in words, why.
        rows: of a set: ids of the rows in question, by split. Empty where they cannot be told.
        state: "" as it is; "aside": kept from before a report was withdrawn; "old": of rows that are no longer there so.
    """

    kind: Kind
    name: str
    place: str
    sha256: str
    by: By
    of: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)
    state: str = ""

    def add(self, link: Link, other: Item) -> None:
        """Tell of one more way to it, from `other`."""
        if other.where not in self.of:
            self.of.append(other.where)
        way = "{}" if other is link.parent else f"{other.where}: {{}}"
        said = way.replace("{}", link.said).replace("{}", other.where if other is link.parent else "it")
        if said not in self.said:
            self.said.append(said)
        if link.by == "hash":
            self.by = "hash"
        if link.former and not self.state:
            self.state = "old"


@dataclass(frozen=True)
class Subject:
    """What is asked about, and the things that it is; of a row those sets that hold it."""

    kind: Kind | str  # or "row"
    name: str
    sha256: str
    items: tuple[Item, ...]
    row: Record | None = None


@dataclass(frozen=True)
class Traced:
    """What was found.

    Attributes:
        kind: what is asked about: report, row, set, adapter, model, score.
        places: where it lies, as far as it is here.
        below: what rests on it.
        above: what it rests on.
        unknown: of what it cannot be known whether it does, with why: folder -> why.
        damaged: path -> why it was not read, or not believed.
    """

    kind: str
    name: str
    sha256: str
    build: str
    places: list[str]
    below: list[Found]
    above: list[Found]
    unknown: dict[str, str]
    damaged: dict[str, str]
    exit_code: int = 0


def trace(words: Sequence[str], build: Path) -> Traced:
    """Follow a report (a file, its name or its hash), a row (its id, behind a set or alone), a set, an adapter, a model or a score.

    Everything is found by what it holds, wherever below `build` it lies; where a name or place alone says so, that is told.

    Raises:
        UsageError: there is no such thing, or there are several.
    """
    shelf = read_shelf(build)
    links = build_links(shelf)
    subject = find_subject(words, links)
    down = Walk(links, subject)
    down.go_down()
    up = Walk(links, subject)
    up.go_up()
    return Traced(
        kind=str(subject.kind),
        name=subject.name,
        sha256=subject.sha256,
        build=str(build),
        places=[item.where for item in subject.items if item.place],
        below=down.sorted(),
        above=up.sorted(),
        unknown={
            item.where: why for item, why in links.unknown if item not in down.found and item not in subject.items
        },
        damaged=shelf.damaged | down.damaged | up.damaged,
    )


# --- what is asked about -------------------------------------------------------------------------------------------------


def find_subject(words: Sequence[str], links: Links) -> Subject:
    """What is meant by one word, or by a set and the id of a row in it.

    Raises:
        UsageError: nothing, or several things.
    """
    if len(words) == 2:
        return _find_row(words[1], [item for item in _at(Path(words[0]), links) if item.kind == "set"], words[0])
    (word,) = words
    if Path(word).is_dir():
        items = _at(Path(word), links)
        return _subject([*items, *_twins(items, links)])
    if Path(word).is_file():
        sha256 = sha256_file(Path(word))
        items = [item for item in links.shelf.items if item.sha256 == sha256]
        return _subject(items) if items else _of_report(links.reports.get(sha256) or Item("report", word, sha256))
    for found in (_by_hash(word, links), _by_name(word, links)):
        if len({(item.kind, item.sha256) for item in found}) > 1:
            several = ", ".join(f"{item.kind} {item.where} ({item.sha256[:12]})" for item in found[:NAMED])
            raise UsageError(f"{word} is several things: {several}", hint="name one by its folder or its hash")
        if found:
            return _of_report(found[0]) if found[0].kind == "report" else _subject(found)
    return _find_row(word, [item for item in links.shelf.of("set") if not item.is_aside], "")


def _subject(items: Sequence[Item]) -> Subject:
    first = items[0]
    return Subject(first.kind, first.name, first.sha256, tuple(items))


def _of_report(report: Item) -> Subject:
    return Subject("report", report.name, report.sha256, (report,))


def _at(folder: Path, links: Links) -> list[Item]:
    """What lies in a folder.

    Raises:
        UsageError: nothing that fingen made, or it is not below the one that is looked through.
    """
    here = folder.resolve()
    items = [item for item in links.shelf.items if item.place and item.place.resolve() == here]
    if not items:
        damaged = next((why for path, why in links.shelf.damaged.items() if Path(path).parent.resolve() == here), "")
        said = damaged or f"nothing here that fingen has made, or it is not below {links.shelf.folder}"
        raise UsageError(f"{folder}: {said}", hint="name the folder of a set or adapter; --build says where to look")
    return items[:1]


def _twins(items: Sequence[Item], links: Links) -> list[Item]:
    """Copies of the same, elsewhere."""
    return [
        other for other in links.shelf.items for item in items
        if other is not item and (other.kind, other.sha256) == (item.kind, item.sha256)
    ]  # fmt: skip


def _by_hash(word: str, links: Links) -> list[Item]:
    if not _HASH.fullmatch(word):
        return []
    return [item for item in (*links.reports.values(), *links.shelf.items) if item.sha256.startswith(word)]


def _by_name(word: str, links: Links) -> list[Item]:
    """Reports by their name in a set, or the last part of it; else what lies in a folder of that name; else a base model."""
    named = [(source.path, source.sha256) for item in links.shelf.of("set") for source in item.about.sources]
    named += [(gone.path, gone.report) for item in links.shelf.of("set") for gone in item.about.withdrawn]
    sources = {sha256 for path, sha256 in named if word in (path, path.rpartition("/")[2])}
    if sources:
        return [links.reports[sha256] for sha256 in sorted(sources)]
    items = [item for item in links.shelf.items if item.name == word and not item.is_aside]
    return items or [item for item in links.below if item.kind == "model" and item.name.partition(" at ")[0] == word]


def _find_row(word: str, items: Sequence[Item], where: str) -> Subject:
    found: list[tuple[Item, Record]] = []
    for item in items:
        found += [(item, record) for record in _records(item) if record.id.startswith(word)]
    exact = [(item, record) for item, record in found if record.id == word]
    found = exact or found
    ids = list(dict.fromkeys(record.id for _, record in found))
    if not ids:
        raise UsageError(
            f"{word}: no report, row, set, adapter or model of that name or hash" + (f" in {where}" if where else ""),
            hint="name a file, a folder, a name as a manifest has it, a hash, or the id of a row",
        )
    if len(ids) > 1:
        named = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
        raise UsageError(f"{len(ids)} records start with {word!r}: {named}", hint="give more of the id")
    if len({text_of(record) for _, record in found}) > 1:
        places = ", ".join(item.where for item, _ in found[:NAMED])
        raise UsageError(f"{ids[0]} is another row in each of {places}", hint="name the set before the id")
    return Subject("row", ids[0], "", tuple(dict.fromkeys(item for item, _ in found)), found[0][1])


def _records(item: Item) -> Iterator[Record]:
    """The records of a set; none of one that is damaged: where it is followed, that is said."""
    assert item.place
    try:
        yield from (record for _, record in Rows(item.place, item.about).all())
    except FingenError:
        return


# --- the way ---------------------------------------------------------------------------------------------------------------


class Walk:
    """Goes from a subject to all that rests on it, or that it rests on."""

    def __init__(self, links: Links, subject: Subject) -> None:
        self.links, self.subject = links, subject
        self.found: dict[Item, Found] = {}
        self.held: dict[Item, Held] = {}  # of sets, and of what has rows of one
        self.damaged: dict[str, str] = {}
        self.texts: set[tuple[str, ...]] = set()  # of rows that rest on the subject
        self.on: dict[Item, OnReport] = {}
        if subject.row:
            self.texts.add(text_of(subject.row))

    def sorted(self) -> list[Found]:
        """What was found, by kind and place."""
        return sorted(self.found.values(), key=lambda each: (KINDS.index(each.kind), each.state, each.place, each.name))

    def go_down(self) -> None:
        """Find what rests on the subject."""
        left = [*self.subject.items]
        for item in self.subject.items if self.subject.kind in ("row", "set") else ():
            self._start(item)
        while left:
            item = left.pop(0)
            for link in [*self.links.below[item], *self._withdrawn(item)]:
                child = link.child
                if child in self.subject.items or not self._follows(item, link) or not self._holds(link):
                    continue
                if child not in self.found:
                    left.append(child)
                self._tell(child, link, item)
        for item in self.found:
            self._check(item)

    def _start(self, item: Item) -> None:
        self.held[item] = self._test(item) if self.subject.row else self._whole(item)
        if self.subject.row:
            link = Link(item, item, "hash", "holds it")
            self._tell(item, link, item)
            self.found[item].of.clear()

    def _tell(self, item: Item, link: Link, other: Item) -> None:
        held = self.held.get(item)
        new = Found(item.kind, item.name, item.where, item.sha256, link.by, state="aside" if item.is_aside else "")
        found = self.found.setdefault(item, new)
        found.add(link, other)
        if held and item.kind == "set":
            found.rows = held.rows
            if held.unsure and held.unsure not in found.said:
                found.said.append(held.unsure)

    def _follows(self, item: Item, link: Link) -> bool:
        """Whether what rests on a set rests on rows of it that are in question."""
        if item.kind not in ("set", "export"):
            return True
        if link.former and self.subject.kind == "report" and link.former in self._states_with_report(item):
            return True
        held = self.held.get(item)
        if held is None or (held.unsure and not held.count):
            return True
        if link.child.kind == "push":
            return bool(held.count or held.passages)
        return bool(held.splits if link.splits is None else held.splits & link.splits)

    def _withdrawn(self, report: Item) -> Iterator[Link]:
        """Links to sets that a report was withdrawn from: what was made of them before still rests on it."""
        if report.kind != "report":
            return
        for item in self.links.shelf.of("set"):
            for each in item.about.withdrawn:
                if each.report == report.sha256:
                    said = f"rested on {{}} until it was withdrawn: {each.rows:,} rows"
                    yield Link(item, report, "hash", said, former=each.before)

    def _states_with_report(self, item: Item) -> set[str]:
        """The states that a set had while it rested on the report: those before it was withdrawn, the last time."""
        entries = item.about.withdrawn if item.kind == "set" else ()
        last = max((at for at, each in enumerate(entries) if each.report == self.subject.sha256), default=-1)
        return {each.before for each in entries[: last + 1]}

    def _holds(self, link: Link) -> bool:
        """Whether a set has rows in question, or what is known of it does not say."""
        parent, child = link.parent, link.child
        if child.kind == "export":
            of_parent = Held(unsure="of rows that are no longer there") if link.former else self.held[parent]
            self.held[child] = max(self.held.get(child, of_parent), of_parent, key=lambda held: held.count)
        if child.kind != "set":
            return True
        if child not in self.held:
            self.held[child] = self._test(child)
        held = self.held[child]
        return bool(parent.kind == "report" or held.count or held.unsure)

    def _test(self, item: Item) -> Held:
        """The rows of a set that rest on the subject."""
        assert item.place
        rows = Rows(item.place, item.about)
        try:
            if self.subject.kind == "report" and any(s.sha256 == self.subject.sha256 for s in item.about.sources):
                on = on_report(rows, self.subject.sha256)
                held = hold(rows, on.has_record, on.passages, on.unsure)
                self.on[item] = on
            else:
                held = hold(rows, lambda record: text_of(record) in self.texts)
                if not held.count and item.about.command.startswith("import") and self._rests_on_file(item):
                    return Held(unsure="which of its rows rest on it cannot be told: none of them is as it was written")
            self.texts |= {text_of(record) for split, record in rows.all() if record.id in held.rows.get(split, ())}
        except SetError as e:
            self.damaged[item.where] = str(e)
            return Held(unsure="which of its rows rest on it cannot be told: its files are not as its manifest says")
        return held

    def _rests_on_file(self, item: Item) -> bool:
        return any(link.parent in self.found for link in self.links.above[item])

    def _whole(self, item: Item) -> Held:
        assert item.place
        rows = Rows(item.place, item.about)
        try:
            held = hold(rows, lambda record: True)
            self.texts |= {text_of(record) for _, record in rows.all()}
        except SetError as e:
            self.damaged[item.where] = str(e)
            return Held(unsure="its files are not as its manifest says")
        return held

    def go_up(self) -> None:
        """Find what the subject rests on."""
        left = list(self.subject.items)
        while left:
            item = left.pop(0)
            for link in self.links.above[item]:
                parent = link.parent
                if parent in self.subject.items or not self._is_of_row(item, parent):
                    continue
                if parent not in self.found:
                    left.append(parent)
                self._tell(parent, link, item)
        for item in self.found:
            self._check(item)

    def _is_of_row(self, item: Item, parent: Item) -> bool:
        """Whether a row, if one is asked about, comes from there."""
        record = self.subject.row
        if record is None or item.kind != "set":
            return True
        if parent.kind == "set":
            self.held[parent] = self._test(parent)
            return bool(self.held[parent].count)
        if parent.kind != "report" or not item.place:
            return True
        try:
            return on_report(Rows(item.place, item.about), parent.sha256).has_record(record)
        except SetError as e:
            self.damaged[item.where] = str(e)
            return False

    def _check(self, item: Item) -> None:
        """Look whether what was found holds what it says."""
        if not item.place or item.kind not in ("adapter", "score"):
            return
        name, said = (WEIGHTS[0], item.sha256) if item.kind == "adapter" else (PREDICTIONS, item.about.predictions)
        path = item.place / name
        if hash_of(path) != said:
            self.damaged[str(path)] = "missing, or not as the manifest beside it says"


def count_rows(rows: dict[str, list[str]]) -> str:
    """Rows by split, in words."""
    told = [f"{len(ids):,} {split}" for split, ids in rows.items() if ids]
    total = sum(map(len, rows.values()))
    return f"{total:,} row{'s' * (total != 1)}" + (f" ({', '.join(told)})" if told else "")


def group(found: Iterable[Found]) -> dict[str, list[Found]]:
    """What was found, by kind."""
    groups: dict[str, list[Found]] = {}
    for each in found:
        groups.setdefault(each.kind, []).append(each)
    return groups
