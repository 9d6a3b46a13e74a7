"""What was published, to the digit: figures as their pages have them, each table with the page that it was typed from."""

from __future__ import annotations

from dataclasses import dataclass, field

from fingen.errors import UsageError, did_you_mean

FINGPT = "https://github.com/AI4Finance-Foundation/FinGPT"
FINGPT_V3 = f"{FINGPT}/blob/1dd580de25b8252c3242b18a06e4ee579ad17669/fingpt/FinGPT_Sentiment_Analysis_v3/README.md"
FINGPT_README = f"{FINGPT}/blob/001a438e4cc4d52005a5b133cd03d949ab111c16/README.md"
INTENT = (
    "https://github.com/klay-liu/Financial-Intent-Understanding-with-LLMs/blob/"
    "516592d2cf79d911f98f1bb53c25f4ece3ebc183/README.md"
)
LLAMA3_QA = (
    "https://github.com/NingYiwen-cpu/Finance-Llama-3-LoRA/blob/550978d12a081ab0351becbe61672bd6c427a9f6/README.md"
)
SENTIMENT = {
    "fpb": 6,
    "fiqa": 21,
    "tfns": 2,
    "nwgi": 1,
}  # FinGPT's mix: each source, and how often its training rows go in
OWN_ROWS = 500  # of our own set at full scale, as the intent experiment has them
GIVEN_ROWS = "rows"  # the name by which a user hands over the training rows of an experiment that are in no source
GOLD = "gold"  # the same of questions with their right answers


@dataclass(frozen=True)
class Table:
    """Published figures: a row for each benchmark or model, a column for each subject; an empty text is none given."""

    measure: str  # a figure of `Choices`, such as weighted_f1
    title: str
    page: str  # address it was typed from, at a commit
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]  # by benchmark
    percent: bool = False  # else shares of 1
    asked: dict[str, int] = field(default_factory=dict)  # rows of each benchmark, where a figure is a share of them

    @property
    def lines(self) -> list[tuple[str, dict[str, str]]]:
        """A line for each subject: its figure on each benchmark."""
        return [
            (column, {benchmark: figures[place] for benchmark, figures in self.rows.items()})
            for place, column in enumerate(self.columns)
        ]


@dataclass(frozen=True)
class Experiment:
    """A published experiment: what it was tuned on and how, and what it says it came to."""

    title: str
    task: str  # "intent", "sentiment", "qa" or "topics"
    page: str  # empty: none is known here
    recipe: str | None  # None: the settings of its training were not published
    rows: int  # that were trained on, repeats counted, validation rows among them
    bases: dict[str, str]  # alias of each base model it was done with -> its column in the tables
    sources: dict[str, int] = field(default_factory=dict)  # whose training rows -> how often they go in
    rows_hub: str | None = None  # training rows that are in no source: a data set on the Hub
    rows_where: str = ""  # the same as a page to get them from
    benchmarks: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
    distilled: str | None = None  # recipe by which what was tuned teaches a smaller model

    @property
    def is_repeatable(self) -> bool:
        """Whether its settings are known; of a student those that make it one, and its teacher is tuned with our own."""
        return bool(self.recipe or self.distilled)


_TEST_ROWS = {"fpb": 1212, "fiqa": 275, "tfns": 2388, "nwgi": 4047}  # as the page counts them
_COLUMNS = ("BloombergGPT", "FinBERT", "ChatGPT", "GPT-4", "ChatGLM2", "Llama2", "v3.0.1 (openai)", "v3.0.2 (FinBERT)",
            "v3", "v3.1", "v3.1.1 (8bit)", "v3.1.2 (QLoRA)", "v3.2", "v3.3")  # fmt: skip


def _figures(text: str) -> tuple[str, ...]:
    """A line of a published table; a dash where it has none."""
    return tuple("" if figure == "-" else figure for figure in text.split())


