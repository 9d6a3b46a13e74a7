"""A set that several machines make: what each of them reads and asks, and what it tells the others of what it has read.

Each machine has a part, a folder beside those of the others. Reading is shared out by file. Asking is shared out by company, so that
all that is looked at together (reports of several years, a report and its amendment) is asked about by one machine, and nothing twice.
What a part has to know of reports that others read stands in their `part.json`; nobody waits for anybody: where some are missing, the
same command goes on later.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from fingen.config import Asking, Pdf2qa, ReadSettings, Synth
from fingen.disk import PART, dump_json, make_folder, say_invalid, sha256_file, sha256_text, write_beside, write_text
from fingen.documents import InputFile, Progress, find_sources
from fingen.documents.overrides import Override, read_overrides
from fingen.documents.read import READER
from fingen.errors import Cause, DocumentError, SetError, UsageError, redact
from fingen.events import Outcome, command_line
from fingen.pipeline.reading import Unread, all_unread, read_files, share_out
from fingen.pipeline.repeated import repeated
from fingen.quality.duplicates import fold
from fingen.records import Document, Frozen, Language, Period
from fingen.set_folder import AS_BEFORE, say_differences
from fingen.sets import JOURNAL, MANIFEST
from fingen.tasks.labels import Label
from fingen.teachers.journal import Journal
from fingen.teachers.merging import merge_journal
from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

READ = "read"  # the documents of a part, a file each
MANY = 1000  # files of a part from which on chance shares them out evenly
AGAIN = "run the command of that part again"
# Settings that each machine has its own of, or that `bound` says better: by content and whole names.
OWN = {"inputs", "workers", "engine", "out", "replace", "shard", "teacher", "questions", "filters"}

S = TypeVar("S", Pdf2qa, Synth)


class Shard(NamedTuple):
    """Which machine this is (from 1), of how many."""

    number: int
    total: int

    def __str__(self) -> str:
        """Say it as it is typed."""
        return f"{self.number}/{self.total}"

    def takes(self, key: str) -> bool:
        """Whether what has this key is its share."""
        return int(sha256_text("shard", key)[:13], 16) % self.total == self.number - 1


def parse_shard(text: str) -> Shard:
    """Read I/N.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.number <= shard.total:
        raise UsageError(f"--shard {text}", hint="give which machine this is, of how many, such as 3/10")
    return shard


class Listed(Frozen):
    """What others have to know of a document."""

    path: str
    sha256: str
    company: str | None
    names: dict[str, str]
    amendment: str | None
    period: Period
    language: Language
    worth: int = 0  # chunks that can be asked about; counted where `--limit` shares them out
    reader: str  # a hash of what has read it

    @property
    def key(self) -> str:
        """By what its machine is found: its company, else its content."""
        return fold(self.company) if self.company else self.sha256


class Failed(Frozen):
    """A file that could not be read, and why."""

    path: str
    reason: Cause
    detail: str
    page: int | None
    hint: str

    def error(self) -> DocumentError:
        """The error that reading it gave."""
        return DocumentError(self.path, self.reason, self.detail, page=self.page, hint=self.hint)


class Part(Frozen):
    """What `part.json` says; where it stands a share is read.

    `bound` is what the set is bound to, `is_asked` that its share of the requests is answered.
    """

    version: Literal[1] = 1
    shard: tuple[int, int]
    command: str
    settings: dict[str, Any]
    bound: dict[str, Any]
    files: str = ""  # the hash of all names and sizes below its inputs: each machine must see the same ones
    documents: tuple[Listed, ...] = ()
    failed: tuple[Failed, ...] = ()
    labels: tuple[Label, ...] = ()
    fixed_options: bool = False
    is_asked: bool = False

    @property
    def name(self) -> str:
        """Its number, as it is typed."""
        return str(Shard(*self.shard))

    def differs(self, other: Part) -> str:
        """Say how a part of another set, or of other reports, differs; empty where both are of one."""
        mine, theirs = self._told(), other._told()
        if mine != theirs:
            return say_differences(theirs, mine)
        return "" if self.files == other.files else "its files have other names or sizes than those of the others"

    def _told(self) -> dict[str, Any]:
        shared = {name: value for name, value in self.settings.items() if name not in OWN}
        labels = [label.model_dump() for label in self.labels]
        own = {"command": self.command, "labels": labels, "fixed_options": self.fixed_options}
        return {**self.bound, **shared, **own}


