"""The keywords of the public API, for type checkers: the options of each command, with what they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Required, TypeAlias, TypedDict

File: TypeAlias = str | PathLike[str]


class ReadOptions(TypedDict, total=False):
    """How a report is read and cut."""

    language: str
    chunk_tokens: int
    ocr: bool


class FilterOptions(TypedDict, total=False):
    """What keeps records out of a set, or changes them."""

    keep_out: File | Iterable[File]
    against: File | Iterable[File]
    privacy: str


class LimitOptions(TypedDict, total=False):
    """Where a teacher is asked, how fast, and what it may cost."""

    base_url: str | Iterable[str] | None
    concurrency: int
    rpm: int | None
    tpm: int | None
    budget: float | None
    budget_all: float | None
    price: tuple[float, float] | None


class CostOptions(LimitOptions, total=False):
    """How a teacher is asked, and what it may cost."""

    dry_run: bool


class AskingOptions(CostOptions, total=False):
    """The same, for a set."""

    teacher: str | None
    max_answer_tokens: int | None
    yes: bool
    batch: bool
    wait: bool
    export_requests: File | None
    import_answers: File | Iterable[File] | None


class Pdf2qaOptions(ReadOptions, FilterOptions, AskingOptions, total=False):
    """The options of `fingen pdf2qa`."""

    task: str | Sequence[str]
    per_chunk: int
    negatives: float | None
    reasons: bool
    context: str
    out: File
    shard: str | None
    workers: int
    engine: str | None
    questions: File | None
    limit: int | None
    sections: str | Sequence[str]
    split: tuple[float, float, float]
    split_by: str
    repair: int | None
    partial: bool
    check: str | None
    judge: str | None
    replace: bool


class IntentOptions(FilterOptions, AskingOptions, total=False):
    """The options of `fingen synth intent`."""

    n: int
    validation: int | None
    test: int
    language: str
    seed: int
    per_request: int
    labels: File | None
    weights: Sequence[float] | None
    with_other: bool
    fixed_options: bool
    check: str | None
    out: File
    shard: str | None
    replace: bool


class GatherOptions(LimitOptions, total=False):
    """The options of `fingen gather`."""

    out: Required[File]
    workers: int
    engine: str | None
    max_answer_tokens: int | None
    wait: bool
    replace: bool
    yes: bool


class ImportOptions(TypedDict, total=False):
    """The options of `fingen import`."""

    out: File | None
    split: str | tuple[float, float, float] | None
    text: str | None
    label: str | None
    instruction: str | None
    with_reasons: bool
    download: bool
    replace: bool


class PreferOptions(TypedDict, total=False):
    """The options of `fingen prefer`."""

    out: File | None
    siblings: str
    replace: bool


class VerifyOptions(TypedDict, total=False):
    """The options of `fingen verify`."""

    source: File | Iterable[File]
    keep_out: File | Iterable[File]
    html: File | None


class TraceOptions(TypedDict, total=False):
    """The options of `fingen trace`."""

    build: File
    html: File | None


class WithdrawOptions(TypedDict, total=False):
    """The options of `fingen withdraw`."""

    build: File
    dry_run: bool
    forget: bool


class ShowOptions(TypedDict, total=False):
    """The options of `fingen show`."""

    png: File | None
    html: File | None
    crop: bool
    dpi: int
    input: File | Iterable[File]


class FinetuneOptions(TypedDict, total=False):
    """The options of `fingen finetune`."""

    model: str
    set: File | None
    out: File | None
    recipe: str | None
    objective: str
    beta: float
    rank: int | None
    alpha: float | None
    epochs: int | None
    learning_rate: float | None
    load: str | None
    cutoff: int | None
    tokens_per_batch: int | None
    seed: int | None
    limit: int | None
    config: File | None
    override: Mapping[str, Any]
    seeds: int | None
    resume: bool
    replace: bool
    report_to: str | Iterable[str]
    trust_remote_code: bool
    dry_run: bool


class DistillOptions(TypedDict, total=False):
    """The options of `fingen distill`."""

    drop: int | None
    student: str | None
    set: File | None
    out: File | None
    recipe: str | None
    rank: int | None
    alpha: float | None
    epochs: int | None
    learning_rate: float | None
    load: str | None
    cutoff: int | None
    tokens_per_batch: int | None
    seed: int | None
    limit: int | None
    kl: float | None
    temperature: float | None
    top: int | None
    hidden: float | None
    embedding: float | None
    layer_map: str | None
    on_policy: float | None
    config: File | None
    override: Mapping[str, Any]
    untrained: bool
    cache: bool
    license_agreed: bool
    resume: bool
    replace: bool
    report_to: str | Iterable[str]
    trust_remote_code: bool
    dry_run: bool


class MergeOptions(TypedDict, total=False):
    """The options of `fingen merge`."""

    out: File | None
    tolerance: float | None
    base: str | None
    form: str | None
    gguf: str | None
    replace: bool
    trust_remote_code: bool


class ScoreOptions(CostOptions, total=False):
    """The options of `fingen score`."""

    model: str | Iterable[str]
    teacher: str | Iterable[str]
    classifier: str | Iterable[str]
    baseline: bool
    predictions: File | None
    gold: File | None
    no_base: bool
    base: str | None
    form: str | None
    load: str
    trust_remote_code: bool
    set: File | None
    split: str | Iterable[str]
    context: str | None
    judge: str | None
    benchmark: str | Iterable[str]
    data: File | Iterable[File]
    generate: bool
    rotate: bool
    limit: int | None
    shots: int
    max_tokens: int | None
    out: File | None
    seed: int
    replace: bool


class ExportOptions(TypedDict, total=False):
    """The options of `fingen export`."""

    format: Required[str]
    out: Required[File]
    replace: bool
    model: str
    recipe: str


class PushOptions(TypedDict, total=False):
    """The options of `fingen push`."""

    base: str | None
    form: str | None
    repo: str | None
    public: bool
    license: str | None
    message: str | None
    dry_run: bool
    yes: bool
    overwrite: bool
    with_chunks: bool
    without_quotes: bool
    with_rejects: bool
    allow_offline: bool
    allow_failing: bool


class PullOptions(TypedDict, total=False):
    """The options of `fingen pull`."""

    out: File | None
    adapter: bool
    revision: str | None
    config: str | None
    max_rows: int
    max_mib: int
    replace: bool
