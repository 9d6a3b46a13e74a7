"""`fingen verify`: check a set, or any Alpaca file, anew."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingen.cli import completers
from fingen.cli.common import Command, FolderOption, again, command_options, echo, finish, set_argument
from fingen.cli.working import working

if TYPE_CHECKING:
    from fingen.quality.contamination import Benchmark
    from fingen.verification.run import Law, Problem, Verification

SHOWN = 5  # problems of one law that the table names
SAID = 80  # characters of what a row says, at most, before what is wrong with it


@click.command("verify", cls=Command)
@click.argument(
    "target", required=False, type=click.Path(path_type=Path), metavar="[SET]", shell_complete=completers.sets
)
@click.option("--source", "sources", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="The report that the rows are about, as pdf2qa reads it; chunks.jsonl of a set; or a page-by-page parse in JSON "
                   "lines. May be repeated.")  # fmt: skip
@click.option("--keep-out", cls=FolderOption, multiple=True, type=click.Path(path_type=Path), metavar="NAME|FILE",
              help="A benchmark that no row may be in: its name, NAME=FILE, or a file. May be repeated.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE",
              help="Write one page, without scripts or links, that shows what is wrong beside its source.")  # fmt: skip
@command_options
@click.pass_context
def command(
    ctx: click.Context,
    target: Path | None,
    sources: tuple[Path, ...],
    keep_out: tuple[Path, ...],
    html: Path | None,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Check every row anew, offline: quotes, figures, duplicates, splits, privacy.

    SET is a folder that fingen made or pulled (default: the newest in build/), or any Alpaca file (JSON, JSON lines, CSV),
    which is checked against --source. Exit code 1 where something is wrong; --json names all rows.

    \b
    Examples:
      $ fingen verify
      $ fingen verify build/reports --html report.html
      $ fingen verify their_pairs.json --source their_report.pdf
    """
    from fingen.disk import check_writable, write_text
    from fingen.verification.page import render_html
    from fingen.verification.run import verify

    if html:
        check_writable(html.parent)
    checked = set_argument(target, quiet=quiet)
    with working(f"checking {checked}", quiet=quiet):
        found = verify(checked, sources=sources, keep_out=_open(keep_out))
    if html:
        write_text(html, render_html(found))
        if not quiet:
            echo(f"written: {html}", err=True)
    report = {**dataclasses.asdict(found), "exit_code": found.exit_code}
    finish(
        report,
        lambda: _lines(found, "" if html else again(ctx, "--html", "report.html")),
        found.exit_code,
        as_json=as_json,
    )


def _open(keep_out: tuple[Path, ...]) -> tuple[Benchmark, ...]:
    if not keep_out:
        return ()
    from fingen.pipeline.filters import open_benchmarks  # with the readers of all published data sets

    return open_benchmarks(keep_out)


def _lines(found: Verification, page: str) -> list[str]:
    """What is found, and the command of a page about it, if there is to be one yet."""
    from fingen.sets import say_figures

    lines = [f"{found.target}: {found.rows:,} rows", ""]
    lines.append(f"{'law':<14}{'passed':>9}{'failed':>9}{'unchecked':>11}")
    for name, law in found.laws.items():
        why = f"   {'; '.join(law.why)}" if law.why else ""
        why += f"   {law.declared:,} declared by the set" if law.declared else ""
        lines.append(f"{name:<14}{law.passed:>9,}{law.failed:>9,}{law.unchecked:>11,}{why}")
    lines += ["", say_figures(found.figures)]
    lines += [f"declared: {declared}" for declared in found.declared]
    for name, law in found.laws.items():
        if law.problems:
            lines += ["", *_law_lines(name, law)]
    if found.exit_code:
        shown = ["", "--html FILE shows each beside its source, --json names all rows", f"next: {page}"]
        return lines + (shown if page else [])
    return [*lines, "", _say_clean(found), *([f"next: {found.next}"] if found.next else [])]


def _say_clean(found: Verification) -> str:
    """What it means that nothing is wrong: how much was checked, against what, and what was not."""
    whole = sum(not law.unchecked for law in found.laws.values())
    against = f", against {found.passages:,} passages" if found.passages else ", without the passages that they rest on"
    rest = [f"{name} ({'; '.join(law.why)})" for name, law in found.laws.items() if law.unchecked]
    left = f"; not checked, or not all of it: {', '.join(rest)}" if rest else ""
    return f"nothing wrong was found: {found.rows:,} rows by {whole} of {len(found.laws)} laws{against}{left}"


def _law_lines(name: str, law: Law) -> list[str]:
    reasons = Counter(problem.reason for problem in law.problems)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    declared = f"{law.declared:,} rows of it are declared by the set" if law.declared else ""
    if law.failed:
        lines = [f"{name}: not so: {law.title} ({counts})" + (f"; {declared}" if declared else "")]
    else:
        lines = [f"{name}: declared by the set, and no fault ({counts})"]
    lines += [_problem_line(problem) for problem in law.problems[:SHOWN]]
    rest = len(law.problems) - SHOWN
    return lines + ([f"  and {rest:,} more"] if rest > 0 else [])


def _problem_line(problem: Problem) -> str:
    row = f"{problem.split} row {problem.row}".strip() if problem.row else ""
    where = " ".join(part for part in (problem.id, f"({row})" if row else "") if part)
    said = " ".join(problem.output[problem.start : problem.end].split())
    said = (
        f"{said[: SAID - 1]}…" if len(said) > SAID else said
    )  # what is wrong with it comes behind, and has to be read
    text = " ".join(f"{where + ': ' if where else ''}{said + ': ' if said else ''}{problem.detail}".split())
    return f"  {text[:200]}"
