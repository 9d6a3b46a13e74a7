"""Where a setting's value comes from: layers of settings, the first that has a value wins, and the winner is named."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from fingen.config import (
    DIVERGENCES,
    DPO_LEARNING_RATE,
    FORMS,
    KEEP,
    LOADS,
    MEASURES,
    MODELS,
    SCHEDULES,
    Distilling,
    Tuning,
)
from fingen.disk import read_whole
from fingen.errors import UsageError, did_you_mean

RECIPES = Path(__file__).with_name("recipes")
DISTILLING_RECIPES = RECIPES / "distill"
SETTINGS_BYTES = 16_000  # that a file of settings may have: what is longer could take the parser minutes
CHOICES = {"form": FORMS, "schedule": SCHEDULES, "load": LOADS, "keep": KEEP, "measure": MEASURES,
           "divergence": DIVERGENCES}  # fmt: skip
LEAST = {"rank": 1, "epochs": 1, "steps": 1, "batch": 1, "tokens_per_batch": 1, "cutoff": 2, "keep_rows": 1, "patience": 1, "save_every": 1,
         "limit": 1, "seed": 0, "warmup": 0, "weight_decay": 0, "dropout": 0, "validation_share": 0,
         "kl": 0, "top": 0, "hidden": 0, "embedding": 0, "on_policy": 0, "choosing_rows": 1}  # fmt: skip
LEAST_DISTILLING = {**LEAST, "rank": 0}  # where it is none, all is trained
POSITIVE = ("alpha", "learning_rate", "max_grad_norm", "temperature")
SHARES = ("dropout", "validation_share")  # below 1
AT_MOST = {"kl": 1, "on_policy": 1}
WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Resolved:
    """The settings of a run. `sources` names for each field that is no default what set it."""

    tuning: Tuning
    sources: dict[str, str]


def resolve(layers: Iterable[tuple[str, Mapping[str, Any]]], kind: type[Tuning] = Tuning) -> Resolved:
    """Lay settings of a kind over each other: (where from, field -> value), the strongest first.

    Raises:
        UsageError: no such setting, or a value that is none for it; names the layer.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers:
        for name, value in layer.items():
            checked = check(name, value, source, kind)
            if name not in values:
                values[name], sources[name] = checked, source
    return Resolved(kind(**values), sources)


def check(name: str, value: Any, source: str, kind: type[Tuning] = Tuning) -> Any:
    """The value of a field, of its type and in its range. Text is read as the type that the field has.

    Raises:
        UsageError: it is not.
    """
    types = get_type_hints(kind)
    if name not in types:
        raise UsageError(
            f"{source}: no such setting: {name}",
            hint=did_you_mean(name, types) or f"the settings are {', '.join(f.name for f in fields(kind))}",
        )
    wanted, least = types[name], (LEAST_DISTILLING if issubclass(kind, Distilling) else LEAST).get(name)
    read = _typed(value, wanted)
    if read is None or not _in_range(name, read, least):
        allowed = ", ".join(CHOICES[name]) if name in CHOICES else getattr(wanted, "__name__", "int")
        raise UsageError(
            f"{source}: {name}={value} is no value for it", hint=f"it takes {allowed}{_range(name, least)}"
        )
    return read


def _typed(value: Any, wanted: Any) -> Any:
    """`value` as the field's type; None if it cannot be that."""
    if wanted is bool:
        return value if isinstance(value, bool) else WORDS.get(str(value).lower())
    if wanted is str:
        return value if isinstance(value, str) and value else None
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if wanted is float:
        return number if abs(number) < float("inf") else None
    return int(number) if number.is_integer() else None


def _in_range(name: str, value: Any, least: float | None) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    if name in POSITIVE:
        return bool(value > 0)
    if name in AT_MOST and value > AT_MOST[name]:
        return False
    return (least is None or value >= least) and (name not in SHARES or value < 1)


def _range(name: str, least: float | None) -> str:
    if name in POSITIVE:
        return ", above 0"
    most = ", below 1" if name in SHARES else f" to {AT_MOST[name]}" if name in AT_MOST else ""
    return ("" if least is None else f", from {least}") + most


def published(
    recipe: str | None, model: str = "", kind: type[Tuning] = Tuning, *, objective: str | None = None
) -> list[tuple[str, Mapping[str, Any]]]:
    """The layers below a user's own: a recipe, what is good for a model of the table, and what an objective has by default.

    Raises:
        UsageError: no such recipe.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if recipe:
        folder = DISTILLING_RECIPES if issubclass(kind, Distilling) else RECIPES
        layers.append((f"recipe {recipe}", read_recipe(recipe, folder)))
    if (alias := MODELS.get(model.lower())) and alias.preset:
        layers.append((f"preset {model.lower()}", alias.preset))
    if objective == "dpo":
        layers.append(("objective dpo", {"learning_rate": DPO_LEARNING_RATE}))
    return layers


def parse_overrides(texts: Sequence[str]) -> dict[str, str]:
    """`key=value` texts as a layer.

    Raises:
        UsageError: a text has no `=`, or a key is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name in found:
            what = "given twice" if equals else "no key=value"
            raise UsageError(f"--override {text}: {what}", hint="for example: --override learning_rate=2e-4")
        found[name] = value.strip()
    return found


def read_table(path: Path) -> dict[str, Any]:
    """The settings in a TOML file.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        table = tomllib.loads(read_whole(path, SETTINGS_BYTES).decode())
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}", hint="name a TOML file") from e
    except (ValueError, RecursionError) as e:  # not TOML, not UTF-8; endless digits, endless brackets
        raise UsageError(f"{path}: {e}", hint="write one setting a line, such as learning_rate = 2e-4") from e
    return {name.replace("-", "_"): value for name, value in table.items()}


def recipe_names(folder: Path = RECIPES) -> list[str]:
    """The recipes in the package: of `finetune`, or of another command in a folder of their own."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_recipe(name: str, folder: Path = RECIPES) -> dict[str, Any]:
    """The settings of a recipe in the package.

    Raises:
        UsageError: there is none of that name.
    """
    names = recipe_names(folder)
    if name not in names:
        raise UsageError(f"no recipe {name!r}", hint=did_you_mean(name, names) or f"the recipes: {', '.join(names)}")
    return read_table(folder / f"{name}.toml")
