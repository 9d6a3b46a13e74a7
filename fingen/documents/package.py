"""The parts of an Office file: a ZIP of XML. What unpacks to too much, or has entities of its own, is refused; nothing is fetched."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lxml import etree

from fingen.errors import Cause, DocumentError

LARGEST = 48 << 20  # bytes of one part, unpacked: a tree of more does not fit into what a reader may take
MOST_PARTS = 10_000
_BEYOND = (
    "Excessive depth",
    "Resource limit",
    "xmlSAX2Characters: huge",
)  # of what libxml2 says of what it refuses to take
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
# What the strict variant of the standard calls the namespaces that the usual one has.
_STRICT = (
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main", b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships", b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"),
    (b"http://purl.oclc.org/ooxml/officeDocument/math", b"http://schemas.openxmlformats.org/officeDocument/2006/math"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
)  # fmt: skip


class Package:
    """The parts of a file, by their names. `main` is that of the document itself."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        with self._errors():
            self._zip = zipfile.ZipFile(path)
            entries = self._zip.infolist()
        if any(entry.flag_bits & 1 for entry in entries):
            raise DocumentError(name, Cause.ENCRYPTED, hint="open it with its password, and save it without one")
        if len(entries) > MOST_PARTS:
            raise DocumentError(name, Cause.TOO_LARGE, f"{len(entries):,} parts", hint="save it anew in Word")
        self._names = Counter(entry.filename for entry in entries)
        self.main = self._main()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as e:
            raise self._damaged(str(e)) from e

    def _damaged(self, detail: str) -> DocumentError:
        return DocumentError(self.name, Cause.TRUNCATED, detail, hint="open it in Word and save it anew, or as PDF")

    def size(self, part: str) -> int:
        """How many bytes a part says that it has, unpacked; 0 where there is none."""
        return self._zip.getinfo(part).file_size if part in self._names else 0

    def xml(self, part: str) -> Any:
        """The root element of a part; None where there is none.

        Raises:
            DocumentError: it is damaged, too large, or made to do harm.
        """
        if part not in self._names:
            return None
        if self._names[part] > 1:
            raise self._damaged(f"{part} is in it {self._names[part]} times")
        with self._errors(), self._zip.open(part) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise DocumentError(self.name, Cause.TOO_LARGE, f"{part} unpacks to more than {LARGEST >> 20} MB",
                                hint="split the document")  # fmt: skip
        if b"http://purl.oclc.org/" in data[:10_000]:
            for strict, usual in _STRICT:
                data = data.replace(strict, usual)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
                                 remove_comments=True, remove_pis=True)  # fmt: skip
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as e:
            if e.msg.startswith(_BEYOND):
                raise DocumentError(self.name, Cause.TOO_LARGE, f"{part} is nested too deeply, or holds a text without end",
                                    hint="save it as PDF") from e  # fmt: skip
            raise self._damaged(f"{part}: {e.msg}") from e
        if root.getroottree().docinfo.internalDTD is not None:
            raise self._damaged(f"{part} declares entities of its own, which Word never does")
        return root

    def _main(self) -> str:
        """The part that the package says is the document."""
        for kind, target in self._related("_rels/.rels", ""):
            if kind == "officeDocument" and target in self._names:
                return target
        return "word/document.xml"

    def related(self, kind: str) -> str:
        """The part of a kind (styles, numbering, footnotes) that belongs to the document; "" where it has none."""
        folder, file = posixpath.split(self.main)
        found = self._related(f"{folder}/_rels/{file}.rels".lstrip("/"), folder)
        return next((target for of, target in found if of == kind and target in self._names), "")

    def _related(self, relations: str, folder: str) -> Iterator[tuple[str, str]]:
        root = self.xml(relations)
        for relation in root.iter(_RELATIONS) if root is not None else ():
            if relation.get("TargetMode") != "External":  # a place elsewhere: never gone to
                target = relation.get("Target", "")
                place = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                )
                yield relation.get("Type", "").rsplit("/", 1)[-1], place
