"""A document without pages as one page for a browser, its quotes marked; it opens at the first of them.

A filing in HTML is shown as it is, without what would run or be fetched; other formats are shown by their blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from fingen.config import ReadSettings
from fingen.documents.content import Asked, Reader
from fingen.documents.formats import find_format
from fingen.documents.markup import decode, local, parse_markup
from fingen.documents.read import READERS
from fingen.documents.shapes import PageBlock
from fingen.documents.submission import documents_of
from fingen.text import INNER_BAR

Quoted = tuple[str, str]  # a quote, and what finds it again: the end of its place
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = ("mark[data-fingen]{background:#fe9;color:#000;outline:2px solid #d9480f;scroll-margin:40vh}"
          "[data-fingen-around]{outline:2px solid #d9480f;scroll-margin:30vh}")  # fmt: skip
_DROPPED = frozenset(
    "script iframe frame frameset object embed applet link base noscript template audio video source track".split()
)
_FETCHED = frozenset(
    "src srcset background data poster action formaction lowsrc longdesc cite ping manifest dynsrc".split()
)
_URL = re.compile(r"url\s*\([^)]*\)|@import[^;]*;?|expression\s*\(|behavior\s*:", re.IGNORECASE)
_UNCOUNTED = frozenset(f"|{INNER_BAR}-\u2010\u2011\u00ad")


def render_marked(path: Path, quotes: Sequence[Quoted]) -> str:
    """The document as HTML, each quote marked where its place says, or else where its words are.

    Raises:
        DocumentError: it cannot be read.
    """
    kind = find_format(path, path.name)
    if kind == "html":
        return _marked_html(decode(path.read_bytes()), path.name, quotes)
    if kind == "submission":
        filed = [each for each in documents_of(path.read_bytes()) if each.is_read]
        named = next(
            (each for each in filed if any(each.file and place.startswith(each.file) for _, place in quotes)), None
        )
        chosen = named or next(
            (each for each in filed if each.is_html and len(quotes) and "line" not in quotes[0][1]), None
        )
        if chosen and chosen.is_html:
            own = [(quote, place.removeprefix(chosen.file).strip()) for quote, place in quotes]
            return _marked_html(decode(chosen.body), path.name, own)
    reader: Reader = import_module(READERS[kind])
    blocks = reader.read(path, path.name, Asked(ReadSettings())).blocks
    return _marked_html(
        "".join(_shown(blocks, quotes)), path.name, [(quote, f"#{_id(place)}") for quote, place in quotes]
    )


def _shown(blocks: Sequence[PageBlock], quotes: Sequence[Quoted]) -> Iterator[str]:
    wanted = {place for _, place in quotes}
    yield "<!doctype html><html><body>"
    for block in blocks:
        own = f' id="{_id(block.place)}"' if block.place in wanted else ""
        if block.kind == "table":
            rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row.cells) for row in block.rows)
            yield f"<table border=1{own}>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
        else:
            tag = f"h{min(block.level + 1, 6)}" if block.kind == "heading" else "p"
            yield f"<{tag}{own}>{escape(block.text)}</{tag}>"
    yield "</body></html>"


def _id(place: str) -> str:
    return re.sub(r"\W+", "-", place)


def _marked_html(text: str, name: str, quotes: Sequence[Quoted]) -> str:
    root = parse_markup(text, name)
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    ids: dict[str, Any] = {}
    for element in elements:
        for own in (element.get("id"), element.get("name")):
            if own:
                ids.setdefault(own, element)
    places = [_element(place, elements, ids) for _, place in quotes]
    for number, ((quote, _), element) in enumerate(zip(quotes, places, strict=True), 1):
        if not any(_mark(scope, quote, number) for scope in _scopes(element, root)) and element is not None:
            element.set("data-fingen-around", str(number))
            _point(element, number)
    _make_safe(root, elements)
    _add_head(root)
    shown: str = etree.tostring(root, method="html", encoding="unicode")
    return f"<!doctype html>\n{shown}"


def _element(place: str, elements: list[Any], ids: dict[str, Any]) -> Any:
    if place.startswith("#"):
        return ids.get(place[1:])
    kind, _, number = place.rpartition(" ")
    found = kind == "element" and number.isdecimal() and 0 < int(number) <= len(elements)
    return elements[int(number) - 1] if found else None


def _scopes(element: Any, root: Any) -> Iterator[Any]:
    """Where a quote is looked for: at its place, in what is around that, and last in all of it."""
    for _ in range(6):
        if element is None or element is root:
            break
        yield element
        element = element.getparent()
    yield root


class _Text(NamedTuple):
    """A piece of text of the tree: that of an element, or that behind it."""

    element: Any
    is_tail: bool
    text: str


def _texts(scope: Any) -> list[_Text]:
    found: list[_Text] = []
    skip = 0
    for event, element in etree.iterwalk(scope, events=("start", "end")):
        tag = local(element.tag)
        unseen = tag in ("script", "style", "head", "ix:header", "title")
        if event == "start":
            skip += unseen
            if element.text and not skip:
                found.append(_Text(element, False, element.text))
        else:
            skip -= unseen
            if element.tail and not skip and element is not scope:
                found.append(_Text(element, True, element.tail))
    return found


def _fold(char: str) -> str:
    return "" if char.isspace() or char in _UNCOUNTED else {"’": "'", "‘": "'", "“": '"', "”": '"'}.get(char, char)


def _mark(scope: Any, quote: str, number: int) -> bool:
    """Mark a quote below an element; says whether it stands there."""
    texts = _texts(scope)
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    for at, piece in enumerate(texts):
        for offset, char in enumerate(piece.text):
            if folded := _fold(char):
                letters.append(folded)
                places.append((at, offset))
    wanted = "".join(map(_fold, quote))
    start = "".join(letters).find(wanted) if wanted else -1
    if start < 0:
        return False
    spans: dict[int, tuple[int, int]] = {}
    for at, offset in places[start : start + len(wanted)]:
        spans[at] = (spans.get(at, (offset, 0))[0], offset + 1)
    for at in sorted(spans, reverse=True):  # from the end: what is behind a piece moves when it is cut
        mark = _cut(texts[at], *spans[at])
        mark.set("data-fingen", str(number))
        if at == min(spans):
            _point(mark, number)
    return True


def _cut(piece: _Text, start: int, end: int) -> Any:
    element, text = piece.element, piece.text
    mark = etree.Element("mark")
    mark.text, mark.tail = text[start:end], text[end:]
    if piece.is_tail:
        element.tail = text[:start]
        parent = element.getparent()
        parent.insert(parent.index(element) + 1, mark)
    else:
        element.text = text[:start]
        element.insert(0, mark)
    return mark


def _point(element: Any, number: int) -> None:
    """Let a browser open the page here, without a script: the address may end in #evidence-N, and the first has the focus."""
    if element.tag == "mark":
        element.set("id", f"evidence-{number}")
    if number == 1:
        element.set("tabindex", "-1")
        element.set("autofocus", "autofocus")


