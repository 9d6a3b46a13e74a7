"""Every setting, once: its default, its help with the unit, and how an option says it. This module imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

TASKS = {  # what `pdf2qa --task` takes, and its help
    "concept": "what a measure, policy or risk is here, and what follows for the figures",
    "summary": "what a section comes to, text and tables together",
    "table": "what follows from the figures of a table, as a program over its cells; up to four a table",
    "conversation": "three to five questions that rest on each other, each answer with its quotes",
    "negative": "what an investor would ask and the passage does not say; “not stated” is right",
}
_KINDS = "; ".join(f"{name}: {about}" for name, about in TASKS.items())
BENCHMARKS = (
    "openfindata",
    "ant-intent",
    "fpb",
    "fiqa",
    "tfns",
    "nwgi",
    "finqa",
    "tat-qa",
    "fineval",
)  # what `score --benchmark` takes
SOURCES = (*BENCHMARKS, "alpaca", "sharegpt", "csv")  # what `import` takes
RENAMED = {"fineval-intent": "ant-intent"}  # names that sources and benchmarks had before; fineval itself is SUFE's
TERMS = {  # provider -> where it says what may be trained on its models' answers
    "anthropic": "https://support.claude.com/en/articles/12326764-can-i-use-my-outputs-to-train-an-ai-model",
    "openai": "https://openai.com/policies/services-agreement/",
}
CONTEXTS = ("none", "passage", "both")
LANGUAGES = ("auto", "en", "zh")
LEAST_TOKENS, MOST_TOKENS = 128, 16_384  # that a passage may have
SPLIT_UNITS = ("auto", "company", "document", "chunk")
VALIDATION_SHARE = 0.32  # of the training records: 160 at 500
RESERVED_SET_NAMES = frozenset({"adapters", "models", "scores", "reproductions", "cache", "chats", "withdrawn"})
BUILD = Path("build")
CACHE = BUILD / "cache"
CHATS = BUILD / "chats"  # what teachers said in conversations
PUSHES = BUILD / "pushes.jsonl"  # what went to the Hub from here, where and when
T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """What is to be known of a setting beyond its name, type and default. `fingen.cli.options` makes a click option of it."""

    help: str
    unset: str = ""  # what None stands for, where that is the default
    flag: str = ""  # as it is typed; empty: the field's name. One that starts with --no- turns off what is on
    key: str = ""  # its name in fingen.toml and in variables; empty: the field's name
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    above: float | None = None
    variable: str = ""  # that sets it in every command; empty: FINGEN_<COMMAND>_<NAME>
    is_file: bool = False  # a path that must not be a folder
    from_folder: bool = False  # ./fingen.toml may set it: see `folder_option`


def option(default: T, help: str, **about: Any) -> T:
    """A field of a dataclass that commands have an option for; `about` are fields of `Option`. Others are plain fields."""
    return field(default=default, metadata={"option": Option(help, **about)})


def folder_option(default: T, help: str, **about: Any) -> T:
    """A field that ./fingen.toml may set too: nothing is sent, spent, published, overwritten, run, fetched or written by it.

    The folder may be somebody else's. What multiplies the requests of a run, or what they hold, is no such field: a teacher
    may be paid for them.
    """
    return option(default, help, from_folder=True, **about)


@dataclass(frozen=True)
class ReadSettings:
    """How documents are read and cut."""

    chunk_tokens: int = option(1024, "Estimated tokens a passage may have.", least=LEAST_TOKENS, most=MOST_TOKENS)
    ocr: bool = folder_option(False, "Read scanned and unreadable pages by OCR (tesseract, or the extra ocr).")
    language: str = folder_option("auto", "Language of the reports; auto finds it for each.", choices=LANGUAGES)
    page_seconds: float = 3.0  # CPU seconds one page may take, and opening a file
    file_seconds: float = 6.0  # CPU seconds all pages of a file may take beyond what ordinary pages take
    ocr_page_seconds: float = 60.0  # the same for a page read with OCR
    memory_bytes: int = 720 << 20  # address space a worker may add to what it starts with
    ocr_memory_bytes: int = 3 << 30  # the same with OCR, whose models reserve more than they use
    slow_pages: int = 1  # pages of one file that may be given up before the pages after the next one are


SHARES = "Shares of train, validation and test."


@dataclass(frozen=True)
class Splitting:
    """How records are divided."""

    shares: tuple[float, float, float] = folder_option((0.8, 0.1, 0.1), SHARES, flag="--split", key="split")
    by: str = folder_option(
        "auto", "What stays together; auto is document from 20 documents on, chunk below. A company's reports of several years "
        "repeat much: company keeps them in one split.", flag="--split-by",
        key="split_by", choices=SPLIT_UNITS,
    )  # fmt: skip
    document_threshold: int = 20  # documents
    memory_share: float = 0.1  # of the closed-book training pairs


@dataclass(frozen=True)
class Resplitting(Splitting):
    """`fingen split`."""

    shares: tuple[float, float, float] = folder_option(Splitting.shares, SHARES, flag="--split")
    by: str = folder_option(
        Splitting.by, "What stays together; auto is what the set has.", flag="--split-by", key="split_by",
        choices=SPLIT_UNITS,
    )  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What keeps records out of a set, or changes them. A set can be filtered anew from its journal."""

    keep_out: tuple[Path, ...] = folder_option(
        (),
        "A benchmark: what is in it is rejected. Its name (finqa, fpb ...), NAME=FILE, or a file of rows. May be repeated.",
        metavar="NAME|FILE",
    )
    against: tuple[Path, ...] = folder_option(
        (), "Another set: what repeats one of its records is rejected. May be repeated.", metavar="SET"
    )
    privacy: Literal["keep", "mask", "mask-names", "drop"] = option(
        "mask", "Personal data and keys (identity and bank cards, phones, API keys): keep them, put marks in their place "
        "before a teacher sees them (mask-names: of persons' names too), or drop the record.",
    )  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """How a teacher is asked, and what it may cost."""

    base_url: tuple[str, ...] = option(
        (), "A server that speaks OpenAI's protocol (vLLM, Ollama, llama.cpp): http://host/v1. Repeat it to ask several with one "
        "model: each gets as many requests as it takes, and one that fails is left out for a while.", metavar="URL"
    )  # fmt: skip
    concurrency: int = folder_option(
        64, "Requests in flight at a server, at most; fingen finds out what it takes.", least=1, most=1024
    )
    answer_tokens: int | None = option(
        None, "Tokens that an answer may have, for a model or server with little room: what is cut there is of no use.",
        unset="as many as it needs, about", flag="--max-answer-tokens", key="max_answer_tokens", least=1,
    )  # fmt: skip
    rpm: int | None = folder_option(None, "Requests a minute, at most.", least=1)
    tpm: int | None = folder_option(None, "Tokens a minute, at most.", least=1)
    budget_usd: float | None = folder_option(
        None, "USD that the set may cost, all runs together; a hard stop.", flag="--budget", key="budget", above=0
    )
    budget_all_usd: float | None = option(
        None, "USD that all sets, scores and conversations in build/ may cost together, all runs; a hard stop. Also FINGEN_BUDGET.",
        flag="--budget-all", key="budget_all", variable="FINGEN_BUDGET", above=0,
    )  # fmt: skip
    price: tuple[float, float] | None = option(
        None, "USD per million input and output tokens, for a model whose price is not known.", metavar="IN,OUT"
    )
    batch: bool = option(False, "Ask in batches of the provider: half the price, within 24 hours.")
    wait: bool = folder_option(True, "Wait for the batches; without it the same command collects them later.")
    export_requests: Path | None = option(
        None, "Send nothing: write the missing requests to FILE, in the form of OpenAI's batches; more than 5,000 to FILE-00001 "
        "and so on.", metavar="FILE", is_file=True
    )  # fmt: skip
    import_answers: tuple[Path, ...] = option(
        (), "Send nothing: take the answers from FILE, results of either provider's batches; or from all files of a folder. May be "
        "repeated.", metavar="FILE|FOLDER"
    )  # fmt: skip
    dry_run: bool = option(False, "Say what would be sent and what it would cost, and send nothing.")


