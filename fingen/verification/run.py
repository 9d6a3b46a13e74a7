"""Check a set, or anybody's Alpaca file, anew: offline, law by law, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fingen.disk import sha256_file
from fingen.errors import SetError, UsageError
from fingen.events import command_line
from fingen.imports.alpaca import build_record, read_rows
from fingen.quality.certainty import READ_FROM_WORDS
from fingen.quality.checks import CHECKS
from fingen.quality.contamination import Benchmark, find_overlaps
from fingen.quality.draft import Draft
from fingen.quality.duplicates import clusters_of, find_repeats
from fingen.quality.evidence import is_hash, locate, place_of
from fingen.quality.grounding import Grounding
from fingen.quality.privacy import PRIVATE, TOKENS, matches_masked, scan
from fingen.quality.splits import COMPANY, document_units
from fingen.records import CONTESTED, PLACE_MARK, SUPPORTED_BY, Chunk, Evidence, Manifest, Passage, Record
from fingen.sets import REWORKED, SPLITS, read_manifest
from fingen.spool import Spool
from fingen.tasks.qa import TABLE
from fingen.verification.origin import Origin, answer_alone, is_label_alone, origin_of_set, read_origin

LAWS = {
    "files": "every file is as the manifest says",
    "rows": "every row is a record with an id of its own",
    "counts": "the rows are as many as the manifest says",
    "evidence": "every quote stands on the page, or at the place, that it names",
    "figures": "every figure stands in the source with its unit and sign, or follows from it",
    "binding": "no figure is given to another row, period or direction",
    "programs": "every program is what its question asks, on cells that stand so, and its value is the answer's",
    "absence": "what is said not to be stated is in no row or sentence of the passage",
    "names": "years and organisations are those of the source",
    "question": "every question stands on its own",
    "answer": "every answer is in form: language, length, no boilerplate, no bare figure",
    "duplicates": "no row says the same as another",
    "splits": "no two splits share a passage, a unit or a near-duplicate",
    "privacy": "no personal data, no keys",
    "contamination": "no row is in a benchmark that is kept out",
}
ROW_LAWS = (
    "evidence",
    "figures",
    "binding",
    "programs",
    "absence",
    "names",
    "question",
    "answer",
    "privacy",
)  # that one can break alone
FIGURES = frozenset({"figure", "unit", "sign", "calc", "step"})  # reasons of grounding, by law
NAMES = frozenset({"year", "organisation"})
QUESTION = frozenset({"not-self-contained"})  # reasons of quality.checks
NO_SOURCE = "its passages are not here; name the report with --source"
OWN_FORM = "imported rows keep the form that they came with"
CONTEXT = 160  # characters of the source that are shown on either side


@dataclass(frozen=True)
class SetRow:
    """A record and where it stands."""

    record: Record
    split: str  # "" in a file that is no set
    number: int  # in its file, from 1


@dataclass(frozen=True)
class Snippet:
    """A piece of the source; `text[start:end]` is what it is shown for."""

    document: str
    pages: tuple[int, int]  # first and last of the passage
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row (or, without an id, with a file). `output[start:end]` are the words that are wrong."""

    law: str
    reason: str
    detail: str
    id: str = ""
    split: str = ""
    row: int = 0
    instruction: str = ""
    output: str = ""
    start: int = 0
    end: int = 0
    source: Snippet | None = None


@dataclass
class Law:
    """The verdicts on one law. `why` says what kept rows from being checked: reason -> rows."""

    title: str
    is_declared: bool = False  # the set declares what breaks it: that is reported, and does not fail
    passed: int = 0
    failed: int = 0
    declared: int = 0  # would have failed, and the set says so itself
    unchecked: int = 0
    why: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def judge(self, problems: Sequence[Problem], *, is_declared: bool = False) -> None:
        """One more row, or file: good if there are no problems, or if it `is_declared` that it has them."""
        self.problems += problems
        self.passed += not problems
        if self.is_declared or is_declared:
            self.declared += bool(problems)
        else:
            self.failed += bool(problems)

    def leave(self, why: str) -> None:
        """One more that cannot be checked."""
        self.unchecked += 1
        self.why[why] = self.why.get(why, 0) + 1


@dataclass(frozen=True)
class Verification:
    """What was found. `figures` counts those in answers: `all`, and by the level of their proof (`Grounding`)."""

    target: str
    rows: int
    laws: dict[str, Law]
    figures: dict[str, int]
    declared: tuple[str, ...]
    passages: int = 0  # that the rows were checked against
    next: str = ""  # the command to type next

    @property
    def exit_code(self) -> int:
        """1 where a law is broken."""
        return int(any(law.failed for law in self.laws.values()))


