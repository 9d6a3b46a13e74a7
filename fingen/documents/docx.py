"""Word -> blocks: what a printed page would show of a document, in reading order, with its headings and tables.

Read from its XML with lxml, which HTML takes too: the libraries for Word show neither tracked changes, nor text boxes,
hidden text or the numbers of lists, and all of these decide what the document says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from fingen.config import ReadSettings
from fingen.documents.content import BODY, NO_BOX, Asked, Content, pages_of, table_block
from fingen.documents.numbers import BULLET, Numbers
from fingen.documents.package import Package
from fingen.documents.rows_of_cells import Cell, build_rows
from fingen.documents.shapes import PageBlock, TextRow
from fingen.documents.word_looks import (
    WHITE,
    Look,
    Style,
    Styles,
    W,
    fill_of,
    is_on,
    look_of,
    numbering_of,
    outline_of,
    value,
    why_hidden,
)
from fingen.errors import Cause, DocumentError
from fingen.text import clean, is_amount

MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_SHAPE = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
_MAIN = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_VML = "{urn:schemas-microsoft-com:vml}"
WIDEST = 1000  # columns that a cell may span
MOST_CELLS = 300_000
FEWEST_HEADINGS = 3  # with fewer the styles say nothing of a document's structure: its lines are judged by their look
LONGEST_HEADING = 300  # characters; what is longer is running text in the style of a heading
SHORT_LINE = 80  # characters; lines that are shorter were broken on purpose
FLAT = 20  # twentieths of a point; in a row of that height nothing can be seen
# What only wraps what it holds; text that was inserted, or moved to a place, stands there.
_THROUGH = frozenset(
    W + name
    for name in ("sdtContent", "customXml", "smartTag", "ins", "moveTo", "hyperlink", "fldSimple", "dir", "bdo")
)
_GONE = {f"{W}del": "deleted", f"{W}moveFrom": "moved away"}
_SYMBOLS = {0xF0B7: "•", 0xF0A7: "▪", 0xF0D8: "►", 0xF0FE: "☒", 0xF0FD: "☒", 0xF0A8: "☐", 0xF06F: "☐", 0xF0FC: "✓"}
_WRITTEN = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_BREAKS = re.compile(r"[ \t]*\n[ \t\n]*")


def made_by(reading: ReadSettings) -> str:
    """Name what reads: a parse that another one made is not used."""
    return ".".join(map(str, etree.LXML_VERSION + etree.LIBXML_VERSION))


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read what a document of Word shows.

    Raises:
        DocumentError: it is damaged, encrypted, too large, nested too deeply, or made to do harm.
    """
    package = Package(path, name)
    try:
        asked.started(0, pages_of(package.size(package.main)))
        root = package.xml(package.main)
        body = root.find(f"{W}body") if root is not None else None
        if body is None:
            raise DocumentError(name, Cause.TRUNCATED, f"{package.main} holds no text", hint="save it anew in Word")
        walk = _Walk(package, root)
        blocks = walk.flow(body, top=True)
    except RecursionError as e:
        raise DocumentError(
            name, Cause.TOO_LARGE, "its tables or boxes are nested too deeply", hint="save it as PDF"
        ) from e
    finally:
        package.close()
    _judge_headings(blocks)
    return Content(
        blocks, body=_body_size(blocks), hidden={kind: count for kind, count in walk.hidden.items() if count}
    )


def _judge_headings(blocks: list[PageBlock]) -> None:
    """Take headings by style for what they are where there are enough of them, else for lines like others."""
    if sum(block.kind == "heading" for block in blocks) >= FEWEST_HEADINGS:
        return
    for block in blocks:
        if block.kind == "heading":
            block.kind, block.level, block.bold = "paragraph", 0, True


def _body_size(blocks: list[PageBlock]) -> float:
    sizes: Counter[float] = Counter()
    for block in blocks:
        if block.kind == "paragraph":
            sizes[block.size] += len(block.text)
    return sizes.most_common(1)[0][0] if sizes else BODY


