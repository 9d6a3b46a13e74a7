"""fingen turns financial documents into fine-tuned models, with evidence.

This is the public API. Each name is loaded when it is asked for: `import fingen` costs nothing. See `fingen.api`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fingen.api import (
        Event,
        Example,
        distill,
        export,
        finetune,
        gather,
        import_set,
        load_set,
        merge,
        pdf2qa,
        prefer,
        pull,
        push,
        read_report,
        score,
        show,
        synth_intent,
        trace,
        verify,
        withdraw,
    )
    from fingen.documents import Progress
    from fingen.errors import (
        Cause,
        DocumentError,
        FingenError,
        HubError,
        Interrupted,
        LimitError,
        SetError,
        ShortfallError,
        TeacherError,
        UsageError,
    )
    from fingen.events import Answered, Estimate, Note, Waiting
    from fingen.records import Chunk, Document, Manifest, Record
    from fingen.sets import RecordSet
    from fingen.teachers.asking import Pending

__version__ = "0.1.0"
__all__ = [
    "Answered",
    "Cause",
    "Chunk",
    "Document",
    "DocumentError",
    "Estimate",
    "Event",
    "Example",
    "FingenError",
    "HubError",
    "Interrupted",
    "LimitError",
    "Manifest",
    "Note",
    "Pending",
    "Progress",
    "Record",
    "RecordSet",
    "SetError",
    "ShortfallError",
    "TeacherError",
    "UsageError",
    "Waiting",
    "__version__",
    "distill",
    "export",
    "finetune",
    "gather",
    "import_set",
    "load_set",
    "merge",
    "pdf2qa",
    "prefer",
    "pull",
    "push",
    "read_report",
    "score",
    "show",
    "synth_intent",
    "trace",
    "verify",
    "withdraw",
]

_HOMES = ("fingen.errors", "fingen.records", "fingen.api")  # where names are looked for, the lightest first


def __getattr__(name: str) -> Any:
    """Load a name of the API. It stays here, and is looked for once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for home in _HOMES:
        if hasattr(module := import_module(home), name):
            globals()[name] = getattr(module, name)
            break
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
