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
class ReadSettings:
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
class Filters:
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
    filters: Filters = field(default_factory=Filters)
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
    judge: str | None = None  # a teacher that scores what is kept
    questions: Path | None = None  # topics of the user's own that the teacher is steered towards
    workers: int = 2  # reading processes
    limit: int | None = None  # chunks asked about, spread over all documents
    replace: bool = False  # start the set anew instead of refusing on other settings
    reading: ReadSettings = field(default_factory=ReadSettings)
    splitting: Splitting = field(default_factory=Splitting)
    filters: Filters = field(default_factory=Filters)
    asking: Asking = field(default_factory=Asking)


@dataclass(frozen=True)
class Alias:
    """A base model by a short name."""

    hub_id: str | None  # None: built here, from the set
    billions: float  # parameters
    licence: str
    gated: bool = False  # its files are handed out only to who has accepted the licence
    code: str | None = None  # the transformers version that its own code was written for; None: it needs no such code
    successor: str | None = None  # the alias to take where that version is not the installed one
    trap: str = ""  # what its users stumble over
    tried: bool = False  # a whole run with these weights is among the project's own checks
    modelscope_id: str | None = None  # its name on ModelScope, where that is another one
    preset: dict[str, str | float] = field(default_factory=dict)  # settings of `Tuning` that suit it


_LLAMA3 = "its chat template writes <|begin_of_text|> itself: a tokenizer that adds it again doubles it"
_LLAMA2 = "no padding token; takes Chinese apart into bytes, so Chinese sets cost two to three times the tokens"
_QWEN25 = "its chat template adds a system prompt of its own where the conversation has none"
_QWEN3 = "thinks before it answers: trained and asked here with thinking off"
_GLM_CODE = "the code in its repository is for an old transformers"
MODELS = {
    "llama3": Alias("meta-llama/Meta-Llama-3-8B-Instruct", 8.03, "Llama 3 Community", gated=True, trap=_LLAMA3,
                    modelscope_id="LLM-Research/Meta-Llama-3-8B-Instruct"),
    "llama3.1": Alias("meta-llama/Llama-3.1-8B-Instruct", 8.03, "Llama 3.1 Community", gated=True, trap=_LLAMA3,
                      modelscope_id="LLM-Research/Meta-Llama-3.1-8B-Instruct"),
    "llama3.2-1b": Alias("meta-llama/Llama-3.2-1B-Instruct", 1.24, "Llama 3.2 Community", gated=True, trap=_LLAMA3,
                         modelscope_id="LLM-Research/Llama-3.2-1B-Instruct"),
    "llama3.2-3b": Alias("meta-llama/Llama-3.2-3B-Instruct", 3.21, "Llama 3.2 Community", gated=True, trap=_LLAMA3,
                         modelscope_id="LLM-Research/Llama-3.2-3B-Instruct"),
    "llama2": Alias("meta-llama/Llama-2-7b-chat-hf", 6.74, "Llama 2 Community", gated=True, trap=_LLAMA2,
                    modelscope_id="modelscope/Llama-2-7b-chat-ms"),
    "llama2-13b": Alias("meta-llama/Llama-2-13b-chat-hf", 13.02, "Llama 2 Community", gated=True, trap=_LLAMA2,
                        modelscope_id="modelscope/Llama-2-13b-chat-ms"),
    "qwen2.5": Alias("Qwen/Qwen2.5-7B-Instruct", 7.62, "Apache-2.0", trap=_QWEN25),
    "qwen2.5-0.5b": Alias("Qwen/Qwen2.5-0.5B-Instruct", 0.49, "Apache-2.0", trap=_QWEN25),
    "qwen2.5-1.5b": Alias("Qwen/Qwen2.5-1.5B-Instruct", 1.54, "Apache-2.0", trap=_QWEN25),
    "qwen2.5-14b": Alias("Qwen/Qwen2.5-14B-Instruct", 14.77, "Apache-2.0", trap=_QWEN25),
    "qwen3-0.6b": Alias("Qwen/Qwen3-0.6B", 0.60, "Apache-2.0", trap=_QWEN3),
    "qwen3-1.7b": Alias("Qwen/Qwen3-1.7B", 1.72, "Apache-2.0", trap=_QWEN3),
    "qwen3-4b": Alias("Qwen/Qwen3-4B", 4.02, "Apache-2.0", trap=_QWEN3),
    "qwen3": Alias("Qwen/Qwen3-8B", 8.19, "Apache-2.0", trap=_QWEN3),
    "qwen3-14b": Alias("Qwen/Qwen3-14B", 14.77, "Apache-2.0", trap=_QWEN3),
    "qwen3-32b": Alias("Qwen/Qwen3-32B", 32.76, "Apache-2.0", trap=_QWEN3),
    "glm4": Alias("zai-org/glm-4-9b-chat-hf", 9.40, "GLM-4", trap="the repository without -hf needs code of its own",
                  modelscope_id="ZhipuAI/glm-4-9b-chat-hf"),
    "chatglm2": Alias("zai-org/chatglm2-6b", 6.24, "ChatGLM2-6B", code="4.30.2", successor="glm4",
                      trap=f"{_GLM_CODE}; there are pickled weights only", modelscope_id="ZhipuAI/chatglm2-6b"),
    "chatglm3": Alias("zai-org/chatglm3-6b", 6.24, "ChatGLM3-6B", code="4.40.0", successor="glm4", trap=_GLM_CODE,
                      modelscope_id="ZhipuAI/chatglm3-6b"),
    "baichuan2": Alias(
        "baichuan-inc/Baichuan2-7B-Chat", 7.51, "Baichuan 2 Community", code="4.33.3", successor="qwen2.5",
        trap="its tokenizer fails from transformers 4.34 on; there are pickled weights only",
    ),
    "tiny": Alias(
        None, 0.0006, "none: made here", tried=True,
        trap="random weights and a short training on the set's own text: for trying the road, not for answers",
        preset={"learning_rate": 3e-3, "rank": 16, "alpha": 32, "dropout": 0.1, "epochs": 5},
    ),
}  # fmt: skip
LOADS = ("auto", "fp32", "bf16", "fp16", "8bit", "4bit")
WEIGHT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "8bit": 1.15, "4bit": 0.75}  # a parameter, embeddings among them
FORMS = ("chat", "fingpt")
SCHEDULES = ("cosine", "linear", "constant")
KEEP = ("best", "last")
DPI = 144  # dots per inch of a page that is drawn


