"""Bytes of HTML or XHTML -> a tree. Nothing outside the file is looked at, and no entity of its own is expanded."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from typing import Any

from lxml import etree, html

from fingen.encodings import decode_text
from fingen.errors import Cause, DocumentError

LARGEST = 64 << 20  # bytes; a tree of more does not fit into what a reader may take
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z][\w.:-]*)""", re.IGNORECASE)
_XHTML = re.compile(r"\s*<\?xml\b")
_TYPED = re.compile(r"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)  # it may define entities
_CLOSED = re.compile(r"<((?:ix|xbrli|xbrldi|link):[\w.-]+)((?:\s[^<>]*?)?)/>", re.IGNORECASE)
_PROLOG = re.compile(r"^\s*<\?xml[^>]*\?>")
_TOO_DEEP = "the tags in it are nested too deeply, or it is damaged on purpose"
_UTF8 = ("utf-8", "utf8")
# What is said, and what is meant by it.
_MEANT = {
    **dict.fromkeys(("ascii", "us-ascii", "iso-8859-1", "latin-1", "latin1", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gb_2312-80", "gbk", "x-gbk"), "gb18030"),
    "big5": "big5hkscs",
    "shift_jis": "cp932",
}


def decode(data: bytes) -> str:
    """The text of a page: by its mark, as UTF-8, by what it says of itself, or else as it reads best."""
    return decode_page(data)[0]


def decode_page(data: bytes) -> tuple[str, str]:
    """The text of a page as `decode` has it, and the name of its encoding where that had to be guessed, else an empty one."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with suppress(UnicodeDecodeError):
            return data.decode("utf-8-sig"), ""
        declared = _DECLARED.search(data[:4096])
        name = declared[1].decode("ascii").lower() if declared else ""
        if name and name not in _UTF8:  # which it is not
            with suppress(LookupError, UnicodeDecodeError):
                return data.decode(_MEANT.get(name, name)), ""
    return decode_text(data)


def parse_markup(text: str, name: str) -> Any:
    """The root element of a page. XHTML that is well-formed is read as such, for there `<td/>` is closed.

    Raises:
        DocumentError: it is too large, nested too deeply, or holds no element at all.
    """
    if len(text) > LARGEST:
        raise DocumentError(name, Cause.TOO_LARGE, f"more than {LARGEST >> 20} MB of HTML", hint="split the file")
    if _XHTML.match(text) and not _TYPED.match(text):
        try:
            return _parse_xml(text)
        except etree.XMLSyntaxError:
            pass  # browsers read it as HTML too
    return _parse_html(_CLOSED.sub(r"<\1\2></\1>", text), name)


def _parse_xml(text: str) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=True,
                             remove_comments=True, remove_pis=True, encoding="utf-8")  # fmt: skip
    return etree.fromstring(_PROLOG.sub("", text).encode(errors="replace"), parser)


def _parse_html(text: str, name: str) -> Any:
    parser = html.HTMLParser(huge_tree=True, no_network=True, remove_comments=True, remove_pis=True, encoding="utf-8")
    try:
        root = etree.fromstring(_PROLOG.sub("", text).replace("\0", "").encode(errors="replace"), parser)
    except etree.ParserError as e:
        raise DocumentError(name, Cause.NO_TEXT, "no element in it", hint="check that this is the right file") from e
    except etree.LxmlError as e:  # of HTML nothing is an error but that there is no memory for it
        raise DocumentError(
            name, Cause.TOO_LARGE, "its elements take more memory than a reader may", hint="split the file"
        ) from e
    if any(entry.level_name == "FATAL" for entry in parser.error_log):
        raise DocumentError(name, Cause.TOO_LARGE, _TOO_DEEP, hint="save it anew from a browser, or print it to PDF")
    if root is None:
        raise DocumentError(name, Cause.NO_TEXT, "no element in it", hint="check that this is the right file")
    return root


def local(tag: Any) -> str:
    """The name of a tag in lower case: of XBRL's with "ix:" or "xbrl:" before it, whatever prefix the file uses."""
    if not isinstance(tag, str):
        return "#"  # a comment or an entity
    if tag[0] == "{":
        space, _, name = tag[1:].partition("}")
        name = name.lower()
        return f"ix:{name}" if "inlineXBRL" in space else f"xbrl:{name}" if "xbrl.org" in space else name
    return tag.lower().replace("xbrli:", "xbrl:").replace("xbrldi:", "xbrl:")
