"""Every default, once, with its unit. Click reads its defaults from here; this module imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TASKS = ("concept", "summary")  # what `pdf2qa --task` takes
CONTEXTS = ("none", "passage", "both")
LANGUAGES = ("auto", "en", "zh")
SPLIT_UNITS = ("auto", "document", "chunk")
VALIDATION_SHARE = 0.32  # of the training records: 160 at 500
PRIVACY = ("keep", "mask", "drop")
RESERVED_SET_NAMES = frozenset({"adapters", "models", "scores", "cache"})
BUILD = Path("build")
CACHE = BUILD / "cache"


@dataclass(frozen=True)
class Reading:
    """How documents are read and cut."""

    chunk_tokens: int = 1024  # estimated tokens a chunk may have
    ocr: bool = False  # read scanned pages with tesseract
    language: str = "auto"  # of the documents: auto, en or zh
    page_seconds: float = 4.0  # CPU seconds one page may take, and opening a file
    ocr_page_seconds: float = 60.0  # the same for a page read with OCR
    memory_bytes: int = 2 << 30  # address space a worker may add to what it starts with
    slow_pages: int = 1  # pages of one file that may be given up as too slow before the file is


@dataclass(frozen=True)
class Splitting:
    """How records are divided. Shares of train, validation, test."""

    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    by: str = "auto"  # document from `document_threshold` documents on, chunk below
    document_threshold: int = 20  # documents
    memory_share: float = 0.1  # of the closed-book training pairs


@dataclass(frozen=True)
class Gates:
    """What keeps records out of a set, or changes them. A set can be gated anew from its journal."""

    keep_out: tuple[Path, ...] = ()  # benchmarks that no record may be in
    against: tuple[Path, ...] = ()  # other sets whose records are not repeated
    privacy: Literal["keep", "mask", "drop"] = "mask"  # personal data: keep it, mask it, or drop the record


@dataclass(frozen=True)
class Asking:
    """How a teacher is asked, and what it may cost."""

    concurrency: int = 64  # requests in flight, at most
    rpm: int | None = None  # requests a minute, at most
    tpm: int | None = None  # tokens a minute, at most
    budget_usd: float | None = None  # hard stop
    price: tuple[float, float] | None = (
        None  # USD per million input and output tokens, for a model without a known price
    )
    base_url: str | None = None  # of a server that speaks OpenAI's protocol
    dry_run: bool = False  # say what it would cost, and ask nothing
    batch: bool = False  # ask in batches, at half the price, within a day
    wait: bool = True  # for the batches, until their answers are here
    export_requests: Path | None = None  # a file to write the missing requests to, in place of asking
    import_answers: Path | None = None  # a file to take answers from, in place of asking


@dataclass(frozen=True)
class Synth:
    """`fingen synth`: items that no document gives."""

    kind: str = "intent"
    n: int = 500  # training records
    validation: int | None = None  # records; None: VALIDATION_SHARE of `n`
    test: int = 0  # records
    language: Literal["en", "zh"] = "zh"
    out: Path = BUILD / "intent"
    teacher: str | None = None  # who writes; None: the one whose key is at hand, else the offline rules
    check: str | None = None  # a second teacher that answers each item, blind to its label
    seed: int = 0  # of the draws, and of the order of options
    per_request: int = 5  # items asked for at once
    replace: bool = False  # start the set anew instead of refusing on other settings
    gates: Gates = field(default_factory=Gates)
    asking: Asking = field(default_factory=Asking)

    @property
    def validation_count(self) -> int:
        """Validation records: as many as were asked for, else a share of `n`."""
        return round(self.n * VALIDATION_SHARE) if self.validation is None else self.validation


@dataclass(frozen=True)
class Pdf2qa:
    """`fingen pdf2qa`."""

    inputs: tuple[Path, ...] = (Path("reports"),)
    out: Path = BUILD / "reports"
    tasks: tuple[str, ...] = TASKS
    per_chunk: int = 2  # pairs a request may give, at most
    context: str = "none"  # what stands in `input`: nothing, the source passage, or one row of each kind
    teacher: str | None = None  # who writes; None: the one whose key is at hand, else the offline rules
    questions: Path | None = None  # topics of the user's own that the teacher is steered towards
    workers: int = 2  # reading processes
    limit: int | None = None  # chunks asked about, spread over all documents
    replace: bool = False  # start the set anew instead of refusing on other settings
    reading: Reading = field(default_factory=Reading)
    splitting: Splitting = field(default_factory=Splitting)
    gates: Gates = field(default_factory=Gates)
    asking: Asking = field(default_factory=Asking)