@dataclass(frozen=True)
class Tuning:
    """How an adapter is trained. Recipes, presets and flags change it field by field."""

    rank: int = 8
    alpha: float = 16.0  # the adapter's output is scaled by alpha / rank, with rslora by alpha / sqrt(rank)
    dropout: float = 0.0  # share of the adapter's inputs
    targets: str = "all-linear"  # that, or names of modules parted by commas
    rslora: bool = False
    dora: bool = False
    form: str = "chat"  # how a row is put to the model: the tokenizer's chat template, or FinGPT's prompt
    learning_rate: float = 1e-4  # at its highest
    schedule: str = "cosine"  # after the warmup
    warmup: float = 0.1  # below 1 a share of all steps, from 1 on steps
    epochs: int = 3  # times each row is seen
    steps: int | None = None  # steps in place of epochs
    batch: int = 8  # rows in a step
    tokens_per_batch: int = 2048  # padded tokens that are in memory at once; changes speed, not what is learned
    cutoff: int = 2048  # tokens a row may have; a longer one is left out and counted
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    load: str = "auto"  # number format of the base model; auto: bf16 on a GPU that has it, else fp32
    gradient_checkpointing: bool = False  # less memory, a third more time
    validation_share: float = 0.0  # of the training rows, for a set that has no validation split
    keep: str = "best"  # which weights: best on the validation rows, by macro F1 of classes, else by loss; or the last
    keep_rows: int = (
        30  # validation rows that it takes to choose weights or an end by them; with fewer: the last weights
    )
    patience: int | None = None  # epochs without a better evaluation until it ends
    save_every: int = 50  # steps between two checkpoints
    seed: int = 0


@dataclass(frozen=True)
class Finetune:
    """`fingen finetune`."""

    model: str = "llama3"  # an alias, a hub id, or a folder
    data: Path | None = None  # a set; None: the newest in build/
    out: Path | None = None  # None: build/adapters/<set>-<model>
    recipe: str | None = None
    resume: bool = False
    replace: bool = False
    trust_remote_code: bool = False
    report_to: tuple[str, ...] = ()  # trackers, as transformers names them
    dry_run: bool = False


@dataclass(frozen=True)
class Scoring:
    """`fingen score`."""

    adapters: tuple[str, ...] = ()  # folders, or ids on the Hub
    models: tuple[str, ...] = ()  # aliases, hub ids or folders
    teachers: tuple[str, ...] = ()
    baseline: bool = False  # a linear one, on the training rows
    predictions: Path | None = None  # a file of raw answers
    gold: Path | None = None  # what is right for them; None: their own column gold
    data: Path | None = None  # the rows to score on: a set or a file; None: the set that the first adapter was tuned on
    splits: tuple[str, ...] = ()  # of the set; none: test, else validation; of questions and answers memory too
    benchmarks: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()  # of the benchmarks, one for each; none: they are fetched
    base_beside: bool = True  # ask an adapter's base too
    base: str | None = None  # of an adapter that others made; None: the one that it names
    form: str | None = None  # how rows are put to a model; None: chat, or as the adapter was tuned
    load: str = "auto"  # number format of a model
    generate: bool = False  # have choices answered in free text, in place of reading off the likeliest option
    max_tokens: int | None = None  # that a generated answer may have; None: 64 for a choice, 512 for free text
    rotate: bool = False  # ask each choice with its options in every rotation
    context: str | None = None  # of free text: one of CONTEXTS; None: both where an adapter's set has the passages
    judge: str | None = None  # a teacher that says whether answer and reference say the same
    shots: int = 0  # training examples before each question
    trust_remote_code: bool = False
    out: Path | None = None  # None: build/scores/<name>
    replace: bool = False
    seed: int = 0  # of the bootstrap and of the shots
    resamples: int = 2000  # of the bootstrap
    asking: Asking = field(default_factory=Asking)