_FINGPT_TABLES = (
    Table("weighted_f1", "Weighted F1", FINGPT_V3, _COLUMNS, {
        "fpb": _figures("0.511 0.880 0.781 0.833 0.381 0.390 0.878 0.847 0.701 0.855 0.855 0.777 0.850 0.882"),
        "fiqa": _figures("0.751 0.596 0.730 0.630 0.790 0.800 0.887 0.830 0.760 0.850 0.847 0.752 0.860 0.874"),
        "tfns": _figures("- 0.733 0.736 0.808 0.189 0.296 0.883 0.879 0.740 0.875 0.879 0.828 0.894 0.903"),
        "nwgi": _figures("- 0.538 - - 0.449 0.503 - 0.635 0.578 0.642 0.636 0.583 0.632 0.643"),
    }),
    Table("micro_f1", "Accuracy, which is micro F1", FINGPT_V3, _COLUMNS, {
        "fpb": _figures("- 0.878 0.781 0.834 0.464 0.462 0.880 0.847 0.775 0.856 0.856 0.797 0.851 0.882"),
        "fiqa": _figures("- 0.516 0.662 0.545 0.822 0.822 0.865 0.811 0.731 0.836 0.836 0.713 0.844 0.858"),
        "tfns": _figures("- 0.725 0.731 0.813 0.331 0.386 0.882 0.878 0.738 0.876 0.879 0.837 0.894 0.903"),
        "nwgi": _figures("- 0.542 - - 0.560 0.583 - 0.635 0.588 0.642 0.638 0.587 0.636 0.643"),
    }, asked=_TEST_ROWS),
    Table("macro_f1", "Macro F1", FINGPT_V3, _COLUMNS, {
        "fpb": _figures("- 0.867 0.770 0.827 0.487 0.517 0.873 0.828 0.745 0.841 0.837 0.752 0.840 0.877"),
        "fiqa": _figures("- 0.495 0.611 0.539 0.560 0.610 0.781 0.726 0.641 0.746 0.743 0.641 0.752 0.769"),
        "tfns": _figures("- 0.668 0.693 0.758 0.340 0.401 0.858 0.847 0.681 0.841 0.845 0.774 0.866 0.879"),
        "nwgi": _figures("- 0.550 - - 0.489 0.539 - 0.638 0.579 0.650 0.645 0.592 0.644 0.655"),
    }),
)  # fmt: skip
_TWO_PAGES = (
    f"two pages of the project differ on NWGI: {FINGPT_README} has weighted F1 0.632 for v3.1.1 and 0.636 for v3.2, "
    "the page above 0.636 and 0.632"
)


def _fingpt(version: str, base: str, column: str, recipe: str | None, *remarks: str) -> Experiment:
    return Experiment(
        title=f"FinGPT's sentiment series, {version}",
        task="sentiment",
        page=FINGPT_V3,
        recipe=recipe,
        rows=76_772,
        bases={base: column},
        sources=SENTIMENT,
        benchmarks=tuple(SENTIMENT),
        tables=_FINGPT_TABLES,
        remarks=(_TWO_PAGES, *remarks),
    )


_INTENT_COLUMNS = ("Qwen-7B", "Qwen-7B, tuned", "Baichuan2-7B", "Baichuan2-7B, tuned", "Llama-3-8B", "Llama-3-8B, tuned",
                   "ChatGLM3-6B", "ChatGLM3-6B, tuned", "Claude-3.5")  # fmt: skip