@dataclass(slots=True)
class _Paragraph:
    """A paragraph as it is gathered: what can be seen of it, and what is tied to it."""

    style: Style
    base: Look
    back: int | None
    texts: list[str] = field(default_factory=list)
    looks: Counter[tuple[float, bool, bool, int]] = field(
        default_factory=Counter
    )  # size, bold, italic, color -> characters
    boxes: list[tuple[Any, int | None]] = field(default_factory=list)  # content of text boxes, color behind it
    notes: list[tuple[str, str]] = field(default_factory=list)  # footnotes and endnotes: kind, id
    mark: str = ""  # number or bullet
    level: int = 0


class _Walk:
    """One way through the document: what is seen is gathered, what is not is counted."""

    def __init__(self, package: Package, root: Any) -> None:
        self.hidden: Counter[str] = Counter()
        self._name = package.name
        self._styles = Styles(package.xml(package.related("styles")))
        self._numbers = Numbers(package.xml(package.related("numbering")))
        self._notes = {
            (kind, e.get(f"{W}id", "")): e
            for kind in ("footnote", "endnote")
            if (part := package.xml(package.related(f"{kind}s"))) is not None
            for e in part.iterfind(f"{W}{kind}")
            if e.get(f"{W}type") in (None, "normal")
        }
        self._page = fill_of_page(root)
        self._fields: list[bool] = []  # open fields: whether their code is read, which is not shown
        self._paragraphs = self._tables = self._cells = 0
        self._tabbed: dict[int, list[str]] = {}  # id of a block -> its cells, that tabs part

    # --- the flow ---

    def flow(self, holder: Any, *, top: bool = False, place: str = "", back: int | None = -1) -> list[PageBlock]:
        """The blocks of a body, cell, box or note. Paragraphs and tables of the body have places of their own."""
        behind = self._page if back == -1 else back
        blocks: list[PageBlock] = []
        kept: _Paragraph | None = None
        for element in self._through(holder):
            if element.tag == f"{W}p":
                self._paragraphs += top
                kept = self._paragraph(element, behind, kept)
                if _is_joined(element):
                    continue  # the mark that ends it was deleted: the next one goes on
                blocks += self._blocks(kept, place or f"paragraph {self._paragraphs}")
                kept = None
            elif element.tag == f"{W}tbl":
                self._tables += top
                blocks += self._table(element, place or f"table {self._tables}", behind)
            elif element.tag in (f"{W}altChunk", f"{W}subDoc"):
                self.hidden["embedded files"] += 1
        if kept is not None:
            blocks += self._blocks(kept, place or f"paragraph {self._paragraphs}")
        return self._with_tables(blocks)

    def _through(self, holder: Any) -> Iterator[Any]:
        """The elements of a holder and of what only wraps them; what is gone is counted."""
        for element in holder:
            tag = element.tag
            if tag in _THROUGH:
                yield from self._through(element)
            elif tag == f"{W}sdt":
                properties = element.find(f"{W}sdtPr")
                if properties is not None and is_on(properties.find(f"{W}showingPlcHdr")):
                    self.hidden["empty forms"] += 1
                    continue
                content = element.find(f"{W}sdtContent")
                if content is not None:
                    yield from self._through(content)
            elif tag in _GONE:
                self._count(element, _GONE[tag])
            elif tag == f"{MC}AlternateContent":
                choice = element.find(f"{MC}Choice")
                fallback = element.find(f"{MC}Fallback")
                yield from self._through(choice if choice is not None else fallback if fallback is not None else ())
            else:
                yield element

    def _count(self, element: Any, kind: str) -> None:
        """Count the pieces of text that are left out."""
        self.hidden[kind] += sum(bool((e.text or "").strip()) for e in element.iter(f"{W}t", f"{W}delText"))

    # --- paragraphs ---

    def _paragraph(self, element: Any, back: int | None, kept: _Paragraph | None) -> _Paragraph:
        properties = element.find(f"{W}pPr")
        style = self._styles.find(
            (value(properties.find(f"{W}pStyle")) if properties is not None else "") or self._styles.default
        )
        found = kept or _Paragraph(
            style, {**self._styles.base, **style.look}, back if style.back is None else style.back
        )
        numbered = style.numbered
        if properties is not None:
            found.back = fill_of(properties.find(f"{W}shd"), found.back)
            found.level = found.level or outline_of(properties, style.level)
            numbered = numbering_of(properties, numbered)
        else:
            found.level = found.level or style.level
        self._runs(element, found)
        self._fields = [False for is_code in self._fields if not is_code]  # a code ends with its paragraph
        if numbered is not None and any(map(str.strip, found.texts)):
            found.mark = found.mark or self._numbers.next(*numbered)
        return found

    def _runs(self, holder: Any, found: _Paragraph) -> None:
        for element in self._through(holder):
            if element.tag == f"{W}r":
                self._run(element, found)
            elif element.tag.startswith(_MATH):
                found.texts.append("".join(e.text or "" for e in element.iter(f"{_MATH}t")))
            elif element.tag == f"{W}ruby":
                self._ruby(element, found)
            elif element.tag in (f"{W}drawing", f"{W}pict"):
                self._boxes(element, found)

    def _ruby(self, element: Any, found: _Paragraph) -> None:
        """Text with how it is spoken above it: the text alone."""
        base = element.find(f"{W}rubyBase")
        if base is not None:
            self._runs(base, found)

    def _run(self, run: Any, found: _Paragraph) -> None:
        own = look_of(run.find(f"{W}rPr"))
        named = self._styles.find(own["style"]).look if own.get("style") else {}
        look = {**found.base, **named, **own}
        why = why_hidden(look, found.back)
        boxes, notes = len(found.boxes), len(found.notes)
        text = "".join(self._pieces(run, found))
        if look.get("hidden"):  # with all that is tied to it
            self.hidden[why] += len(found.boxes) - boxes
            del found.boxes[boxes:], found.notes[notes:]
        if why and text.strip():
            self.hidden[why] += 1
        elif text:
            found.texts.append(text.upper() if look.get("upper") else text)
            italic = bool(look.get("italic") or look.get("under"))
            set_as = (look["size"], bool(look.get("bold")), italic, look.get("color", 0))
            found.looks[set_as] += len(text.strip())

    def _pieces(self, run: Any, found: _Paragraph) -> Iterator[str]:
        for element in self._through(run):
            tag = element.tag.rpartition("}")[2]
            if tag == "fldChar":
                self._field(element.get(f"{W}fldCharType", ""))
            elif any(self._fields):
                continue  # the code of a field
            elif tag == "t":
                yield element.text or ""
            elif tag in _WRITTEN:
                yield _WRITTEN[tag]
            elif tag == "sym":
                yield _symbol(element.get(f"{W}char", ""))
            else:
                self._tie(element, tag, found)

    def _tie(self, element: Any, tag: str, found: _Paragraph) -> None:
        """Take in what stands in a run and is no text of its line."""
        if tag in ("footnoteReference", "endnoteReference"):
            found.notes.append((tag.removesuffix("Reference"), element.get(f"{W}id", "")))
        elif tag == "delText":
            self.hidden["deleted"] += bool((element.text or "").strip())
        elif tag == "commentReference":
            self.hidden["comments"] += 1
        elif tag in ("drawing", "pict", "object"):
            self._boxes(element, found)
        elif tag == "ruby":
            self._ruby(element, found)

    def _field(self, what: str) -> None:
        if what == "begin":
            self._fields.append(True)
        elif what == "separate" and self._fields:
            self._fields[-1] = False
        elif what == "end" and self._fields:
            self._fields.pop()

    def _boxes(self, element: Any, found: _Paragraph) -> None:
        """The text boxes of a drawing; what it draws twice, for older programs, counts once."""
        hidden = next((e for e in element.iter(f"{_DRAWN}docPr") if e.get("hidden") in ("1", "true")), None)
        extent = next(element.iter(f"{_DRAWN}extent"), None)
        flat = extent is not None and any(extent.get(side, "1").lstrip("0") in ("", "1") for side in ("cx", "cy"))
        unseen = any(
            re.search(r"visibility\s*:\s*hidden|display\s*:\s*none", e.get("style", ""))
            for e in element.iter(f"{_VML}shape")
        )
        for content in element.iter(f"{W}txbxContent"):
            if any(
                above.tag == f"{MC}Fallback" or above.tag == f"{W}txbxContent" for above in _between(content, element)
            ):
                continue
            if hidden is not None or flat or unseen:
                self._count(content, "hidden boxes")
            else:
                found.boxes.append((content, _behind_box(content, found.back)))

    def _blocks(self, found: _Paragraph, place: str) -> list[PageBlock]:
        """The blocks of a paragraph: its lines, then the boxes and notes that are tied to it."""
        blocks: list[PageBlock] = []
        text = "".join(found.texts).strip()
        size, bold, italic, color = found.looks.most_common(1)[0][0] if found.looks else (BODY, False, False, 0)
        bold = all(looks[1] for looks, count in found.looks.items() if count)
        lines = [line for line in _BREAKS.split(text) if line.strip()]
        if len(lines) > 1 and not all(len(line) < SHORT_LINE for line in lines):
            lines = [" ".join(lines)]
        for number, line in enumerate(lines):
            shown = clean(line.replace("\t", " "))
            if not shown:
                continue
            if found.mark and number == 0:
                shown = f"{found.mark} {shown}"
            is_heading = found.level > 0 and len(shown) <= LONGEST_HEADING and found.mark != BULLET
            block = PageBlock("heading" if is_heading else "paragraph", 0, NO_BOX, shown, size, bold, italic, color,
                              level=found.level if is_heading else 0, place=place)  # fmt: skip
            blocks.append(block)
            if "\t" in line:
                self._tabbed[id(block)] = [clean(cell) for cell in re.split(r"\t+", line)]
        for content, back in found.boxes:
            blocks += self.flow(content, place=place, back=back)
        for note in found.notes:
            held = self._notes.pop(note, None)  # once, though several places may point at it
            if held is not None:
                blocks += self.flow(held, place=place)
        return blocks

    # --- tables ---

    def _table(self, element: Any, place: str, back: int | None) -> list[PageBlock]:
        properties = element.find(f"{W}tblPr")
        style = self._styles.find(value(properties.find(f"{W}tblStyle")) if properties is not None else "")
        behind = fill_of(properties.find(f"{W}shd"), back) if properties is not None else back
        if style.is_filled:
            behind = None  # which cells have a color depends on where they stand
        rows = [row for tr in self._through(element) if tr.tag == f"{W}tr" and (row := self._row(tr, place, behind))]
        cells = [blocks for row in rows for _, _, blocks in row if blocks]
        if any(block.kind == "table" for blocks in cells for block in blocks) or all(len(row) == 1 for row in rows):
            return [block for blocks in cells for block in blocks]  # a frame around what stands in it
        lines = [line for row in rows for line in _lines_of(row)]
        made = build_rows(lines)
        notes = [block for blocks in cells for block in blocks if block.place != place]
        return [*([table_block(made, place)] if made else []), *notes]

    def _row(self, tr: Any, place: str, back: int | None) -> list[tuple[int, int, list[PageBlock]]]:
        """The cells of a row: from which column to which, and what stands in them."""
        properties = tr.find(f"{W}trPr")
        column = 0
        if properties is not None:
            for tag, kind in (("del", "deleted"), ("hidden", "hidden")):
                if is_on(properties.find(f"{W}{tag}")):
                    self._count(tr, kind)
                    return []
            height = properties.find(f"{W}trHeight")
            if height is not None and height.get(f"{W}hRule") == "exact" and _whole(value(height), FLAT + 1) <= FLAT:
                self._count(tr, "clipped")
                return []
            column = min(_whole(value(properties.find(f"{W}gridBefore")), 0), WIDEST)
        row = []
        for tc in self._through(tr):
            if tc.tag != f"{W}tc":
                continue
            self._cells += 1
            if self._cells > MOST_CELLS:
                more = f"tables of more than {MOST_CELLS:,} cells"
                raise DocumentError(self._name, Cause.TOO_LARGE, more, hint="split the document")
            wide, blocks = self._cell(tc, place, back)
            row.append((column, column + wide, blocks))
            column += wide
        return row

    def _cell(self, tc: Any, place: str, back: int | None) -> tuple[int, list[PageBlock]]:
        properties = tc.find(f"{W}tcPr")
        if properties is None:
            return 1, self.flow(tc, place=place, back=back)
        wide = min(max(_whole(value(properties.find(f"{W}gridSpan")), 1), 1), WIDEST)
        merged = (properties.find(f"{W}vMerge"), properties.find(f"{W}hMerge"))
        if properties.find(f"{W}cellDel") is not None:
            self._count(tc, "deleted")
            return wide, []
        if any(e is not None and value(e) != "restart" for e in merged):
            self._count(tc, "merged away")
            return wide, []
        return wide, self.flow(tc, place=place, back=fill_of(properties.find(f"{W}shd"), back))

    def _with_tables(self, blocks: list[PageBlock]) -> list[PageBlock]:
        """Blocks with tables where paragraphs of figures stand in columns that tabs make."""
        made: list[PageBlock] = []
        at = 0
        while at < len(blocks):
            end = at
            while (
                end < len(blocks)
                and len(self._tabbed.get(id(blocks[end]), ())) == len(self._tabbed.get(id(blocks[at]), ())) > 1
            ):
                end += 1
            cells = [self._tabbed[id(block)] for block in blocks[at:end]]
            if sum(any(map(is_amount, row[1:])) for row in cells) > 1:
                made.append(table_block([TextRow(row, NO_BOX) for row in cells], blocks[at].place))
                at = end
            else:
                made += blocks[at : max(end, at + 1)]
                at = max(end, at + 1)
        return made


