"""The last stages before writing: answers become records or rejects, and records are divided into splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from fingen.config import Splitting
from fingen.disk import short_digest
from fingen.items import StatedItems, find_stated
from fingen.pipeline.checking import DISAGREES, read_verdicts
from fingen.pipeline.filters import OpenFilters
from fingen.pipeline.looking import Draw, Looks
from fingen.quality.absence import items_asked
from fingen.quality.balance import surplus_on_tables, surplus_reference
from fingen.quality.duplicates import fold, worth
from fingen.quality.evidence import locate
from fingen.quality.namesakes import NAMESAKE
from fingen.quality.privacy import Mode, protect
from fingen.quality.same_answers import same_answers
from fingen.quality.splits import assign_splits, pick_memory
from fingen.records import Chunk, Record, Request, SplitUnit, take_ids
from fingen.spool import Spool
from fingen.tasks import qa
from fingen.teachers.journal import Journal
from fingen.verification.origin import Origin

REFERENCE_SHARE = 1 / 3  # of the offline teacher's pairs of a document and task, from glossaries and policies
DISTRACTED = 0.3  # of the rows with their passage: other passages stand beside it
MEMORY = "memory:"  # before the id of a training record, in the journal: its second question is asked in memory
UNSTATED = (
    0.1  # of the rows with their passage, where no share is named: another one stands there, and saying so is right
)
SURPLUS = "surplus"
SURPLUS_NEGATIVES = "negatives-share"  # reasons of what is right and too much, and of what no report answers
STATED_NOWHERE = "stated-nowhere"


def draw_records(
    requests: Mapping[str, Request],
    journal: Journal,
    looks: Looks,
    filters: OpenFilters,
    check: str | None = None,
    negatives: float | None = None,
) -> Draw:
    """Records and rejects from the answers in the journal. Every item ends as one or the other.

    `check` is the second teacher's name, `negatives` the share of rows whose passage does not state what is asked for, None where all of
    them are wanted.
    """
    origin, teacher, draw = looks.origin, looks.teacher, looks.at(requests, journal)
    if check is not None:
        checked = read_verdicts(draw.asked_about, origin.passages, check, journal)
        draw.settle(checked.supported, checked.against, check)
        draw.reject(checked.fallen, DISAGREES)
        draw.checked = checked.report
    draw.reject(looks.namesakes(draw.kept), NAMESAKE)
    draw.reject(_stated_nowhere(draw.kept, origin), STATED_NOWHERE)
    known = journal.splits()

    def rank(record: Record) -> tuple[bool, int, int]:
        """Rows that the set has already stay, whatever is added; of others the best of those that are alike.

        The rules' rows differ in length alone: of theirs the first stays, from where a section begins.
        """
        best = (0, 0) if teacher == "offline" else worth(record)
        return not any(chunk in known for chunk in record.chunks), *best

    kept = draw.kept
    ranks = list(map(rank, kept))
    repeats = filters.repeats(kept, order=sorted(range(len(kept)), key=ranks.__getitem__))
    for kind in sorted({each.kind for each in repeats}):
        found = (each for each in repeats if each.kind == kind)
        draw.reject(((d.number, f"of {d.of}" + (f" in {d.of_set}" if d.of_set else "")) for d in found), kind, kept)
    if teacher != "offline":  # the rules take whole sentences: theirs are the same, or they are not
        draw.reject(same_answers(draw.kept, better=rank), "answer")
    draw.reject(filters.overlaps(draw.kept).items(), "contaminated")
    if teacher == "offline":
        surplus_records = surplus_reference(draw.kept, origin.chunks, REFERENCE_SHARE)
        detail = "more than a third of this report's pairs came from glossaries and accounting policies"
        draw.reject(((place, detail) for place in surplus_records), "reference-share")
        most = {
            request.passages[0].chunk: qa.most_of_a_table(request)
            for request in requests.values()
            if request.tasks == (qa.TABLE,)
        }
        draw.reject(surplus_on_tables(draw.kept, origin.chunks, most), SURPLUS)
    if negatives is not None:
        draw.reject(_surplus_negatives(draw.kept, negatives), SURPLUS_NEGATIVES)
    return draw


def _stated_nowhere(records: Iterable[Record], origin: Origin) -> Iterator[tuple[int, str]]:
    """Rows that ask for what no other passage of their report states: nobody knows whether an investor would find it."""
    negative = ((place, record) for place, record in enumerate(records) if record.task == qa.NEGATIVE)
    for document, rows in groupby(negative, key=lambda each: each[1].document):  # they come by their reports
        stated = StatedItems(origin.of_document(document))
        for place, record in rows:
            items = record.draws["asked"]
            if not stated.states(items, record.chunks):
                yield place, f"no other passage of the report that is asked about states “{items[0]}”"


def _surplus_negatives(records: Sequence[Record], share: float) -> Iterator[tuple[int, str]]:
    """Rows beyond their share of all; which ones depends on their ids, not on their order."""
    rows = {place: record.id for place, record in enumerate(records) if record.task == qa.NEGATIVE}
    most = round((len(records) - len(rows)) * share / (1 - share))
    stay = take_ids(rows.values(), most)
    yield from ((place, f"more than {share:g} of the rows") for place, id in rows.items() if id not in stay)


def divide(
    draw: Draw,
    splitting: Splitting,
    context: str,
    split_by: SplitUnit,
    privacy: Mode,
    units_of: Mapping[str, tuple[str, ...]],
    origin: Origin,
    journal: Journal,
    unnamed: frozenset[str] = frozenset(),
    negatives: float | None = None,
) -> dict[str, Spool[Record]]:
    """The rows of each split, with or without their passages, on disk; choices are written to the journal.

    `units_of`: path -> the units of that document. Documents in `unnamed` name no company for sure: without its passage
    nobody knows whom a question about them means.
    """
    known = journal.splits()
    asked = {unit.removeprefix(MEMORY) for unit, split in known.items() if split == "memory"}
    draw.reject(_asked_in_memory(draw, asked), "exact")
    assignment = assign_splits(draw.kept, by=split_by, shares=splitting.shares, known=known, units_of=units_of)
    if assignment.rejected:
        joins = {record.id: detail for record, detail in assignment.rejected}
        places = ((place, joins.get(record.id)) for place, record in enumerate(draw.kept))
        draw.reject(((place, detail) for place, detail in places if detail), "joins-splits")
    journal.assign({unit: split for unit, split in assignment.units.items() if unit not in known})
    split_of = assignment.split_of
    splits = {split: Spool[Record](draw.near) for split in ("train", "validation", "test", "memory")}
    unstated = UNSTATED if negatives is None else 0.0  # else they are rows of their own
    shown = draw.kept if context in ("passage", "both") else ()
    open_book = _OpenBook(shown, split_of, origin, privacy, unstated)
    for record in draw.kept:
        if record.task == qa.NEGATIVE:
            splits[split_of[record.id]].append(record)
            continue
        if context in ("none", "both") and record.document not in unnamed:
            splits[split_of[record.id]].append(record)
        if context in ("passage", "both"):
            splits[split_of[record.id]].append(open_book.row(record))
    draw.private += open_book.private
    if context in ("none", "both"):
        train = splits["train"]
        chosen = _memory(train, draw, splitting.memory_share, asked)
        journal.assign({f"{MEMORY}{id}": "memory" for id in chosen if id not in asked})
        for record in train:
            if not record.input and record.id in chosen:
                splits["memory"].append(qa.reworded(record, draw.rephrased[record.id]))
    return splits


def _asked_in_memory(draw: Draw, asked: set[str]) -> list[tuple[int, str]]:
    """Records that ask what `memory` asks already, of the training records in `asked`: what is there stays."""
    if not asked:
        return []
    wordings = {fold(draw.rephrased[record.id]): record.id for record in draw.kept if record.id in asked}
    found = ((place, wordings.get(fold(record.instruction))) for place, record in enumerate(draw.kept))
    return [(place, f"of the second question of {other}") for place, other in found if other]


def _memory(train: Iterable[Record], draw: Draw, share: float, asked: set[str]) -> dict[str, None]:
    """Ids of the training records whose second wording goes to memory, those `asked` before among them, in their order.

    A wording that another question has already is left out, and a conversation has none.
    """
    closed = {record.id: record.id in asked for record in train if not record.input and draw.rephrased.get(record.id)}
    taken = {short_digest(fold(record.instruction)) for record in draw.kept}
    picked = pick_memory(closed, share, asked)
    chosen = set()
    for id in sorted(closed, key=lambda id: (not closed[id], id)):
        if id in picked and (wording := short_digest(fold(draw.rephrased[id]))) not in taken:
            taken.add(wording)
            chosen.add(id)
    return {id: None for id in closed if id in chosen}


class _OpenBook:
    """Rows with their passage; other passages beside it come from the same document and the same split."""

    def __init__(
        self, records: Iterable[Record], split_of: dict[str, str], origin: Origin, privacy: Mode, unstated: float
    ) -> None:
        self._unstated = unstated
        self._privacy: Mode = "mask" if privacy == "drop" else privacy
        self.private: Counter[str] = Counter()  # found in passages
        self._chunks, self._passages = origin.chunks, origin.passages
        self._beside: dict[tuple[str | None, str], list[str]] = {}
        self._split_of = split_of
        for record in records:
            for chunk in record.chunks:
                place = self._beside.setdefault((record.document, split_of[record.id]), [])
                if chunk not in place:
                    place.append(chunk)

    def row(self, record: Record) -> Record:
        """The row of a record with its passage, in which personal data is masked too."""
        row = self._row(record)
        if self._privacy == "keep":
            return row
        masked, found = protect(row, self._privacy)
        self.private.update(found.elements())
        return masked or row

    def _row(self, record: Record) -> Record:
        own = [self._chunks[chunk] for chunk in record.chunks]
        others = self._others(record)
        draw = int(record.id[-8:], 16) / 16**8
        if draw < self._unstated and not record.turns and (row := self._unanswered(record, others)):
            return row  # of a conversation the earlier answers would be taken for stated
        others = others[:2]
        if others and draw < self._unstated + DISTRACTED:
            at = int(record.id[-10:-8], 16) % (len(others) + 1)
            return qa.with_passage(record, [*others[:at], *own, *others[at:]])
        return qa.with_passage(record, own)

    def _unanswered(self, record: Record, others: Sequence[Chunk]) -> Record | None:
        """The row with the first passage that states nothing of what is asked for, where there is one."""
        for chunk in others:
            passage = self._passages[chunk.id]
            asked = items_asked(record, passage)
            if not any(find_stated(item, passage) for item in asked):
                return qa.without_passage(record, chunk, asked)
        return None

    def _others(self, record: Record) -> list[Chunk]:
        """The passages that follow the record's own one in its document and split, and do not hold its answer."""
        place = self._beside[record.document, self._split_of[record.id]]
        at = place.index(record.chunks[0])
        turned = [chunk for chunk in place[at + 1 :] + place[:at] if chunk not in record.chunks]
        quotes = [quote.quote for quote in record.evidence]
        return [c for c in map(self._chunks.__getitem__, turned) if not any(locate(quote, [c]) for quote in quotes)]
