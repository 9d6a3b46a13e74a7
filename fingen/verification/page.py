"""A verification as one self-contained page: each thing that is wrong beside its source."""

from __future__ import annotations

from pathlib import Path

import jinja2

from fingen.sets import say_figures
from fingen.text import as_shown
from fingen.verification.run import Verification

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHOWN = 500  # problems of one law on the page; more are counted


def render_html(verification: Verification) -> str:
    """The page: no script, no picture, nothing that is fetched; all text from outside is escaped."""
    environment = jinja2.Environment(
        autoescape=True, finalize=as_shown, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(found=verification, told=say_figures(verification.figures), shown=SHOWN)
