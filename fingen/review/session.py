"""One reviewer at a set: what stands in the queue, what is shown of a row, and the verdicts that are given on it."""

from __future__ import annotations

import contextlib
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fingen.disk import sha256_file, sha256_text
from fingen.documents.formats import is_pdf
from fingen.errors import DocumentError, SetError, UsageError, visible
from fingen.pipeline.show import Quote, SourceFiles, documents_of, pages_of, place_quotes, places_of
from fingen.records import Chunk, Record, Rejected
from fingen.review import view
from fingen.review.index import Filters, SetIndex
from fingen.review.proof import Proved, apply_edit, edit_of, origin_of, prove, rescued
from fingen.review.verdicts import ACCEPT, EDIT, REJECT, UNDO, Readings, Verdict, Verdicts
from fingen.sets import MANIFEST
from fingen.teachers.request_locks import RequestLocks

OPEN = ".reviewing"  # in the folder of a set: a claim on each row that somebody looks at
REASONS = (
    "wrong-figure",
    "wrong-source",
    "not-supported",
    "unclear-question",
    "incomplete",
    "not-useful",
    "wording",
    "other",
)
UNDECIDED, DISPUTED = "undecided", "disputed"
PAGE_ITEMS = 50  # of a list
KEPT_PICTURES = 24
SHEET_DPI = 110  # of a page beside a row: twice the pixels that it has there
MOST_NAME, MOST_NOTE = 80, 2_000  # characters
DRAWING_SECONDS = 30.0  # that a picture waits for others


class UnprovedError(UsageError):
    """A row breaks checks, and nobody said that it stands all the same, and why."""

    def __init__(self, proved: Proved) -> None:
        super().__init__(f"it fails: {', '.join(proved.failed)}", hint="mend it, or save it all the same with a note")
        self.proved = proved


