"""Lays out the text of the sample report: content file -> blocks -> lines and table rows -> pages. Lengths in points.

The content files are a small part of Markdown, one paragraph a line, with directives in comments: ``columns N``,
``page``, ``contents``, ``scan`` ... ``end`` (one page that becomes a picture) and ``table plain|ruled WIDTH...`` (in
percent of the column).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pymupdf

HERE = Path(__file__).parent

PAGE = pymupdf.Rect(0, 0, 595, 842)
LEFT, RIGHT, TOP, BOTTOM = 62.0, 533.0, 82.0, 782.0
COLUMN_GAP = 20.0
CELL_PAD = 4.0
NAVY, BLACK, GREY = (0.08, 0.18, 0.36), (0.0, 0.0, 0.0), (0.35, 0.35, 0.35)

# The fallback CJK font has one weight; "cjk-bold" is the same font with stroked outlines.
FONTS = {
    face: pymupdf.Font(name)
    for face, name in {"serif": "tiro", "serif-bold": "tibo", "sans-bold": "hebo", "cjk": "cjk"}.items()
}
FONTS["cjk-bold"] = FONTS["cjk"]

# Places at which the line breaker may divide a word.
HYPHENATED = """
    ac-cu-ra-cy ac-qui-si-tion al-go-rithms au-to-mo-tive cal-i-bra-tion ca-pac-i-ty com-pet-i-tor com-po-nents
    con-fi-den-tial co-or-di-nate cur-ren-cy cus-tom-ers de-liv-er-ies de-vel-op-ment do-mes-tic elec-tron-ics
    em-ploy-ees en-gi-neer-ing en-gi-neers equip-ment ex-change ex-pect-ed im-pair-ment im-por-tant in-dus-tri-al
    in-dus-tries in-fringe-ment in-spec-tion in-stru-ments in-ter-na-tion-al in-ter-rupt in-vest-ment knowl-edge
    main-te-nance man-u-fac-tur-ers mea-sure-ment mea-sur-ing mi-cro-me-ters op-ti-cal par-tic-u-lar pro-duc-tion
    qual-i-fi-ca-tion qual-i-ty re-ceiv-ables re-place-ment rep-u-ta-tion re-search re-stric-tions rev-e-nue
    sub-scrip-tion sup-pli-er sup-pli-ers tech-ni-cal un-cer-tain-ty vi-bra-tion
"""
DIVIDED = {word.replace("-", ""): word.split("-") for word in HYPHENATED.split()}

Color = tuple[float, float, float]
Box = tuple[pymupdf.Rect, bool]  # a ruled cell, and whether it is shaded


@dataclass(frozen=True)
class Style:
    """How one kind of paragraph looks; indent is that of the first line."""

    size: float
    leading: float
    before: float = 0.0
    indent: float = 0.0
    strong: bool = False
    align: str = "left"


STYLES = {
    "en": {
        "#": Style(22, 28, 0, strong=True),
        "##": Style(14, 18, 16, strong=True),
        "###": Style(10.5, 13.5, 10, strong=True),
        "text": Style(9.8, 12.6, 6),
        "cell": Style(9.2, 11.6),
    },
    "zh": {
        "#": Style(22, 30, 0, strong=True, align="center"),
        "##": Style(15, 22, 12, strong=True, align="center"),
        "###": Style(12, 18, 12, strong=True),
        "####": Style(10.5, 16, 8, strong=True),
        "text": Style(10, 14.8, 4, indent=20),
        "cell": Style(8.8, 11.3),
    },
}


@dataclass(frozen=True)
class Atom:
    """Text that is never broken across lines, in one face."""

    text: str
    face: str


@dataclass(frozen=True)
class Piece:
    """A run of text; x and y of its baseline are relative to the item until it is placed on a sheet."""

    x: float
    y: float
    text: str
    face: str
    size: float
    color: Color = BLACK


@dataclass(frozen=True)
class Item:
    """What is placed as a whole: one line of text or one table row, ``gap`` below what stands above it."""

    height: float
    pieces: list[Piece]
    gap: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    keep: bool = False  # on the same page as the item that follows
    heading: str = ""


@dataclass
class Sheet:
    """One page before it is drawn."""

    language: str
    pieces: list[Piece] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    scanned: bool = False


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, table or directive of the content file."""

    kind: str  # "text", "#" to "####", "table", or the name of a directive
    text: str = ""
    rows: tuple[str, ...] = ()


