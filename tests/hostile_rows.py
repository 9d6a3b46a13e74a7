"""Files of rows and of settings that lie, nest and swell, and the commands that read them; run as a program, it tries all.

    python hostile_rows.py FOLDER > outcomes.json

Each is tried in a folder of its own. Told of each are its exit code, what was said, seconds of the CPU, and the most memory
so far (bytes): all run in this one process, so that the last one is the most of all.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_pdfs

GOOD = b'{"instruction": "What is one?", "input": "", "output": "It is a number of the list."}\n'
GIGABYTE = 1 << 30
LONG = 80 << 20  # bytes
IMPORT, CSV = "import alpaca rows.jsonl", "import csv rows.csv --text a --label b"
SYNTH = "synth intent --n 5 --teacher offline --language en"
PDF2QA = "pdf2qa reports --teacher offline --workers 1"
Outcome = dict[str, Any]


def sparse(name: str, head: bytes = b"") -> Callable[[], object]:
    """A file of a gigabyte that is nothing but zeros behind its head, and takes no room."""

    def write() -> None:
        path(name).write_bytes(head)
        os.truncate(name, GIGABYTE)

    return write


def file(name: str, content: bytes | Callable[[], bytes]) -> Callable[[], object]:
    """A file of that content."""
    return lambda: path(name).write_bytes(content() if callable(content) else content)


def report(documents: Callable[[], object]) -> Callable[[], object]:
    """A report beside what is said of it."""
    return lambda: (file("reports/report.pdf", hostile_pdfs.page)(), documents())


def path(name: str) -> Path:
    """A place in the working directory, whose folder is there."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    return Path(name)


