"""A teacher looks at what is there, and stored answers are read: the same question has the same key, and no answer is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingen.records import Completion, Evidence, Record, Request
from fingen.tasks import review
from fingen.tasks.labels import Label
from fingen.teachers.answers import read_answers
from fingen.teachers.journal import Journal

TEACHER = "openai:m"
LABELS = [
    Label(name="Fund", definition="About funds."),
    Label(name="Stock", definition="About shares.", rules={"Fund": "one company"}),
]
TEXTS = {0: ("Q0?", "It was 0.", "About 0"), 2: ("Q2?", "It was 2.", "About 2")}
# Keys that journals hold: whoever changes a question's words or schema has all of it asked, and paid, once more.
KEYS = {
    ("labels", "en"): "441d64c7310116366b3e1b57dc125688755c0cf36b055ce18bd2bd06088af969",
    ("labels", "zh"): "8beaf124fcbaa1aaaa9a689c8e8bc73f1bf18c99fb0a327ebd2aa3da6f408948",
    ("scores", "en"): "f0c20cea6c8cc6ad91f85c74ddcba2587133e7f4c898e7e39784a7b7708699b5",
    ("scores", "zh"): "8a4753fd52e8201041b242d0dc01d605845550f969e211220ddcbc81a48005cc",
    ("same", "en"): "5099ddb3fd3cb7dd0ec66914a3b43ee92cd22027fbafa64c5fdcb3743b43e68e",
    ("same", "zh"): "47c75de006f53d8112e04fcb113c41f41fa69f52721bdf8296cefe1237f82758",
}
ROOM = {"labels": 560, "scores": 1120, "same": 960}  # tokens


def make_record(number: int, language: Any) -> Record:
    return Record(
        instruction=f"What was revenue in {2000 + number}?", input="", output=f"It was {number} million.",
        id=f"qa-{number}", task="qa-concept", language=language, document="a.pdf", pages=(1,), chunks=("c-1",),
        evidence=(Evidence(quote=f"Revenue: {number}", page=1),), teacher="x", origin="document",
    )  # fmt: skip


def make_request(kind: str, language: Any) -> Request:
    records = [make_record(number, language) for number in range(3)]
    if kind == "labels":
        return review.ask_labels(review.LABELS.template(language), LABELS, records, TEACHER)
    if kind == "scores":
        passages = ["Passage one.", "Two."]
        return review.ask_scores(review.PAIRS.template(language), passages, records, TEACHER)
    return review.ask_same(review.ANSWERS.template(language), TEXTS, TEACHER)


@pytest.mark.parametrize(("kind", "language"), KEYS)
def test_the_same_question_has_the_key_that_journals_hold(kind: str, language: str):
    request = make_request(kind, language)

    assert request.key == KEYS[kind, language]
    assert request.max_tokens == ROOM[kind]


def store(journal: Journal, request: Request, text: str, stop_reason: str = "end_turn") -> None:
    answer = Completion(key=request.key, text=text, stop_reason=stop_reason, teacher=TEACHER)
    journal.commit([(request, answer)])


@pytest.mark.parametrize(("kind", "repeated"), [("labels", {"qa-0", "qa-1"}), ("scores", {"qa-0"}), ("same", {0})])
def test_only_what_got_one_verdict_has_one(tmp_path: Path, kind: str, repeated: set[object]):
    reviewed = {"labels": review.LABELS, "scores": review.PAIRS, "same": review.ANSWERS}[kind]
    fields: dict[str, list[dict[str, Any]]] = {
        "labels": [{"label": "Fund"}, {"label": "Stock"}],
        "scores": [dict.fromkeys(("supported", "answers", "specific", "useful"), score) for score in (1, 5)],
        "same": [{"why": "", "same": True}, {"why": "", "same": False}],
    }
    one, other = fields[kind]
    items = [
        {"number": 1, **one},
        {"number": 2, **one},
        {"number": 2, **one},
        {"number": 9, **one},
        {"number": 0, **one},
    ]
    request = make_request(kind, "en")
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        store(journal, request, json.dumps({"items": items}))
        assert set(reviewed.verdicts(journal, [request])) == repeated  # a label that is said twice is a label
        store(journal, request, json.dumps({"items": [*items, {"number": 2, **other}]}))
        assert len(reviewed.verdicts(journal, [request])) == 1
        store(journal, request, "no JSON")
        assert not reviewed.verdicts(journal, [request])


ANSWERS = st.one_of(
    st.none(),
    st.tuples(st.sampled_from(["refusal", "max_tokens", "content_filter"]), st.text(max_size=5)),
    st.tuples(st.just("end_turn"), st.sampled_from(["", "no JSON", "[1]", '{"items": 1}', '{"items": []}'])),
    st.tuples(st.just("end_turn"), st.lists(st.sampled_from([{"number": 1, "label": "Fund"}, {"number": 0}, 7]))),
)  # what the journal has for a request, the items as a list


@settings(max_examples=30)
@given(st.lists(ANSWERS, max_size=6))
def test_every_stored_answer_is_items_or_unusable(tmp_path_factory: pytest.TempPathFactory, stored: list[Any]):
    requests = [make_request("labels", "en").model_copy(update={"key": str(place)}) for place in range(len(stored))]
    with Journal.open(tmp_path_factory.mktemp("set") / "journal.sqlite") as journal:
        for request, answer in zip(requests, stored, strict=True):
            if answer is not None:
                stop_reason, said = answer
                store(journal, request, said if isinstance(said, str) else json.dumps({"items": said}), stop_reason)
        answers = list(read_answers(journal, requests, review.LABELS.parse))

    assert [answer.request.key for answer in answers] == [request.key for request in requests]
    for answer, expected in zip(answers, stored, strict=True):
        stop_reason, said = expected or ("not answered", "")
        if stop_reason != "end_turn":
            assert (answer.unusable, answer.items, answer.broken) == (stop_reason, [], [])
        elif isinstance(said, list):
            good = said.count({"number": 1, "label": "Fund"})
            assert not answer.unusable
            assert len(answer.items) == min(good, 1)
            assert len(answer.broken) == len(said) - good
        else:
            assert answer.unusable.startswith("schema: ") == (said != '{"items": []}')