def verify(target: Path, *, sources: Sequence[Path] = (), keep_out: Sequence[Benchmark] = ()) -> Verification:
    """Check a set in its folder, or the rows of a file, against the passages of the set or against `sources`.

    Raises:
        UsageError: there is no such set or file; SetError: it cannot be read as one.
    """
    if not target.exists():
        raise UsageError(f"{target}: no such set or file", hint="name a folder below build/, or an Alpaca file")
    laws = {name: Law(title) for name, title in LAWS.items()}
    manifest = read_manifest(target) if target.is_dir() else None
    for name in _declared(manifest) if manifest else ():
        laws[name].is_declared = True
    if manifest:
        rows = Spool(target, _rows_of_set(target, manifest, laws))
        origin = read_origin(sources, manifest.settings) if sources else origin_of_set(target, on_disk=True)
    else:
        rows = Spool(target.parent, _rows_of_file(target, laws))
        origin = read_origin(sources) if sources else Origin()
        for name in ("files", "counts", "splits"):
            laws[name].leave("a file alone has no manifest and no splits")
    if origin.passages:
        rows = Spool(target, (replace(row, record=origin.with_texts(row.record)) for row in rows))
    figures = origin.count_figures(_proved(rows, origin, laws))
    alone = rows  # as they were compared when they were made
    if any(row.record.program for row in rows):
        alone = Spool(target, (replace(row, record=answer_alone(row.record)) for row in rows))
    _prove_namesakes(alone, origin, laws["programs"])
    _prove_duplicates(alone, laws["duplicates"])
    if manifest:
        _prove_splits(alone, manifest, laws["splits"])
    _prove_contamination(alone, keep_out, laws["contamination"])
    declared = manifest.declared if manifest else ()
    found = Verification(str(target), len(rows), laws, figures, declared, len(origin.passages))
    if manifest is None or found.exit_code or not manifest.splits.get("train"):
        return found
    tune = ("finetune", "--set", target, "--model", "tiny", "--dry-run") if find_spec("torch") else ("show", target)
    return replace(found, next=command_line("fingen", *tune))


def _proved(rows: Iterable[SetRow], origin: Origin, laws: dict[str, Law]) -> Iterator[Record]:
    """The records, each once its row is proved."""
    for row in rows:
        _Proof(row, origin, laws).prove()
        yield row.record


def prove_record(record: Record, origin: Origin) -> dict[str, Law]:
    """One row against the laws that a row can break alone, by their names."""
    laws = {name: Law(LAWS[name]) for name in ROW_LAWS}
    _Proof(SetRow(record, "", 0), origin, laws).prove()
    return laws


def _declared(manifest: Manifest) -> list[str]:
    """The laws whose breaks a set declares: repeats and splits as they were published or mixed, personal data that was kept."""
    is_taken = manifest.command.partition(" ")[0] in ("import", "mix") or manifest.command == "synth rewrite"
    made = {"duplicates": "dedup", "splits": "split"} if is_taken else {}
    names = [law for law, by in made.items() if by not in manifest.settings.get(REWORKED, {})]
    return [*names, "privacy"] if manifest.settings.get("privacy", "keep") == "keep" else names


def _rows_of_set(folder: Path, manifest: Manifest, laws: dict[str, Law]) -> Iterator[SetRow]:
    """The rows of all splits, as far as they are records; files and counts are judged on the way."""
    seen: set[str] = set()
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            laws["files"].judge([Problem("files", "missing", f"{name} is missing")])
            continue
        changed = sha256_file(path) != entry.sha256
        laws["files"].judge(
            [Problem("files", "changed", f"{name} was changed since the set was made")] if changed else []
        )
    for split in SPLITS:
        path, expected, found = folder / f"{split}.jsonl", manifest.splits.get(split, 0), 0
        if path.name in manifest.files and path.is_file():
            for row in _read(path, split, laws["rows"], seen):
                found += 1
                if row:
                    yield row
        wrong = Problem("counts", "rows", f"{split}: {found} rows, and the manifest says {expected}")
        laws["counts"].judge([wrong] if found != expected else [])


def _rows_of_file(path: Path, laws: dict[str, Law]) -> Iterator[SetRow]:
    return (row for row in _read(path, "", laws["rows"], set()) if row)