@dataclass(frozen=True)
class PartOutcome(Outcome):
    """What a machine did for its part."""

    part: str
    shard: str
    teacher: str
    documents: int  # that it has read
    unread: list[str]
    waits_for: list[str]  # parts that have not read their share yet, so that nothing could be asked
    requests: dict[str, int]  # asked now, from the journal
    cost_usd: float | None
    seconds: dict[str, float]


# ---- part.json


def dump_settings(settings: Pdf2qa | Synth, teacher: str) -> dict[str, Any]:
    """Settings as JSON, without how its teacher is asked: what money and keys are used is no matter of a file."""
    plain: Pdf2qa | Synth = replace(settings, asking=Asking(), teacher=teacher, shard=None)
    dumped: dict[str, Any] = TypeAdapter(type(plain)).dump_python(plain, mode="json")
    return {name: value for name, value in dumped.items() if name != "asking"}


def load_settings(part: Part, kind: type[S], **given: Any) -> S:
    """The settings of a part, with those that are `given` now.

    Raises:
        SetError: they are none.
    """
    try:
        return replace(TypeAdapter(kind).validate_python(part.settings), **given)
    except ValidationError as e:
        raise SetError(f"part {part.name}: {say_invalid(e)}", hint=AGAIN) from e


def write_part(folder: Path, part: Part) -> None:
    """Write what a part is, unless that stands there already."""
    before = read_part(folder) if (folder / PART).is_file() else None
    if before != part:
        write_text(folder / PART, part.model_dump_json() + "\n")


def refuse_no_part(folder: Path, part: Part, *, replaces: bool) -> None:
    """Refuse to work on a part in the folder of a set, of another part, or of the same one that was begun otherwise.

    Raises:
        SetError: it is one.
    """
    if (folder / PART).is_file():
        if replaces:
            return
        there = read_part(folder)
        if there.shard != part.shard:
            raise SetError(
                f"{folder} is part {there.name}, not {part.name}", hint="name a folder of its own with --out"
            )
        if there.bound != part.bound:
            raise SetError(f"{folder} was begun otherwise: {say_differences(there.bound, part.bound)}", hint=AS_BEFORE)
        return
    if (folder / MANIFEST).is_file():
        raise SetError(f"{folder} holds a set, and no part of one", hint="name a folder of its own with --out")


def begin_part(folder: Path, part: Part) -> Part:
    """Write down a part that is to be asked; one that was asked as it is now stays so."""
    before = read_part(folder) if (folder / PART).is_file() else None
    if before is not None and before.model_copy(update={"is_asked": False}) == part:
        return before
    write_part(folder, part)
    return part


def read_part(folder: Path) -> Part:
    """Read what a part is.

    Raises:
        SetError: it is no part, or a damaged one.
    """
    try:
        return Part.model_validate_json((folder / PART).read_bytes())
    except OSError as e:
        raise SetError(f"{folder}: no part of a set: {PART} is not there",
                       hint="name the folders that --shard wrote, such as build/parts/*") from e  # fmt: skip
    except ValidationError as e:
        raise SetError(f"{folder / PART}: damaged: {say_invalid(e)}",
                       hint=f"remove that file, and {AGAIN}: what was answered is in its journal") from e  # fmt: skip


# ---- reading a share


def share_of(sources: Sequence[InputFile], shard: Shard) -> list[InputFile]:
    """The files that a machine reads, so that all have as much to do.

    Many are shared out by their names: those that come later move none. Few are dealt by size, those of each format for themselves.
    """
    if len(sources) >= MANY * shard.total:
        return [source for source in sources if shard.takes(source.name)]
    dealt: dict[str, list[int]] = {}
    all_bytes = [0] * shard.total
    own = []
    for source in sorted(sources, key=lambda source: (-_size(source), source.name)):
        of_format = dealt.setdefault(source.path.suffix.lower(), [0] * shard.total)
        taker = min(range(shard.total), key=lambda place: (of_format[place], all_bytes[place], place))
        of_format[taker] += _size(source)
        all_bytes[taker] += _size(source)
        own += [source] * (taker == shard.number - 1)
    return sorted(own, key=lambda source: source.name)


