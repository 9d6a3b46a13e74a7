"""What is asked about documents: a request for each passage and task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fingen import prompts
from fingen.config import Pdf2qa
from fingen.pipeline.companions import Companions
from fingen.records import Chunk, Document
from fingen.tasks import qa
from fingen.tasks.documents import named_tasks
from fingen.tasks.qa import DocumentTask
from fingen.teachers.job import Job
from fingen.teachers.offline import PAIRS


@dataclass(frozen=True)
class RequestPlan:
    """How the requests about documents are made."""

    tasks: tuple[DocumentTask, ...]
    per_chunk: int
    templates: dict[str, prompts.Template]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]  # template name -> the model pairs that it shows
    questions: tuple[str, ...]
    judge: str | None = None  # the teacher that scores what is kept

    def add_requests(self, job: Job, documents: list[Document], chunks: list[Chunk]) -> list[Chunk]:
        """Give the job a request for each chunk and task, with a companion passage where task and documents have one.

        Returns the chunks that the requests show, companions too, in the order of the documents.
        """
        by_path = {document.path: document for document in documents}
        # rules read one passage at a time
        companions = Companions(documents) if job.teacher.name != "offline" else None
        shown = {chunk.id for chunk in chunks}
        for chunk in chunks:
            passage = qa.build_passage(by_path[chunk.document], chunk)
            for task in self.tasks:
                beside = companions.of(chunk) if companions and task.has_companion else None
                passages = (passage, qa.build_passage(by_path[beside.document], beside)) if beside else (passage,)
                shown |= {beside.id} if beside else set()
                template = self.templates[f"{task.name}.{chunk.language}"]
                request = task.request(
                    template,
                    passages,
                    most=self.per_chunk,
                    teacher=job.teacher.name,
                    examples=self.examples[template.name],
                    questions=self.questions,
                )
                job.requests.append(request)
        return [chunk for document in documents for chunk in document.chunks if chunk.id in shown]

    def without_rules(self, teacher: str) -> list[str]:
        """What the offline teacher cannot write, and who can; nothing for other teachers."""
        names = [task.name for task in self.tasks if teacher == "offline" and task.task not in PAIRS]
        return [f"the offline teacher has no rules for {', '.join(names)}: --teacher names a model"] if names else []


def make_plan(settings: Pdf2qa, *, judge: str | None = None) -> RequestPlan:
    """Read the templates and the user's own topics.

    Raises:
        UsageError: no task of a name; a template or the file of topics cannot be read.
    """
    tasks = named_tasks(settings.tasks)
    names = [f"{task.name}.{language}" for task in tasks for language in ("en", "zh")]
    templates = {name: prompts.read_template(name) for name in names}
    questions = qa.read_questions(settings.questions) if settings.questions else ()
    examples = {name: prompts.read_examples(templates[name]) for name in names}
    return RequestPlan(tasks, settings.per_chunk, templates, examples, questions, judge)
