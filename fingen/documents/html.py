"""HTML and inline XBRL -> blocks: what a browser would show, in reading order, with what the tags say of its figures."""

from __future__ import annotations

import re
from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import Any

from lxml import etree

from fingen.config import ReadSettings
from fingen.documents.content import NO_BOX, Asked, Content, pages_of
from fingen.documents.html_tables import Flow, Piece, Slot, Table, blocks_of_table
from fingen.documents.ixbrl import Tags
from fingen.documents.looks import Look, Named, Sheet, Styled, style_element
from fingen.documents.markup import LARGEST, decode_page, local, parse_markup
from fingen.documents.plain import read_text
from fingen.documents.running import without_running
from fingen.documents.shapes import CellFact, PageBlock
from fingen.documents.units import unit_of
from fingen.errors import Cause, DocumentError
from fingen.text import clean

_SET = (attrgetter("bold"), attrgetter("italic"), attrgetter("link"))
WIDEST, MOST_CELLS = 1000, 2_000_000  # columns that a cell may span, as browsers have it; cells of a grid
TYPED_LINES = 5  # of a `<pre>`, from which on it is typed text with columns
_SETTING = ("style", "class", "color", "hidden")
_TYPED_MARKS = frozenset({"page", "table", "caption", "s", "c"})
LONGEST_ID = 60  # characters; a longer one is no help to a reader
SHORT_LINE = 60  # characters; lines that are shorter were broken on purpose
_SPACES = re.compile(r"[ \t\r\n\f]+")
_RAISED = str.maketrans("0123456789()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾")
_GOES_ON = re.compile(r"(?:\b(?:of|and|the|in|for|to|or|on|at|by|with|a|an)|[,&-])$", re.IGNORECASE)


def made_by(reading: ReadSettings) -> str:
    """Name what reads: a parse that another one made is not used."""
    return ".".join(map(str, etree.LXML_VERSION + etree.LIBXML_VERSION))


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read what a page of HTML shows.

    Raises:
        DocumentError: it cannot be read, is too large, or nested too deeply.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise DocumentError(name, Cause.TOO_LARGE, f"more than {LARGEST >> 20} MB of HTML", hint="split the file")
    asked.started(0, pages_of(size))
    text, guessed = decode_page(path.read_bytes())
    content = read_markup(text, name)
    content.details["encoding"] = guessed
    return content


def read_markup(text: str, name: str) -> Content:
    """Read what a page shows whose text is at hand; errors are those of `read`."""
    root = parse_markup(text, name)
    tags = Tags(root)
    walk = _Walk(root, tags, name)
    blocks, pages, furniture = without_running(walk.read(), walk.ruled, walk.linked)
    return Content(
        blocks,
        pages,
        about=tags.identity(),
        body=body_size(blocks),
        furniture=furniture,
        hidden={kind: count for kind, count in walk.hidden.items() if kind != "no text"},
    )