@dataclass(frozen=True)
class AskingToScore(Asking):
    """The same of `fingen score`, which knows no batches: their fields are no options here."""

    budget_usd: float | None = folder_option(
        None, "USD that the score may cost, all runs together; a hard stop.", flag="--budget", above=0
    )
    answer_tokens: int | None = None
    batch: bool = False
    wait: bool = True
    export_requests: Path | None = None
    import_answers: tuple[Path, ...] = ()
    dry_run: bool = option(False, "Say what would be asked and what it would cost; load no model, and send nothing.")


PROCESSES = "processes of this machine"


@dataclass(frozen=True)
class AskingToGather(Asking):
    """The same of `fingen gather`, which asks what the parts lack, and collects their batches: other ways are the parts' own."""

    batch: bool = False
    export_requests: Path | None = None
    import_answers: tuple[Path, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class Gather:
    """`fingen gather`: how the answers that the parts have are checked, and asking for what they lack."""

    workers: int = folder_option(2, "Processes that check what is answered about reports.", least=1, most=64)
    engine: str | None = option(
        None, "Have answers about reports checked on Ray: ray starts one on this machine, ray:auto and ray:HOST:PORT name a cluster "
        "that runs.", unset=PROCESSES, metavar="ray[:ADDRESS]",
    )  # fmt: skip
    asking: AskingToGather = field(default_factory=AskingToGather)


WRITER = "Who writes: anthropic[:MODEL], openai[:MODEL], offline."
FOUND = "the one whose key is set, after asking; else offline"
ANEW = "Start the set anew, also where it was made with other settings."
SHARD = (
    "Do the share of one machine of several, such as 3/10, into --out, a folder beside those of the others; `fingen gather` makes "
    "the set of them."
)


@dataclass(frozen=True)
class Synth:
    """`fingen synth`: items that no document gives."""

    kind: str = "intent"
    n: int = option(500, "Training records, exactly.", least=1)
    validation: int | None = option(
        None, "Validation records on top, exactly.", unset=f"{VALIDATION_SHARE} of --n", least=0
    )
    test: int = option(0, "Test records on top, exactly.", least=0)
    language: Literal["zh", "en"] = folder_option("zh", "Language of the items.")
    seed: int = folder_option(0, "Of all that is drawn.")
    per_request: int = option(5, "Items that a request asks for.", least=1, most=50)
    check: str | None = option(
        None, "A second teacher answers each item blind; where it disagrees the item is rejected.", metavar="TEACHER"
    )
    out: Path = option(BUILD / "intent", "Folder of the set.")
    shard: str | None = option(None, SHARD, metavar="I/N")
    teacher: str | None = option(None, WRITER, unset=FOUND)
    asking: Asking = field(default_factory=Asking)
    filters: Filters = field(default_factory=Filters)
    replace: bool = option(False, ANEW)

    @property
    def validation_count(self) -> int:
        """Validation records: as many as were asked for, else a share of `n`."""
        return round(self.n * VALIDATION_SHARE) if self.validation is None else self.validation


@dataclass(frozen=True)
class Pdf2qa:
    """`fingen pdf2qa`."""

    inputs: tuple[Path, ...] = (Path("reports"),)
    tasks: tuple[str, ...] = folder_option(
        ("concept", "summary"),
        f"Kinds of pairs, parted by commas.  {_KINDS}.",
        flag="--task",
        key="task",
        choices=tuple(TASKS),
    )
    per_chunk: int = option(
        2,
        "Pairs of a kind asked for from a passage, at most; of table twice as many from each table, and no more than 4.",
        least=1,
        most=20,
    )
    context: str = folder_option(
        "none", "What stands in `input`: nothing (closed-book), the source passage, or a row of each.", choices=CONTEXTS
    )
    negatives: float | None = option(
        None, "Share of the rows, 0 to 0.5, whose passage does not state what is asked for.",
        unset="0.1 of the rows with their passage",
    )  # fmt: skip
    reasons: bool = option(
        False,
        "Put before an answer that is worked out from a table the steps that give it: the cells, each step and what comes of "
        "it, run again by verify. For --task table; nothing more is asked for it.",
    )
    out: Path = option(BUILD / "reports", "Folder of the set.")
    shard: str | None = option(None, SHARD, metavar="I/N")
    workers: int = folder_option(2, "Processes that read files, and check what is answered.", least=1, most=64)
    engine: str | None = option(
        None, "Have files read and answers checked on Ray: ray starts one on this machine, ray:auto and ray:HOST:PORT name a cluster "
        "that runs, whose machines see the reports under the same path.", unset=PROCESSES, metavar="ray[:ADDRESS]",
    )  # fmt: skip
    questions: Path | None = option(None, "File with your own topics, one a line, that the teacher is steered towards.")
    teacher: str | None = option(None, WRITER, unset=FOUND)
    asking: Asking = field(default_factory=Asking)
    limit: int | None = folder_option(None, "Passages asked about, spread over all documents.", unset="all", least=1)
    sections: tuple[str, ...] = option(
        (),
        "Sections asked about, parted by commas: parts of their titles, such as `risk factors`, or exhibits, signatures, "
        "cover, governance, or all. What is left out is counted.",
        unset="all but exhibits, signatures, cover and governance",
    )
    reading: ReadSettings = field(default_factory=ReadSettings)
    splitting: Splitting = field(default_factory=Splitting)
    repair: int | None = option(
        None, "Times that a rejected pair goes back to its teacher with what was found.",
        unset="1 for a teacher that costs, else 0", least=0, most=3,
    )  # fmt: skip
    partial: bool = option(
        False,
        "Write the set of what is answered, where answers are missing or refused; exit code 1 says so, and the same command "
        "asks for the rest.",
    )
    check: str | None = option(
        None, "A second teacher holds each claim of an answer against its quotes, blind to the writer; where it disagrees "
        "the pair is rejected, with both sides. What only rules that read words speak against is kept where it supports each "
        "claim. How often it agrees is said.", metavar="TEACHER",
    )  # fmt: skip
    judge: str | None = option(
        None, "A teacher that scores what is kept, 1 to 5 on four points; scores are stored and reject nothing.",
        metavar="TEACHER",
    )  # fmt: skip
    filters: Filters = field(default_factory=Filters)
    replace: bool = option(False, ANEW)

    @property
    def asked_for(self) -> tuple[str, ...]:
        """The tasks that are asked for: those that are named, and negatives where a share of them is wanted."""
        more = ("negative",) if self.negatives and "negative" not in self.tasks else ()
        return (*self.tasks, *more)


REWRITES = {  # what `synth rewrite --how` takes, and its help
    "improve": "question and answer become clearer and more complete",
    "rephrase": "the question is asked in another form, the answer stays as it is",
    "extend": "the answer is told in more detail, the question stays as it is",
}
_REWRITES = "; ".join(f"{name}: {about}" for name, about in REWRITES.items())


@dataclass(frozen=True)
class Rewrite:
    """`fingen synth rewrite`."""

    data: Path = Path()
    how: str = option("improve", f"What is done to a pair.  {_REWRITES}.", choices=tuple(REWRITES))
    splits: tuple[str, ...] = option(
        ("train",), "Splits whose rows are written anew, parted by commas: train, validation, test, memory. A new row stays in "
        "the split of its original.", flag="--split", choices=("train", "validation", "test", "memory"),
    )  # fmt: skip
    limit: int | None = option(None, "Rows that are written anew, at most: chosen by their ids.", unset="all", least=1)
    per_request: int = option(5, "Rows that a request asks for.", least=1, most=50)
    out: Path | None = option(
        None, "Folder of the new set.", unset="that of SET with -rewritten behind it", metavar="FOLDER"
    )
    teacher: str | None = option(None, WRITER, unset=FOUND)
    asking: Asking = field(default_factory=Asking)
    filters: Filters = field(default_factory=Filters)
    replace: bool = option(False, ANEW)


SIBLINGS = ("question", "passage")  # what the two answers of a preference have in common


@dataclass(frozen=True)
class Prefer:
    """`fingen prefer`."""

    out: Path | None = option(
        None, "Folder of the new set.", unset="that of SET with -preferences behind it", metavar="FOLDER"
    )
    siblings: str = folder_option(
        "question", "What the rejected answer has in common with the chosen one: its question, worded anew or not; or no "
        "more than its passage and task, which gives more pairs that teach less.", choices=SIBLINGS,
    )  # fmt: skip
    replace: bool = option(False, ANEW)


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
_SMOLLM2 = "English alone; its chat template adds a system prompt of its own where the conversation has none"
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
    "smollm2": Alias("HuggingFaceTB/SmolLM2-135M-Instruct", 0.135, "Apache-2.0", tried=True,
                     trap=f"{_SMOLLM2}; tried here with the weights of a copy in 4 bits (GGUF, Q4_1)"),
    "smollm2-360m": Alias("HuggingFaceTB/SmolLM2-360M-Instruct", 0.362, "Apache-2.0", trap=_SMOLLM2),
    "smollm2-1.7b": Alias("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1.71, "Apache-2.0", trap=_SMOLLM2),
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
FAMILIES = ("baichuan2", "chatglm2", "chatglm3")  # what `fingen models convert` takes
LOADS = ("auto", "fp32", "bf16", "fp16", "8bit", "4bit")
WEIGHT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "8bit": 1.15, "4bit": 0.75}  # a parameter, embeddings among them
GGUF_KINDS = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "q4_1": "MOSTLY_Q4_1",
              "q4_0": "MOSTLY_Q4_0"}  # number formats, and what GGUF calls them  # fmt: skip
