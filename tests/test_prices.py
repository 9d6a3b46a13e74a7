"""Prices: each kind of token at its rate, tiers by the whole prompt, "unknown" never 0, and a worst case that is one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingen.errors import TeacherError
from fingen.records import Request, Usage
from fingen.teachers import prices

MILLION = 1_000_000


def make_request(prompt: str = "prompt", *, system: str = "system", max_tokens: int = 100) -> Request:
    return Request(key="k", task="qa-concept", template="concept.en", system=system, prompt=prompt,
                   answer_schema={"type": "object"}, max_tokens=max_tokens, count=1)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-haiku-5-5", Usage(input_tokens=100_000), 0.01),
        ("claude-haiku-5-5", Usage(output_tokens=MILLION), 0.50),
        ("claude-haiku-5-5", Usage(cache_read_tokens=100_000), 0.001),
        ("claude-haiku-5-5", Usage(cache_write_tokens=100_000), 0.02),
        ("claude-opus-5-5", Usage(cache_read_tokens=MILLION), 0.20),
        ("claude-fable-5-2", Usage(input_tokens=1, cache_read_tokens=MILLION - 1, output_tokens=0), 0.20),
        ("gpt-6-luna", Usage(input_tokens=100_000, output_tokens=2_000), 0.011),
        ("gpt-6-luna", Usage(cache_read_tokens=100_000), 0.001),
        ("gpt-6-luna", Usage(cache_write_tokens=100_000), 0.0125),
        ("gpt-6.1-terra", Usage(cache_read_tokens=100_000), 0.005),
        ("gpt-4o", Usage(cache_read_tokens=MILLION), 1.25),
    ],
)
def test_each_kind_of_token_has_its_rate(model: str, usage: Usage, usd: float):
    assert prices.cost_usd(model, usage) == pytest.approx(usd, abs=1e-5)


def test_the_whole_prompt_decides_the_tier():
    below = Usage(input_tokens=50_000, cache_read_tokens=30_000, cache_write_tokens=20_000)
    above = below.model_copy(update={"cache_read_tokens": 30_001})
    low, high = prices.cost_usd("claude-haiku-5-5", below), prices.cost_usd("claude-haiku-5-5", above)

    assert low is not None
    assert high == pytest.approx(5 * low, rel=1e-4)


def test_output_does_not_count_towards_the_tier():
    assert prices.cost_usd("claude-haiku-5-5", Usage(output_tokens=200_000)) == pytest.approx(0.1)


def test_a_batch_costs_half():
    usage = Usage(input_tokens=1000, cache_read_tokens=500, output_tokens=300)
    for model in (*prices.models_of("anthropic", date.min), *prices.models_of("openai", date.min)):
        full = prices.cost_usd(model, usage)
        assert full
        assert prices.cost_usd(model, usage, batch=True) == pytest.approx(full / 2)


def test_an_unknown_model_costs_unknown_and_never_nothing():
    assert prices.cost_usd("qwen3-8b", Usage(input_tokens=1)) is None
    assert prices.cost_usd(None, Usage()) is None
    assert prices.worst_case_usd("qwen3-8b", make_request()) is None


def test_a_price_of_the_users_own_makes_it_known():
    usage = Usage(input_tokens=MILLION, cache_read_tokens=MILLION, output_tokens=MILLION)

    assert prices.cost_usd("qwen3-8b", usage, override=(1.0, 2.0)) == pytest.approx(4.0)  # no discount it cannot know
    assert prices.cost_usd("qwen3-8b", usage, override=(1.0, 2.0), batch=True) == pytest.approx(2.0)
    assert prices.cost_usd("claude-sonnet-5-5", usage, override=(1.0, 2.0)) == pytest.approx(3.1)


def test_a_price_for_a_server_of_ones_own_holds_in_a_batch_too():
    usage, request = Usage(input_tokens=MILLION, output_tokens=MILLION), make_request()

    assert prices.cost_usd(None, usage, override=(1.0, 2.0), batch=True) == pytest.approx(3.0)
    alone, batched = (prices.worst_case_usd(None, request, override=(1.0, 2.0), batch=batch) for batch in (False, True))
    assert alone
    assert batched == alone


def test_a_snapshot_costs_what_its_model_does():
    usage = Usage(input_tokens=1000)

    assert prices.cost_usd("claude-sonnet-4-5-20250929", usage) == prices.cost_usd("claude-sonnet-4-5", usage)
    assert prices.cost_usd("gpt-4o-2024-11-20", usage) == prices.cost_usd("gpt-4o", usage)
    assert prices.cost_usd("gpt-4o-mini", usage) is None


@given(
    prompt=st.text(max_size=300),
    system=st.text(max_size=300),
    max_tokens=st.integers(1, 8192),
    cached=st.sampled_from(["input_tokens", "cache_read_tokens", "cache_write_tokens"]),
)
def test_nothing_costs_more_than_the_worst_case(prompt: str, system: str, max_tokens: int, cached: str):
    request = make_request(prompt, system=system, max_tokens=max_tokens)
    worst = prices.worst_case_usd("claude-haiku-5-5", request)
    # A tokenizer on bytes makes at most one token of each.
    usage = Usage(input_tokens=len(prompt.encode()), output_tokens=max_tokens)
    usage = usage.model_copy(update={cached: getattr(usage, cached) + len(system.encode())})
    cost = prices.cost_usd("claude-haiku-5-5", usage)

    assert worst is not None
    assert cost is not None
    assert cost <= worst


def test_the_worst_case_counts_what_was_said_since():
    request = make_request()
    longer = request.model_copy(update={"follow_ups": ("an answer" * 100, "what was wrong")})
    first, second = (prices.worst_case_usd("gpt-6-luna", each) for each in (request, longer))

    assert first is not None
    assert second is not None
    assert second > first


def test_models_end():
    assert prices.ends("claude-sonnet-4-5") == date(2026, 11, 30)
    assert prices.ends("gpt-5") == date(2026, 12, 11)
    assert prices.ends("claude-haiku-5-5") is None
    assert prices.ends("qwen3-8b") is None


def test_a_model_that_ends_soon_is_told_of():
    end = date(2026, 11, 30)

    def notice(day: date, *, ended: bool = False) -> str | None:
        return prices.end_notice("anthropic", "claude-sonnet-4-5", end, day, ended=ended)

    assert notice(end - timedelta(days=61)) is None
    assert notice(end - timedelta(days=60)) == "claude-sonnet-4-5 ends on 2026-11-30"
    assert notice(end) == "claude-sonnet-4-5 ends on 2026-11-30"
    assert "may stop" in (notice(end + timedelta(days=1)) or "")
    with pytest.raises(TeacherError, match="ended on 2026-11-30") as caught:
        notice(end + timedelta(days=1), ended=True)
    assert "claude-haiku-5-5" in caught.value.hint
    assert "claude-sonnet-4-5" not in caught.value.hint


def test_the_table_is_whole():
    for name in (*prices.models_of("anthropic", date.min), *prices.models_of("openai", date.min)):
        for size in (1, 99_999, 250_000, 900_000):
            cost = prices.cost_usd(name, Usage(input_tokens=size, output_tokens=1))
            assert cost is not None
            assert cost > 0


def test_cache_breakpoints_are_for_the_models_that_know_them():
    assert prices.takes_cache_breakpoints("gpt-6-luna")
    assert not prices.takes_cache_breakpoints("gpt-4o")
    assert not prices.takes_cache_breakpoints("qwen3-8b")