def _size(source: InputFile) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        return 0  # reading it will say why


def read_share(
    settings: Pdf2qa,
    part: Part,
    count_worth: Callable[[Document], int],
    on_event: Callable[[Progress | Document | DocumentError], None],
) -> Part:
    """Read the share of a part into its folder, and write down what others have to know. What was read before is in the cache."""
    sources, folder = find_sources(settings.inputs), settings.out
    make_folder(folder / READ)
    own = share_of(sources, Shard(*part.shard))
    readers = _readers(own, settings.reading)
    documents, failed = {} if settings.reading.ocr else _read_before(part, folder, own, readers), list[Failed]()
    left = [source for source in own if source.name not in documents]
    with closing(read_files(left, settings)) as events:
        for event in events:
            on_event(event)
            if isinstance(event, Document):
                _store(_file(folder, event.path), event)
                told = {name: getattr(event, name) for name in Listed.model_fields if name not in ("worth", "reader")}
                worth = count_worth(event) if settings.limit else 0
                documents[event.path] = Listed(**told, worth=worth, reader=readers[event.path])
            elif isinstance(event, DocumentError):
                about = {name: getattr(event, name) for name in Failed.model_fields}
                failed.append(Failed(**about))
    part = part.model_copy(update={
        "files": _hash_names(sources),
        "documents": tuple(documents[name] for name in sorted(documents)),
        "failed": tuple(sorted(failed, key=lambda each: each.path)),
    })  # fmt: skip
    part = begin_part(folder, part)
    kept = {_file(folder, each.path) for each in part.documents}
    for path in (folder / READ).glob("*.json.gz"):
        if path not in kept:  # of a report that is its share no more
            path.unlink()
    return part


def find_share(settings: Pdf2qa, part: Part) -> Part:
    """A part as an earlier call has read it. Nothing is read or written.

    Raises:
        UsageError: it has not read all of its share as it is now.
    """
    if (settings.out / PART).is_file():
        before, sources = read_part(settings.out), find_sources(settings.inputs)
        own = share_of(sources, Shard(*part.shard))
        there = _read_before(part, settings.out, own, _readers(own, settings.reading)).keys()
        known = there | {each.path for each in before.failed}
        if before.files == _hash_names(sources) and all(source.name in known for source in own):
            return before
    raise UsageError(
        f"{settings.out}: part {part.name} has not read its share with these settings, and a dry run writes nothing",
        hint="run the same command without --dry-run to read it; without --shard it says what all parts would cost",
    )


def _hash_names(sources: Sequence[InputFile]) -> str:
    return sha256_text(dump_json([(source.name, _size(source)) for source in sources]))


def _readers(sources: Sequence[InputFile], reading: ReadSettings) -> dict[str, str]:
    """By the name of a file a hash of all that reads it: code, libraries, settings, and what stands beside it."""
    stated = {folder: read_overrides(folder) for folder in {source.path.parent for source in sources}}
    same = [READER, *(version(name) for name in ("pymupdf", "lxml", "markdown-it-py")), dump_json(asdict(reading))]
    return {
        source.name: sha256_text(*same, stated[source.path.parent].get(source.path.name, Override()).model_dump_json())[
            :16
        ]
        for source in sources
    }


def _read_before(part: Part, folder: Path, own: Sequence[InputFile], readers: Mapping[str, str]) -> dict[str, Listed]:
    """What an earlier call has read, of files that are as they were then, by name; nothing where other settings are given now."""
    before = read_part(folder) if (folder / PART).is_file() else part
    is_same = before.model_copy(update={"documents": (), "failed": (), "files": "", "is_asked": False}) == part
    known = {each.path: each for each in before.documents if is_same}
    return {
        source.name: listed
        for source in own
        if (listed := known.get(source.name))
        and listed.reader == readers[source.name]
        and _file(folder, source.name).is_file()
        and listed.sha256 == sha256_file(source.path)
    }


def _file(folder: Path, path: str) -> Path:
    return folder / READ / f"{sha256_text(path)[:32]}.json.gz"


def _store(path: Path, document: Document) -> None:
    with write_beside(path) as beside, gzip.open(beside, "wb", compresslevel=1) as file:
        file.write(document.model_dump_json().encode())


# ---- what all of them have read


class Parts:
    """The parts of one set, all of them: each with the folder that it is in, by number."""

    def __init__(self, parts: Mapping[int, tuple[Path, Part]]) -> None:
        self.all = dict(sorted(parts.items()))

    @property
    def first(self) -> Part:
        """One of them, for what all have in common."""
        return next(iter(self.all.values()))[1]

    def unasked(self) -> list[str]:
        """Those that have not got all their answers, by name and folder."""
        return [f"{part.name} ({folder})" for folder, part in self.all.values() if not part.is_asked]

    @cached_property
    def _listed(self) -> dict[str, tuple[Path, Listed]]:
        found = {listed.path: (folder, listed) for folder, part in self.all.values() for listed in part.documents}
        return dict(sorted(found.items()))

    @cached_property
    def left_out(self) -> Unread:
        """The files that are not asked about, by name, each with the reason: unread, or there more than once."""
        failed: Unread = {each.path: each.error() for _, part in self.all.values() for each in part.failed}
        listed = [each for _, each in self._listed.values()]
        if not listed:
            raise all_unread(failed)
        again = repeated(listed, lambda one: self.document(one.path).chunks)
        return dict(sorted({**failed, **again}.items()))

    @cached_property
    def kept(self) -> list[Listed]:
        """The documents that are asked about, by name."""
        return [each for _, each in self._listed.values() if each.path not in self.left_out]

    def document(self, path: str) -> Document:
        """A document as it was read.

        Raises:
            SetError: it is not there any more, or damaged.
        """
        folder, listed = self._listed[path]
        file = _file(folder, path)
        try:
            with gzip.open(file, "rb") as opened:
                document = Document.model_validate_json(opened.read())
        except (OSError, EOFError, ValueError) as e:
            said = f"{file}: {path} was read into it, and it is not there or damaged"
            raise SetError(said, hint=f"remove that file, and {AGAIN}") from e
        if (document.path, document.sha256) != (path, listed.sha256):
            raise SetError(f"{file}: not what was read of {path}", hint=f"remove that file, and {AGAIN}")
        return document

    def documents(self, on_event: Callable[[Document], None], shard: Shard | None = None) -> Iterator[Document]:
        """The documents that are asked about, by name, one by one: all, or those of one machine."""
        for each in self.kept:
            if shard is None or shard.takes(each.key):
                document = self.document(each.path)
                on_event(document)
                yield document

    def quotas(self, limit: int | None, *, is_named: bool) -> dict[str, int] | None:
        """How many chunks are asked about of each document, where not all are; `is_named`: only of those that name their company."""
        asked = [each for each in self.kept if each.company or not is_named]
        if limit is None:
            return None
        shares = share_out([each.worth for each in asked], limit)
        return {each.path: share for each, share in zip(asked, shares, strict=True)}


def parts_beside(folder: Path, part: Part) -> tuple[Parts | None, list[str], list[str]]:
    """The parts of the same set in the folder that a part is in; where some are missing None, which, and what is there instead.

    Raises:
        SetError: two of them have one number.
    """
    found: dict[int, tuple[Path, Part]] = {part.shard[0]: (folder, part)}
    notes = []
    for other in sorted(folder.resolve().parent.iterdir()):
        if other == folder.resolve() or not (other / PART).is_file():
            continue
        theirs = read_part(other)
        if theirs.shard[1] != part.shard[1] or theirs.command != part.command:
            continue
        if differs := part.differs(theirs):
            notes.append(f"{other.name} beside it is of another set: {differs}")
            continue
        _refuse_second(found, other, theirs)
        found[theirs.shard[0]] = (other, theirs)
    waits = [str(Shard(number, part.shard[1])) for number in range(1, part.shard[1] + 1) if number not in found]
    return (None, waits, notes) if waits else (Parts(found), [], [])


def open_parts(folders: Iterable[Path]) -> Parts:
    """The parts of a set, to be gathered.

    Raises:
        SetError: one is missing, there twice, or of another set.
    """
    found: dict[int, tuple[Path, Part]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        part = read_part(folder)
        first_at, first = next(iter(found.values()), (folder, part))
        if part.shard[1] != first.shard[1]:
            raise SetError(f"{folder} is part {part.name}, and {first_at} part {first.name}",
                           hint="name the parts of one set, all of them")  # fmt: skip
        _refuse_second(found, folder, part)
        if differs := first.differs(part):
            raise SetError(f"{folder} and {first_at} are parts of two sets: {differs}",
                           hint="run both with the same command, but for --shard and --out")  # fmt: skip
        found[part.shard[0]] = (folder, part)
    parts = Parts(found)
    count = parts.first.shard[1]
    if missing := [str(Shard(number, count)) for number in range(1, count + 1) if number not in found]:
        raise SetError(f"{len(missing)} of {count} parts are missing: {', '.join(missing[:5])}"
                       + (" ..." if len(missing) > 5 else ""), hint="name the folders of all parts")  # fmt: skip
    return parts


def _refuse_second(found: Mapping[int, tuple[Path, Part]], folder: Path, part: Part) -> None:
    if part.shard[0] in found:
        there = found[part.shard[0]][0]
        raise SetError(f"{folder} and {there} are both part {part.name}",
                       hint="name each part once, and move the other one out of the folder of the parts")  # fmt: skip


# ---- what a part has asked


def end_part(
    folder: Path,
    part: Part,
    teacher: str,
    seconds: Mapping[str, float],
    *,
    waits: Sequence[str] = (),
    notes: Sequence[str] = (),
    journal: Journal | None = None,
    asked: int = 0,
    requests: int = 0,
    is_short: bool = False,
    servers: Sequence[str] = (),
) -> PartOutcome:
    """Say what a machine did for its part; with a journal it has asked, and that is written down."""
    where = redact(" ".join(command_line("--base-url", each) for each in servers))
    gather = f"{command_line('fingen', 'gather', folder.parent)}/* --out build/SET {where}".rstrip()
    gather += ", when all parts have asked"
    if journal is not None:
        write_part(folder, part.model_copy(update={"is_asked": not is_short}))
    return PartOutcome(
        part=str(folder),
        shard=part.name,
        teacher=teacher,
        documents=len(part.documents),
        unread=[str(each.error()) for each in part.failed],
        waits_for=list(waits),
        requests={"asked": asked, "from_journal": requests - asked} if journal is not None else {},
        cost_usd=journal.usage()[1] if journal is not None else None,
        seconds=dict(seconds),
        notes=list(notes),
        next="the same command again, when all parts have read their share" if waits else gather,
        exit_code=int(is_short),
    )


def merge_parts(parts: Parts, journal: Journal, identity: Mapping[str, Any], bound: Mapping[str, Any]) -> list[str]:
    """Take what the parts have asked into the journal of their set; returns notes. Once more changes nothing.

    Raises:
        SetError: they were asked with other templates or by another teacher than are found here; a process works on one.
    """
    theirs, here = parts.first.bound, as_json(bound)
    if theirs != here:
        raise SetError(f"the parts were made otherwise than this machine would: {say_differences(theirs, here)}",
                       hint="gather with the version, the templates in prompts/ and the --base-url that the parts had")  # fmt: skip
    twice = 0
    for folder, part in parts.all.values():
        if (folder / JOURNAL).is_file():
            with RequestLocks(folder / LOCKS_FILE, alone=True):
                twice = merge_journal(folder / JOURNAL, journal, f"part {part.name}")
    if journal.settings() is None:
        journal.write_settings(dict(identity))
    return [
        f"{twice:,} requests were answered more than once, in parts or here: one answer is used, and each counts as paid"
    ] * bool(twice)


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as JSON gives it back: lists for tuples."""
    back: dict[str, Any] = json.loads(dump_json(value))
    return back