FORMS = ("chat", "fingpt")
BASE_OF = "Of an adapter that another program made: its base model."
FORM_OF = "Of such an adapter: how its prompts looked in its training."
OBJECTIVES = ("sft", "dpo")
# What DPO with LoRA is usually done at: the Zephyr recipe of alignment-handbook, and LLaMA-Factory's own example.
DPO_LEARNING_RATE = 5e-6
SCHEDULES = ("cosine", "linear", "constant")
KEEP = ("best", "last")
DPI = 144  # dots per inch of a page that is drawn


@dataclass(frozen=True)
class Tuning:
    """How an adapter is trained. Recipes, presets and flags change it field by field."""

    rank: int = folder_option(8, "Rank of the adapter.")
    alpha: float = folder_option(16.0, "Its output is scaled by alpha / rank, with rslora by alpha / sqrt(rank).")
    dropout: float = 0.0  # share of the adapter's inputs
    targets: str = "all-linear"  # that, or names of modules parted by commas
    rslora: bool = False
    dora: bool = False
    form: str = "chat"  # how a row is put to the model: the tokenizer's chat template, or FinGPT's prompt
    learning_rate: float = folder_option(1e-4, f"At its highest; dpo has {DPO_LEARNING_RATE:g} by default.")
    schedule: str = "cosine"  # after the warmup
    warmup: float = 0.1  # below 1 a share of all steps, from 1 on steps
    epochs: int = folder_option(3, "Times each row is seen.")
    steps: int | None = None  # steps in place of epochs
    batch: int = 8  # rows in a step
    tokens_per_batch: int = folder_option(
        2048, "Tokens in memory at once, with padding; changes speed and memory, not what is learned."
    )
    cutoff: int = folder_option(2048, "Tokens a row may have; a longer one is left out, and counted.")
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    load: str = folder_option(
        "auto",
        "Number format of the base model; auto: bf16 on a GPU, else fp32. 8bit and 4bit need the extra [quant].",
        choices=LOADS,
    )
    gradient_checkpointing: bool = False  # less memory, a third more time
    validation_share: float = 0.0  # of the training rows, for a set that has no validation split
    keep: str = "best"  # which weights: best on the validation rows, by macro F1 of classes, else by loss; or the last
    keep_rows: int = (
        30  # validation rows that it takes to choose weights or an end by them; with fewer: the last weights
    )
    patience: int | None = None  # epochs without a better evaluation until it ends
    save_every: int = 50  # steps between two checkpoints
    seed: int = folder_option(0, "Of the order of rows, and all random numbers.")
    limit: int | None = option(
        None, "Rows to train on, and of those to validate on, at most: chosen by their ids.", unset="all", least=1
    )