def _lines_of(row: Sequence[tuple[int, int, list[PageBlock]]]) -> list[list[Cell]]:
    """The cells of a row; several rows where all its cells have as many lines, and figures in them."""
    texts = [(start, end, [block.text for block in blocks if block.kind != "table"]) for start, end, blocks in row]
    texts = [(start, end, lines) for start, end, lines in texts if lines]
    counts = {len(lines) for _, _, lines in texts}
    figures = sum(all(map(is_amount, lines)) for _, _, lines in texts[1:])
    if len(counts) == 1 and len(texts) > 1 and counts != {1} and figures and figures >= len(texts) - 2:
        return [[Cell(start, end, lines[at]) for start, end, lines in texts] for at in range(counts.pop())]
    return [[Cell(start, end, " ".join(lines)) for start, end, lines in texts]]


def _is_joined(paragraph: Any) -> bool:
    """Whether the mark at the end of a paragraph was deleted, or moved away."""
    mark = paragraph.find(f"{W}pPr/{W}rPr")
    return mark is not None and (mark.find(f"{W}del") is not None or mark.find(f"{W}moveFrom") is not None)


def _between(element: Any, above: Any) -> Iterator[Any]:
    """The elements around one, up to another one."""
    for around in element.iterancestors():
        if around is above:
            return
        yield around


