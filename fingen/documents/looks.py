"""How text of HTML looks: whether it can be seen, how large and heavy it is set; by tags, attributes and styles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

WHITE = 0xFFFFFF
TINY = 2.0  # points; what is set smaller cannot be read
FAR = -200.0  # points; what is moved that far to the left or up is off the page
SAME = 24  # levels of 255; a color that differs less from what is behind it cannot be seen
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(pt|px|em|rem|ex|%|in|cm|mm|pc|vw)?$")
_POINTS = {"pt": 1.0, "px": 0.75, "": 0.75, "in": 72.0, "cm": 28.35, "mm": 2.835, "pc": 12.0, "rem": 12.0, "vw": 8.0}
_NAMED_SIZES = {
    "xx-small": 6.75,
    "x-small": 7.5,
    "small": 9.75,
    "medium": 12.0,
    "large": 13.5,
    "x-large": 18.0,
    "xx-large": 24.0,
}
_FONT_SIZES = {"1": 7.5, "2": 10.0, "3": 12.0, "4": 13.5, "5": 18.0, "6": 24.0, "7": 36.0, "-1": 10.0, "-2": 7.5, "+1": 13.5,
               "+2": 18.0, "+3": 24.0, "+4": 36.0}  # fmt: skip
_HEADINGS = {"h1": 24.0, "h2": 18.0, "h3": 14.0, "h4": 12.0, "h5": 10.0, "h6": 8.0}
_COLORS = {"white": WHITE, "black": 0, "red": 0xFF0000, "blue": 0xFF, "green": 0x8000, "gray": 0x808080, "grey": 0x808080,
           "silver": 0xC0C0C0, "yellow": 0xFFFF00, "navy": 0x80, "maroon": 0x800000, "ivory": 0xFFFFF0, "snow": 0xFFFAFA,
           "whitesmoke": 0xF5F5F5, "ghostwhite": 0xF8F8FF, "floralwhite": 0xFFFAF0}  # fmt: skip
_RGB = re.compile(r"rgba?\(\s*(\d+%?)[\s,]+(\d+%?)[\s,]+(\d+%?)(?:[\s,/]+([\d.]+%?))?\s*\)")
_SHORTHAND = re.compile(r"(\d*\.?\d+(?:pt|px|em|%))")
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol p page pre section summary table tbody td tfoot th thead tr ul".split()
)
_UNSEEN = frozenset(
    "head script style title meta link template noscript object iframe embed applet audio video canvas svg math map datalist select "
    "textarea button option input noframes".split()
)  # what browsers do not show as text of the page


class Look(NamedTuple):
    """How a piece of text is set. `hidden` says why it cannot be seen; sizes are points, colors 24 bits."""

    hidden: str = ""
    size: float = 12.0
    bold: bool = False
    italic: bool = False  # or underlined
    color: int = 0
    back: int = WHITE
    upper: bool = False
    pre: bool = False
    raised: bool = False
    link: bool = False


class Styled(NamedTuple):
    """An element's look, whether it is a block, and whether a page ends before or after it."""

    look: Look
    is_block: bool
    before: bool = False
    after: bool = False


@lru_cache(maxsize=1 << 15)
def style_element(parent: Look, tag: str, style: str, font: tuple[str, ...] = ()) -> Styled:
    """The look of an element within its parent. `font` are its attributes size, color, bgcolor and href, "" where unset."""
    own = _declarations(style) if style else {}
    size, color, back, href = font or ("", "", "", "")
    look = _by_tag(parent, tag)
    if font:
        look = look._replace(
            size=_FONT_SIZES.get(size, look.size),
            color=_color(color, look.color),
            back=_color(back, look.back),
            link=look.link or href.startswith("#"),
        )
    if own:
        look = _by_style(look, own, parent.size)
    display = own.get("display", "")
    if look.hidden in ("white", "tiny") or (look.hidden == "visibility" and own.get("visibility") == "visible"):
        look = look._replace(hidden="")  # what is within may be set otherwise
    if not look.hidden or tag == "ix:header":
        look = look._replace(hidden=_why_hidden(look, tag, own))
    is_block = display in ("block", "flex", "grid", "table", "list-item") or (
        tag in _BLOCKS and not display.startswith("inline")
    )
    return Styled(look, is_block, _breaks(own, "before") or tag == "page", _breaks(own, "after"))