def _read(path: Path, split: str, law: Law, seen: set[str]) -> Iterator[SetRow | None]:
    """The rows of a file; None for one that is no record."""
    for number, values in read_rows(path):
        try:
            record = build_record(values, number, path)
        except (SetError, ValidationError) as e:
            shown = str(e) if isinstance(e, SetError) else "; ".join(error["msg"] for error in e.errors()[:2])
            law.judge([Problem("rows", "no-record", shown, id=str(values.get("id", "")), split=split, row=number)])
            yield None
            continue
        row = SetRow(record, split, number)
        law.judge([_problem("rows", "id-twice", "another row has the same id", row)] if record.id in seen else [])
        seen.add(record.id)
        yield row


def _problem(
    law: str, reason: str, detail: str, row: SetRow, said: tuple[int, int] = (0, 0), source: Snippet | None = None
) -> Problem:
    record = row.record
    texts = {"instruction": record.instruction, "output": record.output, "start": said[0], "end": said[1]}
    return Problem(law, reason, detail, record.id, row.split, row.number, source=source, **texts)  # type: ignore[arg-type]


@dataclass
class _Proof:
    """One row against the laws that a row can break alone."""

    row: SetRow
    origin: Origin
    laws: dict[str, Law]

    def prove(self) -> None:
        """Judge the row; a conversation is good where each of its answers is."""
        record = self.row.record
        passages = self.origin.of(record)
        self._privacy(record)
        if is_label_alone(record):
            why = "says that the passage does not state it" if record.document else "a label, and no text to check"
            for name in ("evidence", "figures", "binding", "names", "question", "answer"):
                self.laws[name].leave(why)
            if record.document:
                self._absence(record, passages)
            return
        exchanges = [replace(self.row, record=each) for each in record.exchanges]
        self._evidence(exchanges, passages)
        self._program(record, passages)
        self._form(exchanges, passages)
        self._grounding(exchanges)

    def _wrong(self, law: str, reason: str, detail: str, row: SetRow, *about: Any) -> Problem:
        """What is wrong with an answer; of a conversation its turn is named."""
        turn = f"turn {len(row.record.questions)}: " if self.row.record.turns else ""
        return _problem(law, reason, turn + detail, row, *about)

    def _evidence(self, exchanges: Sequence[SetRow], passages: tuple[Passage, ...] | None) -> None:
        law = self.laws["evidence"]
        if not any(row.record.evidence for row in exchanges) and self.row.record.origin != "document":
            law.leave("it gives no quotes")
        elif passages is None:
            law.leave(NO_SOURCE)
        else:
            chunks = [self.origin.chunks[passage.chunk] for passage in passages]
            problems = [
                self._wrong("evidence", "no-quote", "no quote", row) for row in exchanges if not row.record.evidence
            ]
            rows = {quote: row for row in reversed(exchanges) for quote in row.record.evidence}  # each once
            for quote, row in rows.items():
                if not _stands(quote, chunks):
                    found = locate(quote.quote, chunks)
                    where = f"stands {_where(found[0])}" if found else "stands nowhere in its passages"
                    detail = f"{_where(quote)}: the quote {where}: {quote.quote[:120]}"
                    problems.append(self._wrong("evidence", "not-on-page" if found else "not-found", detail, row))
            problems += [
                self._wrong("evidence", "not-found", f"the passage is another one than that with {text}", self.row)
                for text in (self.row.record.system, self.row.record.input)
                if is_hash(text)
            ]
            law.judge(problems)

    def _program(self, record: Record, passages: tuple[Passage, ...] | None) -> None:
        """Run the program of a row anew, on the cells that it names."""
        law = self.laws["programs"]
        if not record.program and record.task != TABLE:
            return
        if record.origin != "document":
            law.leave("it names no cells of a report")
        elif passages is None:
            law.leave(NO_SOURCE)
        else:
            from fingen.quality.steps import find_fault  # few sets have programs

            fault = find_fault(Draft(answer_alone(record), "", (), passages))
            law.judge([_problem("programs", "program", fault, self.row)] if fault else [])

    def _absence(self, record: Record, passages: tuple[Passage, ...] | None) -> None:
        law = self.laws["absence"]
        if passages is None:
            law.leave(NO_SOURCE)
        elif "asked" not in record.draws:
            law.leave("it does not say what is asked for: made by an earlier version")
        else:
            from fingen.quality.absence import find_absent_fault  # few sets have such rows

            fault = find_absent_fault(record, passages)
            law.judge([_problem("absence", "stated", fault, self.row)] if fault else [])

    def _form(self, exchanges: Sequence[SetRow], passages: tuple[Passage, ...] | None) -> None:
        if (
            self.row.split and self.row.record.origin == "imported"
        ):  # a file that is no set is named to be measured by it
            for name in ("question", "answer"):
                self.laws[name].leave(OWN_FORM)
            return
        found: dict[str, list[Problem]] = {"question": [], "answer": []}
        for row, (reason, look) in product(exchanges, CHECKS.items()):
            law = "question" if reason in QUESTION else "answer"
            if reason != "evidence" and (law == "answer" or passages):
                details = [
                    look(Draft(answer_alone(row.record), "", (), about)) for about in _readings(row.record, passages)
                ]
                if all(details):
                    found[law].append(self._wrong(law, reason, details[0] or "", row))
        draws = self.row.record.draws
        contested = draws.get(CONTESTED) if draws.get(SUPPORTED_BY) else ()
        told = [each.reason in READ_FROM_WORDS and each.reason in (contested or ()) for each in found["answer"]]
        self.laws["answer"].judge(found["answer"], is_declared=bool(told) and all(told))
        if passages:
            self.laws["question"].judge(found["question"])
        else:
            self.laws["question"].leave(NO_SOURCE)

    def _grounding(self, exchanges: Sequence[SetRow]) -> None:
        by_law: dict[str, list[Problem]] = {"figures": [], "binding": [], "names": []}
        is_declared = True
        for row in exchanges:
            if (grounding := self.origin.ground(row.record)) is None:
                for name in by_law:
                    self.laws[name].leave(NO_SOURCE)
                return
            for finding in grounding.failed:
                law = "figures" if finding.reason in FIGURES else "names" if finding.reason in NAMES else "binding"
                source = self._snippet(finding.chunk, finding.source_start, finding.source_end)
                by_law[law].append(
                    self._wrong(law, finding.reason, finding.why, row, (finding.start, finding.end), source)
                )
            overstated = [] if grounding.failed else list(self._overstated(grounding, row))
            by_law["figures"] += overstated
            is_declared = is_declared and not overstated and grounding.is_supported(row.record.draws)
        for law, problems in by_law.items():
            self.laws[law].judge(problems, is_declared=is_declared)

    def _overstated(self, grounding: Grounding, row: SetRow) -> Iterator[Problem]:
        """Figures that the row itself calls bound, quoted or computed, and that are not."""
        found: dict[tuple[object, object], str] = {(each.start, each.end): each.level for each in grounding.figures}
        for told in row.record.figures:
            at = (told.get("start"), told.get("end"))
            if found.get(at) not in ("bound", told.get("level")):
                detail = (
                    f"the row says that {told.get('said')} is {told.get('level')}: it is {found.get(at, 'no figure')}"
                )
                yield self._wrong("figures", "level", detail, row)

    def _snippet(self, chunk: str | None, start: int, end: int) -> Snippet | None:
        passage = self.origin.passages.get(chunk or "")
        if passage is None:
            return None
        text = passage.text
        left = max(text.rfind("\n", 0, max(start - CONTEXT, 0)) + 1, start - 2 * CONTEXT, 0)
        right = text.find("\n", end + CONTEXT)
        right = min(right if right >= 0 else len(text), end + 2 * CONTEXT)
        return Snippet(passage.document, passage.pages, text[left:right], start - left, end - left)

    def _privacy(self, record: Record) -> None:
        problems = []
        texts = [("system", record.system), *(("turns", turn.content) for turn in record.turns)]
        texts += [("instruction", record.instruction), ("input", record.input), ("output", record.output)]
        texts += [("rejected", record.rejected)] if record.rejected else []
        texts += [("evidence", quote.quote) for quote in record.evidence]
        for name, text in texts:
            kinds = sorted({found.kind for found in scan(text, record.language)} & PRIVATE)
            problems += [_problem("privacy", kind, f"in {name}", self.row) for kind in kinds]  # never what it is
        self.laws["privacy"].judge(problems)


