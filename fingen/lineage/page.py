"""What rests on what, as one self-contained page."""

from __future__ import annotations

from pathlib import Path

import jinja2

from fingen.lineage.trace import Traced, count_rows, group
from fingen.text import as_shown

TEMPLATE = Path(__file__).with_name("trace.html.j2")
SHOWN = 500  # ids of rows of one set on the page; more are counted


def render_html(traced: Traced) -> str:
    """The page: no script, no picture, nothing that is fetched; all text from outside is escaped."""
    environment = jinja2.Environment(
        autoescape=True, finalize=as_shown, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["rows"] = count_rows
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    parts = [
        (f"What rests on it, in {traced.build}", group(traced.below)),
        ("What it rests on", group(traced.above)),
    ]
    return template.render(traced=traced, parts=parts, shown=SHOWN)