def _by_tag(look: Look, tag: str) -> Look:
    if tag in ("b", "strong", "th"):
        return look._replace(bold=True)
    if tag in ("i", "em", "u", "cite"):
        return look._replace(italic=True)
    if tag in ("sup", "sub"):
        return look._replace(raised=tag == "sup", size=0.8 * look.size)
    if tag in _HEADINGS:
        return look._replace(bold=True, size=_HEADINGS[tag])
    if tag == "pre":
        return look._replace(pre=True)
    if tag in ("small", "big"):
        return look._replace(size=look.size * (0.83 if tag == "small" else 1.2))
    return look


def _by_style(look: Look, own: dict[str, str], above: float) -> Look:
    changed: dict[str, object] = {}
    if "font" in own:
        changed["bold"] = "bold" in own["font"]
        if size := _SHORTHAND.search(own["font"]):
            changed["size"] = _points(size[1], above) or look.size
    if "font-size" in own:
        changed["size"] = _size(own["font-size"], above, look.size)
    if "font-weight" in own:
        weight = own["font-weight"]
        changed["bold"] = weight in ("bold", "bolder") or (weight.isdecimal() and int(weight) >= 600)
    underlined = "underline" in own.get("text-decoration", "") or "underline" in own.get("text-decoration-line", "")
    if "font-style" in own or underlined:
        changed["italic"] = underlined or own.get("font-style") in ("italic", "oblique")
    if "color" in own:
        changed["color"] = _color(own["color"], look.color)
    background = own.get("background-color") or own.get("background", "")
    if background:
        changed["back"] = _color(background.split(" ")[0] if "(" not in background else background, look.back)
    if "text-transform" in own:
        changed["upper"] = own["text-transform"] == "uppercase"
    if "white-space" in own:
        changed["pre"] = own["white-space"].startswith("pre") and own["white-space"] != "pre-line"
    if own.get("vertical-align") == "super":
        changed["raised"] = True
    return look._replace(**changed)  # type: ignore[arg-type]  # each by its name above


def _why_hidden(look: Look, tag: str, own: dict[str, str]) -> str:
    """Why text of this look cannot be seen, "" where it can be."""
    if tag == "ix:header":
        return "inline XBRL header"
    if tag in _UNSEEN:
        return "no text"
    if own.get("display") == "none":
        return "display:none"
    if own.get("visibility") in ("hidden", "collapse"):
        return "visibility"
    if "line-through" in own.get("text-decoration", "") or tag in ("del", "s", "strike"):
        return "struck out"
    if _is_nothing(own.get("opacity", "")) or "opacity(0" in own.get("filter", "") or own.get("color") == "transparent":
        return "transparent"
    if look.size < TINY:
        return "tiny"
    if (tint := _RGB.match(own.get("color", ""))) and tint[4] and _is_nothing(tint[4]):
        return "transparent"
    moved = [own.get("text-indent", "")]
    if own.get("position") in ("absolute", "fixed", "relative"):
        moved += [own.get("left", ""), own.get("top", "")]
    moved += [own.get("margin-left", ""), own.get("margin-top", "")]
    if any((_points(value, 12.0) or 0.0) < FAR for value in moved if value.startswith("-")):
        return "off page"
    if _is_clipped(own):
        return "clipped"
    return "white" if _alike(look.color, look.back) else ""


def _is_clipped(own: dict[str, str]) -> bool:
    flat = any(_is_nothing(own.get(side, "")) for side in ("height", "width", "max-height", "max-width"))
    clip = own.get("clip", "") + own.get("clip-path", "")
    return (
        (flat and own.get("overflow", "") in ("hidden", "clip"))
        or re.match(r"rect\(\s*[01](?:px|pt)?[\s,]+[01](?:px|pt)?[\s,]+[01](?:px|pt)?[\s,]+[01](?:px|pt)?\s*\)", clip)
        is not None
        or re.match(r"(?:inset\((?:50|100)%|circle\(0)", clip) is not None
        or "scale(0" in own.get("transform", "").replace("scale(0.", "")
    )


def _is_nothing(value: str) -> bool:
    return re.fullmatch(r"0*\.?0+\s*(?:px|pt|em|%)?|0", value) is not None


def _alike(color: int, back: int) -> bool:
    return max(abs((color >> shift & 255) - (back >> shift & 255)) for shift in (0, 8, 16)) < SAME


def _breaks(own: dict[str, str], side: str) -> bool:
    return own.get(f"page-break-{side}") in ("always", "left", "right") or own.get(f"break-{side}") in (
        "page",
        "always",
        "left",
        "right",
    )


