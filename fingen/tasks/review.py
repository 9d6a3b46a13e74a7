"""A teacher looks at things that are there: they are numbered in a request, and each gets a verdict by its number.

The answer's schema is a part of the question, and the names and docstrings of the verdicts are a part of the schema: one
that is changed is asked, and paid, anew.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from fingen.config import Asking
from fingen.errors import UsageError
from fingen.prompts import Template, quoted, read_template
from fingen.records import Completion, Language, Parsed, Record, Request
from fingen.spool import read_in
from fingen.tasks.answers import Strict, build_request, items_schema, parse_items, unusable
from fingen.teachers import open_teacher
from fingen.teachers.answers import read_answers
from fingen.teachers.base import Teacher
from fingen.teachers.job import Job
from fingen.teachers.journal import Journal
from fingen.text import sentences

if TYPE_CHECKING:
    from fingen.tasks.labels import Label

ROOM = 4  # times the expected tokens that a short answer may have


class Numbered(Strict):
    """What a teacher says of one thing."""

    number: int = Field(ge=1)


V = TypeVar("V", bound=Numbered)


@dataclass(frozen=True)
class Review(Generic[V]):
    """What things are looked at for."""

    task: str  # of its requests; its template is <task>.<language>
    verdict: type[V]
    item_tokens: int  # of an answer, for one thing
    may_repeat: bool = False  # a verdict that is given twice, and is the same, counts

    def template(self, language: Language) -> Template:
        """The words that it is asked in."""
        return read_template(f"{self.task}.{language}")

    def job(self, option: str, name: str | None, asking: Asking, folder: Path, teacher: Teacher | None) -> Job | None:
        """The teacher that an option names, ready to be asked; None where none is wanted.

        Raises:
            UsageError: the offline teacher cannot read; TeacherError: there is none of that name.
        """
        if name is None and teacher is None:
            return None
        opened = teacher or open_teacher(name or "", asking)
        if opened.name == "offline":
            raise UsageError(f"{option}: the offline teacher cannot read", hint=f"name a model: {option} anthropic")
        return Job(opened, asking, folder, self.whole_problem, self.item_tokens)

    def request(
        self, template: Template, values: dict[str, Any], schema: dict[str, Any], ids: Iterable[Any], teacher: str
    ) -> Request:
        """Ask for verdicts on what the template shows of `values`, in the order of the `ids` that they are known by."""
        draws = tuple({"id": each} for each in ids)
        room = ROOM * self.item_tokens * (len(draws) + 4)
        about = {"task": self.task, "max_tokens": room, "count": len(draws), "draws": draws}
        return build_request(template, values, schema, teacher, **about)

    def whole_problem(self, request: Request, completion: Completion) -> str | None:
        """What is wrong with an answer as a whole, for the teacher to mend."""
        return unusable(completion.text, self.verdict)

    def parse(self, request: Request, text: str) -> Parsed[tuple[Any, V]]:
        """Id and verdict, for what got exactly one; and the items that are none.

        Raises:
            ValueError: the answer as a whole is not JSON of the asked form.
        """
        parsed = parse_items(text, self.verdict)
        given: dict[int, list[V]] = defaultdict(list)
        for item in parsed.items:
            if not (self.may_repeat and item in given[item.number]):
                given[item.number].append(item)
        ids = {number: draw["id"] for number, draw in enumerate(request.draws, 1)}
        told = [(ids[number], said[0]) for number, said in given.items() if number in ids and len(said) == 1]
        return Parsed(told, parsed.broken, parsed.repairs)

    def verdicts(self, journal: Journal, requests: Iterable[Request]) -> dict[Any, V]:
        """Id -> verdict, from all the answers that the journal has."""
        return dict(found for answer in read_answers(journal, requests, self.parse) for found in answer.items)


# ---- which label a text has: the teacher is not told which one it was asked for


class LabelVerdict(Numbered):
    """Which label a text has."""

    model_config = ConfigDict(title="Verdict")

    label: str


LABELS = Review("intent-check", LabelVerdict, item_tokens=20, may_repeat=True)


def ask_labels(template: Template, labels: Sequence[Label], records: Sequence[Record], teacher: str) -> Request:
    """Ask which label the text of each record has, by the id of the record."""
    item = LabelVerdict.model_json_schema()
    item["properties"]["label"]["enum"] = [label.name for label in labels]
    values = {"labels": labels, "texts": [record.instruction for record in records]}
    return LABELS.request(template, values, items_schema(item), [record.id for record in records], teacher)


def by_passages(
    records: Sequence[Record], places: Iterable[int]
) -> Iterator[tuple[tuple[str, ...], Language, list[Record]]]:
    """The records in these places with the chunks that they are from and their language: those of one together, in the order of ids.

    The same records give the same groups, in whatever order they come. In memory are what they are sorted by, and one group.
    """
    places = array("Q", places)
    keys = [(record.chunks, record.language, record.id) for record in read_in(records, places)]
    order = sorted(range(len(places)), key=keys.__getitem__)
    for (chunks, language), group in groupby(order, key=lambda at: keys[at][:2]):
        yield chunks, language, list(read_in(records, (places[at] for at in group)))


# ---- what a pair is worth, beside its passages


class Score(Numbered):
    """What one pair is worth, 1 to 5 on each point."""

    supported: int = Field(ge=1, le=5)
    answers: int = Field(ge=1, le=5)
    specific: int = Field(ge=1, le=5)
    useful: int = Field(ge=1, le=5)

    def points(self) -> dict[str, float]:
        """Point -> score."""
        return {name: float(value) for name, value in self.model_dump(exclude={"number"}).items()}


class Scores(Strict):
    """A teacher's whole answer."""

    items: list[Score]


