"""PDF files -> documents cut into chunks.

`read_documents` reads many files in guarded worker processes; `find_sources` lists the files below the inputs.
`fingen.documents.read.read_document` reads one file in this process (it imports pymupdf; this module does not).
"""

from __future__ import annotations

from fingen.documents.chunks import is_narrative
from fingen.documents.overrides import OVERRIDES
from fingen.documents.sources import find_sources, name_some, passed_over
from fingen.documents.workers import InputFile, Progress, read_documents

__all__ = [
    "OVERRIDES",
    "InputFile",
    "Progress",
    "find_sources",
    "is_narrative",
    "name_some",
    "passed_over",
    "read_documents",
]