def zipped() -> bytes:
    with zipfile.ZipFile("packed", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.jsonl", GOOD * 1_000)
    return Path("packed").read_bytes()


def aliases(merged: bool = False) -> bytes:
    """YAML of some lines that stands for ten to the twelfth of values."""
    lines = ["b0: &b0 {a: 1}" if merged else "b0: &b0 [a, a, a, a, a, a, a, a, a, a]"]
    for at in range(1, 40 if merged else 12):
        inner = f"{{<<: [*b{at - 1}, *b{at - 1}], k{at}: 1}}" if merged else f"[{', '.join([f'*b{at - 1}'] * 10)}]"
        lines.append(f"b{at}: &b{at} {inner}")
    return "\n".join(lines).encode()


TEXT = b'{"instruction": "' + b"x" * LONG
CASES: dict[str, tuple[str, int, Callable[[], object]]] = {  # name -> command, exit code, what is written before
    # ---- rows
    "a line without an end": (IMPORT, 2, file("rows.jsonl", lambda: GOOD + TEXT)),
    "a gigabyte of zeros": (IMPORT, 2, sparse("rows.jsonl", GOOD)),
    "a list of zeros": (IMPORT, 2, sparse("rows.jsonl", b"[")),
    "a list without an end": (IMPORT, 2, file("rows.jsonl", lambda: b"[" + TEXT)),
    "a key a row for each of half a million": (
        IMPORT, 2, file("rows.jsonl", lambda: json.dumps(dict.fromkeys(map(str, range(500_000)), 1)).encode())),
    "a list in a list in a list": (IMPORT, 2, file("rows.jsonl", b'{"instruction": ' + b"[" * 500_000)),
    "objects in objects": (IMPORT, 2, file("rows.jsonl", b'{"instruction":' * 100_000)),
    "a number of a million digits": (IMPORT, 2, file("rows.jsonl", b'{"instruction": ' + b"9" * 1_000_000 + b"}\n")),
    "numbers that are none": (IMPORT, 2, file("rows.jsonl", b'{"instruction": NaN, "output": Infinity}\n')),
    "a good row with a word of megabytes": (
        IMPORT, 0, file("rows.jsonl", lambda: GOOD + b'{"instruction": "Why?", "output": "' + b"word " * 2_000_000 + b'"}\n')),
    "gzip by another name": (IMPORT, 2, file("rows.jsonl", lambda: gzip.compress(GOOD * 1_000))),
    "zip by another name": (IMPORT, 2, file("rows.jsonl", zipped)),
    "UTF-16": (IMPORT, 2, file("rows.jsonl", GOOD.decode().encode("utf-16"))),
    "line ends of another kind": (IMPORT, 2, file("rows.jsonl", GOOD.strip() + b"\r" + GOOD.strip())),
    "half a character": (IMPORT, 2, file("rows.jsonl", b'{"instruction": "\\ud800", "output": "b"}\n')),
    "a pipe": (IMPORT, 2, lambda: os.mkfifo("rows.jsonl")),
    "a folder of links to itself": (
        "import alpaca rows", 2, lambda: Path("rows").mkdir() or Path("rows/a.jsonl").symlink_to("a.jsonl")),
    "quotes, and nothing else": (CSV, 2, file("rows.csv", lambda: b'a,b\n"' + b'"' * LONG)),
    "a quote that is not closed": (CSV, 2, file("rows.csv", lambda: b'a,b\n"' + b"x,\n" * (LONG // 3))),
    "commas, and nothing else": (CSV, 2, file("rows.csv", lambda: b"a,b\n1,2\n" + b"," * LONG)),
    "columns by the hundred thousand": (CSV, 2, file("rows.csv", ",".join(f"c{n}" for n in range(200_000)).encode() + b"\n" + b"," * 199_999)),
    "one column twice": (CSV, 2, file("rows.csv", b"a,a\n1,2\n")),
    "zeros in a table": (CSV, 2, sparse("rows.csv", b"a,b\n1,2\n")),
    "sentences without an end": ("import fpb Sentences_50Agree.txt", 2, sparse("Sentences_50Agree.txt", b"a@neutral\n")),
    "proof of a line without an end": ("verify rows.jsonl", 2, file("rows.jsonl", lambda: GOOD + TEXT)),
    "answers without an end": (
        "score --predictions answers.jsonl --gold rows.jsonl", 2,
        lambda: (file("rows.jsonl", GOOD)(), file("answers.jsonl", lambda: b'{"id": "' + b"x" * LONG)())),
    "a pipe among the files": ("import alpaca rows", 2, lambda: Path("rows").mkdir() or os.mkfifo("rows/a.jsonl")),
    "a device": ("import alpaca /dev/zero", 2, lambda: None),
    "labels from a device": (f"{SYNTH} --labels /dev/zero", 2, lambda: None),
    # ---- sets, scores and adapters
    "a manifest of a gigabyte": ("verify made", 2, sparse("made/manifest.json", b"{")),
    "a manifest without an end": ("show made", 2, file("made/manifest.json", b'{"a":' * 200_000)),
    "a manifest of something else": ("export made --format csv --out out", 2, file("made/manifest.json", b"[1]")),
    "a score of a gigabyte": ("compare made other", 2, sparse("made/score.json", b"{")),
    "a score without an end": ("compare made other", 2, file("made/score.json", b"[" * 200_000)),
    "an adapter of a gigabyte": ("chat made --once Why?", 2, sparse("made/fingen.json", b"{")),
    "an adapter without an end": ("merge made", 2, file("made/fingen.json", b'{"a":' * 200_000)),
    "a journal of zeros": ("journal made", 2, sparse("made/journal.sqlite", b"SQLite format 3\0")),
    "a journal of noise": ("journal made", 2, file("made/journal.sqlite", b"SQLite format 3\0" + bytes(range(256)) * 64)),
    # ---- settings
    "settings of a gigabyte": ("models", 2, sparse("fingen.toml", b"[models]\n")),
    "settings without an end": ("models", 2, file("fingen.toml", b"[models]\na = " + b"[" * 15_000)),
    "documents by aliases": (PDF2QA, 2, report(file("reports/documents.yaml", aliases()))),
    "documents by merges": (PDF2QA, 2, report(file("reports/documents.yaml", aliases(merged=True)))),
    "documents in themselves": (PDF2QA, 2, report(file("reports/documents.yaml", b"a: &a [*a]\n"))),
    "documents without an end": (PDF2QA, 2, report(file("reports/documents.yaml", b"a: " + b"[" * 100_000))),
    "documents of a gigabyte": (PDF2QA, 2, report(sparse("reports/documents.yaml", b"a: {}\n"))),
    "documents that are objects": (PDF2QA, 2, report(file("reports/documents.yaml", b"report.pdf: !!python/object/apply:os.system [touch ran]\n"))),
    "labels by aliases": (f"{SYNTH} --labels own.yaml", 2, file("own.yaml", aliases())),
    "labels by merges": (f"{SYNTH} --labels own.yaml", 2, file("own.yaml", aliases(merged=True))),
    "labels of a gigabyte": (f"{SYNTH} --labels own.yaml", 2, sparse("own.yaml", b"labels: []\n")),
    "labels that run": (f"{SYNTH} --labels own.yaml", 2, file("own.yaml", b"labels: !!python/name:os.system\n")),
    "topics of a gigabyte": ("synth qa --n 5 --teacher offline --topics own.txt", 2, sparse("own.txt", b"a\n")),
    "words of others by merges": (SYNTH, 2, file("prompts/lexicon.en.yaml", aliases(merged=True))),
    "a recipe of a gigabyte": ("finetune --set made --model tiny --config own.toml", 2, sparse("own.toml", b"a=1\n")),
    "a recipe without an end": ("finetune --set made --model tiny --config own.toml", 2, file("own.toml", b"a = " + b"[" * 200_000)),
    "dots in a recipe": ("finetune --set made --model tiny --config own.toml", 2, file("own.toml", b".".join([b"a"] * 50_000) + b"=1\n")),
}  # fmt: skip


def attempt(name: str) -> Outcome:
    """Try one of them, in the working directory."""
    from click.testing import CliRunner

    from fingen import cli

    command, _, write = CASES[name]
    write()
    before = {str(each) for each in Path().rglob("*")}
    began = time.process_time()
    ran = CliRunner().invoke(cli.main, command.split(), prog_name="fingen")
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    is_typed = ran.exception is None or isinstance(ran.exception, SystemExit)
    return {
        "code": ran.exit_code if is_typed else repr(ran.exception), "said": ran.output[:9_999], "length": len(ran.output),
        "seconds": seconds, "bytes": peak, "written": sorted({str(each) for each in Path().rglob("*")} - before),
    }  # fmt: skip


if __name__ == "__main__":
    outcomes = {}
    for number, name in enumerate(CASES):
        folder = Path(sys.argv[1], str(number)).resolve()
        folder.mkdir(parents=True)
        os.chdir(folder)
        outcomes[name] = attempt(name)
        for each in folder.rglob("*"):
            if each.is_file() and not each.is_symlink():
                each.unlink()
        os.chdir("/")
    sys.stdout.write(json.dumps(outcomes))
