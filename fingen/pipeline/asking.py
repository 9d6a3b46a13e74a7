"""The second stage: what is asked, what that may cost, and the asking itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fingen import prompts
from fingen.config import Pdf2qa
from fingen.documents.text import estimate_tokens
from fingen.errors import UsageError
from fingen.pipeline.companions import Companions
from fingen.records import Chunk, Completion, Document, Request, Usage, dump_json
from fingen.tasks import qa
from fingen.teachers.base import Provider, Teacher
from fingen.teachers.claims import Claims
from fingen.teachers.dispatch import Terms, dispatch
from fingen.teachers.journal import Journal

PAIR_TOKENS = 450  # of an answer, for one pair; measured on answers of 80-300 words


@dataclass(frozen=True)
class Answered:
    """News: a request was answered; `done` of `total`, at a cost so far (None: at a price that is not known)."""

    done: int
    total: int
    spent_usd: float | None = 0.0


@dataclass(frozen=True)
class Estimate:
    """What asking would send and cost. USD are (low, expected, most); None: the price is not known."""

    teacher: str
    requests: int
    from_journal: int
    pairs: int
    input_tokens: int
    output_tokens: int
    usd: tuple[float, float, float] | None
    batch: bool = False  # at the price of a batch
    found_by: str | None = None  # the variable of the key that the teacher was found by, where nobody named it
    exit_code: int = 0


@dataclass(frozen=True)
class Note:
    """News: something to know before, or while, a teacher is asked."""

    text: str
    is_warning: bool = False


@dataclass
class Plan:
    """The requests of a run, and the templates that they are made with."""

    settings: Pdf2qa
    teacher: Teacher
    templates: dict[str, prompts.Template]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]  # template name -> the model pairs that it shows
    questions: tuple[str, ...]
    found_by: str | None = None  # the variable of the key that the teacher was found by, where nobody named it
    requests: list[Request] = field(default_factory=list)
    identity: dict[str, Any] = field(default_factory=dict)  # the settings that the first answer binds the set to

    def add_requests(self, documents: list[Document], chunks: list[Chunk]) -> list[Chunk]:
        """A request for each chunk and task; summaries get a companion passage where the documents have one.

        Returns the chunks that the requests show, companions too, in the order of the documents.
        """
        by_path = {document.path: document for document in documents}
        # rules read one passage at a time
        companions = Companions(documents) if self.teacher.name != "offline" else None
        shown = {chunk.id for chunk in chunks}
        for chunk in chunks:
            passage = qa.build_passage(by_path[chunk.document], chunk)
            for task in self.settings.tasks:
                beside = companions.of(chunk) if companions and task == "summary" else None
                passages = (passage, qa.build_passage(by_path[beside.document], beside)) if beside else (passage,)
                shown |= {beside.id} if beside else set()
                template = self.templates[f"{task}.{chunk.language}"]
                request = qa.build_request(
                    template,
                    passages,
                    most=self.settings.per_chunk,
                    teacher=self.teacher.name,
                    examples=self.examples[template.name],
                    questions=self.questions,
                )
                self.requests.append(request)
        return [chunk for document in documents for chunk in document.chunks if chunk.id in shown]


def make_plan(settings: Pdf2qa, teacher: Teacher, *, found_by: str | None = None) -> Plan:
    """Read the templates and the user's own topics.

    Raises:
        UsageError: a template or the file of topics cannot be read.
    """
    names = [f"{task}.{language}" for task in settings.tasks for language in ("en", "zh")]
    templates = {name: prompts.read_template(name) for name in names}
    questions = qa.read_questions(settings.questions) if settings.questions else ()
    examples = {name: prompts.read_examples(templates[name]) for name in names}
    return Plan(settings, teacher, templates, examples, questions, found_by)


def check_teacher(plan: Plan, settings: Pdf2qa) -> str | None:
    """Find what would fail before anything is paid for; returns a warning.

    Raises:
        TeacherError: no key, a wrong one, an unknown or ended model.
        UsageError: a budget for a model whose price is not known.
    """
    teacher = plan.teacher
    if not isinstance(teacher, Provider):
        return None
    if settings.asking.budget_usd is not None and plan.requests and teacher.worst_usd(plan.requests[0]) is None:
        raise UsageError(
            f"--budget: the price of {teacher.name} is not known",
            hint="give it: --price IN,OUT (USD per million tokens)",
        )
    return asyncio.run(_checked(teacher))


async def _checked(teacher: Provider) -> str | None:
    try:
        return await teacher.check()
    finally:
        await teacher.close()


def ask_live(
    plan: Plan,
    wanted: set[str],
    settings: Pdf2qa,
    journal: Journal,
    claims: Claims,
    on_answer: Callable[[Request, Completion], None],
) -> None:
    """Ask, now, those of the requests that are wanted and that no other process is asking."""
    asyncio.run(_ask_once(plan, wanted, settings, journal, claims, on_answer))


async def _ask_once(
    plan: Plan,
    wanted: set[str],
    settings: Pdf2qa,
    journal: Journal,
    claims: Claims,
    on_answer: Callable[[Request, Completion], None],
) -> None:
    requests = (request for request in plan.requests if request.key in wanted)
    try:
        await dispatch(requests, plan.teacher, journal, claims, _terms(plan, settings), on_answer=on_answer)
    finally:
        if isinstance(plan.teacher, Provider):
            await plan.teacher.close()


def _terms(plan: Plan, settings: Pdf2qa) -> Terms:
    asking, teacher = settings.asking, plan.teacher
    return Terms(
        concurrency=1 if teacher.name == "offline" else asking.concurrency,
        rpm=asking.rpm,
        tpm=asking.tpm,
        budget_usd=asking.budget_usd,
        worst_usd=teacher.worst_usd if isinstance(teacher, Provider) else lambda request: 0.0,
        validate=qa.whole_problem,
    )


def estimate(plan: Plan, settings: Pdf2qa, *, missing: set[str] | None, batch: bool = False) -> Estimate:
    """What the requests that are `missing` (None: all) would send and cost, now or in a batch."""
    requests = [request for request in plan.requests if missing is None or request.key in missing]
    pairs = sum(request.count for request in requests)
    return Estimate(
        teacher=plan.teacher.name,
        requests=len(requests),
        from_journal=len(plan.requests) - len(requests),
        pairs=pairs,
        input_tokens=sum(_shared_tokens(request) + estimate_tokens(request.prompt) for request in requests),
        output_tokens=pairs * PAIR_TOKENS,
        usd=_estimate_usd(plan.teacher, requests, batch=batch),
        batch=batch,
        found_by=plan.found_by,
    )


def expected_usd(plan: Plan, batched: set[str]) -> float | None:
    """What all requests of a plan were expected to cost, those in `batched` at the price of a batch; None if unknown."""
    parts = {
        True: [r for r in plan.requests if r.key in batched],
        False: [r for r in plan.requests if r.key not in batched],
    }
    costs = [_estimate_usd(plan.teacher, requests, batch=batch) for batch, requests in parts.items()]
    return None if None in costs else sum(cost[1] for cost in costs if cost)


def _estimate_usd(teacher: Teacher, requests: list[Request], *, batch: bool) -> tuple[float, float, float] | None:
    """Low: every shared prompt read from the cache and short answers. Expected: no cache. Most: the worst case of each."""
    if not isinstance(teacher, Provider):
        return (0.0, 0.0, 0.0)
    low = expected = most = 0.0
    for request in requests:
        shared, own, answer = _shared_tokens(request), estimate_tokens(request.prompt), request.count * PAIR_TOKENS
        cached = Usage(input_tokens=own, cache_read_tokens=shared, output_tokens=answer // 2)
        costs = (
            teacher.cost_usd(cached, batch=batch),
            teacher.cost_usd(Usage(input_tokens=own + shared, output_tokens=answer), batch=batch),
            teacher.worst_usd(request, batch=batch),
        )
        if None in costs:
            return None
        low, expected, most = low + (costs[0] or 0.0), expected + (costs[1] or 0.0), most + (costs[2] or 0.0)
    return low, expected, most


def _shared_tokens(request: Request) -> int:
    return estimate_tokens(request.system) + estimate_tokens(dump_json(request.answer_schema))
