"""The answer that is given as concept and as summary, and nearly the same one of another passage, stays once."""

from __future__ import annotations

import pytest
from prose import prose

from fingen.quality.same_answers import same_answers
from fingen.records import Evidence, Record

QUOTE = "Revenue | 52.0 | 50.0"
ANSWER = f"Revenue grew by 4.0 percent to 52.0 million in 2024, as hospitals bought more. {prose('revenue')}"


def record(
    number: int, answer: str = ANSWER, quote: str = QUOTE, document: str = "a.pdf", task: str = "concept"
) -> Record:
    return Record(instruction=f"Question {number}?", input="", output=answer, id=f"qa-{number}", task=f"qa-{task}",
                  language="en", document=document, evidence=(Evidence(quote=quote, page=1),), teacher="t",
                  origin="document")  # fmt: skip


@pytest.mark.parametrize("other", [
    record(2, task="summary"),
    record(2, ANSWER.replace("as hospitals bought more", "because hospitals bought more")),
    record(2, f"In 2024 revenue grew by 4.0 percent to 52.0 million. {prose('revenue')}", task="summary"),
], ids=["the same of another kind", "other words", "another beginning"])  # fmt: skip
def test_it_falls(other: Record):
    assert list(same_answers([record(1), other], better=lambda each: each.id)) == [(1, "nearly the answer of qa-1")]
    assert [place for place, _ in same_answers([record(1), other], better=lambda each: -int(each.id[3:]))] == [0]


@pytest.mark.parametrize("other", [
    record(2, ANSWER.replace("52.0", "53.0")),
    record(2, ANSWER.replace("2024", "2023")),
    record(2, ANSWER.replace("Revenue", "Cost of sales"), "Cost of sales | 52.0 | 50.0"),
    record(2, document="b.pdf"),
    record(2, f"4.0 percent is the growth of 2024, and 52.0 million what came of it. {prose('another matter')}"),
], ids=["another figure", "another year", "another measure", "another report", "another matter"])  # fmt: skip
def test_it_stays(other: Record):
    assert list(same_answers([record(1), other], better=lambda each: each.id)) == []