def _where(quote: Evidence) -> str:
    return f"on page {quote.page}" if not quote.place else f"at {quote.place.removeprefix(PLACE_MARK)}"


def _stands(quote: Evidence, chunks: Sequence[Chunk]) -> bool:
    """Whether a quote, or what it masks, stands on its page of its document, and at its place where it names one."""
    document = quote.document or chunks[0].document
    pages = [_part_of(chunk, quote) for chunk in chunks if chunk.document == document]
    masked = any(token in quote.quote for token in TOKENS.values())
    return any(locate(quote.quote, [page]) or (masked and matches_masked(quote.quote, page.text)) for page in pages)


def _part_of(chunk: Chunk, quote: Evidence) -> Chunk:
    """What a chunk has of a quote's page, or of its place; it may have pieces of others before and behind."""
    blocks = [
        block
        for block in chunk.blocks
        if block.page == quote.page and (not quote.place or quote.place == place_of(chunk, block))
    ]
    text = "\n".join(chunk.text[block.start : block.end] for block in blocks)
    whole = tuple(block.model_copy(update={"start": 0, "end": len(text)}) for block in blocks[:1])
    return chunk.model_copy(update={"text": text, "blocks": whole})


def _readings(record: Record, passages: tuple[Passage, ...] | None) -> list[tuple[Passage, ...]]:
    """What a row may be about: its passages, where it names them; otherwise any one of the reports."""
    if record.chunks or not passages:
        return [passages or ()]
    return [(passage,) for passage in {passage.document: passage for passage in passages}.values()]


