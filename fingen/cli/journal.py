"""`fingen journal`: what a set has asked, what came back, what it cost, and what is asked elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, command_options, echo, finish, print_json
from fingen.errors import FingenError, SetError, UsageError

if TYPE_CHECKING:
    from fingen.teachers.journal import Journal

MAX_MIB = 1024  # of an archive


@click.command("journal", cls=Command)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="[release] SET | export SET FILE | import FILE SET",
    shell_complete=completers.sets,
)
@click.option("--batches", is_flag=True,
              help="With release: give up the batches too. They are paid for, and will not be collected.")  # fmt: skip
@click.option("--max-mib", type=click.IntRange(1), default=None, metavar="N",
              help="With import: MiB that the file may have.  [default: 1024]")  # fmt: skip
@command_options
def command(
    words: tuple[str, ...], batches: bool, max_mib: int | None, as_json: bool, quiet: bool, debug: bool
) -> None:
    """Show what a set has asked its teacher: counts, tokens, cost, what failed, and what is asked elsewhere.

    `export` writes requests and answers to FILE as JSON lines, `import` takes them into the journal of a set, which may be a new one:
    the command that made it then makes it again, without asking, also where its teacher answers no more. What is there stays.

    `release` lets go of the requests that were exported to a file, so that they can be asked in another way. Answers to
    them can be imported all the same, as long as nobody else has answered.

    \b
    Examples:
      $ fingen journal build/reports
      $ fingen journal build/reports --json
      $ fingen journal release build/reports
      $ fingen journal export build/reports answers.jsonl
      $ fingen journal import answers.jsonl build/reports
    """
    from fingen.teachers.journal import Journal

    if max_mib and words[0] != "import":
        raise click.UsageError("--max-mib goes with import")
    if words[0] in ("export", "import") and not batches:
        if len(words) != 3:
            raise click.UsageError("expected: export SET FILE, or import FILE SET")
        _, first, second = words
        archived = (
            _import(Path(first), Path(second), max_mib or MAX_MIB)
            if words[0] == "import"
            else _export(Path(first), Path(second))
        )
        finish(archived, lambda: _archived_lines(archived), as_json=as_json)
    *action, folder = words
    if action not in ([], ["release"]):
        raise click.UsageError(f"expected the folder of a set, or release and a folder, not: {' '.join(words)}")
    if batches and not action:
        raise click.UsageError("--batches goes with release")
    with Journal.open(_journal_in(Path(folder))) as journal:
        report = _release(folder, journal, batches=batches) if action else _report(folder, journal)
    if as_json:
        print_json(report)
    else:
        echo(*(_released_lines(report) if action else _lines(report)))


def _journal_in(folder: Path) -> Path:
    """Where the journal of a set is.

    Raises:
        SetError: there is none.
    """
    path = folder / "journal.sqlite"
    if not path.is_file():
        raise SetError(f"{folder}: no journal here", hint="name the folder of a set, such as build/reports")
    return path


def _export(folder: Path, file: Path) -> dict[str, Any]:
    """Write the answers of a set to a file that is not there yet; its templates are those of its manifest."""
    from fingen.sets import MANIFEST, read_manifest
    from fingen.teachers.archive import export_answers
    from fingen.teachers.journal import Journal

    path = _journal_in(folder)
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name another file, or remove it")
    prompts = read_manifest(folder).prompts if (folder / MANIFEST).is_file() else {}
    with Journal.open(path) as journal:
        archived = export_answers(journal, file, prompts)
    return {"set": str(folder), "file": str(file), "exported": dataclasses.asdict(archived)}


def _import(file: Path, folder: Path, max_mib: int) -> dict[str, Any]:
    """Take the answers of a file into the set of a folder, which may be new."""
    from fingen.disk import lock
    from fingen.set_folder import refuse_folder, withdrawn_from
    from fingen.teachers.archive import import_answers
    from fingen.teachers.journal import Journal
    from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

    if not file.is_file():
        raise UsageError(f"{file}: no such file", hint="write one with: fingen journal export SET FILE")
    refuse_folder(folder, is_part=True)  # a part has a journal too
    if withdrawn_from(folder):
        raise SetError(f"{folder}: reports were withdrawn from it, and answers about them may come back",
                       hint="import into another folder")  # fmt: skip
    is_new = not (folder / "journal.sqlite").is_file()
    try:
        with (
            lock(folder),
            Journal.open(folder / "journal.sqlite") as journal,
            RequestLocks(folder / LOCKS_FILE, alone=True),
        ):
            archived = import_answers(file, journal, most_bytes=max_mib << 20)
    except FingenError:
        if is_new:  # a folder with an empty journal would be a set that was begun
            (folder / "journal.sqlite").unlink(missing_ok=True)
        raise
    return {"set": str(folder), "file": str(file), "imported": dataclasses.asdict(archived)}


def _archived_lines(report: dict[str, Any]) -> list[str]:
    from fingen.events import command_line

    done = "exported" if "exported" in report else "imported"
    told = report[done]
    lines = [f"{done}: {told['answers']:,} answers, {told['requests']:,} requests, {told['units']:,} units of splits"]
    if told["known"]:
        lines.append(f"{told['known']:,} answers were not taken: their request has an answer here")
    if told["forgotten"]:
        lines.append(f"{told['forgotten']:,} answers whose texts were taken out are not in it, nor what they cost")
    if done == "exported":
        return [
            *lines,
            f"written: {report['file']}; it holds the passages that were asked about, and what the teacher made of them",
        ]
    return [*lines, f"the command that made it makes it again of these, with --out {report['set']}",
            f"next: {command_line('fingen', 'journal', report['set'])}"]  # fmt: skip


def _report(folder: str, journal: Journal) -> dict[str, Any]:
    from fingen.teachers.outstanding import Outstanding

    usage, cost_usd = journal.usage()
    outstanding = Outstanding(journal)
    return {
        "set": folder,
        "teacher": (journal.settings() or {}).get("teacher"),
        **journal.counts(),
        "usage": usage.model_dump(),
        "cost_usd": cost_usd,
        "failures": {**journal.failures(), **outstanding.failures()},
        "batches": [_about(batch) for batch in outstanding.open("batch")],
        "files": [_about(file) for file in outstanding.open("export")],
    }


def _about(batch: Any) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in ("place", "state", "requests", "waiting")}


def _release(folder: str, journal: Journal, *, batches: bool) -> dict[str, Any]:
    """Let go of what files hold, and of what batches do if that is wanted; not while a process works on it."""
    from fingen.teachers.outstanding import Outstanding
    from fingen.teachers.request_locks import RequestLocks

    outstanding = Outstanding(journal)
    released = []
    with RequestLocks(Path(folder) / ".claims") as locks:
        for batch in outstanding.open("export") + (outstanding.open("batch") if batches else []):
            if not locks.take(batch.token):
                raise SetError(f"{folder}: another fingen process works on it", hint="wait until it has ended")
            released.append({"place": batch.place, "kind": batch.kind, "requests": outstanding.release(batch.token)})
            locks.release(batch.token)
    return {"set": folder, "released": released, "batches_kept": len(outstanding.open("batch"))}


def _released_lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{row['requests']:,} requests released: {row['kind']} {row['place']}" for row in report["released"]]
    if report["batches_kept"]:
        lines.append(f"{report['batches_kept']} batches stay held: they are paid for; collect them, or give --batches")
    return lines or ["nothing is held"]


def _lines(report: dict[str, Any]) -> list[str]:
    usage = report["usage"]
    cost = "unknown" if report["cost_usd"] is None else f"{report['cost_usd']:.4f} USD"
    cached = f"{usage['cache_read_tokens']:,} read from the cache, {usage['cache_write_tokens']:,} written to it"
    lines = [
        f"{report['set']}   teacher: {report['teacher']}",
        f"{report['requests']:,} requests answered, {report['answers']:,} answers, {report['possibly_billed']:,} broken off",
        f"tokens: {usage['input_tokens']:,} in, {cached}, {usage['output_tokens']:,} out",
        f"cost: {cost}",
    ]
    lines += [
        f"batch {row['place'] or '(not sent yet)'}: {row['waiting']:,} requests held" for row in report["batches"]
    ]
    lines += [f"exported to {row['place']}: {row['waiting']:,} requests held" for row in report["files"]]
    return lines + [f"  {count:>5} {reason}" for reason, count in report["failures"].items()]
