"""Where the rooms meet: documents -> tasks -> teachers -> quality -> sets. One module a stage, `run` conducts."""

from __future__ import annotations

from fingen.pipeline.pdf2qa import pdf2qa, require_named
from fingen.pipeline.summary import Summary
from fingen.teachers.asking import Pending
from fingen.teachers.batches import Waiting
from fingen.teachers.job import Answered, Estimate, Note

__all__ = ["Answered", "Estimate", "Note", "Pending", "Summary", "Waiting", "pdf2qa", "require_named"]