def body_size(blocks: list[PageBlock]) -> float:
    """The size that most of the running text is set in."""
    sizes: Counter[float] = Counter()
    for block in blocks:
        if block.kind == "paragraph":
            sizes[block.size] += len(block.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


# --- the walk ----------------------------------------------------------------------------------------------------------


class _Walk:
    """One way through the tree: what is seen is gathered, what is not is counted."""

    def __init__(self, root: Any, tags: Tags, name: str) -> None:
        self.hidden: Counter[str] = Counter()
        self.ruled: set[int] = set()  # ids of blocks that a rule is drawn below
        self.linked: set[int] = set()  # ids of blocks that are links to another place of the page
        self._root, self._tags, self._name = root, tags, name
        self._sheet = Sheet("\n".join("".join(e.itertext()) for e in root.iter() if local(e.tag) == "style"))
        self._flow = Flow()
        self._tables: list[Table] = []
        self._number, self._page, self._made = 0, 1, 0  # of the element, of the page, of the blocks on it
        self._block, self._id = 0, ""  # number of the block that text stands in, the first id in it
        self._ids: Counter[str] = Counter(value for e in root.iter() if (value := e.get("id") or e.get("name")))
        self._cells = 0

    def read(self) -> list[PageBlock]:
        """All blocks, in order; `page` counts from 1."""
        looks: list[Styled] = [Styled(Look(), True)]
        names: dict[Any, str] = {}
        typed: Any = None  # what is being passed over: its lines were read as they are typed
        for event, element in etree.iterwalk(self._root, events=("start", "end")):
            self._number += event == "start"
            if typed is not None:
                if element is not typed or event == "start":
                    continue
                typed = None
            tag = names.get(element.tag)
            if tag is None:
                tag = names[element.tag] = local(element.tag)
            if event == "start":
                styled = self._styled(element, tag, looks[-1].look)
                looks.append(styled)
                self._start(element, tag, styled)
                if tag == "pre" and not styled.look.hidden and not self._tables and self._read_typed(element):
                    typed = element
                elif element.text:
                    self._add(element.text, styled.look)
            else:
                styled = looks.pop()
                self._end(element, tag, styled)
                if element.tail:
                    self._add(element.tail, looks[-1].look)
        self._flush()
        return self._flow.blocks

    def _styled(self, element: Any, tag: str, parent: Look) -> Styled:
        get = element.get
        style = get("style", "")
        if self._sheet:
            around = (_named(other, local(other.tag)) for other in element.iterancestors())
            style = f"{self._sheet.style_of(_named(element, tag), lambda: list(around))};{style}"
        if get("hidden") is not None and tag != "ix:header":
            style += ";display:none"
        font = ("", "", "", "")
        if tag in ("font", "a", "td", "th", "tr", "table", "body", "basefont"):
            font = (get("size", "") if tag == "font" else "", get("color", ""), get("bgcolor", ""), get("href", ""))
        return style_element(parent, tag, style, font if any(font) else ())

    def _start(self, element: Any, tag: str, styled: Styled) -> None:
        if styled.look.hidden:
            return
        if styled.is_block:
            self._flush()
            self._block = self._number
        if styled.before:
            self._turn()
        own = element.get("id") or element.get("name")
        if own and not self._id and len(own) <= LONGEST_ID and tag != "ix:nonnumeric" and self._ids[own] == 1:
            self._id = own
        if tag == "table":
            self._tables.append(Table(self._flow, self._place()))
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif tag in ("td", "th") and self._tables:
            self._open_cell(element)
        elif tag == "br":
            self._flow.text.append("\n")
            self._flow.length += 1
        elif tag in ("ix:nonfraction", "ix:nonnumeric"):
            self._flow.open_facts.append((self._flow.length, element))

    def _end(self, element: Any, tag: str, styled: Styled) -> None:
        if styled.look.hidden:
            return
        if tag in ("ix:nonfraction", "ix:nonnumeric"):
            self._close_fact(element)
        elif tag in ("td", "th") and self._tables and self._tables[-1].rows and self._tables[-1].rows[-1]:
            self._flush()
            self._flow = self._tables[-1].flow
        elif tag == "table" and self._tables:
            self._close_table()
        elif tag == "hr" and self._flow.blocks:
            self.ruled.add(id(self._flow.blocks[-1]))
        if styled.is_block:
            self._flush()
            self._id = "" if tag not in ("td", "th", "tr", "tbody") else self._id
        if styled.after:
            self._turn()

    def _turn(self) -> None:
        """Begin a page, where there is something on the one before."""
        self._flush()
        if self._made:
            self._page, self._made = self._page + 1, 0

    def _place(self) -> str:
        return f"#{self._id}" if self._id else f"element {self._block or self._number}"

    # --- text ----------------------------------------------------------------------------------------------------------

    def _add(self, text: str, look: Look) -> None:
        if look.hidden:
            if not text.isspace():
                self.hidden[look.hidden] += 1
            return
        flow = self._flow
        if not look.pre:
            text = _SPACES.sub(" ", text)
            if text == " " and not flow.length:
                return
        if look.raised:
            text = _raised(text)
        if look.upper:
            text = text.upper()
        if not flow.length:
            flow.page = self._page
        if not flow.place and not text.isspace():
            flow.place = self._place()
        if not flow.pieces or flow.pieces[-1].look is not look:
            flow.pieces.append(Piece(flow.length, look))
        flow.text.append(text)
        flow.length += len(text)

    def _close_fact(self, element: Any) -> None:
        opened = self._flow.open_facts
        at = next((at for at in range(len(opened) - 1, -1, -1) if opened[at][1] is element), None)
        if at is not None:  # else a paragraph or a cell ended inside it
            start, _ = opened.pop(at)
            self._flow.facts.append((start, self._flow.length, element))

    def _flush(self) -> None:
        """End the paragraph that is being gathered."""
        flow = self._flow
        flow.open_facts.clear()
        if not flow.length:
            return
        raw = "".join(flow.text)
        if not raw.isspace():
            found = list(self._paragraphs(flow, raw))
            flow.blocks += found
            self._made += len(found)
        flow.text, flow.pieces, flow.facts = [], [], []
        flow.length, flow.place = 0, ""

    def _paragraphs(self, flow: Flow, raw: str) -> list[PageBlock]:
        blocks = []
        for start, end in (part for line in _lines(raw) for part in self._parts(flow, raw, *line)):
            text = clean(raw[start:end])
            if not text:
                continue
            block = self._paragraph(flow, text, start, end)
            for fact_start, fact_end, element in flow.facts:
                if start <= fact_start and fact_end <= end:
                    self._set_fact(block, raw, start, (fact_start, fact_end), element)
            blocks.append(block)
        return blocks

    @staticmethod
    def _parts(flow: Flow, raw: str, start: int, end: int) -> list[tuple[int, int]]:
        """A line; or a title and the unit of its section, which stands behind it in brackets and in another type."""
        ends = [*(piece.start for piece in flow.pieces[1:]), flow.length]
        inside = [piece for piece, until in zip(flow.pieces, ends, strict=True) if piece.start < end and until > start]
        if len(inside) < 2 or not inside[0].look.bold or inside[-1].look.bold or raw[start:end].rstrip()[-1:] != ")":
            return [(start, end)]
        turn = next(piece.start for piece in inside[1:] if not piece.look.bold)
        told = raw[turn:end].strip()
        return [(start, turn), (turn, end)] if told[:1] == "(" and unit_of(told) else [(start, end)]

    def _paragraph(self, flow: Flow, text: str, start: int, end: int) -> PageBlock:
        inside = [
            (min(after.start, end) - max(piece.start, start), piece.look)
            for piece, after in zip(flow.pieces, [*flow.pieces[1:], Piece(flow.length, Look())], strict=True)
            if piece.start < end and after.start > start
        ]
        whole = sum(count for count, _ in inside) or 1
        main = max(inside, key=lambda piece: piece[0])[1] if inside else Look()
        bold, italic, link = (sum(count for count, look in inside if is_so(look)) > 0.9 * whole for is_so in _SET)
        block = PageBlock(
            "paragraph", flow.page, NO_BOX, text, round(main.size, 1), bold, italic, main.color, place=flow.place
        )
        if link:
            self.linked.add(id(block))
        return block

    def _set_fact(self, block: PageBlock, raw: str, start: int, span: tuple[int, int], element: Any) -> None:
        """Put a fact on the stretch of the cleaned text that its tag is around."""
        shown = clean(raw[span[0] : span[1]])
        at = block.text.find(shown, max(0, len(clean(raw[start : span[0]])) - 1)) if shown else -1
        fact = self._tags.fact(element, shown, at, at + len(shown)) if at >= 0 else None
        if fact:
            block.facts.append(CellFact(0, fact))

    def _read_typed(self, element: Any) -> bool:
        """Read the lines of a `<pre>` as typed text; not where there are few, or some of it is set in another way."""
        text = _typed(element)
        is_set = any(
            inner.get(name) is not None for inner in element.iter() for name in _SETTING if inner is not element
        )
        if is_set or text.count("\n") < TYPED_LINES:
            return False
        content, place = read_text(text), f"element {self._number}"
        for block in content.blocks:
            block.page, block.place = self._page + max(block.page - 1, 0), place
        self._page += max(content.pages - 1, 0)
        self._flow.blocks += content.blocks
        self._made += len(content.blocks)
        return True

    # --- tables --------------------------------------------------------------------------------------------------------

    def _open_cell(self, element: Any) -> None:
        table = self._tables[-1]
        self._flow = Flow(page=self._page)
        if not table.rows:
            table.rows.append([])
        wide, high = (_span(element.get(name)) for name in ("colspan", "rowspan"))
        self._cells += wide
        if self._cells > MOST_CELLS:
            raise DocumentError(
                self._name, Cause.TOO_LARGE, "its tables claim millions of cells", hint="print it to PDF"
            )
        table.rows[-1].append(Slot(self._flow, wide, high))

    def _close_table(self) -> None:
        self._flush()
        table = self._tables.pop()
        self._flow = table.flow
        blocks = blocks_of_table(table, self._page)
        self._made += len(blocks)
        self._flow.blocks += blocks


def _typed(element: Any) -> str:
    """The text of a `<pre>` with the marks that typed filings have in it."""
    parts: list[str] = []
    for event, inner in etree.iterwalk(element, events=("start", "end")):
        tag = local(inner.tag)
        is_mark = tag in _TYPED_MARKS and inner is not element
        if event == "start":
            parts += [f"<{tag.upper()}>" if is_mark else "\n" if tag == "br" else "", inner.text or ""]
        else:
            parts += ["</TABLE>" if tag == "table" else "", inner.tail or "" if inner is not element else ""]
    return "".join(parts)


def _named(element: Any, tag: str) -> Named:
    names = [f".{name}" for name in element.get("class", "").split()]
    return tag, frozenset([*names, f"#{element.get('id')}"] if element.get("id") else names)


def _span(value: str | None) -> int:
    return min(max(int(value), 1), WIDEST) if value and value.strip().isdecimal() and len(value) < 6 else 1


def _raised(text: str) -> str:
    """A raised text: the number of a footnote is no digit of the figure before it."""
    bare = text.strip()
    return (
        text.translate(_RAISED)
        if bare and all(char in "0123456789()," for char in bare)
        else f" {text}"
        if bare[:1] == "("
        else text
    )


def _lines(raw: str) -> list[tuple[int, int]]:
    """The stretches of a text that are paragraphs: lines broken on purpose are apart, those of running text are not."""
    spans: list[tuple[int, int]] = []
    start = 0
    for line in raw.split("\n"):
        spans.append((start, start + len(line)))
        start += len(line) + 1
    if len(spans) == 1:
        return spans
    lines = [span for span in spans if raw[span[0] : span[1]].strip()]
    joined: list[tuple[int, int]] = []
    for begin, end in lines:
        above = raw[slice(*joined[-1])].rstrip() if joined else ""
        gap = raw[joined[-1][1] : begin].count("\n") if joined else 0
        if gap == 1 and (
            len(above) - above.rfind("\n") > SHORT_LINE
            or _GOES_ON.search(above)
            or raw[begin:end].lstrip()[:1].islower()
        ):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined
