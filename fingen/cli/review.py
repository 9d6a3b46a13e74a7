"""`fingen review`: a set judged by a person, row by row, beside the page that it comes from."""

from __future__ import annotations

import getpass
import threading
from pathlib import Path

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, finish, print_json, set_argument, tell

SHARE = click.FloatRange(0, 1)


@click.command("review", cls=Command)
@click.argument(
    "target", required=False, type=click.Path(path_type=Path), metavar="[SET]", shell_complete=completers.sets
)
@click.option("--as", "reviewer", default=None, metavar="NAME",
              help="Who judges, as it stands in reviews.jsonl.  [default: your login name]")  # fmt: skip
@click.option("--second", type=SHARE, default=0.0, show_default=True, metavar="SHARE",
              help="Read so much of what others have judged again, blind; --summary then says how far you agree.")  # fmt: skip
@click.option("--input", "inputs", type=click.Path(exists=True, path_type=Path), multiple=True, metavar="FOLDER",
              help="Where the PDF files are, or such a file; may be repeated.  "
                   "[default: ., raw/, reports/, and where they were read]")  # fmt: skip
@click.option("--language", type=click.Choice(["auto", "en", "zh"]), default="auto", show_default=True,
              help="Language of the page; auto is the browser's.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), default=None,
              help="Where the page is, on 127.0.0.1.  [default: one that is free]")  # fmt: skip
@click.option("--summary", is_flag=True, help="Say what was judged so far, and serve no page.")
@click.option("--apply", "apply_", is_flag=True, help="Make a new set of what was judged, and serve no page.")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="DIR",
              help="With --apply: folder of the new set.  [default: SET-reviewed]")  # fmt: skip
@click.option("--undecided", type=click.Choice(["keep", "drop"]), default="keep", show_default=True,
              help="With --apply: what becomes of rows that nobody judged.")  # fmt: skip
@click.option("--replace", is_flag=True, help="With --apply: write over another set in that folder.")
@command_options
def command(
    target: Path | None, reviewer: str | None, second: float, inputs: tuple[Path, ...], language: str, port: int | None,
    summary: bool, apply_: bool, out: Path | None, undecided: str, replace: bool, as_json: bool, quiet: bool, debug: bool,
) -> None:  # fmt: skip
    """Judge the rows of a set in the browser, each beside the page that it comes from.

    SET is a folder below build/ (default: the newest). The page is on this machine alone, and its address has a token; Ctrl-C
    ends it. Verdicts go to reviews.jsonl in the folder of the set, each at once; the set itself stays as it is until --apply
    makes a new one of the rows that were accepted, edited or not yet judged.

    \b
    Examples:
      $ fingen review build/reports
      $ fingen review build/reports --as "J. Wu" --second 0.1
      $ fingen review build/reports --summary
      $ fingen review build/reports --apply --out build/reports-reviewed
    """
    if summary and apply_:
        raise click.UsageError("--summary and --apply do not go together: each ends without a page")
    folder = set_argument(target, quiet=quiet)
    from fingen.sets import read_manifest

    read_manifest(folder)  # before anything heavy is loaded
    if summary:
        from fingen.review.summary import summarize

        counted = summarize(folder)
        finish(counted.report(), counted.lines, as_json=as_json)
    if apply_:
        from fingen.review.apply import apply_reviews

        made = apply_reviews(folder, out, undecided=undecided, replace=replace)
        tell(made, made.lines(), made.set, as_json=as_json)
    if reviewer is None:
        reviewer = getpass.getuser()
    _serve(folder, reviewer, second, inputs, language, port, as_json=as_json, quiet=quiet)


def _serve(
    folder: Path, reviewer: str, second: float, inputs: tuple[Path, ...], language: str, port: int | None,
    *, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """The page, until Ctrl-C. Its address is what the command says: standard output has it."""
    from fingen.web.server import need_extra, serve_page

    need_extra()
    from fingen.review.app import make_app
    from fingen.review.session import Session

    session = Session(folder, reviewer, second=second, inputs=inputs)
    threading.Thread(target=session.warm_up).start()  # no daemon: an end amid an import would be a crash
    if not quiet:
        echo(f"{folder}: {len(session.index):,} rows and rejects, judged by {reviewer}; Ctrl-C ends it", err=True)
    serve_page(
        make_app(session, language),
        port,
        lambda address: print_json({"address": address}) if as_json else echo(address),
    )
    if not quiet:
        counts = session.progress()
        echo(f"{counts['decided']:,} of {counts['rows']:,} rows are judged: {session.verdicts.path}", err=True)
