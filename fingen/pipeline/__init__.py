"""Where the rooms meet: documents -> tasks -> teachers -> quality -> sets. One module a stage, `run` conducts."""

from __future__ import annotations

from fingen.pipeline.asking import Answered, Estimate, Note
from fingen.pipeline.gathering import Pending
from fingen.pipeline.run import pdf2qa, require_named
from fingen.pipeline.summary import Summary
from fingen.teachers.batches import Waiting

__all__ = ["Answered", "Estimate", "Note", "Pending", "Summary", "Waiting", "pdf2qa", "require_named"]
