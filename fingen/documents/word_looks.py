"""How text in Word looks, by its styles and by what is set on it: how large, whether bold, whether it can be seen; and headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fingen.documents.content import BODY

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WHITE = 0xFFFFFF
TINY = 2.0  # points; what is set smaller cannot be read
NARROW = 10  # percent of its width that text is pressed to; less cannot be read
SAME = 24  # levels of 255; a color that differs less from what is behind it cannot be seen
_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre|título|título)\s*([1-9])", re.IGNORECASE)
_OFF = frozenset({"0", "false", "off", "none"})
_MARKERS = {"black": 0, "blue": 0xFF, "cyan": 0xFFFF, "green": 0xFF00, "magenta": 0xFF00FF, "red": 0xFF0000, "yellow": 0xFFFF00,
            "white": WHITE, "darkBlue": 0x80, "darkCyan": 0x8080, "darkGreen": 0x8000, "darkMagenta": 0x800080,
            "darkRed": 0x800000, "darkYellow": 0x808000, "darkGray": 0x808080, "lightGray": 0xC0C0C0}  # fmt: skip

Look = dict[str, Any]  # size, bold, italic, hidden, struck, color, back, narrow: those that are set


class Style(NamedTuple):
    """A style with all that it takes from those it is based on."""

    look: Look
    level: int = 0  # of a heading: 1 is the highest; 0: it is none
    numbered: tuple[str, int] | None = None  # the list that its paragraphs stand in, and the level
    back: int | None = None  # behind its paragraphs
    is_filled: bool = False  # of a table: some of its cells have a color behind them


class Styles:
    """The styles of a document, by their ids."""

    def __init__(self, root: Any) -> None:
        self._elements = {e.get(f"{W}styleId"): e for e in root.iterfind(f"{W}style")} if root is not None else {}
        self._known: dict[str, Style] = {}
        default = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr") if root is not None else None
        self.base: Look = {"size": BODY, **look_of(default)}
        self.default = next((name for name, e in self._elements.items()
                             if e.get(f"{W}type") == "paragraph" and e.get(f"{W}default") in ("1", "true")), "")  # fmt: skip

    def find(self, name: str) -> Style:
        """The style of an id; one that says nothing where there is none."""
        chain: list[str] = []
        while name in self._elements and name not in self._known and name not in chain:
            chain.append(name)
            name = value(self._elements[name].find(f"{W}basedOn"))
        above = self._known.get(name, Style({}))
        for own in reversed(chain):
            above = self._known[own] = self._made(self._elements[own], above)
        return above

    def _made(self, element: Any, above: Style) -> Style:
        paragraph = element.find(f"{W}pPr")
        found = _HEADING.fullmatch(value(element.find(f"{W}name")).strip())
        level = int(found[1]) if found else above.level
        numbered, back = above.numbered, above.back
        if paragraph is not None:
            level = outline_of(paragraph, level)
            numbered = numbering_of(paragraph, numbered)
            back = fill_of(paragraph.find(f"{W}shd"), back)
        filled = above.is_filled or any(fill_of(e, None) not in (None, WHITE) for e in element.iter(f"{W}shd"))
        return Style({**above.look, **look_of(element.find(f"{W}rPr"))}, level, numbered, back, filled)


def value(element: Any) -> str:
    """The value that an element is set to; "" where it is not there."""
    return str(element.get(f"{W}val", "")) if element is not None else ""


def is_on(element: Any) -> bool:
    """Whether a property is on: it is there, and not set to off."""
    return element is not None and value(element) not in _OFF


def outline_of(properties: Any, level: int) -> int:
    """The heading level that properties of a paragraph set, from 1; else the one given."""
    outline = value(properties.find(f"{W}outlineLvl"))
    return (int(outline) + 1) % 10 if outline.isdecimal() and len(outline) == 1 else level


def numbering_of(properties: Any, numbered: tuple[str, int] | None) -> tuple[str, int] | None:
    """The list and level that properties of a paragraph set; else those given. List 0 is none."""
    setting = properties.find(f"{W}numPr")
    if setting is None:
        return numbered
    number, level = value(setting.find(f"{W}numId")), value(setting.find(f"{W}ilvl"))
    if number == "0":
        return None
    own = numbered or ("", 0)
    return number or own[0], int(level) if level.isdecimal() and len(level) == 1 else own[1]


def fill_of(shading: Any, back: int | None) -> int | None:
    """The color that shading puts behind text; else the one given."""
    if shading is None:
        return back
    fill = shading.get(f"{W}fill", "auto")
    if value(shading) == "solid":  # the pattern covers all: its own color counts
        fill = shading.get(f"{W}color", "auto")
    return _color(fill, WHITE if back is None and shading.get(f"{W}themeFill", "") in _LIGHT else back)


_LIGHT = ("background1", "light1")


def _color(text: str, unset: int | None) -> int | None:
    return int(text, 16) if re.fullmatch(r"[0-9A-Fa-f]{6}", text) else unset


def look_of(properties: Any) -> Look:
    """What properties of a run set."""
    look: Look = {}
    for e in properties if properties is not None else ():
        tag = e.tag.rpartition("}")[2]
        if tag in _SWITCHES:
            look[_SWITCHES[tag]] = is_on(e) or (tag in _EITHER and look.get("struck", False))
        elif tag in _SETTINGS:
            name, read = _SETTINGS[tag]
            look[name] = read(e)
    return look


def _size(e: Any) -> float:
    return float(value(e)) / 2 if re.fullmatch(r"\d{1,4}(?:\.\d+)?", value(e)) else BODY


def _is_narrow(e: Any) -> bool:
    share = value(e).rstrip("%")
    return share.isdecimal() and len(share) < 6 and int(share) < NARROW


def _ink(e: Any) -> int | None:
    is_light = e.get(f"{W}themeColor", "") in _LIGHT and not e.get(f"{W}themeShade")
    return _color(value(e), WHITE if is_light else 0)


_EITHER = ("strike", "dstrike")
_SWITCHES = {
    "b": "bold",
    "i": "italic",
    "u": "under",
    "vanish": "hidden",
    "strike": "struck",
    "dstrike": "struck",
    "caps": "upper",
}
_SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sz": ("size", _size),
    "w": ("narrow", _is_narrow),
    "color": ("color", _ink),
    "shd": ("back", lambda e: fill_of(e, None)),
    "highlight": ("back", lambda e: _MARKERS.get(value(e))),
    "rStyle": ("style", value),
}


def why_hidden(look: Mapping[str, Any], back: int | None) -> str:
    """Why text cannot be seen, "" where it can be. `back` is the color behind it; None: it is not known."""
    if look.get("hidden"):
        return "hidden"
    if look.get("struck"):
        return "struck out"
    if look["size"] < TINY or look.get("narrow"):
        return "tiny"
    behind = back if look.get("back") is None else look["back"]
    color = look.get("color", 0)
    if behind is None or max(abs((color >> shift & 255) - (behind >> shift & 255)) for shift in (0, 8, 16)) >= SAME:
        return ""
    return "white" if color > 0x808080 else "as dark as what is behind it"
