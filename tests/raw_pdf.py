"""PDFs written object by object, for what no library would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

SENTENCES = [
    "Lanhai Example Corp makes measuring instruments for factories in three countries.",
    "Revenue rose by 12.5 percent to 845.2 million dollars because demand for sensors grew.",
    "The gross margin was 41.3 percent, compared with 39.8 percent in the year before.",
    "Operating expenses fell as the company closed two warehouses during the second quarter.",
    "The board proposes a dividend of 0.45 dollars per share for the financial year 2024.",
]
HELVETICA = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def line(text: str, x: float, y: float, *, size: float = 11, font: str = "F", extra: str = "", color: float = 0) -> str:
    """A line of text; `y` grows upwards. `extra` stands before the text is shown."""
    shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"BT {color} g /{font} {size} Tf 1 0 0 1 {x} {y} Tm {extra} ({shown}) Tj ET"


def slanted(text: str, x: float, y: float, *, size: float, color: float, cos: float = 0.707, sin: float = 0.707) -> str:
    """A line of text that rises from left to right."""
    return f"BT {color} g /F {size} Tf {cos} {sin} {-sin} {cos} {x} {y} Tm ({text}) Tj ET"


def body(*lines: str, top: float = 740) -> str:
    """Lines of running text, one below the other."""
    return "\n".join(line(text, 72, top - 18 * number) for number, text in enumerate(lines))


def to_unicode(codes: Mapping[int, str]) -> str:
    """A map of one-byte codes to text."""
    entries = "\n".join(f"<{code:02X}> <{text.encode('utf-16-be').hex()}>" for code, text in codes.items())
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <FF> endcodespacerange {len(codes)} beginbfchar\n{entries}\nendbfchar endcmap end end"
    )


def write_pdf(
    path: Path,
    pages: Sequence[str],
    *,
    fonts: Mapping[str, str] | None = None,
    streams: Sequence[str] = (),
    catalog: str = "",
) -> Path:
    """Write pages of content streams. `streams` are objects 10, 11, ... that `fonts` may name; `catalog` are more entries."""
    objects = {number: _stream(text) for number, text in enumerate(streams, 10)}
    named = {"F": HELVETICA, **(fonts or {})}
    objects |= dict(enumerate(named.values(), 5))
    objects[4] = "<</Font<<" + "".join(f"/{name} {number} 0 R" for number, name in enumerate(named, 5)) + ">>>>"
    first = 10 + len(streams)
    kids = []
    for index, content in enumerate(pages):
        at = first + 2 * index
        kids.append(f"{at} 0 R")
        objects[at] = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {at + 1} 0 R/Resources 4 0 R>>"
        objects[at + 1] = _stream(content)
    objects[1] = f"<</Type/Catalog/Pages 2 0 R{catalog}>>"
    objects[2] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(pages)}>>"
    written, places = b"%PDF-1.7\n", {}
    for number in sorted(objects):
        places[number] = len(written)
        written += f"{number} 0 obj\n{objects[number]}\nendobj\n".encode("latin-1")
    table = "".join(f"{number} 1\n{place:010} 00000 n \n" for number, place in sorted(places.items()))
    end = f"xref\n0 1\n0000000000 65535 f \n{table}trailer\n<</Size {max(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(written)}\n%%EOF"
    path.write_bytes(written + end.encode())
    return path


def _stream(text: str) -> str:
    return f"<</Length {len(text.encode('latin-1'))}>>\nstream\n{text}\nendstream"
