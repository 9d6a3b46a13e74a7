"""`fingen prefer`: pairs of a better and a worse answer to one question, of what a set and its reviewers have rejected.

The better answer is a row of the set. The worse one was rejected, by a check or by a person, for what it says; or it is what
a row said before a person edited it. Each reject and each edit gives pairs, or is counted with the reason why it gives none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rapidfuzz import fuzz

from fingen.config import Prefer
from fingen.disk import sha256_file
from fingen.errors import SetError, ShortfallError
from fingen.events import Outcome, command_line
from fingen.imports.read import number_ids
from fingen.pipeline.checking import DISAGREES
from fingen.quality.checks import CHECKS
from fingen.quality.duplicates import fold
from fingen.quality.privacy import protect_reject
from fingen.quality.reasons import steps_length, without_steps
from fingen.records import Manifest, Record, Rejected, content_id
from fingen.review.apply import Judged, JudgedRow, name_reviewers, read_judged, settle
from fingen.review.verdicts import Verdicts
from fingen.set_folder import refuse_folder, refuse_other, write_anew
from fingen.sets import MANIFEST, REVIEWED, SPLITS, SetContent, read_manifest
from fingen.text import find_language
from fingen.thoughts import after_steps, answer_start
from fingen.verification.origin import origin_of_set

Sibling = Literal["question", "alike", "passage", "edit"]  # how a rejected answer and the row belong together
ALIKE = 80.0  # of 100, from which on two questions about one passage ask the same: a repair may word it anew
EDITED = "edited"  # the reason of what a person has changed
# What is wrong with an answer itself. A quote that stands nowhere, a question that leans on its text, or a row that says what
# another one says, are no faults of it: nothing then shows that the other answer is better.
OF_ANSWER = (CHECKS.keys() - {"evidence", "not-self-contained", "same-question", "gives-answer-away"}) | {
    "figure", "unit", "sign", "direction", "opposite", "calc", "year", "organisation", "binding-row", "binding-column",
    "binding-period", "binding-basis", "binding-entity", "program", "step", DISAGREES,
    "review-wrong-figure", "review-not-supported", "review-incomplete", "new-figure", "lost-figure",
}  # fmt: skip
_FURTHER = re.compile(r"; also ([a-z-]+): ")  # where a reject tells of more faults than its first


@dataclass(frozen=True)
class Preferred(Outcome):
    """What came of a set's rejects and edits. `rejects` and `edits` are those looked at; each is in `with_pair` or `without`."""

    set: str
    of: str
    records: dict[str, int]  # split -> pairs
    reasons: dict[str, int]  # what was wrong -> pairs
    siblings: dict[str, int]  # how the two belong together -> pairs
    rejects: int
    edits: int
    with_pair: int
    without: dict[str, int]  # why there is no pair -> rejects and edits

    def lines(self) -> list[str]:
        """For a terminal."""
        lines = [f"{self.of} -> {self.set}", "", *(f"{split:<24}{n:>9,}" for split, n in self.records.items() if n)]
        lines += ["", *(f"rejected for {reason:<11}{n:>9,}" for reason, n in self.reasons.items())]
        lines += ["", f"{self.rejects:,} rejects and {self.edits:,} edits: {self.with_pair:,} gave pairs"]
        return lines + [f"no pair, {why:<15}{n:>9,}" for why, n in self.without.items()]


@dataclass(frozen=True)
class _Worse:
    """An answer that was rejected, or edited, and what is wrong with it."""

    question: str
    answer: str
    input: str | None  # None: not known, any
    task: str  # "": not known
    reason: str
    rejected: Rejected


@dataclass
class _Pairs:
    """Pairs by split, and what gave none."""

    splits: dict[str, list[Record]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    without: list[Rejected] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)  # id of the row, folded answer
    bare: int = 0  # pairs of answers alone: one of the two had no steps before it

    def leave(self, rejected: Rejected, why: str, detail: str) -> None:
        """Count what gives no pair."""
        self.without.append(rejected.model_copy(update={"reason": why, "detail": detail}))

    def add(self, row: JudgedRow, worse: _Worse, sibling: Sibling) -> str:
        """Take a pair in; returns "", or why it is none."""
        both = _of_one_form(row.record, worse.answer)
        if both is None:
            return "no-answer"
        chosen, answer = both
        if fold(answer) == fold(chosen.output):
            return "same-answer"
        key = (chosen.id, fold(answer) or answer)
        if key in self.seen:
            return "same-pair"
        self.seen.add(key)
        self.bare += (chosen.output, answer) != (row.record.output, worse.answer)
        draws = {**chosen.draws, "chosen": chosen.id, "sibling": sibling}
        id = content_id("pf", chosen.id, answer)
        update = {"id": id, "rejected": answer, "reason": worse.reason, "draws": draws}
        self.splits[row.split].append(chosen.model_copy(update=update))
        return ""