def _behind_box(content: Any, back: int | None) -> int | None:
    """The color behind the text of a box; None where it is not known."""
    for around in content.iterancestors(f"{_SHAPE}wsp"):
        shape = around.find(f"{_SHAPE}spPr")
        if shape is None or shape.find(f"{_MAIN}noFill") is not None:
            return back
        color = shape.find(f"{_MAIN}solidFill/{_MAIN}srgbClr")
        return (
            int(color.get("val"), 16)
            if color is not None and re.fullmatch(r"[0-9A-Fa-f]{6}", color.get("val", ""))
            else None
        )
    for around in content.iterancestors(f"{_VML}shape", f"{_VML}rect", f"{_VML}roundrect"):
        return WHITE if around.get("fillcolor", "white").lower() in ("white", "#ffffff", "#fff") else None
    return back


def fill_of_page(root: Any) -> int | None:
    """The color of the page; None where a picture may be behind it."""
    background = root.find(f"{W}background")
    if background is None:
        return WHITE
    color = background.get(f"{W}color", "")
    return int(color, 16) if re.fullmatch(r"[0-9A-Fa-f]{6}", color) else WHITE if color == "auto" else None


def _symbol(code: str) -> str:
    """A character of a font of symbols, as far as it is known; nothing else is shown for it."""
    number = int(code, 16) if re.fullmatch(r"[0-9A-Fa-f]{1,5}", code) else 0
    if 0xE000 <= number < 0xF900:
        return _SYMBOLS.get(number, "")
    return chr(number) if 0x20 < number < 0xD800 else ""


def _whole(text: str, unset: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else unset