def parse(source: str) -> Iterator[Block]:
    """The blocks of a content file."""
    layout = ""
    for lines in (part.splitlines() for part in source.strip().split("\n\n")):
        if lines[0].startswith("<!-- table "):
            layout = lines.pop(0)[11:-4]
        if lines[0].startswith("<!-- "):
            kind, _, argument = lines[0][5:-4].partition(" ")
            yield Block(kind, argument)
        elif lines[0].startswith("|"):
            yield Block("table", layout, (lines[0], *lines[2:]))
        elif lines[0].startswith("#"):
            kind, _, title = lines[0].partition(" ")
            yield Block(kind, title)
        else:
            yield Block("text", lines[0])


# ---- from text to lines


def width_of(text: str, face: str, size: float) -> float:
    """The width of a text without line breaks."""
    return float(FONTS[face].text_length(text, fontsize=size))


def face_of(char: str, language: str, strong: bool, heading: bool) -> str:
    """The face in which a character is set."""
    # Quotation marks and dashes are full-width in Chinese text and belong to the Latin font in English text.
    if ord(char) >= (0x2000 if language == "zh" else 0x2E80):
        return "cjk-bold" if strong else "cjk"
    return "sans-bold" if heading else "serif-bold" if strong else "serif"


# Chinese may break between any two characters, but not before a closing mark nor after an opening one.
WORDS = {"en": re.compile(r"\S+\s*|\s+"), "zh": re.compile(r"[“（《]*(?:[!-~]+|[^“（《])[，。；：、）》”？！]* ?")}


def atoms_of(text: str, language: str, heading: bool = False) -> list[Atom]:
    """The words, or Chinese characters with the marks that stick to them; ``**`` switches bold."""
    atoms = []
    for i, part in enumerate(text.split("**")):
        for word in WORDS[language].findall(part):
            face = face_of(word.strip()[:1] or " ", language, heading or i % 2 == 1, heading)
            atoms.append(Atom(word, face))
    return atoms


def runs_of(line: list[Atom], language: str) -> list[Atom]:
    """Atoms joined to the longest runs of one face, with the marks inside an atom given their own face."""
    runs: list[Atom] = []
    for atom in line:
        strong, heading = "bold" in atom.face, atom.face.startswith("sans")
        for char in atom.text:
            face = face_of(char, language, strong, heading)
            if runs and (runs[-1].face == face or char == " "):
                runs[-1] = Atom(runs[-1].text + char, runs[-1].face)
            else:
                runs.append(Atom(char, face))
    return [*runs[:-1], Atom(runs[-1].text.rstrip(), runs[-1].face)] if runs else []


def divide(atom: Atom, room: float, size: float) -> tuple[Atom, Atom] | None:
    """The longest beginning of a listed word that fits with its hyphen, and the rest of the word."""
    word = atom.text.rstrip(" .,;:").strip("“”")
    parts = DIVIDED.get(word.lower(), [])
    for n in range(len(parts) - 1, 0, -1):
        cut = atom.text.index(word) + len("".join(parts[:n]))
        head = Atom(atom.text[:cut] + "-", atom.face)
        if width_of(head.text, head.face, size) <= room:
            return head, Atom(atom.text[cut:], atom.face)
    return None


def lines_of(atoms: list[Atom], width: float, size: float, indent: float = 0.0) -> list[list[Atom]]:
    """Lines filled from the left, each with as many atoms as fit."""
    lines: list[list[Atom]] = [[]]
    used = indent
    for atom in atoms:
        if used + width_of(atom.text.rstrip(), atom.face, size) > width and lines[-1]:
            halves = divide(atom, width - used, size)
            if halves:
                lines[-1].append(halves[0])
                atom = halves[1]
            lines.append([])
            used = 0.0
        lines[-1].append(atom)
        used += width_of(atom.text, atom.face, size)
    return lines


def pieces_of(runs: list[Atom], x: float, y: float, size: float, color: Color) -> list[Piece]:
    """The runs side by side from x on."""
    pieces = []
    for run in runs:
        pieces.append(Piece(x, y, run.text, run.face, size, color))
        x += width_of(run.text, run.face, size)
    return pieces