def _of_one_form(record: Record, answer: str) -> tuple[Record, str] | None:
    """A row and the answer beside it, both with steps before them or both without: else their form is what is learned.

    None where the answer is nothing but steps, beside a row that has none.
    """
    has_steps = steps_length(record) > 0
    if has_steps == (answer_start(answer) != 0):
        return record, answer
    if has_steps:
        return without_steps(record), answer
    alone = after_steps(answer)
    return None if alone is None else (record, alone)


def prefer(folder: Path, wishes: Prefer) -> Preferred:
    """Make a set of preferences of a set's rejects and of what its reviewers edited. Nothing is asked, nothing is paid.

    `folder` is the set that was made, with its rejected.jsonl, and reviews.jsonl where people judged it.

    Raises:
        SetError: no such set, it is damaged or one of preferences, or `out` holds something else.
        ShortfallError: no pair came of it.
    """
    before = read_manifest(folder)
    siblings, replace = wishes.siblings, wishes.replace
    out = wishes.out or folder.with_name(f"{folder.name}-preferences")
    if before.is_preferences or out.resolve() == folder.resolve():
        said = "is made of preferences already" if before.is_preferences else "is --out too"
        raise SetError(f"{folder} {said}", hint="name the set that the answers were written for, and another --out")
    settings = {"command": "prefer", "set": before.name, "manifest": sha256_file(folder / MANIFEST), "siblings": siblings,
                "privacy": before.settings.get("privacy", "keep")}  # fmt: skip
    refuse_folder(out)
    origin, verdicts = origin_of_set(folder), Verdicts(folder)
    rows = read_judged(folder, before, verdicts, origin)
    settle(rows, before, origin, name_reviewers(verdicts))
    settings["reviews"] = sum(verdicts.reviewers.values())
    if not replace:
        refuse_other(out, settings)
    edited = [row for row in rows.kept if row.changed and row.record.review.get("changed")]
    rejects = [*rows.stay, *(protect_reject(each, settings["privacy"]) for each in rows.fallen)]
    pairs = _pair_all(rows, edited, rejects, by_passage=siblings == "passage")
    splits = {split: number_ids(found) for split, found in pairs.splits.items() if found}
    without = Counter(each.reason for each in pairs.without)
    if not splits:
        told = ", ".join(f"{count:,} {why}" for why, count in without.most_common()) or "it has no rejects and no edits"
        raise ShortfallError(f"no pair came of {folder}: {told}", hint=_way_on(before, siblings))
    shown = {chunk for found in splits.values() for record in found for chunk in record.chunks}
    manifest = before.model_copy(
        update={
            "name": out.name,
            "command": "prefer",
            "settings": settings,
            "files": {},
            "figures": origin.count_figures(record for found in splits.values() for record in found),
            "declared": tuple(_declare(before, siblings)),
        }
    )
    chunks = [chunk for chunk in origin.chunks.values() if chunk.id in shown]
    changed = write_anew(out, SetContent(splits, pairs.without, chunks, manifest), replace=replace)
    made = [record for found in splits.values() for record in found]
    looked_at = len(rejects) + len(edited)
    return Preferred(
        set=str(out),
        of=str(folder),
        records={split: len(splits.get(split, ())) for split in SPLITS},
        reasons=dict(Counter(_code(record.reason) for record in made).most_common()),
        siblings=dict(Counter(record.draws["sibling"] for record in made).most_common()),
        rejects=len(rejects),
        edits=len(edited),
        with_pair=looked_at - len(pairs.without),
        without=dict(without.most_common()),
        changed=changed,
        notes=_notes(before, splits, pairs.bare),
        next=command_line("fingen", "finetune", "--objective", "dpo", "--set", out),
    )


def _pair_all(rows: Judged, edited: Sequence[JudgedRow], rejects: Sequence[Rejected], *, by_passage: bool) -> _Pairs:
    """Every edit and every reject as pairs, or as what gave none, in their order."""
    pairs, siblings = _Pairs(), _Siblings(rows.kept)
    for row in edited:
        item = {"id": row.was.id, "question": row.was.instruction, "answer": row.was.output, "edit": row.record.review}
        rejected = Rejected(item=item, reason=EDITED, detail="", chunks=row.was.chunks, request=None)
        if not siblings.may_teach(row):
            pairs.leave(rejected, "not-proved", "the row stands against a check, or is a second wording")
            continue
        note = f"{EDITED}: by {row.record.review.get('by', 'a reviewer')}"
        worse = _Worse(row.was.instruction, row.was.output, row.was.input, row.was.task, note, rejected)
        if why := pairs.add(row, worse, "edit"):
            pairs.leave(rejected, why, "the edit left its answer as it was" if why == "same-answer" else "")
    for rejected in rejects:
        worse_or_why = _read(rejected)
        if not isinstance(worse_or_why, _Worse):
            pairs.leave(rejected, *worse_or_why)
            continue
        found = list(siblings.of(worse_or_why, by_passage=by_passage))
        whys = [pairs.add(row, worse_or_why, sibling) for row, sibling in found]
        if not found:
            pairs.leave(rejected, "no-sibling", f"{worse_or_why.reason}; no row of the set answers that question")
        elif all(whys):
            pairs.leave(rejected, whys[0], f"{worse_or_why.reason}; beside {found[0][0].record.id}")
    return pairs


