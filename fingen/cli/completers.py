"""What a shell offers for an argument: what lies in build/, and names. Found by looking at folders; nothing in them is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

import click

from fingen.config import BENCHMARKS, BUILD, CACHE, MODELS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
# A name comes from a folder that may be somebody else's, and a shell runs what stands in a line: no other character is offered.
_PLAIN = re.compile(r"[\w./:-]+")


def completer(*patterns: str, names: Iterable[str] = ()) -> Completer:
    """Build what offers the folders below build/ that hold a file of one of these patterns, and names; else any file."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        folders = sorted(
            path.parent.as_posix() for each in patterns for path in BUILD.glob(each) if path.parent != CACHE
        )
        found = [name for name in (*folders, *names) if name.startswith(incomplete) and _PLAIN.fullmatch(name)]
        return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")] * bool(patterns)

    return complete


def comma_completer(names: Iterable[str]) -> Completer:
    """Build what offers names, also behind others and a comma."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        left = [name for name in names if name.startswith(last) and name not in before.split(",")]
        return [CompletionItem(f"{before}{comma}{name}") for name in left]

    return complete


def _recipes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from fingen.training.settings import RECIPES, recipe_names

    names = recipe_names(RECIPES / "distill" if ctx.info_name == "distill" else RECIPES)
    return completer(names=names)(ctx, parameter, incomplete)


_ADAPTERS, _MODELS = "adapters/*/fingen.json", "models/*/config.json"
sets = completer("*/manifest.json")
adapters = completer(_ADAPTERS)
adapters_or_models = completer(_ADAPTERS, _MODELS)
models = completer(_ADAPTERS, _MODELS, names=MODELS)
anything = completer("*/manifest.json", _ADAPTERS, _MODELS)
scores = completer("scores/*/score.json")
_teachers = completer(names=("anthropic", "openai", "offline"))
OF_SETTINGS: dict[str, Completer] = {  # by the names of fields in `fingen.config`
    "data": sets,
    "gold": sets,
    "against": sets,
    "teacher": _teachers,
    "teachers": _teachers,
    "check": _teachers,
    "judge": _teachers,
    "writer": _teachers,
    "model": completer(_MODELS, names=MODELS),
    "models": completer(_MODELS, names=MODELS),
    "student": completer(_MODELS, names=MODELS),
    "base": completer(_MODELS, names=MODELS),
    "benchmarks": completer(names=BENCHMARKS),
    "recipe": _recipes,
}