@dataclass(frozen=True)
class Finetune:
    """`fingen finetune`."""

    model: str = option("llama3", "The base model: an alias (see `fingen models`), a hub id, or a folder.")
    data: Path | None = option(None, "The set to train on.", unset="the newest in build/", flag="--set", metavar="SET")
    out: Path | None = option(None, "Folder of the adapter.", unset="build/adapters/<set>-<model>")
    recipe: str | None = folder_option(None, "Settings that were published; a wrong name lists them.", metavar="NAME")
    objective: str = folder_option(
        "sft",
        "What is learned: the answers (sft), or of preferences, which answer is better (dpo).",
        choices=OBJECTIVES,
    )
    beta: float = folder_option(
        0.1, "With dpo: how dear it is to move away from the base model; the smaller, the further it goes.", above=0
    )
    seeds: int | None = option(
        None,
        "Train so many adapters, with seeds from --seed on, in folders that end with -seed0 and so on; tell the mean and the "
        "spread of what they come to.",
        least=2,
    )
    resume: bool = folder_option(False, "Go on with a run that was not finished.")
    replace: bool = option(False, "Start anew, also where an adapter or an unfinished run is.")
    report_to: tuple[str, ...] = option(
        (), "Send the history also to a tracker that is installed, such as wandb or tensorboard. May be repeated.",
        metavar="TRACKER",
    )  # fmt: skip
    trust_remote_code: bool = option(
        False, "Run Python code that the base model brings along. It can do here all that you can: read it first."
    )
    dry_run: bool = option(False, "Say what would be done, and what is in the way; fetch and train nothing.")
    base_seed: int | None = None  # of the tiny base model, where adapters of several seeds stand on it