def _read(rejected: Rejected) -> _Worse | tuple[str, str]:
    """The answer of a reject and what is wrong with it; or why it is of no use, and the detail."""
    item = rejected.item
    question, answer = (
        item.get(f"rewritten_{a}") or item.get(a) or item.get(b)
        for a, b in (("question", "instruction"), ("answer", "output"))
    )
    if not (isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip()):
        return "no-text", f"{rejected.reason}: it holds no question and answer"
    if item.get("turns") not in (None, "", "[]", [], ()):
        return "conversation", f"{rejected.reason}: it goes on from what was said before"
    faults = [rejected.reason, *_FURTHER.findall(rejected.detail)]
    fault = next((fault for fault in faults if fault in OF_ANSWER), None)
    if fault is None:
        return "not-the-answer", f"{rejected.reason}: {rejected.detail}"
    task = item.get("task") or (f"qa-{item['kind']}" if item.get("kind") else "")
    said = item.get("input") if "instruction" in item else None
    reason = ": ".join(filter(None, dict.fromkeys((fault, rejected.reason, rejected.detail))))
    return _Worse(question, answer, said, str(task), reason, rejected)


class _Siblings:
    """The rows of a set that a rejected answer may be put beside, found by their question or by their passages."""

    def __init__(self, rows: Sequence[JudgedRow]) -> None:
        self._by_question: dict[str, list[JudgedRow]] = defaultdict(list)
        self._by_passage: dict[str, list[JudgedRow]] = defaultdict(list)
        for row in rows:
            if self.may_teach(row) and not row.record.turns:  # what was said before would have to be the same too
                self._by_question[fold(row.record.instruction)].append(row)
                for chunk in row.record.chunks:
                    self._by_passage[chunk].append(row)

    @staticmethod
    def may_teach(row: JudgedRow) -> bool:
        """Whether a row is a better answer: it says something, no check fails it, and it is no second wording of another."""
        record = row.record
        return row.split != "memory" and record.label != "not-stated" and not record.review.get("fails")

    def of(self, worse: _Worse, *, by_passage: bool) -> Iterator[tuple[JudgedRow, Sibling]]:
        """The rows that answer what a rejected answer was to answer, of each form that rows have the nearest, and how they do."""
        chunks = worse.rejected.chunks
        same = self._by_question.get(fold(worse.question), ())
        found = [
            (row, 100.0) for row in same if set(chunks) <= set(row.record.chunks)
        ]  # else it may be of another split
        sibling: Sibling = "question"
        if not found:
            near = {id(row): row for chunk in chunks for row in self._by_passage.get(chunk, ())}.values()
            asked, language = fold(worse.question), find_language(worse.answer)
            scored = [
                (row, fuzz.ratio(asked, fold(row.record.instruction)))
                for row in near
                if set(chunks) <= set(row.record.chunks) and language == row.record.language
                if worse.task in ("", row.record.task)
            ]
            found, sibling = [each for each in scored if each[1] >= ALIKE], "alike"
            if not found and by_passage:
                found, sibling = scored, "passage"
        forms: dict[bool, tuple[JudgedRow, float]] = {}
        for row, alike in sorted(found, key=lambda each: (-each[1], each[0].record.id)):
            if worse.input is None or worse.input == row.record.input:
                forms.setdefault(bool(row.record.input), (row, alike))
        return ((row, sibling) for row, _ in forms.values())


def _code(reason: str) -> str:
    return reason.partition(":")[0]


def _declare(before: Manifest, siblings: str) -> Iterator[str]:
    beside = " or another one on the same passage" if siblings == "passage" else ""
    yield f"chosen: rows of {before.name}, each in the split that it has there; rejected: answers to the same question{beside}"
    yield from before.declared


def _notes(before: Manifest, splits: dict[str, list[Record]], bare: int) -> list[str]:
    notes = []
    if bare:
        notes.append(f"{bare:,} pairs are of answers alone: one of the two has no steps, so that both are without")
    if REVIEWED in before.settings:
        notes.append(f"{before.name} is what came of a review: what was edited stands in the set that was reviewed")
    if not {"validation", "test"} & splits.keys():
        notes.append("no pair is held out: what is learned of them cannot be told from what is learned by heart")
    return notes


def _way_on(before: Manifest, siblings: str) -> str:
    ways = ["have rejected answers mended with `fingen pdf2qa --repair 1`", "edit rows in `fingen review`"]
    if siblings == "question":
        ways.append("take answers to other questions on the same passage too: --siblings passage")
    return f"{'; or '.join(ways)}"