def _make_safe(root: Any, elements: list[Any]) -> None:
    """Take out what would run, fetch or lead away."""
    for element in elements:
        tag = local(element.tag)
        refreshes = tag == "meta" and element.get("http-equiv") is not None
        if (tag in _DROPPED or refreshes) and element.getparent() is not None:
            _drop(element)
            continue
        for name, value in element.attrib.items():
            bare = name.rpartition("}")[2].lower()
            leads = bare == "href" and not value.startswith("#")
            if bare.startswith("on") or bare in _FETCHED or leads:
                del element.attrib[name]
            elif bare == "style" and _URL.search(value):
                element.set(name, _URL.sub("", value))
        if tag == "style" and element.text:
            element.text = _URL.sub("", element.text)


def _drop(element: Any) -> None:
    """Remove an element and keep what is behind it."""
    parent, tail = element.getparent(), element.tail or ""
    before = element.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def _add_head(root: Any) -> None:
    head = next((child for child in root if local(child.tag) == "head"), None)
    if head is None:
        head = etree.Element("head")
        root.insert(0, head)
    added = [("meta", {"charset": "utf-8"}, ""), ("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}, ""),
             ("style", {}, _STYLE)]  # fmt: skip
    for at, (tag, attributes, text) in enumerate(added):
        element = etree.Element(tag, attributes)
        element.text = text or None
        head.insert(at, element)