MEASURES = ("cosine", "mse")
DIVERGENCES = ("reverse", "jsd")  # of a student from its teacher, on what it wrote itself


@dataclass(frozen=True)
class Distilling(Tuning):
    """How a student is trained: the settings of a training, and the weights of what it learns by."""

    rank: int = folder_option(0, "Rank of an adapter on the student, in place of training all of it.", unset="none")
    kl: float = folder_option(0.5, "Share of the teacher's answers in what is learned; the rest are the rows' own.")
    temperature: float = folder_option(1.0, "What the logits of both are divided by before they are compared.")
    top: int = folder_option(
        128,
        "Tokens of the teacher's answers that count by themselves, all others as one; 0 takes all, without a cache.",
    )
    hidden: float = folder_option(0.0, "Weight of how far the states of paired layers are apart.")
    embedding: float = folder_option(0.0, "Weight of how far the embeddings are apart.")
    layer_map: str = option(
        "", "Layers that are to agree, student:teacher, from 0, such as 0:0,1:2.", metavar="PAIRS",
        unset="each with its own of before, or evenly spread",
    )  # fmt: skip
    on_policy: float = folder_option(
        0.0, "Share of the rows that the student then answers itself, and learns what the teacher says of its answers."
    )
    divergence: str = "reverse"  # of the two on those answers: reverse KL, or jsd, Jensen-Shannon
    measure: str = "cosine"  # of states: 1 - cosine, or mse: squared differences by the teacher's squares
    choosing_rows: int = 32  # training rows by which the layers to take out are chosen