EXPERIMENTS = {
    "openfindata-intent": Experiment(
        title="What a bank's client wants: OpenFinData's intent task, 500 rows by Claude 3.5 Sonnet",
        task="intent",
        page=INTENT,
        recipe="openfindata-intent",
        rows=500,
        bases={
            "qwen2.5": "Qwen-7B, tuned",
            "baichuan2": "Baichuan2-7B, tuned",
            "llama3": "Llama-3-8B, tuned",
            "chatglm3": "ChatGLM3-6B, tuned",
        },
        rows_hub="klaylouis1932/OpenFinData-Intent-Understanding-Intruct",
        rows_where="https://huggingface.co/datasets/klaylouis1932/OpenFinData-Intent-Understanding-Intruct",
        benchmarks=("openfindata",),
        tables=(
            Table("accuracy", "Accuracy, %, of 75 rows", INTENT, _INTENT_COLUMNS, {
                "openfindata": ("85.33", "88.00", "70.67", "88.00", "74.67", "86.67", "49.33", "85.33", "94.67"),
            }, percent=True, asked={"openfindata": 75}),
        ),
        remarks=("the page calls Qwen2.5-7B-Instruct Qwen-7B in its table",),
    ),
    "finance-llama3": Experiment(
        title="Questions and answers on one company's annual report: 977 pairs, Llama 3",
        task="qa",
        page=LLAMA3_QA,
        recipe="finance-llama3",
        rows=977,
        bases={"llama3": "Llama-3-8B"},
        rows_where="https://github.com/NingYiwen-cpu/Finance-Llama-3-LoRA (data/datasets_finance.json)",
        remarks=("no score was published: none published",),
    ),
    "od-finllm": Experiment(
        title="OD-FinLLM: a fine-tuned model of 8B parameters into a smaller, pruned one, for a device",
        task="topics",
        page="",
        recipe=None,
        rows=OWN_ROWS,
        bases={"llama3.1": ""},
        distilled="od-finllm",
        remarks=(
            ("what is published names the losses (embeddings, logits, hidden states over a map of layers), and no weights of them, no "
            "settings of the teacher's training and no score: all of these are fingen's own"),
            "the published student has the vocabulary of Llama 2; here it is the teacher with a fifth of its layers out",
        ),
    ),
    "fingpt-v3": _fingpt("v3", "chatglm2", "v3", "fingpt-v3"),
    "fingpt-v3.1": _fingpt("v3.1", "chatglm2", "v3.1", "fingpt-v3.1"),
    "fingpt-v3.1.1": _fingpt("v3.1.1", "chatglm2", "v3.1.1 (8bit)", "fingpt-v3.1.1"),
    "fingpt-v3.1.2": _fingpt("v3.1.2", "chatglm2", "v3.1.2 (QLoRA)", "fingpt-v3.1.2"),
    "fingpt-v3.2": _fingpt("v3.2", "llama2", "v3.2", "fingpt-v3.2"),
    "fingpt-v3.3": _fingpt("v3.3", "llama2-13b", "v3.3", None),
}  # fmt: skip


def find_experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name not in EXPERIMENTS:
        hint = did_you_mean(name, EXPERIMENTS) or f"the experiments: {', '.join(EXPERIMENTS)}"
        raise UsageError(f"no experiment {name!r}", hint=hint)
    return EXPERIMENTS[name]


# Years in which benchmarks were published and base models released: what is older may have been read.
PUBLISHED_IN = {"fpb": 2013, "fiqa": 2018, "tfns": 2022, "nwgi": 2023, "openfindata": 2023}
RELEASED_IN = {"llama2": 2023, "llama2-13b": 2023, "chatglm2": 2023, "chatglm3": 2023, "baichuan2": 2023,
               "llama3": 2024, "llama3.1": 2024, "glm4": 2024, "qwen2.5": 2024, "qwen2.5-0.5b": 2024,
               "qwen2.5-1.5b": 2024, "qwen2.5-14b": 2024, "llama3.2-1b": 2024, "llama3.2-3b": 2024,
               "smollm2": 2024, "smollm2-360m": 2024, "smollm2-1.7b": 2024, "qwen3": 2025,
               "qwen3-0.6b": 2025, "qwen3-1.7b": 2025, "qwen3-4b": 2025, "qwen3-14b": 2025,
               "qwen3-32b": 2025}  # fmt: skip


def may_have_seen(model: str, benchmark: str) -> bool:
    """Whether a base model is younger than a benchmark, and may have read it."""
    return RELEASED_IN.get(model, 0) > PUBLISHED_IN.get(benchmark, 9999)
