"""Markdown -> blocks: its headings, paragraphs, lists and tables, by CommonMark and the tables of GitHub.

markdown-it-py parses it, which the terminal's output takes too; pieces of HTML in it are read as pages of HTML are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from fingen.config import ReadSettings
from fingen.documents.content import BODY, NO_BOX, Asked, Content, pages_of, table_block
from fingen.documents.plain import read_text, text_of
from fingen.documents.shapes import PageBlock, TextRow
from fingen.errors import Cause, DocumentError
from fingen.text import clean

if TYPE_CHECKING:
    from markdown_it.token import Token

LARGEST = 16 << 20  # bytes
_FRONT = re.compile(r"\ufeff?---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_COMMENT = re.compile(r"<!--(.*?)(?:-->|$)", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_NOTE = re.compile(r"\[\^[^\]\s]{1,30}\](?!:)")  # the mark of a footnote
_HTML = re.compile(r"<[A-Za-z/!]")


def made_by(reading: ReadSettings) -> str:
    """Name what reads: a parse that another one made is not used."""
    from fingen.documents import html

    return f"{version('markdown-it-py')} {html.made_by(reading)}"


def read(path: Path, name: str, asked: Asked) -> Content:
    """Read a file of Markdown.

    Raises:
        DocumentError: it is too large, or no text.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise DocumentError(name, Cause.TOO_LARGE, f"more than {LARGEST >> 20} MB of Markdown", hint="split the file")
    asked.started(0, 2 * pages_of(size))  # parsing takes as long as all that comes after
    text, guessed = text_of(path.read_bytes(), name, asked)
    content = _Walk(name).read(text.replace("\r\n", "\n").replace("\r", "\n"))
    content.details["encoding"] = guessed
    return content


class _Walk:
    """One way through the tokens of a text: what is seen is gathered, what is not is counted."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._blocks: list[PageBlock] = []
        self._hidden: Counter[str] = Counter()
        self._place = ""
        self._marks: list[str] = []  # of the lists that are open: "•", or the number to come
        self._mark = ""  # to stand before the next paragraph

    def read(self, text: str) -> Content:
        """All blocks, in order."""
        front = _FRONT.match(text)
        if front:  # what programs are told of the page
            self._hidden["front matter"] += 1
            text = "\n" * front[0].count("\n") + text[front.end() :]
        parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        tokens = parser.parse(text)
        at = 0
        while at < len(tokens):
            at = self._token(tokens, at)
        return Content(self._blocks, hidden=dict(self._hidden))

    def _token(self, tokens: Sequence[Token], at: int) -> int:
        """Take in what begins at a token; says where to go on."""
        token = tokens[at]
        if token.map:
            self._place = f"line {token.map[0] + 1}"
        match token.type:
            case "heading_open":
                self._add(self._shown(tokens[at + 1]), level=int(token.tag[1]))
                return at + 3
            case "inline":
                self._add(self._shown(token), bold=_is_all(token, "strong"), italic=_is_all(token, "em"))
            case "table_open":
                return self._table(tokens, at)
            case "fence" | "code_block":
                self._code(token)
            case "html_block":
                self._html(token.content)
            case "bullet_list_open":
                self._marks.append("•")
            case "ordered_list_open":
                self._marks.append(str(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._marks.pop()
            case "list_item_open":
                self._mark = self._next_mark(token)
        return at + 1

    def _next_mark(self, item: Token) -> str:
        mark = self._marks[-1]
        if not mark.isdecimal():
            return mark
        self._marks[-1] = str(int(mark) + 1)
        return mark + item.markup

    def _add(self, text: str, *, level: int = 0, bold: bool = False, italic: bool = False) -> None:
        for line in filter(None, map(clean, text.split("\n"))):
            shown = f"{self._mark} {line}" if self._mark else line
            self._mark = ""
            kind = "heading" if level else "paragraph"
            self._blocks.append(PageBlock("heading" if kind == "heading" else "paragraph", 0, NO_BOX, shown, BODY, bold, italic,
                                          level=level, place=self._place))  # fmt: skip

    def _shown(self, token: Token) -> str:
        """The text of a line's parts as it is read; line feeds are breaks that were meant."""
        return _NOTE.sub("", "".join(self._parts(token.children or [])))

    def _parts(self, children: Sequence[Token]) -> Iterator[str]:
        struck = 0
        for child in children:
            struck += (child.type == "s_open") - (child.type == "s_close")
            if child.type in ("text", "code_inline", "text_special"):
                if struck:
                    self._hidden["struck out"] += bool(child.content.strip())
                else:
                    yield child.content
            elif child.type == "softbreak":
                yield " "
            elif child.type == "hardbreak" or (child.type == "html_inline" and _BREAK.fullmatch(child.content)):
                yield "\n"
            elif child.type == "html_inline" and child.content.startswith("<!--"):
                self._hidden["comments"] += 1

    def _table(self, tokens: Sequence[Token], at: int) -> int:
        rows: list[list[str]] = []
        place = self._place
        while tokens[at].type != "table_close":
            if tokens[at].type == "tr_open":
                rows.append([])
            elif tokens[at].type == "inline":
                rows[-1].append(clean(self._shown(tokens[at]).replace("\n", " ")))
            at += 1
        kept = [column for column in range(len(rows[0])) if any(row[column] for row in rows)]
        shown = [TextRow([row[column] for column in kept], NO_BOX) for row in rows if any(row)]
        if shown:
            self._blocks.append(table_block(shown, place))
        return at + 1

    def _code(self, token: Token) -> None:
        """Text as it was typed: its tables are by columns of characters."""
        start = token.map[0] + 1 + (token.type == "fence") if token.map else 1
        self._blocks += read_text(token.content, first_line=start).blocks

    def _html(self, text: str) -> None:
        """A piece of HTML, with tables of its own as a rule."""
        comments = sum(bool(comment.strip()) for comment in _COMMENT.findall(text))
        if comments:
            self._hidden["comments"] += comments
        text = _COMMENT.sub("", text)
        if not _HTML.search(text) or not re.sub(r"<[^>]*>", "", text).strip():
            return
        from fingen.documents.html import read_markup

        content = read_markup(text, self._name)
        for block in content.blocks:
            block.page, block.place = 0, self._place
        self._blocks += content.blocks
        self._hidden.update(content.hidden)


def _is_all(token: Token, tag: str) -> bool:
    """Whether a line is set in bold, or in italics, from end to end."""
    parts = [child for child in token.children or [] if child.type != "text" or child.content.strip()]
    return len(parts) > 2 and parts[0].type == f"{tag}_open" and parts[-1].type == f"{tag}_close"