@dataclass(frozen=True)
class Distill:
    """`fingen distill`."""

    teacher: str = ""
    drop: int | None = option(
        None, "The student is the teacher with so many layers out: those whose absence changes its answers least.", least=1
    )  # fmt: skip
    student: str | None = option(None, "The student is this model: an alias, a hub id, or a folder.", metavar="MODEL")
    data: Path | None = option(
        None, "The set to learn on.", unset="that of the teacher's adapter, else the newest in build/", flag="--set",
        metavar="SET",
    )  # fmt: skip
    out: Path | None = option(None, "Folder of the student.", unset="build/models/<teacher>-<student>")
    recipe: str | None = folder_option(None, "Settings that were published: od-finllm.", metavar="NAME")
    untrained: bool = option(
        False, "Write the student as it is cut, and train nothing: what distilling is compared with."
    )
    cache: bool = folder_option(
        True, "Ask the teacher first, keep its answers in build/cache/, and let go of it; else ask it at each step."
    )
    licence_agreed: bool = option(
        False,
        "The licences allow to teach this student with this teacher: you have read them.",
        flag="--license-agreed",
    )
    resume: bool = folder_option(False, "Go on with a run that was not finished.")
    replace: bool = option(False, "Start anew, also where a model or an unfinished run is.")
    report_to: tuple[str, ...] = option(
        (), "Send the history also to a tracker that is installed, such as wandb or tensorboard. May be repeated.",
        metavar="TRACKER",
    )  # fmt: skip
    trust_remote_code: bool = option(
        False, "Run Python code that a model brings along. It can do here all that you can: read it first."
    )
    dry_run: bool = option(False, "Say what would be done, and what is in the way; fetch, ask and train nothing.")