def total_width(runs: list[Atom], size: float) -> float:
    """The width of runs side by side."""
    return sum(width_of(run.text, run.face, size) for run in runs)


# ---- from blocks to items


def text_items(block: Block, language: str, width: float) -> list[Item]:
    """The lines of a paragraph or heading."""
    heading = block.kind != "text"
    style = STYLES[language][block.kind]
    lines = lines_of(atoms_of(block.text, language, heading), width, style.size, style.indent)
    items = []
    for n, line in enumerate(lines):
        runs = runs_of(line, language)
        spare = width - total_width(runs, style.size)
        x = spare / 2 if style.align == "center" else style.indent if n == 0 else 0.0
        pieces = pieces_of(runs, x, style.size, style.size, NAVY if heading else BLACK)
        first = n == 0
        # No heading at the foot of a page, and no single first line of a paragraph there.
        keep = heading or block.text.startswith("**") or (first and len(lines) > 2) or n == len(lines) - 2
        title = block.text if first and block.kind in ("#", "##") else ""
        items.append(Item(style.leading, pieces, style.before if first else 0.0, [], keep, title))
    return items


NUMBER = re.compile(r"[-(]?[\d.,]+%?\)?( points)?|不适用")


def cell_items(cell: str, language: str, width: float, head: bool) -> tuple[list[list[Atom]], str]:
    """The lines of a cell and its alignment."""
    size = STYLES[language]["cell"].size
    text = cell.strip()
    if head and not text.startswith("**"):
        text = f"**{text}**"
    lines = [runs_of(line, language) for line in lines_of(atoms_of(text, language), width, size)]
    align = "right" if NUMBER.fullmatch(text.strip("*")) else "left"
    return lines, align


def row_item(row: str, language: str, layout: str, width: float, first: bool) -> Item:
    """One table row, as high as its highest cell."""
    kind, *shares = layout.split()
    style = STYLES[language]["cell"]
    edges = [width * sum(map(float, shares[:n])) / 100 for n in range(len(shares) + 1)]
    pieces: list[Piece] = []
    depth = 1
    for n, cell in enumerate(row.strip("|").split("|")):
        lines, align = cell_items(cell, language, edges[n + 1] - edges[n] - 2 * CELL_PAD, first)
        if first and n > 0:
            align = "center" if kind == "ruled" else "right"
        depth = max(depth, len(lines))
        inset = 5.0 * (len(cell) - len(cell.lstrip()) - 1) if cell.strip() else 0.0
        pieces += cell_pieces(lines, align, edges[n] + inset, edges[n + 1], style)
    height = depth * style.leading + (CELL_PAD if kind == "ruled" else 1.5)
    boxes = [(pymupdf.Rect(a, 0, b, height), first) for a, b in pairwise(edges) if kind == "ruled"]
    return Item(height, pieces, 8.0 if first else 0.0, boxes, keep=first)


def table_items(block: Block, language: str, width: float) -> list[Item]:
    """The rows of a table; the first two stay together, and so do the last two."""
    rows = [row_item(row, language, block.text, width, n == 0) for n, row in enumerate(block.rows)]
    rows[-2] = replace(rows[-2], keep=True)
    rows[-1] = replace(rows[-1], height=rows[-1].height + 6)
    return rows


def cell_pieces(lines: list[list[Atom]], align: str, left: float, right: float, style: Style) -> list[Piece]:
    """The lines of a cell between two edges."""
    pieces = []
    for n, runs in enumerate(lines):
        spare = right - left - 2 * CELL_PAD - total_width(runs, style.size)
        x = left + CELL_PAD + {"left": 0.0, "center": spare / 2, "right": spare}[align]
        pieces += pieces_of(runs, x, style.size + 2 + n * style.leading, style.size, BLACK)
    return pieces


