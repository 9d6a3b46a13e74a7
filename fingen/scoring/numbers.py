"""Numbers of texts in one form, and what shows that a number is a part of another one."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![\d]|[.,]\d)")
_UNIT = re.compile(r"(?<=\d)\s{0,3}(?:%|per\s?cent\b|pct\b)", re.IGNORECASE)
_CURRENCY = re.compile(r"([$€£¥])\s{1,3}(?=\d)")
_MINUS = re.compile(r"[−–‑](?=[$€£¥]?\d)")

# What a look behind has must be of fixed width: a digit with its mark (1.5, 1/5), a sign, a span (3-5, 3% to 5%), a bound.
_WORDS = ("over", "above", "below", "under", "than", "least", "most", "up to", "nearly", "between", "minus", "negative")
_CHINESE = ("超过", "高于", "低于", "不足", "大于", "小于", "多于", "少于", "至少", "至多", "介于", "负")
_BOUNDS = (*(rf"\b{word}\s" for word in _WORDS), *_CHINESE, "[<>≤≥]", r"[<>≤≥]\s")
_SPAN = (r"[\d%][至到~]", r"[\d%]\s[-~至到]\s", r"[\d%]\sto\s", r"\d[.,/:~^]", r"\d")
_NO_SIGN = r"(?:(?<!-)|(?<=\b[A-Z]-))"  # in A-5% the dash joins a letter to its text
_BEFORE = _NO_SIGN + "".join(f"(?<!{words})" for words in (*_BOUNDS, *_SPAN))
_ON = r"\s?[-~至到]\s?[$€£¥]?\d|\sto\s[$€£¥]?\d|以[上下]|[余多]|\sor\s(?:more|less|above|below|higher|lower|so)\b|\s?个?百分点|\spercentage"
_AFTER_DIGIT = r"|\d|[.,/:~^]\d|\s?(?:%|‰|[千百万亿兆]|(?:[kmb]|mn|bn|bps?|pp)\b|thousand|million|billion|trillion|hundred|basis\s|个?基点)"


def plain_numbers(text: str) -> str:
    """The text with its numbers without marks of thousands, final zeros of decimals, and white space before % or after a currency."""
    text = _MINUS.sub("-", _CURRENCY.sub(r"\1", _UNIT.sub("%", text)))
    return _NUMBER.sub(_plain, text)


def _plain(number: re.Match[str]) -> str:
    decimals = (number[2] or "").rstrip("0").rstrip(".")
    return number[1].replace(",", "") + decimals


def guards(text: str) -> tuple[str, str]:
    """Patterns for right before and after a text that has a number at an end: with them it is no part of another number."""
    before = _BEFORE if re.match(r"[$€£¥]?\d", text) else ""
    end = re.search(r"\d(%?)\Z", text)
    return before, f"(?!{_ON}{'' if end[1] else _AFTER_DIGIT})" if end else ""
