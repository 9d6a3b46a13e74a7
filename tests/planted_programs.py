"""Pairs on tables that the rules make of reports, and the same with one fault each: in the program, in the answer, or in all but the question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from fingen.quality.checks import find_faults
from fingen.quality.draft import Draft
from fingen.quality.grounding import ground
from fingen.records import Document, Evidence, Passage, Record, Request
from fingen.tasks.qa import build_passage
from fingen.tasks.table import TABLE, TableItem
from fingen.teachers.offline import questions
from fingen.teachers.offline.sheets import Sheet, read_sheets
from fingen.teachers.offline.table_words import WORDS

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
LITERAL = re.compile(r"(?<![#_\d])\d+(?:\.\d+)?(?=[,)])")
RESULT = re.compile(r"(\d+(?:\.\d+)?)(%| ?percentage points?| times|倍|个百分点)")
WAYS = (
    ("rose", "fell"), ("an increase", "a decrease"), ("the increase", "the decrease"), ("增长", "下降"), ("增加", "减少"), ("上升", "下降"),
)  # fmt: skip
SCALES = (
    ("million", "thousand"),
    ("million", "billion"),
    ("thousand", "million"),
    ("万元", "元"),
    ("千元", "百万元"),
    ("元", "万元"),
)


@dataclass(frozen=True)
class Made:
    """A pair with the passage that it was made of, and the same kind of pair on other cells of its table."""

    item: TableItem
    passage: Passage
    others: tuple[tuple[str, TableItem], ...]  # what is other: year, row or basis


def make_pairs(documents: Sequence[Document]) -> Iterator[Made]:
    """All pairs of the documents, none twice."""
    seen: set[str] = set()
    for document in documents:
        for chunk in document.chunks:
            for made in pairs_of(build_passage(document, chunk)):
                if made.item.question not in seen:
                    seen.add(made.item.question)
                    yield made


def pairs_of(passage: Passage) -> Iterator[Made]:
    """The pairs of a passage."""
    sheets = read_sheets(passage) if passage.company else []
    asked = [(sheet, each, words) for sheet in sheets for each, words in _all(sheet, passage)]
    for item in map(_item, questions.table_pairs(passage)):
        yield Made(item, passage, tuple(_others(item, asked)))


def _all(sheet: Sheet, passage: Passage) -> Iterator[tuple[questions.Asked, questions.Words]]:
    shifted = [sheet] if len(sheet.years) < 3 else [sheet, replace(sheet, years=sheet.years[1:])]
    for each in shifted:
        words = WORDS[passage.language](passage, each)
        yield from ((asked, words) for asked in questions._Asker(each, words).questions())


def _item(pair: questions.Pair) -> TableItem:
    return TableItem(
        question=pair.question, rephrased=pair.rephrased, answer=pair.answer, evidence=list(pair.quotes), calc=pair.calc or None,
        operation=pair.operation, program=pair.program, cells=[dict(cell) for cell in pair.cells],
    )  # type: ignore[arg-type]  # cells are validated  # fmt: skip


def _others(
    item: TableItem, asked: Sequence[tuple[Sheet, questions.Asked, questions.Words]]
) -> Iterator[tuple[str, TableItem]]:
    """The same operation on the cells of another year, row or measure: the question is this pair's, all else is the other's."""
    own = [(cell.row, cell.period) for cell in item.cells]
    found: dict[str, TableItem] = {}
    for _, each, words in asked:
        if each.operation != item.operation or len(each.cells) != len(own):
            continue
        cells = [(line.label, str(year)) for line, year in each.cells]
        rows, years = [row for row, _ in cells] == [row for row, _ in own], [y for _, y in cells] == [y for _, y in own]
        kind = "year" if rows and not years else "row" if years and not rows else "basis" if rows and years else ""
        other = _item(questions._pair(each, words)) if kind and kind not in found else None
        if other is not None and [c.value for c in other.cells] != [c.value for c in item.cells]:
            found[kind] = other.model_copy(update={"question": item.question, "rephrased": item.rephrased})
    yield from found.items()


def faults(made: Made) -> Iterator[tuple[str, TableItem]]:
    """The pair with one fault each."""
    item = made.item
    for kind, other in made.others:
        yield f"all but the question: another {kind}", other
        swapped = list(LITERAL.finditer(other.program))
        for one, wrong in zip(LITERAL.finditer(item.program), swapped, strict=False):
            if one[0] != wrong[0]:
                program = item.program[: one.start()] + wrong[0] + item.program[one.end() :]
                yield f"program: operand of another {kind}", item.model_copy(update={"program": program})
                break
    yield from _program_faults(item)
    yield from _answer_faults(item)


def _program_faults(item: TableItem) -> Iterator[tuple[str, TableItem]]:
    program = item.program
    if (first := re.match(r"(subtract|divide|greater)\(([^,()]+), ([^,()]+)\)", program)) and first[2] != first[3]:
        turned = f"{first[1]}({first[3]}, {first[2]}){program[first.end() :]}"
        yield "program: order", item.model_copy(update={"program": turned})
        cells = [item.cells[1], item.cells[0], *item.cells[2:]]
        yield "program and cells: order", item.model_copy(update={"program": turned, "cells": cells})
    if literal := LITERAL.search(program):
        scaled = f"{program[: literal.start()]}{Decimal(literal[0]) * 1000}{program[literal.end() :]}"
        yield "program: scale", item.model_copy(update={"program": scaled})
    if "subtract" in program:
        yield "program: sign", item.model_copy(update={"program": program.replace("subtract", "add", 1)})
    if "), " in program:
        yield (
            "program: a step is missing",
            item.model_copy(update={"program": program.rsplit(", ", program.count("), ") and 2)[0]}),
        )


def _answer_faults(item: TableItem) -> Iterator[tuple[str, TableItem]]:
    answer = item.answer
    if result := RESULT.search(answer):
        step = Decimal(1).scaleb(-len(result[1].partition(".")[2]))
        for kind, wrong in (("rounding", Decimal(result[1]) + step), ("scale", Decimal(result[1]) * 100)):
            yield (
                f"answer: {kind}",
                item.model_copy(
                    update={"answer": f"{answer[: result.start()]}{wrong}{result[2]}{answer[result.end() :]}"}
                ),
            )
    for one, other in (*WAYS, *((b, a) for a, b in WAYS)):
        if re.search(rf"{one}(?!额)", answer):
            yield "answer: sign", item.model_copy(update={"answer": answer.replace(one, other)})
            break
    for one, other in SCALES:
        if re.search(rf"\d {one}|\d{one}", answer):
            yield (
                "answer: unit",
                item.model_copy(update={"answer": re.sub(rf"(?<=\d)( ?){one}", rf"\g<1>{other}", answer)}),
            )
            break
    amounts = [
        found for found in NUMBER.finditer(answer) if len(found[0]) > 3 and not re.fullmatch(r"(?:19|20)\d\d", found[0])
    ]
    if amounts:
        last = amounts[-1]
        wrong = last[0][:-1] + str((int(last[0][-1]) + 3) % 10)
        yield (
            "answer: operand",
            item.model_copy(update={"answer": answer[: last.start()] + wrong + answer[last.end() :]}),
        )
    years = list(dict.fromkeys(re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d|,)", answer)))
    if len(years) == 2:
        turned = re.sub("|".join(years), lambda found: years[found[0] == years[0]], answer)
        yield "answer: years exchanged", item.model_copy(update={"answer": turned})


def judge(item: TableItem, passage: Passage) -> list[str]:
    """The reasons for which a pair is rejected."""
    record = build_record(item, passage)
    found = find_faults(Draft(record, item.rephrased, (), (passage,)), TABLE.checks)
    return [drop.reason for drop in found] + [finding.reason for finding in ground(record, [passage]).failed]


def build_record(item: TableItem, passage: Passage) -> Record:
    """The row of a pair."""
    request = Request(key="k", task="qa-table", template="table", system="", prompt="", answer_schema={}, max_tokens=1, count=1,
                      passages=(passage,))  # fmt: skip
    evidence = tuple(Evidence(quote=quote, page=passage.pages[0]) for quote in item.evidence)
    return TABLE.build(item, request, evidence, "offline")