@dataclass(frozen=True)
class Scoring:
    """`fingen score`."""

    adapters: tuple[str, ...] = ()  # folders, or ids on the Hub
    models: tuple[str, ...] = option(
        (), "A model as it is: an alias, a Hub id or a folder. May be repeated.", flag="--model", metavar="MODEL"
    )
    teachers: tuple[str, ...] = option(
        (), "A teacher over its API: anthropic[:MODEL], openai[:MODEL]. To name it is to agree to its price. May be repeated.",
        flag="--teacher", metavar="NAME",
    )  # fmt: skip
    classifiers: tuple[str, ...] = option(
        (), "An encoder with a head of classes, such as FinBERT: a Hub id or a folder with safetensors. Its classes are matched "
        "with the options by name. May be repeated.", flag="--classifier",
        metavar="MODEL",
    )  # fmt: skip
    baseline: bool = folder_option(
        False, "A linear baseline: character n-grams and logistic regression on the training rows (extra [baseline])."
    )
    predictions: Path | None = option(
        None, "Raw answers (JSON lines, JSON, CSV): rows of id (or row, from 1) and prediction, answer or output. Each `model` is a "
        "subject; `gold` may stand in place of --gold; `finish_reason` or `stop_reason` may say that an answer was cut off.",
        metavar="FILE",
    )  # fmt: skip
    gold: Path | None = option(
        None,
        "What is right for --predictions: a set (its test split, else validation), a file of one, or rows of id and gold, "
        "and of language where the texts do not show it.",
        unset="the column gold of the answers",
        metavar="FILE|SET",
    )
    base_beside: bool = folder_option(
        True,
        "Leave out the base model beside an adapter, read off and generated, and the teacher and other students beside a "
        "distilled model.",
        flag="--no-base",
        key="no_base",
    )
    base: str | None = option(
        None, "The base of an adapter that others made.", unset="the one that it names", metavar="MODEL"
    )
    form: str | None = folder_option(
        None, "How rows are put to a model, or to an adapter that others made: its chat template, or FinGPT's prompt.",
        unset="chat", choices=FORMS,
    )  # fmt: skip
    load: str = folder_option(
        "auto", "Number format of a model; auto: as the adapter was tuned, else bf16 on a GPU that has it, else fp32.",
        choices=LOADS,
    )  # fmt: skip
    trust_remote_code: bool = option(False, "Run the Python code that a model brings; read it before.")
    data: Path | None = option(
        None,
        "Rows to score on: a set, or a file of instruction (or question), options and gold.",
        unset="the set that the adapter was tuned on",
        flag="--set",
        metavar="SET|FILE",
    )
    splits: tuple[str, ...] = option(
        (), "Split of the set. May be repeated.", unset="test, else validation; of questions and answers memory too",
        flag="--split", metavar="NAME",
    )  # fmt: skip
    context: str | None = option(
        None, "Ask questions closed-book (none), with the passage of the set in the prompt, or both ways.",
        unset="both for an adapter whose set has the passages, else none", choices=CONTEXTS,
    )  # fmt: skip
    judge: str | None = option(
        None, "A teacher that says of free text whether answer and reference say the same: anthropic[:MODEL], openai[:MODEL].",
        metavar="NAME",
    )  # fmt: skip
    benchmarks: tuple[str, ...] = option(
        (), f"{', '.join(BENCHMARKS)}. May be repeated.", flag="--benchmark", metavar="NAME"
    )
    files: tuple[Path, ...] = option(
        (), "File or folder of a --benchmark, one for each in their order.", unset="fetched from the Hub where a copy is there, and said",
        flag="--data",
        metavar="FILE",
    )  # fmt: skip
    generate: bool = folder_option(
        False, "Read free text where the likeliest option could be read off, as published figures often were made."
    )
    rotate: bool = option(False, "Ask each choice with its options in every rotation: does their place decide?")
    limit: int | None = option(
        None,
        "Rows of each source, at most: chosen by their ids, the same for all, under a name of their own; no figures of the "
        "whole.",
        unset="all",
        least=1,
    )
    shots: int = option(0, "Training examples before each question, of each class equally many.", least=0)
    max_tokens: int | None = option(
        None,
        "Tokens that a generated answer may have; those that needed more are counted.",
        unset="64 for a choice, 512 for free text; of teachers 1024 and 2048",
        least=1,
    )
    asking: AskingToScore = field(default_factory=AskingToScore)
    out: Path | None = option(None, "Folder of the score.", unset="build/scores/<name>", metavar="FOLDER")
    seed: int = folder_option(0, "Of the bootstrap and of the shots.")
    replace: bool = option(False, "Write over a score of other answers or rows.")
    resamples: int = 2000  # of the bootstrap


@dataclass(frozen=True)
class ServedModels:
    """`fingen serve`: models of this machine, and how they answer."""

    models: tuple[str, ...] = ()  # folders, aliases, Hub ids
    base: str | None = option(None, BASE_OF, metavar="MODEL")
    form: str | None = option(None, FORM_OF, choices=FORMS)
    load: str | None = folder_option(
        None, "Number format.", unset="as an adapter was tuned; bf16 on a GPU, else fp32", choices=LOADS
    )
    max_tokens: int = folder_option(512, "Tokens that an answer may have where nobody says how many.", least=1)
    trust_remote_code: bool = option(False, "Run Python code that a base model brings along: read it first.")


