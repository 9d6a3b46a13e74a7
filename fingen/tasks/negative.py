"""Questions that a passage does not answer, as an investor would ask them: that it does not state it is the right answer."""

from __future__ import annotations

from pydantic import Field

from fingen.quality.absence import states_absent
from fingen.quality.checks import CHECKS
from fingen.records import Evidence, Record, Request, content_id
from fingen.tasks import qa
from fingen.tasks.qa import DocumentTask, QaItem, not_stated

CHECKED = ("not-self-contained", "odd-characters", "wrong-language", "same-question", "instructed", "markup")


class NegativeItem(QaItem):
    """One question as a teacher writes it, and what it asks for."""

    item: str = Field(
        min_length=1,
        description="what is asked for, in the words that reports have for it, parted by | where there are several",
    )


def _build(item: NegativeItem, request: Request, evidence: tuple[Evidence, ...], teacher: str) -> Record:
    passage = request.passages[0]
    bare = Record(
        instruction=item.question,
        input="",
        output="",
        id=content_id("qa", passage.document, passage.chunk, item.question),
        task=request.tasks[0],
        language=passage.language,
        document=passage.document,
        teacher=teacher,
        origin="document",
    )
    pages = tuple(sorted({page for page in passage.pages if page}))
    return not_stated(bare, [name.strip() for name in item.item.split("|")], passage.text, (passage.chunk,), pages)


NEGATIVE = DocumentTask(
    "negative",
    task=qa.NEGATIVE,
    per_passage=1,
    item=NegativeItem,
    checks={**{name: CHECKS[name] for name in CHECKED}, "stated": states_absent},
    build=_build,
)
