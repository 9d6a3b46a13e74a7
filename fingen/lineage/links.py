"""How things hang together: what each says that it was made of, found again by content hash, else by name or place alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fingen.adapters import WEIGHTS
from fingen.disk import sha256_text
from fingen.errors import FingenError
from fingen.lineage.items import Item, Kind, Merged, Shelf, Tiny
from fingen.pushes import Push
from fingen.sets import SPLITS, read_split

By = Literal["hash", "name", "place"]
TUNED_ON = frozenset({"train", "validation"})  # the latter decides which step is kept
TRAIN = frozenset({"train"})
FILTERS = ("keep_out", "against")  # settings of a set that name what is not in it
_SHA256 = re.compile(r"[0-9a-f]{64}")
BY_NAME = "by its name alone: what is there now is not what it was"


@dataclass(frozen=True, eq=False)
class Link:
    """`child` rests on `parent`.

    Attributes:
        by: what says so: the hash of content, or a name or place alone.
        splits: of a set: those that the child rests on; None: all.
        former: a state that the parent, a set, had before a report was withdrawn: the hash of its manifest then.
        said: what the child is, in words, with {} for the parent.
    """

    child: Item
    parent: Item
    by: By
    said: str
    splits: frozenset[str] | None = None
    former: str = ""


@dataclass
class Links:
    """All links between the things on a shelf, and what cannot be known of some."""

    shelf: Shelf
    reports: dict[str, Item] = field(default_factory=dict)  # by their hash
    unknown: list[tuple[Item, str]] = field(default_factory=list)
    below: dict[Item, list[Link]] = field(default_factory=lambda: defaultdict(list))  # by parent
    above: dict[Item, list[Link]] = field(default_factory=lambda: defaultdict(list))  # by child

    def add(self, *links: Link) -> bool:
        """Take links in; True if there are any."""
        for link in links:
            self.below[link.parent].append(link)
            self.above[link.child].append(link)
        return bool(links)

    def report(self, sha256: str, name: str) -> Item:
        """The report of that hash."""
        return self.reports.setdefault(sha256, Item("report", name, sha256))


def build_links(shelf: Shelf) -> Links:
    """Link what lies on a shelf."""
    return _Linker(shelf).link()


class _Linker:
    def __init__(self, shelf: Shelf) -> None:
        self.links = Links(shelf)
        self.by_hash: dict[tuple[Kind, str], list[Item]] = defaultdict(list)
        self.by_name: dict[tuple[Kind, str], list[Item]] = defaultdict(list)
        self.former: dict[str, list[Item]] = defaultdict(list)  # hash of a manifest that a set had -> the set
        self.files: dict[str, list[tuple[Item, frozenset[str]]]] = defaultdict(list)  # hash of a file of rows -> whose
        self.weights: dict[str, list[Item]] = defaultdict(list)
        self.bases: dict[str, Item] = {}
        for item in shelf.items:
            self._index(item)

    def _index(self, item: Item) -> None:
        self.by_hash[item.kind, item.sha256].append(item)
        self.by_name[item.kind, item.name].append(item)
        if item.kind == "set" and not item.is_aside:
            for each in item.about.withdrawn:
                self.former[each.before].append(item)
        if item.kind == "set":
            for split in SPLITS:
                if entry := item.about.files.get(f"{split}.jsonl"):
                    self.files[entry.sha256].append((item, frozenset({split})))
        if item.kind == "export":
            for name, sha256 in item.about.files.items():
                self.files[sha256].append((item, frozenset({name.partition(".")[0]})))
        for sha256 in item.weights:
            self.weights[sha256].append(item)

    def link(self) -> Links:
        ways = {"set": self._set, "adapter": self._adapter, "model": self._model, "score": self._score,
                "reproduction": self._reproduction, "export": self._export, "push": self._push}  # fmt: skip
        for item in self.links.shelf.items:
            ways[item.kind](item)
        return self.links

    def _know(self, item: Item, found: Sequence[Link], missing: str) -> None:
        """Take links in, or say that nothing is known."""
        if not self.links.add(*found):
            self.links.unknown.append((item, missing))

    # --- sets and what is made of them ---------------------------------------------------------------------------------

    def _sets(self, child: Item, sha256: str, name: str, said: str, splits: frozenset[str] | None = None) -> list[Link]:
        """Links to the set whose manifest has, or had, that hash; else to one of that name."""
        found = [Link(child, each, "hash", said, splits) for each in self.by_hash["set", sha256]]
        found += [Link(child, each, "hash", said, splits, sha256) for each in self.former[sha256]]
        if not found and name:
            named = [each for each in self.by_name["set", name] if each is not child and not each.is_aside]
            found = [Link(child, each, "name", f"{said}, {BY_NAME}", splits) for each in named]
        return found

    def _set(self, item: Item) -> None:
        manifest = item.about
        for source in manifest.sources:
            self.links.add(Link(item, self.links.report(source.sha256, source.path), "hash", "read from {}"))
        for gone in manifest.withdrawn:
            self.links.report(gone.report, gone.path or gone.report[:12])
        settings = {name: value for name, value in manifest.settings.items() if name not in FILTERS}
        parents = {link.parent: link for sha256 in _hashes(settings) for link in self._made_of(item, sha256)}
        self.links.add(*parents.values())
        parts = [part for part in _list(settings.get("sets")) if isinstance(part, dict)]
        for part in parts:
            sha256, name = str(part.get("manifest")), str(part.get("set"))
            if not self.by_hash["set", sha256] and not self.former[sha256]:
                found = self._sets(item, sha256, name, "made of {}")
                self._know(item, found, f"it was made of the set {name} ({sha256[:12]}), which is not here")
        if not (manifest.sources or parents or parts or manifest.command.startswith("synth")):
            said = f"its manifest does not name its sources (`fingen {manifest.command}`)"
            self.links.unknown.append((item, said))

    def _made_of(self, item: Item, sha256: str) -> Iterator[Link]:
        """Links to what a hash among a set's settings is of: another set, or a file of its rows or of an export."""
        yield from (link for link in self._sets(item, sha256, "", "made of {}") if link.parent is not item)
        for parent, splits in self.files[sha256]:
            if parent is not item:
                yield Link(item, parent, "hash", "made of a file of {}", splits)

    def _export(self, item: Item) -> None:
        said, about = "the rows of {}, for other tools", item.about
        found = self._sets(item, about.manifest, about.set, said)
        self._know(item, found, f"the set {about.set} ({about.manifest[:12]}) that it was written from is not here")

    # --- what was trained ----------------------------------------------------------------------------------------------

    def _adapter(self, item: Item) -> None:
        about = item.about
        if tuned_on := about["set"]:
            found = self._sets(item, tuned_on["sha256"], tuned_on["name"], "tuned on {}", TUNED_ON)
            missing = f"the set {tuned_on['name']} ({tuned_on['sha256'][:12]}) that it was tuned on is not here"
            self._know(item, found, missing)
        else:
            self.links.unknown.append((item, "another program made it: what it was tuned on is not known"))
        self._base(item, about["base"])

    def _base(self, item: Item, base: Any, said: str = "on the base model {}") -> None:
        """Link what was tuned, merged or taught to a model: by its weights, else by the name that it is fetched by."""
        weights = set(_hashes(base.get("weights")))
        here = {model: None for sha256 in weights for model in self.weights[sha256] if model is not item}
        if not self.links.add(*(Link(item, model, "hash", said) for model in here)):
            revision = base.get("revision")
            name = f"{base.get('source')}" + (f" at {revision}" if revision else "")
            model = self.bases.setdefault(name, Item("model", name, ""))
            self.links.add(Link(item, model, "name", said))

    def _model(self, item: Item) -> None:
        about = item.about[0]
        if isinstance(about, Tiny):
            found = list(self._tiny(item, about))
            self._know(item, found, "the set whose training rows it was made from is not here, or was made anew")
            return
        self._merged(item, about)

    def _tiny(self, item: Item, about: Tiny) -> Iterator[Link]:
        """Links from a tiny base model to its set, whose hash in it goes over the ids of the training rows too."""
        said = "pre-trained on questions and answers of {}"
        for each in self.links.shelf.of("set"):
            if each.about.splits.get("train") and each.place and about.set == self._hash_of_rows(each):
                yield Link(item, each, "hash", said, TRAIN)
                return
        for each in self.by_name["set", item.name.partition("-")[2]]:
            if not each.is_aside:
                yield Link(item, each, "name", f"{said}, {BY_NAME}", TRAIN)

    def _hash_of_rows(self, item: Item) -> str:
        assert item.place
        try:
            return sha256_text(item.sha256, *(row.id for row in read_split(item.place, "train")))
        except FingenError:  # damaged, which is said where its rows are needed
            return ""

    def _merged(self, item: Item, about: Merged) -> None:
        if about.distilled:
            self._distilled(item, about, about.distilled.teacher)
            return
        found = self._adapters(item, about.made_of.adapter or "", about.adapter or "", "{} and its base model in one")
        self._know(item, found, f"the adapter {about.adapter} that it was merged from is not here")
        self._base(item, {"source": about.made_of.base.source, "weights": about.made_of.base.weights})

    def _distilled(self, item: Item, about: Merged, teacher: Any) -> None:
        """Link a student to the set whose rows it was taught on, its teacher, and what it stems from."""
        if about.set:
            found = self._sets(item, about.set.sha256, about.set.name, "taught on {}", TUNED_ON)
            self._know(
                item, found, f"the set {about.set.name} ({about.set.sha256[:12]}) that it was taught on is not here"
            )
        if teacher.adapter:
            found = self._adapters(item, teacher.adapter, teacher.name, "taught by {}")
            self._know(item, found, f"the adapter {teacher.name} that taught it is not here")
        else:
            self._base(item, {"source": teacher.source, "weights": teacher.weights}, "taught by {}")
        self._base(item, {"source": about.base.source, "weights": about.base.weights})

    def _adapters(self, child: Item, weights: str, name: str, said: str) -> list[Link]:
        found = [Link(child, each, "hash", said) for each in (self.by_hash["adapter", weights] if weights else ())]
        if not found:
            found = [Link(child, each, "name", f"{said}, {BY_NAME}") for each in self.by_name["adapter", name]]
        return found

    # --- what was scored, and what went out --------------------------------------------------------------------------------

    def _score(self, item: Item) -> None:
        for key, rows in item.about.sources.items():
            asked = [score for score in item.about.scores if score.on == key]
            splits = frozenset({rows.split}) | (
                TRAIN if any(s.shots or s.kind == "baseline" for s in asked) else frozenset()
            )
            self._scored_rows(item, rows, splits)
        for details, subject, kind in {(id(s.details), s.subject, s.kind): (s.details, s.subject, s.kind)
                                       for s in item.about.scores}.values():  # fmt: skip
            self._subject(item, details, subject, kind)

    def _scored_rows(self, item: Item, rows: Any, splits: frozenset[str]) -> None:
        if rows.kind == "benchmark":
            return
        found = [(each, own) for each, own in self.files[str(rows.sha256)] if each.kind == "set" or rows.kind == "file"]
        same = [(each, own) for each, own in found if each.name == rows.name]  # two sets may have one test in common
        links = [Link(item, each, "hash", "asked the rows of {}", splits | own) for each, own in same or found]
        if not links and rows.kind == "set":
            named = [each for each in self.by_name["set", rows.name] if not each.is_aside]
            links = [Link(item, each, "name", f"asked the rows of {{}}, {BY_NAME}", splits) for each in named]
        if rows.kind == "set":
            self._know(item, links, f"the rows of {rows.name} that it asked are not here")
        else:
            self.links.add(*links)

    def _subject(self, item: Item, details: Any, subject: str, kind: str) -> None:
        weights = details.get("adapter")
        if kind == "adapter" and isinstance(weights, dict):
            found = self._adapters(item, str(weights.get(WEIGHTS[0])), subject, "scored {}")
            if not any(link.by == "hash" for link in found) and isinstance(tuned_on := details.get("set"), dict):
                said = "scored an adapter that was tuned on {}, and is not here"
                found += self._sets(item, str(tuned_on.get("sha256")), "", said, TUNED_ON)
            self._know(item, found, f"the adapter {subject} that it scored is not here")
        elif kind in ("model", "base", "classifier"):
            here = {model: None for sha256 in _hashes(details.get("weights")) for model in self.weights[sha256]}
            self.links.add(*(Link(item, model, "hash", "scored {}") for model in here))

    def _reproduction(self, item: Item) -> None:
        """Link the pages of an experiment to what lies in its folder: it does not name hashes."""
        inside = [
            each for each in self.links.shelf.of("set", "adapter", "model", "score")
            if each.place and item.place and item.place in each.place.parents
        ]  # fmt: skip
        self.links.add(*(Link(item, each, "place", "{} lies in its folder") for each in inside))

    def _push(self, item: Item) -> None:
        push: Push = item.about
        said = (
            "{} went there"
            + (f" on {push.at[:10]}" if push.at else "")
            + (f", {push.visibility}" if push.visibility else "")
        )
        if push.kind == "model":
            found = [Link(item, each, "hash", said) for each in self.weights[push.sha256]]
        else:
            found = (self._sets if push.kind == "set" else self._adapters)(item, push.sha256, "", said)
        if not found and push.of_set:
            found = self._sets(
                item, push.of_set, "", f"what was tuned on {{}} ({push.kind}) went there, and is not here", TUNED_ON
            )
        if not found:
            reports = [self.links.report(sha256, sha256[:12]) for sha256 in push.reports]
            found = [
                Link(item, report, "hash", "a set that was read from {} went there, and is not here")
                for report in reports
            ]
        self._know(item, found, f"the {push.kind} {push.name} ({push.sha256[:12]}) that went there is not here")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _hashes(value: Any) -> Iterator[str]:
    """The hashes that stand anywhere in a value of JSON, each once, in their order."""
    seen: dict[str, None] = {}
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and _SHA256.fullmatch(one):
            seen[one] = None
        elif isinstance(one, dict):
            left += reversed(list(one.values()))
        elif isinstance(one, list | tuple):
            left += reversed(one)
    yield from seen