@dataclass(frozen=True)
class AskingInChat(Asking):
    """The same of `fingen demo`, which asks one question at a time: the fields of batches and pace are no options here."""

    concurrency: int = 1
    answer_tokens: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget_usd: float | None = folder_option(
        None, "USD that all conversations with teachers may cost, all runs together; a hard stop.", flag="--budget",
        key="budget", above=0,
    )  # fmt: skip
    batch: bool = False
    wait: bool = True
    export_requests: Path | None = None
    import_answers: tuple[Path, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class Demo(ServedModels):
    """`fingen demo`."""

    base_beside: bool = folder_option(
        True, "Leave out the base model beside an adapter.", flag="--no-base", key="no_base"
    )
    data: Path | None = option(
        None, "A set: its questions and passages are at hand on the page.", unset="the set of the first adapter",
        flag="--set", metavar="SET",
    )  # fmt: skip
    inputs: tuple[Path, ...] = option(
        (), "Where the PDF files of the set are, or such a file. May be repeated.", unset="., raw/, reports/, and where they were read",
        flag="--input", metavar="FOLDER",
    )  # fmt: skip
    teachers: tuple[str, ...] = option(
        (), "A teacher, or with --base-url a model on a server, beside the models: anthropic[:MODEL], openai[:MODEL]. It is "
        "asked when you agree to it on the page. May be repeated.", flag="--teacher", metavar="NAME",
    )  # fmt: skip
    asking: AskingInChat = field(default_factory=AskingInChat)


@dataclass(frozen=True)
class Reproduce:
    """`fingen reproduce`."""

    name: str = ""
    model: str | None = option(
        None, "The base model; another than the published one makes another table.", unset="the published one"
    )
    scale: float = option(
        1.0, "Share of the training rows and of the warm-up; one that becomes longer than the run is refused.", above=0
    )
    only: tuple[str, ...] = option(
        (), "Of the published sources and benchmarks these alone. May be repeated.", metavar="NAME"
    )
    files: tuple[str, ...] = option(
        (), "The file or folder of a source, of the published training rows (rows), or of questions with answers (gold). "
        "May be repeated.", unset="fetched from the Hub where it has them", flag="--data", metavar="NAME=PATH",
    )  # fmt: skip
    reports: tuple[Path, ...] = option(
        (), "Reports that our own question-answer pairs are made of. May be repeated.", metavar="PATH"
    )
    writer: str | None = option(
        None, "Who writes our own rows: anthropic[:MODEL], openai[:MODEL], offline.", unset="offline"
    )
    teachers: tuple[str, ...] = option(
        (), "A teacher to score beside: anthropic[:MODEL], openai[:MODEL]. May be repeated.", flag="--teacher", metavar="NAME"
    )  # fmt: skip
    classifiers: tuple[str, ...] = option(
        (), "An encoder with a head of classes to score beside, such as FinBERT. May be repeated.", flag="--classifier",
        metavar="MODEL",
    )  # fmt: skip
    overrides: tuple[str, ...] = option(
        (), "A setting of the training in place of the published one. May be repeated.", flag="--override", metavar="KEY=VALUE"
    )  # fmt: skip
    asking: AskingToScore = field(default_factory=AskingToScore)
    trust_remote_code: bool = option(False, "Run the Python code that a model brings; read it before.")
    out: Path | None = option(
        None, "Folder of all of it.", unset="build/reproductions/<name>-<model>", metavar="FOLDER"
    )
    replace: bool = option(False, "Start anew, also where it was made with other settings.")


@dataclass(frozen=True)
class Taking:
    """How much is taken from the Hub: what others publish may be far more than it looks like."""

    max_rows: int = option(
        500_000, "Rows to take, at most; a data set that has more is refused, before it is unpacked.", least=1
    )
    max_mib: int = option(512, "MiB to take, at most, as they arrive and as they are unpacked.", least=1)


@dataclass(frozen=True)
class Push:
    """`fingen push`."""

    base: str | None = option(None, BASE_OF, metavar="MODEL")
    form: str | None = option(None, FORM_OF, choices=FORMS)
    repo: str | None = option(
        None, "Where it goes.", unset="the token's user, the folder's name", metavar="[OWNER/]NAME"
    )
    public: bool = option(False, "Let everybody see it; without this it is private.")
    licence: str | None = option(
        None, "Licence of what goes, as the Hub names it, such as cc-by-4.0.", unset="none, and the card says so",
        flag="--license", metavar="LICENSE",
    )  # fmt: skip
    message: str | None = option(None, "Message of the commit.", unset="its name and its rows or base model")
    dry_run: bool = option(False, "Check it and say what would go where; write nothing to the Hub.")
    overwrite: bool = option(False, "Also where what is there loses rows, columns, scores or files of another hand.")
    with_chunks: bool = option(False, "A set's passages too. They are the reports' text: mind their copyright.")
    with_rejects: bool = option(False, "A set's rejected answers too.")
    without_quotes: bool = option(
        False, "Hashes in place of a set's quotes and passages: whoever has the report can still check a row by them."
    )
    allow_offline: bool = option(
        False,
        "Also what is for trying fingen out: a set of the offline teacher or of the sample report, an adapter of `tiny`.",
    )
    allow_failing: bool = option(False, "Also a set that `fingen verify` finds fault with; its card says so.")
