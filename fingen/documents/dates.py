"""Dates as reports write them, in English, by numbers, in Chinese numerals and in years of the Republic."""

from __future__ import annotations

import calendar
import re
from datetime import date

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_MONTH = (
    r"(?:jan(?:uary|\.)?|feb(?:ruary|\.)?|mar(?:ch|\.)?|apr(?:il|\.)?|may|june?\.?|july?\.?|aug(?:ust|\.)?|"
    r"sept(?:ember|\.)?|sep\.?|oct(?:ober|\.)?|nov(?:ember|\.)?|dec(?:ember|\.)?)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = rf"(?:{_MONTH} {_DAY},? ?\d{{4}}|{_DAY}(?: of)? {_MONTH},? \d{{4}}|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}|\d{{4}}-\d{{2}}-\d{{2}})"
MONTH_YEAR = rf"{_MONTH} \d{{4}}"
NO_YEAR = rf"(?:{_MONTH} {_DAY}|{_DAY}(?: of)? {_MONTH}|\d{{1,2}}\.\d{{1,2}}\.?)"
_HAN_DIGITS = dict(zip("〇零○Ｏ０一二三四五六七八九", "00000123456789", strict=True))
_HAN_NUMBER = re.compile(r"[〇零○Ｏ０一二三四五六七八九十]+(?=[年月日])")
_REPUBLIC = re.compile(r"(?:中華)?民[國国](\d{2,3})年(?:度?[及與]\d{2,3}年)?")
_FIRST_OF_REPUBLIC = 1911
_SIMPLE = str.maketrans("報業績個屆書財務審計號電證東會", "报业绩个届书财务审计号电证东会")


def parse_date(text: str) -> date | None:
    """A date as `DATE` finds it, in small letters; the last day of the month where it names none. None where there is no such day."""
    month = next((_MONTHS[word.rstrip(".")] for word in re.findall(r"[a-z]+", text) if word.rstrip(".") in _MONTHS), 0)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if month:
        year = max(numbers)
        day = min(numbers) if len(numbers) > 1 else 0
    elif len(numbers) == 3:
        year, month, day = numbers if numbers[0] > 31 else numbers[::-1]
    else:
        return None
    return make_date(year, month, day)


def make_date(year: int, month: int, day: int = 0) -> date | None:
    """The day; the last one of the month for day 0. None where there is no such day, or no report of that year."""
    if not (1 <= month <= 12 and 1980 <= year <= 2100):
        return None
    last = calendar.monthrange(year, month)[1]
    return date(year, month, day or last) if day <= last else None


def plain_chinese(text: str) -> str:
    """Chinese text with its dates in digits, years of the Republic as those of the calendar, and no spaces."""
    text = re.sub(r"[^\S\n]+", "", text).translate(_SIMPLE)
    text = _HAN_NUMBER.sub(lambda match: _han_number(match[0]), text)
    return _REPUBLIC.sub(lambda match: f"{int(match[1]) + _FIRST_OF_REPUBLIC}年", text)


def _han_number(text: str) -> str:
    if "十" not in text:
        return "".join(_HAN_DIGITS[char] for char in text)
    tens, _, ones = text.partition("十")
    if len(tens) > 1 or len(ones) > 1:
        return text
    return str(10 * int(_HAN_DIGITS.get(tens, "1")) + int(_HAN_DIGITS.get(ones, "0")))