def contents_items(titles: list[str], pages: dict[str, int], width: float) -> list[Item]:
    """One line a title, with dots that lead to its page number."""
    style = STYLES["en"]["text"]
    items = []
    for title in titles:
        number = str(pages.get(title, 0))
        end = width - width_of(number, "serif", style.size)
        dots = int((end - 8 - width_of(title + " ", "serif", style.size)) / width_of(".", "serif", style.size))
        line = [Piece(0, style.size, f"{title} {'.' * dots}", "serif", style.size)]
        items.append(Item(16, [*line, Piece(end, style.size, number, "serif", style.size)]))
    return [replace(items[0], gap=style.before), *items[1:]]


# ---- from items to sheets


class Pager:
    """Places items from top to bottom, in one or two columns; full pages go to ``sheets``."""

    def __init__(self, language: str, sheets: list[Sheet]) -> None:
        self.language = language
        self.sheets = sheets
        self.pages: dict[str, int] = {}  # heading -> page number, the title page being page 1
        self.new_page()

    def new_page(self, scanned: bool = False) -> None:
        """Start a page."""
        self.sheets.append(Sheet(self.language, scanned=scanned))
        self.y = TOP

    def put(self, item: Item, x: float, y: float) -> None:
        """Place an item with its upper left corner at x and y."""
        sheet = self.sheets[-1]
        sheet.pieces += [replace(piece, x=piece.x + x, y=piece.y + y) for piece in item.pieces]
        sheet.boxes += [(box + pymupdf.Rect(x, y, x, y), shaded) for box, shaded in item.boxes]
        if item.heading:
            self.pages[item.heading] = len(self.sheets)

    def single(self, items: list[Item]) -> None:
        """Full width, with a new page where the next items that belong together do not fit."""
        for n, item in enumerate(items):
            gap = item.gap if self.y > TOP else 0.0
            if self.y + gap + together(items[n:]) > BOTTOM:
                self.new_page()
                gap = 0.0
            self.put(item, LEFT, self.y + gap)
            self.y += gap + item.height

    def double(self, items: list[Item]) -> None:
        """Two columns, of equal length where they do not fill the page."""
        self.y += 8
        while items:
            room = BOTTOM - self.y
            depth = next((d for d in range(40, int(room)) if len(fit(fit(items, d)[1], d)[1]) == 0), int(room))
            left, rest = fit(items, depth)
            right, items = fit(rest, depth)
            self.column(left, LEFT)
            self.column(right, (LEFT + RIGHT + COLUMN_GAP) / 2)
            self.y += depth + 6
            if items:
                self.new_page()

    def column(self, items: list[Item], x: float) -> None:
        """Place the items below each other."""
        y = self.y
        for n, item in enumerate(items):
            y += item.gap if n else 0.0
            self.put(item, x, y)
            y += item.height


def together(items: list[Item]) -> float:
    """The height of the first item and of those it must not be parted from."""
    height = items[0].height
    for before, item in pairwise(items):
        if not before.keep:
            break
        height += item.gap + item.height
    return height


def fit(items: list[Item], room: float) -> tuple[list[Item], list[Item]]:
    """The items that go into a column of the given height, and the rest."""
    used = 0.0
    for n in range(len(items)):
        gap = items[n].gap if n else 0.0
        if used + gap + together(items[n:]) > room:
            return items[:n], items[n:]
        used += gap + items[n].height
    return items, []


def lay_out(language: str, sheets: list[Sheet], pages: dict[str, int]) -> dict[str, int]:
    """Append the sheets of one part; ``pages`` holds the page numbers of an earlier pass, for the contents."""
    blocks = list(parse((HERE / f"sample_{language}.md").read_text(encoding="utf-8")))
    titles = [block.text for block in blocks if block.kind == "##"]
    pager = Pager(language, sheets)
    waiting: list[Item] = []
    columns = 1
    for block in [*blocks, Block("columns", "1")]:
        width = RIGHT - LEFT if columns == 1 else (RIGHT - LEFT - COLUMN_GAP) / 2
        if block.kind in ("columns", "page", "scan", "end"):
            (pager.single if columns == 1 else pager.double)(waiting)
            waiting = []
            columns = int(block.text) if block.kind == "columns" else columns
            if block.kind != "columns":
                pager.new_page(scanned=block.kind == "scan")
        elif block.kind == "table":
            waiting += table_items(block, language, width)
        elif block.kind == "contents":
            waiting += contents_items(titles[1:], pages, width)
        else:
            waiting += text_items(block, language, width)
    return pager.pages