PAIRS = Review("judge", Score, item_tokens=40)


def ask_scores(template: Template, passages: Sequence[str], records: Sequence[Record], teacher: str) -> Request:
    """Have pairs on the same passages scored, by the id of the record."""
    pairs = [
        {
            "question": quoted("\n".join([*(turn.content for turn in r.turns), r.instruction]), "passage"),
            "answer": quoted(r.output, "passage"),
            "evidence": [quoted(quote.quote, "passage") for quote in r.evidence],
        }
        for r in records
    ]
    values = {"passages": [quoted(passage, "passage") for passage in passages], "pairs": pairs}
    return PAIRS.request(template, values, Scores.model_json_schema(), [record.id for record in records], teacher)


# ---- whether two texts say the same


class Verdict(Numbered):
    """Whether the two texts of a pair say the same."""

    why: str
    same: bool


class Verdicts(Strict):
    """A judge's whole answer."""

    items: list[Verdict]


ANSWERS = Review("answer-check", Verdict, item_tokens=40)


def ask_same(template: Template, texts: Mapping[int, tuple[str, str, str]], teacher: str) -> Request:
    """Ask whether two texts say the same: `texts` are question, first and second text, by what the verdict is known by."""
    names = ("question", "first", "second")
    quotes = ([quoted(text, "text", "question") for text in each] for each in texts.values())
    pairs = [dict(zip(names, each, strict=True)) for each in quotes]
    return ANSWERS.request(template, {"pairs": pairs}, Verdicts.model_json_schema(), texts, teacher)


# ---- whether the quotes of a pair state what its answer claims: the teacher is not told who wrote it. It sees the passage
# as well, for what a quote is about and does not repeat: a heading, the names of rows and columns


class ClaimVerdict(Numbered):
    """Whether the quotes state a claim."""

    model_config = ConfigDict(title="Verdict")

    quote: int | None
    verdict: Literal["supported", "contradicted", "not stated"]


class ClaimVerdicts(Strict):
    """A teacher's whole answer."""

    items: list[ClaimVerdict]


CLAIMS = Review("claim-check", ClaimVerdict, item_tokens=25, may_repeat=True)


def claims_of(record: Record) -> list[str]:
    """What a pair claims: what its question takes for granted, then sentence by sentence what its answer says; turn by turn."""
    return [
        claim
        for each in record.exchanges
        for claim in (each.instruction, *(each.output[start:end].strip() for start, end in sentences(each.output)))
    ]


def claim_id(record: Record, place: int) -> str:
    """What the verdict on a claim is known by."""
    return f"{record.id}:{place}"


def ask_claims(
    template: Template, passages: Sequence[str], about: Mapping[str, str], records: Sequence[Record], teacher: str
) -> Request:
    """Ask whether the quotes of each pair state its claims; `about` are the lines above the quotes, by their names."""
    numbers, quotes, ids = count(1), count(1), []
    pairs = []
    for record in records:
        claims = claims_of(record)
        ids += [claim_id(record, place) for place in range(len(claims))]
        pairs.append({
            **{name: quoted(value, "text") for name, value in about.items()},
            "quotes": [{"number": next(quotes), "text": quoted(quote.quote, "text")} for quote in record.evidence],
            "calc": quoted("; ".join(each.calc for each in record.exchanges if each.calc), "text"),
            "claims": [{"number": next(numbers), "text": quoted(" ".join(claim.split()), "text")} for claim in claims],
        })  # fmt: skip
    values = {"passages": [quoted(passage, "text") for passage in passages], "pairs": pairs}
    return CLAIMS.request(template, values, ClaimVerdicts.model_json_schema(), ids, teacher)
