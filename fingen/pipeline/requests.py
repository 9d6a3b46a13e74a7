"""What is asked about documents: a request for each passage, for all tasks that are asked for together."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingen import prompts
from fingen.config import Pdf2qa
from fingen.disk import sha256_text
from fingen.documents import is_narrative
from fingen.errors import UsageError
from fingen.pipeline.companions import Companions
from fingen.pipeline.reports import Reports
from fingen.records import Chunk, Passage
from fingen.tasks import qa
from fingen.tasks.documents import named_tasks
from fingen.tasks.negative import NEGATIVE
from fingen.tasks.qa import DocumentTask
from fingen.tasks.table import TABLE
from fingen.teachers.job import Job
from fingen.teachers.offline import RULED, is_readable

MOST_NEGATIVES = 0.5  # of the rows


@dataclass(frozen=True)
class RequestPlan:
    """How the requests about documents are made."""

    tasks: tuple[DocumentTask, ...]
    per_chunk: int
    groups: tuple[tuple[DocumentTask, ...], ...]  # the tasks that one request asks for
    templates: dict[str, prompts.Template]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]  # template name -> the model pairs that it may show
    questions: tuple[str, ...]
    judge: str | None = None  # the teacher that scores what is kept
    negatives: float | None = None  # the share of rows whose passage does not state what is asked for

    def add_requests(self, job: Job, reports: Reports, chosen: Iterable[int]) -> dict[str, int]:
        """Give the job a request for each chosen chunk and group of tasks, with a companion passage where they have one.

        Chunks go by their numbers. Returns those that the requests show, companions too, by their ids, in the order of the documents.
        """
        heads = {head.path: head for head in reports.heads}
        # rules read one passage at a time
        companions = Companions(reports) if job.teacher.name != "offline" else None
        shown = dict[int, str]()
        numbers = array("Q", chosen)
        for number, chunk in zip(numbers, reports.chunks.read(numbers), strict=True):
            shown[number] = chunk.id
            passage = qa.build_passage(heads[chunk.document], chunk)
            for tasks in self.groups_for(chunk, job.teacher.name):
                passages: tuple[Passage, ...] = (passage,)
                takes_two = companions and any(task.has_companion for task in tasks)
                if companions and takes_two and (at := companions.of(chunk)) is not None:
                    beside = reports.chunks[at]
                    shown[at] = beside.id
                    passages = (passage, qa.build_passage(heads[beside.document], beside))
                template = self.templates[template_name(tasks, chunk.language)]
                request = qa.ask_pairs(
                    tasks,
                    template,
                    passages,
                    most=self.per_chunk,
                    teacher=job.teacher.name,
                    examples=prompts.pick_examples(self.examples[template.name], chunk.id),
                    questions=self.questions,
                )
                job.requests.append(request)
        return {shown[number]: number for number in sorted(shown)}

    def groups_for(self, chunk: Chunk, teacher: str) -> list[tuple[DocumentTask, ...]]:
        """The groups of tasks that a chunk is worth being asked for."""
        is_worth = is_readable(chunk) if teacher == "offline" else is_narrative(chunk)
        has_table = any(block.kind == "table" for block in chunk.blocks)
        return [
            tasks
            for tasks in self.groups
            if (has_table if tasks[0].per_table else is_worth or (has_table and tasks[0].takes_tables))
            and (tasks != (NEGATIVE,) or self._is_drawn(chunk))
        ]

    def _is_drawn(self, chunk: Chunk) -> bool:
        """Whether a passage is one of those that are asked about what they do not say: twice as many as rows are wanted."""
        pairs = self.per_chunk * (len(self.tasks) - 1)
        wanted = 2 * (self.negatives or 1.0) * max(pairs, 1)
        return int(sha256_text("negative", chunk.id)[:8], 16) < wanted * 16**8

    def without_rules(self, teacher: str) -> list[str]:
        """What the offline teacher cannot write, and who can; nothing for other teachers."""
        names = [task.name for task in self.tasks if teacher == "offline" and task.task not in RULED]
        return [f"the offline teacher has no rules for {', '.join(names)}: --teacher names a model"] if names else []


def make_plan(settings: Pdf2qa, *, judge: str | None = None) -> RequestPlan:
    """Read the templates and the user's own topics.

    Raises:
        UsageError: no task of a name; a template or the file of topics cannot be read.
    """
    if settings.negatives is not None and not 0 <= settings.negatives <= MOST_NEGATIVES:
        raise UsageError(f"--negatives {settings.negatives}", hint=f"give a share from 0 to {MOST_NEGATIVES}")
    tasks = named_tasks(settings.asked_for)
    if settings.reasons and TABLE not in tasks:
        raise UsageError("--reasons: none of the tasks has answers with steps", hint="ask for them too: --task table")
    together: dict[Any, list[DocumentTask]] = defaultdict(list)
    for task in tasks:
        together[task.shared].append(task)
    groups = tuple(map(tuple, together.values()))
    templates, examples = {}, {}
    for group in groups:
        for language in ("en", "zh"):
            name = template_name(group, language)
            templates[name] = prompts.read_template(name)
            examples[name] = prompts.read_examples(templates[name], [task.name for task in group])
    questions = qa.read_questions(settings.questions) if settings.questions else ()
    return RequestPlan(tasks, settings.per_chunk, groups, templates, examples, questions, judge, settings.negatives)


def template_name(tasks: Sequence[DocumentTask], language: str) -> str:
    """The template that tasks are asked for with."""
    return f"{tasks[0].template or tasks[0].name}.{language}"
