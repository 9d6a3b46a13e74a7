"""What a request costs, from the table prices.toml. A model that is not in it costs "unknown" (None), never 0."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from fingen.disk import dump_json
from fingen.errors import TeacherError, did_you_mean
from fingen.records import Request, Usage

Price = tuple[float, float]  # USD per million input and output tokens
MILLION = 1_000_000
BATCH = 0.5  # share of the price in a batch of a provider, for a model that is not in the table
OVERHEAD_TOKENS = 1_000  # what a provider puts around a prompt: roles, and its words for the answer's schema
WARN_DAYS = 60  # before a model ends
_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)$")  # claude-sonnet-4-5-20250929 is a claude-sonnet-4-5


@dataclass(frozen=True)
class Tier:
    """Prices for prompts of up to `up_to` tokens (None: of any size)."""

    up_to: int | None
    input_usd: float  # per million tokens
    output_usd: float


@dataclass(frozen=True)
class ModelPrice:
    """One model of the table. The factors are shares of the input price, `batch` of the whole."""

    provider: str
    tiers: tuple[Tier, ...]
    cache_read: float = 1.0
    cache_write: float = 1.0
    batch: float = BATCH
    ends: date | None = None

    def cost_usd(self, usage: Usage, *, batch: bool = False) -> float:
        """The cost of one request; its whole prompt decides the tier."""
        prompt_tokens = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        tier = next(tier for tier in self.tiers if tier.up_to is None or prompt_tokens <= tier.up_to)
        cached_tokens = usage.cache_read_tokens * self.cache_read + usage.cache_write_tokens * self.cache_write
        total = (usage.input_tokens + cached_tokens) * tier.input_usd + usage.output_tokens * tier.output_usd
        return total * (self.batch if batch else 1.0) / MILLION


def cost_usd(model: str | None, usage: Usage, *, batch: bool = False, override: Price | None = None) -> float | None:
    """The cost of one answered request in USD; None where the price is not known.

    Args:
        model: The provider's name for it; None for a server whose prices nobody knows.
        usage: The tokens billed for this one request, not a sum over several: the size of a prompt decides its tier.
        batch: Whether it was asked in a batch.
        override: USD per million input and output tokens, in place of the table's. For a server whose prices nobody
            knows it holds as it is, in a batch too.
    """
    price = _find(model, override)
    return price.cost_usd(usage, batch=batch) if price else None


def worst_case_usd(
    model: str | None, request: Request, *, batch: bool = False, override: Price | None = None
) -> float | None:
    """The most that one attempt at a request can cost, in USD; None where the price is not known.

    It is a bound, not a guess: tokenizers that work on bytes never make more tokens than there are bytes, no cache is
    hit and the shared part is written to it, and the answer takes all the room it is given, as one before it may have.
    """
    price = _find(model, override)
    if price is None:
        return None
    schema = dump_json(request.answer_schema)
    shared_tokens = len(request.system.encode()) + len(schema.encode()) + OVERHEAD_TOKENS
    answers, corrections = request.follow_ups[::2], request.follow_ups[1::2]
    own_tokens = sum(len(text.encode()) for text in (request.prompt, *corrections))
    own_tokens += sum(min(len(text.encode()), request.max_tokens) for text in answers)
    usage = Usage(input_tokens=own_tokens, cache_write_tokens=shared_tokens, output_tokens=request.max_tokens)
    return price.cost_usd(usage, batch=batch)


def ends(model: str) -> date | None:
    """The last day of a model, as far as it was announced."""
    price = _find(model, None)
    return price.ends if price else None


def end_notice(provider: str, model: str, end: date | None, today: date, *, ended: bool) -> str | None:
    """A warning for a model that ends soon; None where its end is far off or not known.

    Args:
        provider: Whose model it is, as in the table.
        model: Its name.
        end: Its last day, if it has one.
        today: The day to look from.
        ended: Whether it is over.

    Raises:
        TeacherError: it is over.
    """
    if ended:
        when = f" on {end}" if end else ""
        raise TeacherError(f"{model} ended{when}", hint=f"name another model: {', '.join(models_of(provider, today))}")
    if end is None or (end - today).days > WARN_DAYS:
        return None
    return f"{model} ends on {end}" if end >= today else f"{model} was to end on {end} and may stop at any time"


def models_of(provider: str, today: date) -> tuple[str, ...]:
    """The models of a provider that have a price and have not ended, in the order of the table."""
    rows = _table().items()
    return tuple(name for name, row in rows if row.provider == provider and (row.ends is None or row.ends >= today))


def meant(teacher: str) -> str:
    """What the name of a teacher without a price (`anthropic:claude-hiaku`) most likely means, as a question; or nothing.

    A model of somebody's own server (`openai:qwen@localhost`) may be called anything.
    """
    provider, _, model = teacher.partition(":")
    if not model or "@" in model or _find(model, None):
        return ""
    return did_you_mean(model, (name for name, row in _table().items() if row.provider == provider))


def takes_cache_breakpoints(model: str) -> bool:
    """Whether an OpenAI model lets the request say which part of the prompt to cache: those that bill for writing it."""
    price = _find(model, None)
    return price is not None and price.cache_write > 1.0


def _find(model: str | None, override: Price | None) -> ModelPrice | None:
    """The price of a model, or the override with what else is known of the model."""
    models = _table()
    known = models.get(model) or models.get(_SNAPSHOT.sub("", model)) if model else None
    if override is None:
        return known
    tiers = (Tier(None, *override),)
    if known is None:
        # No discount that is not known: none for cached tokens, and none for a batch on a server of one's own.
        return ModelPrice(provider="", tiers=tiers, batch=BATCH if model else 1.0)
    return ModelPrice(known.provider, tiers, known.cache_read, known.cache_write, known.batch, known.ends)


@cache
def _table() -> dict[str, ModelPrice]:
    text = resources.files("fingen.teachers").joinpath("prices.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return {name: _parse(row, data["providers"]) for name, row in data["models"].items()}


def _parse(row: dict[str, Any], providers: dict[str, Any]) -> ModelPrice:
    tiers = tuple(Tier(tier.get("up_to"), tier["input"], tier["output"]) for tier in row["tiers"])
    factors = {**providers[row["provider"]], **{key: row[key] for key in ("cache_read", "cache_write") if key in row}}
    return ModelPrice(provider=row["provider"], tiers=tiers, ends=row.get("ends"), **factors)