def _prove_namesakes(rows: Iterable[SetRow], origin: Origin, law: Law) -> None:
    """The rows of which a cell is another amount elsewhere in the report, beside those whose program has a fault already."""
    faulty = {problem.id for problem in law.problems}
    readable = [row for row in rows if row.record.program and row.record.id not in faulty and origin.of(row.record)]
    if not readable:
        return
    from fingen.quality.namesakes import NAMESAKE, find_namesakes  # as above

    for place, told in sorted(find_namesakes([row.record for row in readable], origin.of_document)):
        law.judge([_problem("programs", NAMESAKE, told, readable[place])])
        law.passed -= 1


class _Records(Sequence[Record]):
    """The records of rows."""

    def __init__(self, rows: Sequence[SetRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return (row.record for row in self._rows)

    def __getitem__(self, place: Any) -> Any:
        found = self._rows[place]
        return found.record if isinstance(found, SetRow) else _Records(found)


def _prove_duplicates(rows: Spool[SetRow], law: Law) -> None:
    """Rows of `memory` repeat training questions on purpose, in other words."""
    asked = rows.pick(place for place, row in enumerate(rows) if row.split != "memory")
    found = {asked.numbers[each.number]: each for each in find_repeats(_Records(asked))}
    for place in range(len(rows)):
        repeat = found.get(place)
        law.judge([_problem("duplicates", repeat.kind, f"of {repeat.of}", rows[place])] if repeat else [])


def _prove_splits(rows: Sequence[SetRow], manifest: Manifest, law: Law) -> None:
    """What ties rows together may stand in one split only; `memory` shares with train by intention."""
    train = {chunk for row in rows if row.split == "train" for chunk in row.record.chunks}
    places: dict[str, int] = {}  # what ties rows together -> the splits that it is in, a bit for each
    units = document_units(manifest.sources, manifest.split_by)
    asked = [split for split in SPLITS if split != "memory"]
    for row in rows:
        if row.split in asked:
            for tie in _ties(row.record, manifest, units).values():
                places[tie] = places.get(tie, 0) | 1 << asked.index(row.split)
    for row in rows:
        problems = []
        if row.split == "memory":
            if not set(row.record.chunks) <= train:
                problems.append(_problem("splits", "memory", "asks about a passage that train has not seen", row))
        else:
            for kind, tie in _ties(row.record, manifest, units).items():
                there = (split for bit, split in enumerate(asked) if places[tie] >> bit & 1)
                if others := sorted({*there} - {row.split}):
                    problems.append(
                        _problem("splits", kind.partition(":")[0], f"{tie} is in {', '.join(others)} too", row)
                    )
        law.judge(problems)


def _ties(record: Record, manifest: Manifest, units: dict[str, tuple[str, ...]]) -> dict[str, str]:
    ties = {f"passage:{chunk}": chunk for chunk in record.chunks}
    ties |= {f"near-duplicate:{each}": each for each in clusters_of(record)}
    if manifest.split_by != "chunk" and record.document:
        ties["document"] = record.document
    if manifest.split_by == "company":
        names = (unit for unit in units.get(record.document, ()) if unit.startswith(COMPANY))
        ties |= {f"company:{name}": name for name in names}
    return ties


def _prove_contamination(rows: Sequence[SetRow], keep_out: Sequence[Benchmark], law: Law) -> None:
    if not keep_out:
        law.leave("no benchmark was named with --keep-out")
        return
    found: dict[int, list[Problem]] = {}
    for benchmark in keep_out:
        for place, number, kind in find_overlaps(_Records(rows), benchmark):
            problem = _problem("contamination", kind, f"{benchmark.name}, row {number}", rows[place])
            found.setdefault(place, []).append(problem)
    for place in range(len(rows)):
        law.judge(found.get(place, ()))