class Session:
    """A set, one reviewer, and what they have open. Its methods may be called from several threads."""

    def __init__(self, folder: Path, reviewer: str, *, second: float = 0.0, inputs: Sequence[Path] = ()) -> None:
        """Open a set.

        Raises:
            SetError: there is none, or it is damaged; UsageError: the reviewer's name is none.
        """
        if not reviewer.strip() or len(reviewer) > MOST_NAME or visible(reviewer) != reviewer:
            raise UsageError(f"--as {reviewer!r}: no name", hint="give a name or initials, in one line")
        self.index = SetIndex(folder)
        self.folder, self.reviewer, self.second = folder, reviewer, second
        self.verdicts = Verdicts(folder)
        self._manifest = sha256_file(folder / MANIFEST)
        self._files = SourceFiles(
            {source.path: source for source in self.index.manifest.sources}, places_of(folder, tuple(inputs))
        )
        self._claims, self._claimed = RequestLocks(folder / OPEN), ""
        self._claiming, self._drawing = threading.Lock(), threading.Lock()
        self._pictures: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()

    def warm_up(self) -> None:
        """Load what draws pages before the first one is asked for: that takes longer than a page does."""
        with self._pdf():
            import fingen.documents.picture  # noqa: F401

    # --- the queue ---------------------------------------------------------------------------------------------------

    def state(self, number: int) -> str:
        """How a row stands for this reviewer: undecided, a verdict, or disputed."""
        readings = self.verdicts.of(self.index.hashes[number])
        if not readings.verdicts or self.is_second(number, readings):
            return UNDECIDED
        if readings.is_disputed:
            return DISPUTED
        standing = readings.standing
        return standing.verdict if standing else readings.verdicts[-1].verdict

    def is_second(self, number: int, readings: Readings) -> bool:
        """Whether this reviewer is to read a row that another one has decided, without seeing how."""
        standing = readings.standing
        if not self.second or standing is None or any(each.reviewer == self.reviewer for each in readings.verdicts):
            return False
        return int(sha256_text("second", self.index.hashes[number])[:13], 16) < self.second * (1 << 52)

    def places(self, filters: Filters, state: str) -> Sequence[int]:
        """The places of the queue, with the rows that stand so alone."""
        found, index = self.index.queue(filters), self.index
        if not state:
            return found
        if state == UNDECIDED and not self.second:
            return index.without(found, self.verdicts.rows())
        return [place for place in found if self.state(index.at(place)) == state]

    def list_items(self, filters: Filters, state: str, page: int | None, key: str) -> dict[str, Any]:
        """One page of a queue, from 0: the one asked for, or the one with the row of this key."""
        self.verdicts.refresh()
        places = self.places(filters, state)
        if page is None:
            page = self._position(places, key) // PAGE_ITEMS if key in self.index.by_key else 0
        page = max(0, min(page, (len(places) - 1) // PAGE_ITEMS))
        numbers = [self.index.at(place) for place in places[page * PAGE_ITEMS : (page + 1) * PAGE_ITEMS]]
        items = [self.index.about(number) | {"state": self.state(number)} for number in numbers]
        for item in items:
            item |= {"text": visible(item["text"]), "taken": item["state"] == UNDECIDED and self._is_taken(item["key"])}
        pages = -(-len(places) // PAGE_ITEMS)
        return {"items": items, "page": page, "pages": pages, "total": len(places), **self.progress()}

    def _position(self, places: Sequence[int], key: str) -> int:
        """How many of these places come before a row."""
        return bisect_left(places, self.index.place_of(self.index.by_key[key]))

    def progress(self) -> dict[str, int]:
        """How many rows there are to judge, and how many somebody has judged."""
        judged = self.verdicts.rows() & self.index.by_hash.keys()
        decided = sum(not self.index.is_reject(self.index.by_hash[row]) for row in judged)
        return {"decided": decided, "rows": len(self.index) - self.index.rejects}

    def step(self, filters: Filters, state: str, key: str, way: int, *, undecided: bool) -> str:
        """The key of the row before (-1) or after (1) another one, "" at an end.

        With `undecided` it is the next one that nobody has decided and nobody has open, from the top again at the end.
        """
        self.verdicts.refresh()
        places = self.places(filters, state)
        index = self.index
        at = self._position(places, key) if key in index.by_key else 0
        is_here = at < len(places) and key in index.by_key and index.at(places[at]) == index.by_key[key]
        if undecided:
            turned = [*range(at + is_here, len(places)), *range(at)]
            keys = (index.keys[index.at(places[i])] for i in turned if self.state(index.at(places[i])) == UNDECIDED)
            return next((each for each in keys if not self._is_taken(each)), "")
        at = at + way if is_here or way < 0 else at
        return index.keys[index.at(places[at])] if 0 <= at < len(places) else ""

    # --- who has what open -------------------------------------------------------------------------------------------

    def open(self, key: str) -> bool:
        """Claim a row for as long as it is shown; False where somebody else has it open."""
        with self._claiming:
            if key == self._claimed:
                return True
            self._claims.release(self._claimed)
            self._claimed = key if self._claims.take(key) else ""
            return bool(self._claimed)

    def _is_taken(self, key: str) -> bool:
        with self._claiming:
            if key == self._claimed:
                return False
            is_free = self._claims.take(key)
            if is_free:
                self._claims.release(key)
            return not is_free

    # --- a row -------------------------------------------------------------------------------------------------------

    def number(self, key: str) -> int:
        """The item of a key.

        Raises:
            UsageError: there is none.
        """
        if key not in self.index.by_key:
            raise UsageError(f"no row {key} in this set")
        return self.index.by_key[key]

    def row(self, number: int) -> tuple[Record | None, Rejected | None, list[Chunk]]:
        """A row, what it is as a reject if it is one, and its passages. A reject that is no row has none."""
        read = self.index.read(number)
        chunks = self.index.chunks(read.chunks)
        if isinstance(read, Rejected):
            return rescued(read, self.index.manifest, chunks), read, chunks
        return read, None, chunks

    def current(self, number: int) -> tuple[Record | None, Rejected | None, list[Chunk]]:
        """The same, with the edit that stands."""
        record, rejected, chunks = self.row(number)
        readings = self.verdicts.of(self.index.hashes[number])
        standing = None if self.is_second(number, readings) else readings.standing
        if record and standing and standing.edit:
            record = apply_edit(record, standing.edit, chunks)
        return record, rejected, chunks

    def prove(self, record: Record, number: int, chunks: Sequence[Chunk], *, edited: bool = False) -> Proved:
        """What the checks say of a row."""
        found = self.index.asks_the_same(record, number) if edited else None
        labels = frozenset(self.index.labels) if edited else None
        return prove(record, origin_of(chunks, self.index.manifest.sources), same_as=found, labels=labels)

    def show(self, key: str, *, whole: bool = False) -> dict[str, Any]:
        """All that is shown of a row but its pages."""
        self.verdicts.refresh()
        number = self.number(key)
        place = self.index.place(number)
        record, rejected, chunks = self.current(number)
        told: dict[str, Any] = {
            "key": key,
            "row": place.hash,
            "split": place.split,
            "number": place.row,
            "copies": place.copies,
            "language": record.language if record else "",
            **self._said(number),
            "rejected": rejected and {"reason": visible(rejected.reason), "detail": visible(rejected.detail)},
        }
        if record is None:
            assert rejected is not None
            return told | {
                "raw": view.shown(view.reject_text(rejected), whole=whole),
                "passages": view.passage_view(chunks, ()),
            }
        proved = self.prove(record, number, chunks)
        quotes = place_quotes(record, chunks, {})
        return told | {
            **view.record_texts(record, proved, whole=whole),
            "about": view.about_record(record),
            "quotes": view.quote_view(quotes),
            "passages": view.passage_view(chunks, quotes),
            "proof": view.proof_report(proved, record.output),
        }

    def _said(self, number: int) -> dict[str, Any]:
        """What was said of a row, as far as this reviewer may see it."""
        readings = self.verdicts.of(self.index.hashes[number])
        if self.is_second(number, readings):
            return {"state": UNDECIDED, "second": True, "seen": "", "readings": []}
        standing = readings.standing
        told = [
            {"verdict": each.verdict, "reviewer": visible(each.reviewer), "time": visible(each.time), "reason": visible(each.reason),
             "note": visible(each.note, lines=True), "second": each.second}
            for each in readings.verdicts
        ]  # fmt: skip
        return {
            "state": self.state(number),
            "second": False,
            "seen": standing.key if standing else "",
            "readings": told,
        }

    # --- its pages ---------------------------------------------------------------------------------------------------

    def pages(self, key: str) -> dict[str, Any]:
        """The pages of a row, with the boxes of its quotes; and the documents that are not at hand, with why."""
        from fingen.documents.apart import page_size

        with self._pdf():
            record, quotes, files, missing = self._quotes(self.number(key))
            wanted = [*pages_of(quotes)]
            if record and not wanted and record.document in files:
                wanted = [(record.document, page) for page in record.pages[:4]]
            found = []
            for document, page in wanted:
                if document in files:
                    try:
                        size = page_size(files[document], page)
                    except DocumentError as e:
                        missing[document] = str(e)
                        continue
                    found.append(view.page_view(document, page, size, quotes) | {"name": document})
        return {"pages": found, "missing": [visible(why) for why in missing.values()]}

    def picture(self, key: str, document: str, page: int) -> bytes:
        """A page as PNG, with the quotes of a row that stand there boxed.

        Raises:
            UsageError: the document is none of the row's, or not at hand; DocumentError: the page cannot be drawn.
        """
        from fingen.documents.apart import render_page

        number = self.number(key)
        kept = (self.index.hashes[number] + self._said(number)["seen"], document, page)
        with self._pdf():
            if kept in self._pictures:
                self._pictures.move_to_end(kept)
                return self._pictures[kept]
            _, quotes, files, missing = self._quotes(number)
            if document not in files:
                raise UsageError(missing.get(document, f"{document!r} is no document of this row"))
            drawn = render_page(files[document], page, pages_of(quotes).get((document, page), []), dpi=SHEET_DPI)
            self._pictures[kept] = drawn
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
            return drawn

    def _quotes(self, number: int) -> tuple[Record | None, tuple[Quote, ...], dict[str, Path], dict[str, str]]:
        record, _, chunks = self.current(number)
        if record is None:
            return None, (), {}, {}
        names = [name for name in dict.fromkeys([*documents_of(record), record.document]) if name]
        found = {name: self._files.find(name) for name in names}
        files = {
            name: file for name, file in found.items() if isinstance(file, Path) and is_pdf(file)
        }  # of pages to draw
        missing = {name: why for name, why in found.items() if isinstance(why, str)}
        try:
            quotes = place_quotes(record, chunks, files)
        except DocumentError as e:
            return record, place_quotes(record, chunks, {}), {}, {**missing, record.document: str(e)}
        return record, quotes, files, missing

    @contextlib.contextmanager
    def _pdf(self) -> Iterator[None]:
        """One thread at a time: what reads PDF files takes no other."""
        if not self._drawing.acquire(timeout=DRAWING_SECONDS):
            raise UsageError("a page takes too long to be drawn", hint="go on without it; the passage has the text")
        try:
            yield
        finally:
            self._drawing.release()

    # --- verdicts ----------------------------------------------------------------------------------------------------

    def try_edit(self, key: str, edit: Mapping[str, Any]) -> dict[str, Any]:
        """What the checks say of a row with an edit, which is not kept.

        Raises:
            UsageError: it is no edit, or the reject holds no row.
        """
        number = self.number(key)
        record, chunks = self._editable(number)
        after = apply_edit(record, edit, chunks)
        proved = self.prove(after, number, chunks, edited=True)
        return view.proof_report(proved, after.output) | {"answer": view.answer_pieces(after, proved)}

    def _editable(self, number: int) -> tuple[Record, list[Chunk]]:
        record, _, chunks = self.row(number)
        if record is None:
            raise UsageError("this reject holds no question and answer", hint="it stays rejected")
        return record, chunks

    def judge(self, said: Mapping[str, Any]) -> Verdict:
        """Give a verdict; it is on the disk when this returns.

        Raises:
            UsageError: it is none; UnprovedError: it breaks checks, and has no note; TakenError: there is another one.
            SetError: the set was made anew since it was opened.
        """
        number = self.number(_text(said, "key"))
        if sha256_file(self.folder / MANIFEST) != self._manifest:
            raise SetError(
                f"{self.folder}: the set was made anew since it was opened", hint="start `fingen review` again"
            )
        verdict, reason, note = (_text(said, name, MOST_NOTE) for name in ("verdict", "reason", "note"))
        edit: dict[str, Any] | None = None
        failed: tuple[str, ...] = ()
        if verdict not in (ACCEPT, REJECT, EDIT):
            raise UsageError(f"{verdict!r} is no verdict", hint=f"one of {ACCEPT}, {REJECT}, {EDIT}")
        if verdict == REJECT and reason not in REASONS:
            raise UsageError("a rejection has a reason", hint=f"one of {', '.join(REASONS)}")
        self.verdicts.refresh()
        readings = self.verdicts.of(self.index.hashes[number])
        is_second = self.is_second(number, readings)
        wanted = said.get("edit") or {}
        if verdict == ACCEPT and not is_second and readings.standing and readings.standing.edit:
            wanted = readings.standing.edit  # which is what was shown
        if verdict == EDIT or (verdict == ACCEPT and (wanted or self.index.is_reject(number))):
            verdict, edit, failed = self._proved_edit(number, wanted, verdict, note)
        given = Verdict(
            key=_text(said, "nonce", 64),
            id=self.index.keys[number],
            row=self.index.hashes[number],
            verdict=verdict,
            reviewer=self.reviewer,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            reason=reason if verdict == REJECT else "",
            note=note,
            edit=edit,
            failed=failed,
            second=is_second,
        )
        self.verdicts.add(given, seen=None if is_second else _text(said, "seen", 64))
        return given

    def _proved_edit(
        self, number: int, wanted: Mapping[str, Any], verdict: str, note: str
    ) -> tuple[str, dict[str, Any] | None, tuple[str, ...]]:
        """The verdict that an edit comes to, the fields that it changes, and the checks that it breaks."""
        record, chunks = self._editable(number)
        after = apply_edit(record, wanted, chunks)
        edit = edit_of(record, after)
        if not edit and not self.index.is_reject(number):
            return ACCEPT, None, ()
        proved = self.prove(after, number, chunks, edited=True)
        if proved.failed and not note.strip():
            raise UnprovedError(proved)
        return (EDIT if edit else verdict), edit or None, proved.failed

    def undo(self, nonce: str) -> str:
        """Take back this reviewer's last verdict; returns the key of its row, "" where there is none."""
        self.verdicts.refresh()
        last = self.verdicts.last_of(self.reviewer)
        if last is None:
            return ""
        self.verdicts.add(
            Verdict(nonce, last.id, last.row, UNDO, self.reviewer, datetime.now(UTC).isoformat(timespec="seconds"), undoes=last.key),
            seen=None,
        )  # fmt: skip
        number = self.index.by_hash.get(last.row)
        return "" if number is None else self.index.keys[number]


def _text(said: Mapping[str, Any], name: str, most: int = 200) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise UsageError(f"{name}: no text of up to {most} characters")
    return value
