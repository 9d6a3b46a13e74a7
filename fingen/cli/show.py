"""`fingen show`: one record with its evidence, in its passage and on its page."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen import config
from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, print_json
from fingen.errors import visible

if TYPE_CHECKING:
    from fingen.pipeline.show import Quote, Shown
    from fingen.records import Chunk

BARE = ("«", "»")  # around a quote where there is no colour
Pictures = dict[Path, tuple[str, int]]


def _png(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() != ".png":
        raise click.BadParameter(f"{value} does not end in .png, and pictures are written as PNG only")
    return value


@click.command("show", cls=Command)
@click.argument("words", nargs=-1, metavar="[SET] [ID]", shell_complete=completers.sets)
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), default=None, callback=_png, metavar="FILE",
              help="Draw the page with the evidence boxed; further pages become FILE-2.png and so on.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
              help="Write a document without pages (HTML, Word, text) as one page that opens at the evidence, marked; without scripts "
                   "and what would be fetched.")  # fmt: skip
@click.option("--crop", is_flag=True, help="With --png: only the part of the page around the evidence.")
@click.option("--dpi", type=click.IntRange(36, 600), default=config.DPI, show_default=True,
              help="With --png: dots per inch.")  # fmt: skip
@click.option("--input", "inputs", type=click.Path(exists=True, path_type=Path), multiple=True, metavar="FOLDER",
              help="Where the reports are, or such a file; may be repeated.  "
                   "[default: ., raw/, reports/, and where they were read]")  # fmt: skip
@command_options
def command(words: tuple[str, ...], png: Path | None, html: Path | None, crop: bool, dpi: int, inputs: tuple[Path, ...],
            as_json: bool, quiet: bool, debug: bool) -> None:  # fmt: skip
    """Show a record with its evidence: marked in the passage, by page and box or by place, and on a picture of the page.

    SET is the folder of a set, ID the id of a record or what it starts with. Without ID the first record is shown, without
    SET the newest set in build/ is used.

    \b
    Examples:
      $ fingen show build/reports
      $ fingen show build/reports qa-3f9c
      $ fingen show build/reports qa-3f9c --png evidence.png --input reports/
      $ fingen show build/reports qa-3f9c --html evidence.html --input reports/
    """
    from fingen.pipeline.show import show, write_marked, write_pictures

    folder, wanted = _parse_words(words)
    if folder is None:
        folder = _newest()
        if not quiet:
            echo(f"the newest set: {folder}", err=True)
    shown = show(folder, wanted, inputs=inputs)
    pictures = write_pictures(shown, png, dpi=dpi, crop=crop) if png else {}
    marked = write_marked(shown, html) if html else None
    if not quiet:
        for reason in shown.missing.values():
            echo(f"Note: {reason}; boxes are those of whole paragraphs and tables (see --input)", err=True)
    if as_json:
        print_json(_report(shown, pictures) | {"html": str(marked) if marked else None})
    else:
        more = [f"  {visible(str(marked))}: opens at the evidence"] if marked else []
        click.echo("\n".join([*_lines(shown, pictures), *more]))  # coloured: each text in it is made visible there


def _parse_words(words: tuple[str, ...]) -> tuple[Path | None, str | None]:
    """The set and the id that are meant: one word alone is a set if it is a folder or a path, else an id."""
    if len(words) > 2:
        raise click.UsageError(f"expected a set and an id, not: {' '.join(words)}")
    if len(words) == 2:
        return Path(words[0]), words[1]
    if words and (Path(words[0]).is_dir() or set(words[0]) & {"/", os.sep}):
        return Path(words[0]), None
    return None, words[0] if words else None


def _newest() -> Path:
    from fingen.sets import newest_set

    return newest_set(config.BUILD)


def _report(shown: Shown, pictures: Pictures) -> dict[str, Any]:
    return {
        "set": str(shown.folder),
        "split": shown.split,
        "row": shown.row,
        "record": shown.record.model_dump(mode="json"),
        "evidence": [
            {"quote": quote.text, "document": quote.document, "page": quote.page, "place": quote.place, "chunk": quote.chunk,
             "start": quote.start, "end": quote.end, "boxes": quote.boxes, "is_exact": quote.is_exact}
            for quote in shown.quotes
        ],
        "passages": [
            chunk.model_dump(mode="json", include={"id", "document", "section", "text"}) | {"pages": chunk.pages}
            for chunk in shown.passages
        ],
        "files": {name: str(path) for name, path in shown.files.items()},
        "missing": dict(shown.missing),
        "pictures": [
            {"file": str(file), "document": document, "page": page} for file, (document, page) in pictures.items()
        ],
    }  # fmt: skip


def _lines(shown: Shown, pictures: Pictures) -> list[str]:
    """The record as a person reads it."""
    record = shown.record
    facts = f"task: {record.task}   split: {shown.split}, row {shown.row}   teacher: {record.teacher}   origin: {record.origin}"
    lines = [visible(f"{record.id}   {facts}"), ""]
    asked = {"Question": record.instruction, "Input": record.input, "Answer": record.output, "Label": record.label,
             "Calculation": record.calc}  # fmt: skip
    if record.input and record.input == "\n\n".join(chunk.text for chunk in shown.passages):
        asked["Input"] = "(the passages below)"
    before = [(turn.role.capitalize(), turn.content) for turn in record.turns]  # as it was said
    for title, text in [*before, *asked.items()]:
        if text:
            lines += [f"{_title(title)}: {visible(text, lines=True)}"]
    if shown.quotes:
        lines += ["", _title("Evidence")]
    for number, quote in enumerate(shown.quotes, 1):
        lines += [
            f"  {number}. {visible(quote.document)}, {_where(quote)}",
            f"     {visible(quote.text, lines=True)}",
        ]
    if record.figures:
        told = [f"{figure.get('said')}: {figure.get('level')}" for figure in record.figures]
        lines += ["", _title("Figures"), *(f"  {visible(each)}" for each in told)]
    for chunk in shown.passages:
        lines += ["", *_passage_lines(chunk, shown.quotes)]
    if pictures:
        lines += ["", _title("Pictures")]
    return lines + [
        f"  {visible(str(file))}: {visible(document)}, page {page}" for file, (document, page) in pictures.items()
    ]


def _where(quote: Quote) -> str:
    """The page and the box around all of a quote, in points, or its place; and what is to be known about it."""
    from fingen.records import PLACE_MARK  # slow: with pydantic

    lost = "" if quote.chunk else ", in none of the passages"
    page = f"page {quote.page}, " if quote.page else ""
    if quote.place:
        return page + visible(quote.place.removeprefix(PLACE_MARK)) + lost
    if not quote.boxes:
        return f"{page}its place there is not known{lost}"
    lefts, tops, rights, bottoms = zip(*quote.boxes, strict=True)
    around = f"box {min(lefts):.0f},{min(tops):.0f} to {max(rights):.0f},{max(bottoms):.0f}"
    return page + around + ("" if quote.is_exact else " (the whole paragraph or table)") + lost


def _passage_lines(chunk: Chunk, quotes: tuple[Quote, ...]) -> list[str]:
    pages = f", page {chunk.first_page}" + (f"-{chunk.last_page}" if chunk.last_page > chunk.first_page else "")
    section = f", {' > '.join(chunk.section)}" if chunk.section else ""
    where = f": {chunk.document}{pages if chunk.first_page else ''}{section}"
    head = _title(f"Passage {visible(chunk.id)}") + visible(where)
    marked, at = "", 0
    for start, end in _merged([(quote.start, quote.end) for quote in quotes if quote.chunk == chunk.id]):
        marked += visible(chunk.text[at:start], lines=True) + _mark(visible(chunk.text[start:end], lines=True))
        at = end
    return [head, marked + visible(chunk.text[at:], lines=True)]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _title(text: str) -> str:
    return click.style(text, bold=True) if _has_colours() else text


def _mark(text: str) -> str:
    return click.style(text, fg="black", bg="yellow") if _has_colours() else text.join(BARE)
