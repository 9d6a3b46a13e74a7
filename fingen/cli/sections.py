"""The options of the commands that have many, by what they are for: `--help` shows them so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

OTHERS = "Options"
Sections = Mapping[str, tuple[str, ...]]  # title -> names of parameters

_SHARED: Sections = {
    "Teacher": (
        "teacher", "base_url", "concurrency", "max_answer_tokens", "rpm", "tpm", "batch", "wait", "export_requests", "import_answers",
    ),
    "Money": ("budget", "budget_usd", "budget_all", "price", "dry_run", "yes"),
    "Checks": ("repair", "check", "judge", "keep_out", "against", "privacy"),
    "Output": ("out", "shard", "split", "split_by", "partial", "report_to", "resume", "replace"),
    "Every command": ("as_json", "quiet", "debug", "help"),
}  # fmt: skip
_DRAWN: Sections = {
    "Items": ("how", "splits", "limit",
              "n", "validation", "test", "language", "seed", "per_request", "labels", "topics", "weights", "with_other",
              "fixed_options"),
    **_SHARED,
}  # fmt: skip
_TRAINING = (
    "objective", "beta",
    "recipe", "rank", "alpha", "learning_rate", "epochs", "tokens_per_batch", "cutoff", "load", "seed", "seeds", "table", "overrides",
)  # fmt: skip
SECTIONS: Mapping[str, Sections] = {
    "pdf2qa": {
        "Questions": ("task", "per_chunk", "context", "negatives", "reasons", "questions", "limit", "sections"),
        "Reading": ("language", "ocr", "chunk_tokens", "workers", "engine"),
        **_SHARED,
    },
    "intent": _DRAWN,
    "sentiment": _DRAWN,
    "qa": _DRAWN,
    "rewrite": _DRAWN,
    "finetune": {
        "Input": ("model", "data", "limit", "trust_remote_code"),
        "Training": _TRAINING,
        "Before it begins": ("dry_run",),
        **_SHARED,
    },
    "distill": {
        "Input": ("drop", "student", "data", "limit", "licence_agreed", "trust_remote_code"),
        "What is learned": ("kl", "temperature", "top", "hidden", "embedding", "layer_map", "on_policy", "untrained"),
        "Training": (*_TRAINING, "cache"),
        "Before it begins": ("dry_run",),
        **_SHARED,
    },
    "score": {
        "Who answers": ("models", "teachers", "classifiers", "baseline", "predictions", "no_base", "base", "form", "load",
                        "trust_remote_code"),
        "Rows": ("data", "splits", "benchmarks", "files", "gold", "limit"),
        "How they are asked": ("context", "generate", "rotate", "shots", "max_tokens"),
        **_SHARED,
        "Checks": ("judge", "seed"),
    },
}  # fmt: skip  # by the name of the command


def parted(command: str, options: Iterable[click.Parameter]) -> dict[str, list[click.Parameter]]:
    """Part the options of a command into its sections, in their order; those that stand in none come first, as `Options`.

    Nothing where the command has no sections.
    """
    if command not in SECTIONS:
        return {}
    by_name = {name: title for title, names in reversed([*SECTIONS[command].items()]) for name in names}
    found: dict[str, list[click.Parameter]] = {title: [] for title in (OTHERS, *SECTIONS[command])}
    for option in options:
        name = "help" if "--help" in option.opts else option.name or ""  # click's own name for it is private
        found[by_name.get(name, OTHERS)].append(option)
    return {title: each for title, each in found.items() if each}
