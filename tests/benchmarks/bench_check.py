"""What a second teacher adds to the rules, and what it takes. Goals: with one that answers truthfully faults caught >= 97 %
and honest pairs kept >= 95 %; with one that errs in 5 % of pairs honest pairs kept >= 90 %.

The pairs are those of bench_gate. The second teacher is scripted and judges by the truth that stands with them: where a pair is
of a group whose statements are made false, a sentence that its honest pair has not is contradicted; where quotes were taken
or changed, one whose figures are in none is not stated; a fault of form (text, question) makes no statement false, and stays. Shares of honest pairs are of those that the rules keep: what they reject no teacher sees.

    python tests/benchmarks/bench_check.py
    pytest -m benchmark -s tests/benchmarks/bench_check.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_gate import TEACHER, Asked, Judged, judge_all, read_asked

from fingen.pipeline.checking import claim_requests, read_verdicts
from fingen.records import Evidence, Record, Request
from fingen.tasks.review import claims_of
from fingen.teachers.journal import Journal
from fingen.teachers.scripted import Scripted

CAUGHT_GOAL, KEPT_GOAL, ERRING_KEPT_GOAL = 0.97, 0.95, 0.90
ERRS = 0.05  # of pairs
FALSE = frozenset("figure unit period direction entity calc cause basis".split())  # groups whose statements are not so
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Line:
    """What became of the pairs that the rules keep, with a teacher."""

    honest: int
    kept: int
    faults: int
    by_rules: int
    caught: int
    missed: dict[str, int]  # group -> faults that neither saw

    def __str__(self) -> str:
        return (
            f"honest pairs kept {self.kept} of {self.honest} ({self.kept / self.honest:.1%}); faults caught "
            f"{self.caught} of {self.faults} ({self.caught / self.faults:.1%}), {self.by_rules} of them by rules; missed: "
            f"{self.missed or 'none'}"
        )


def _pairs(folder: Path) -> dict[str, tuple[dict[str, Any], str, str]]:
    """Id of a pair -> its item, its request, and the honest pair that it was made of."""
    found: dict[str, tuple[dict[str, Any], str, str]] = {}
    for line in (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for entry in row["items"]:
            found[entry["id"]] = entry["item"], row["request"], entry["id"]
    for line in (folder / "changed.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["id"]] = row["item"], row["request"], row["changed_from"]
    return found


def _record(id: str, item: dict[str, Any], name: str, asked: Asked) -> Record:
    quotes = tuple(Evidence(quote=quote, page=1) for quote in item["evidence"])
    return Record(instruction=item["question"], input="", output=item["answer"], id=id, task=asked.task,
                  language=asked.passages[0].language, document=name, pages=(1,), chunks=(name,), evidence=quotes,
                  calc=item["calc"] or "", teacher="writer", origin="document")  # fmt: skip


def measure(folder: Path = TEACHER, *, errs: float, journal: Path) -> Line:
    """Have what the rules keep checked by a scripted teacher that errs in a share of the pairs."""
    asked, pairs = read_asked(folder / "answers.jsonl"), _pairs(folder)
    judged: list[Judged] = judge_all(folder, asked)
    records = {one.id: _record(one.id, pairs[one.id][0], pairs[one.id][1], asked[pairs[one.id][1]]) for one in judged}
    truth = {id: set(claims_of(_record(id, pairs[pairs[id][2]][0], *_place(pairs[id], asked)))) for id in records}
    groups = {one.id: "honest" if one.should == "keep" else one.group for one in judged}
    passages = {name: each.passages[0] for name, each in asked.items()}

    def reply(request: Request) -> str:
        items = []
        for number, draw in enumerate(request.draws, 1):
            id, _, place = draw["id"].rpartition(":")
            claim = claims_of(records[id])[int(place)]
            is_true = _is_so(groups[id], claim, truth[id], records[id])
            if place == "1" and int(sha256(f"{id} errs".encode()).hexdigest(), 16) % 1000 < 1000 * errs:
                is_true = not is_true
            items.append({"number": number, "quote": 1, "verdict": "supported" if is_true else "contradicted"})
        return json.dumps({"items": items})

    through = [records[one.id] for one in judged if one.drop is None]
    teacher = Scripted(reply)
    with Journal.open(journal) as store:
        for request in claim_requests(through, passages, teacher.name):
            store.commit([(request, asyncio.run(teacher.complete(request)))])
        fallen = {record.id for record, _ in read_verdicts(through, passages, teacher.name, store).fallen}
    missed: dict[str, int] = defaultdict(int)
    for one in judged:
        if one.should == "reject" and one.drop is None and one.id not in fallen:
            missed[one.group] += 1
    honest = [one for one in judged if one.should == "keep" and one.drop is None]
    faults = [one for one in judged if one.should == "reject"]
    by_rules = sum(one.drop is not None for one in faults)
    return Line(
        len(honest),
        sum(one.id not in fallen for one in honest),
        len(faults),
        by_rules,
        len(faults) - sum(missed.values()),
        dict(missed),
    )


def _is_so(group: str, claim: str, truth: set[str], record: Record) -> bool:
    """Whether a claim of a pair is true, and its quotes have it."""
    if group in FALSE:
        return claim in truth
    if group != "evidence" or claim == record.instruction:
        return True
    quoted = set(_NUMBER.findall(" ".join((record.calc, *(quote.quote for quote in record.evidence)))))
    return set(_NUMBER.findall(claim)) <= quoted | set(_NUMBER.findall(record.instruction))


def _place(pair: tuple[dict[str, Any], str, str], asked: dict[str, Asked]) -> tuple[str, Asked]:
    return pair[1], asked[pair[1]]


@pytest.mark.benchmark
@pytest.mark.skipif(not TEACHER.is_dir(), reason=f"no answers of a teacher in {TEACHER}")
def test_a_second_teacher_catches_what_rules_let_pass(tmp_path: Path) -> None:
    true = measure(errs=0.0, journal=tmp_path / "true.sqlite")
    erring = measure(errs=ERRS, journal=tmp_path / "erring.sqlite")
    print(f"\ntruthful: {true}\nerring:   {erring}")

    assert true.caught / true.faults >= CAUGHT_GOAL
    assert true.kept / true.honest >= KEPT_GOAL
    assert erring.kept / erring.honest >= ERRING_KEPT_GOAL


if __name__ == "__main__":
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=TEACHER, help="folder of answers.jsonl and changed.jsonl")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        for name, share in (("truthful", 0.0), ("errs in 5 %", ERRS)):
            print(f"{name}: {measure(given.data, errs=share, journal=Path(made) / f'{share}.sqlite')}")