@lru_cache(maxsize=1 << 13)
def _declarations(style: str) -> dict[str, str]:
    """The properties that a style sets, in lower case; the last one of a name counts, an important one before it."""
    own: dict[str, str] = {}
    important: set[str] = set()
    for part in _without_comments(style).split(";"):
        name, colon, value = part.partition(":")
        name, value = name.strip().lower(), " ".join(value.lower().split())
        if not colon or not value:
            continue
        if value.endswith("!important"):
            important.add(name)
        elif name in important:
            continue
        own[name] = value.removesuffix("!important").rstrip(" !")
    return own


def _size(value: str, above: float, unset: float) -> float:
    if value in _NAMED_SIZES:
        return _NAMED_SIZES[value]
    if value in ("smaller", "larger"):
        return above * (0.83 if value == "smaller" else 1.2)
    points = _points(value, above)
    return unset if points is None else points


def _points(value: str, above: float) -> float | None:
    found = _LENGTH.match(value)
    if not found:
        return None
    number, unit = float(found[1]), found[2] or ""
    if unit in ("em", "%", "ex"):
        return number * above / {"em": 1, "%": 100, "ex": 2}[unit]
    return number * _POINTS[unit]


@lru_cache(maxsize=1 << 10)
def _color(value: str, unset: int) -> int:
    value = value.strip().lower()
    if value in _COLORS:
        return _COLORS[value]
    digits = value.removeprefix("#")
    if re.fullmatch(r"[0-9a-f]{3,8}", digits) and len(digits) in (3, 4, 6, 8) and (value[0] == "#" or len(digits) == 6):
        if len(digits) < 6:
            digits = "".join(2 * digit for digit in digits)
        return int(digits[:6], 16)
    if found := _RGB.match(value):
        parts = [round(float(part[:-1]) * 2.55) if part.endswith("%") else int(part) for part in found.groups()[:3]]
        return min(parts[0], 255) << 16 | min(parts[1], 255) << 8 | min(parts[2], 255)
    return unset


# --- sheets ------------------------------------------------------------------------------------------------------------

_PRINTED = re.compile(r"@media[^{]{0,300}\bprint\b|@(?:font-face|page|keyframes)\b", re.IGNORECASE)
_SIMPLE = re.compile(r"(\*|[a-z][\w-]*)?((?:[.#][\w-]+)*)$", re.IGNORECASE)
MOST_RULES = 2000


Named = tuple[str, frozenset[str]]  # a tag ("" is any), and classes and ids with their marks


class Sheet:
    """The rules of a page's own style sheets that may bear on what is seen: by tag, class and id, alone or within others.

    A selector of another kind (`:hover`, `[lang]`) is left out. What parts a selector (`>`, `+`, `~`) counts as "within".
    """

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[Named, tuple[Named, ...], str]] = []  # the element, what it is within, declarations
        for selectors, body in _rules_of(_without_comments(text)):
            for selector in selectors.split(","):
                parts = [_SIMPLE.match(part) for part in re.split(r"[\s>+~]+", selector.strip()) if part]
                if parts and all(parts):
                    named = [_named(part[1] or "", re.findall(r"[.#][\w-]+", part[2])) for part in parts if part]
                    self._rules.append((named[-1], tuple(named[:-1]), body))

    def __bool__(self) -> bool:
        return bool(self._rules)

    def style_of(self, element: Named, around: Callable[[], list[Named]]) -> str:
        """The declarations for an element, the more exact ones last; `around` gives the elements that it is within."""
        found = [
            (len(own[1]) + sum(len(names) for _, names in within), body)
            for own, within, body in self._rules
            if _fits(own, element)
            and (not within or all(any(_fits(part, other) for other in around()) for part in within))
        ]
        return ";".join(body for _, body in sorted(found, key=lambda rule: rule[0]))


def _without_comments(text: str) -> str:
    """A style without its comments; in time that grows with its length alone."""
    first, *rest = text.split("/*")
    return first + "".join(part.partition("*/")[2] for part in rest)


def _rules_of(text: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations of each rule, those of `@media` too where it is not of print."""
    around: list[bool] = []  # of the blocks that are open: whether they count
    for number, part in enumerate(text.split("}")[:MOST_RULES]):
        *opened, body = part.split("{")
        if number and not opened:
            if around:
                around.pop()
            continue
        around += (not _PRINTED.search(each) for each in opened[:-1])
        if opened and all(around) and not _PRINTED.search(opened[-1]):
            yield opened[-1], body


def _named(tag: str, names: list[str]) -> Named:
    return tag.lower().replace("*", ""), frozenset(names)


def _fits(wanted: Named, element: Named) -> bool:
    return wanted[0] in ("", element[0]) and wanted[1] <= element[1]
