"""What of fingen is installed, set and in order on this machine, and the command that mends what is not.

It looks and writes nothing, tells no key nor a part of one, imports no torch, and asks nobody unless that is wanted. It must
speak where a package is missing, so all but the standard library is imported where it is looked at.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from fingen import __version__
from fingen.config import BUILD, ReadSettings
from fingen.errors import FingenError, TeacherError, UsageError, redact
from fingen.install import install_command, origin, requirements

GIB = 1 << 30
LEAST_DISK_BYTES = 1 * GIB  # below it a set may still fit, and no model
PATIENCE_SECONDS = 60.0  # for torch, in a process of its own
REACH_SECONDS = 5.0  # for a server to answer at all
EXTRAS = {
    "train": "finetune, merge, chat, serve, distill, and score of models",
    "quant": "--load 8bit and 4bit",
    "baseline": "score --baseline",
    "plots": "curves and charts as PNG",
    "ocr": "pdf2qa --ocr without tesseract",
    "ray": "pdf2qa --engine ray",
    "review": "the pages of review, demo and serve",
    "gguf": "merge --gguf",
    "convert": "models convert",
}  # what each is for
LACKS = {
    "win32": (
        "page readers have no limits of CPU time and memory from the system: the parent's clock alone ends a slow one",
        "a folder that is replaced is moved away first, not exchanged in one step",
    ),
    "darwin": (
        "the system does not keep the memory that a page reader may take: a huge page may take more than it should",
    ),
}  # platform -> what it has less of than Linux
_DEVICES = """
import json, torch
found = [f"{torch.cuda.get_device_name(n)}, {torch.cuda.mem_get_info(n)[1] >> 30} GiB" for n in range(torch.cuda.device_count())]
if torch.backends.mps.is_available():
    found.append("mps")
print(json.dumps(found))
"""


class State(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    ABSENT = "absent"  # not there, and needed for a part of fingen alone
    WRONG = "wrong"  # what fingen needs is missing, or what is there is out of order


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, what is so, and the command that mends it, ready to be pasted."""

    name: str
    said: str
    state: State = State.OK
    remedy: str = ""


@dataclass
class Diagnosis:
    """All findings, by what they are of. `exit_code` is 1 where one is wrong."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 where all that fingen needs is there and in order, else 1."""
        return int(any(each.state is State.WRONG for some in self.findings.values() for each in some))


def examine(build: Path = BUILD, *, devices: bool = False, online: bool = False) -> Diagnosis:
    """Look at everything.

    Args:
        build: the folder of what is made.
        devices: also start torch, in a process of its own, and ask what it sees.
        online: also ask each server whether it answers. No key is sent, and no document.
    """
    base = list(_base())
    found = {"installation": [*_python(), *base], "extras": list(_extras())}
    if all(each.state is State.OK for each in base):
        found["machine"] = [*_disk(build), _memory(), *_devices(ask=devices), *_platform(), _ocr()]
        found["accounts"] = [*_keys(), _hub()]
        found["work"] = [_templates(), *_build(build)]
        if online:
            found["network"] = list(_network())
    return Diagnosis(found)


# --- what is installed ---------------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    kind = "an environment of its own" if sys.prefix != sys.base_prefix else "the system's own, no environment"
    yield Finding("Python", f"{sys.version.split()[0]}, {kind}: {sys.executable}")
    yield Finding("fingen", f"{__version__}, {redact(origin())}")


def _base() -> Iterator[Finding]:
    wanted = requirements().get("", {})
    lacking = [name for name, least in wanted.items() if not _has(name, least)]
    if lacking or not wanted:
        what = f"missing or too old: {', '.join(lacking)}" if lacking else "not known: it is not installed"
        yield Finding("packages", what, State.WRONG, install_command())
    else:
        yield Finding("packages", f"all {len(wanted)} of the base")


def _extras() -> Iterator[Finding]:
    wanted = requirements()
    for extra, use in EXTRAS.items():
        lacking = [name for name, least in wanted.get(extra, {}).items() if not _has(name, least)]
        if lacking:
            said = f"not here: {', '.join(lacking)}; for {use}"
            yield Finding(extra, said, State.ABSENT, install_command(extra))
        else:
            yield Finding(extra, f"for {use}")


def _has(name: str, least: tuple[int, ...]) -> bool:
    try:
        there = version(name)
    except PackageNotFoundError:
        return False
    return tuple(int(part) for part in there.split("+")[0].split(".") if part.isdecimal()) >= least


# --- the machine -----------------------------------------------------------------------------------------------------------


def _disk(build: Path) -> Iterator[Finding]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from fingen.disk import check_writable

    try:
        check_writable(build.absolute() if build.is_absolute() else build)
    except FingenError as e:
        yield Finding("build/", f"cannot be written: {e}", State.WRONG, f"ls -ld {build.parent}")
    for name, folder in (("disk", build), ("model cache", Path(HF_HUB_CACHE))):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        said = f"{free / GIB:,.1f} GiB free for {folder}"
        if free < LEAST_DISK_BYTES:
            state = State.WRONG if folder is build else State.ABSENT
            yield Finding(name, f"{said}: too little", state, f"du -sh {there}/* | sort -h")
        else:
            yield Finding(name, said)


def _memory() -> Finding:
    from fingen.training.preflight import free_machine_bytes

    free = free_machine_bytes()
    return Finding("memory", "not told by this system" if free is None else f"{free / GIB:,.1f} GiB free")


def _devices(*, ask: bool) -> Iterator[Finding]:
    cards = _ran("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    has_torch = _has("torch", ())
    yield Finding(
        "GPU", "; ".join(cards.splitlines()) if cards else "none that nvidia-smi knows: training takes the CPU"
    )
    if not has_torch:
        yield Finding("torch", "not here; for training", State.ABSENT, install_command("train"))
    elif not ask:
        yield Finding("torch", f"{version('torch')}; --devices asks it what it sees")
    else:
        told = _ran(sys.executable, "-P", "-c", _DEVICES)  # -P: a torch.py of this folder is not run
        if told is None:
            yield Finding(
                "torch", f"{version('torch')} does not start", State.ABSENT, install_command("train", again=True)
            )
            return
        seen = json.loads(told.splitlines()[-1])
        said = f"{version('torch')} sees {', '.join(seen) or 'no device but the CPU'}"
        blind = bool(cards) and not seen
        remedy = f"{sys.executable} -m pip install --force-reinstall torch" if blind else ""
        yield Finding("torch", said, State.ABSENT if blind else State.OK, remedy)


def _ran(*command: str) -> str | None:
    """What a program prints; None where it is not there, fails or takes too long."""
    program = shutil.which(command[0])
    if program is None or Path(program).resolve().parent == Path.cwd():  # Windows looks in the folder of others first
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _platform() -> Iterator[Finding]:
    for lack in LACKS.get(sys.platform, ()):
        yield Finding(sys.platform, lack, State.ABSENT)


def _ocr() -> Finding:
    if not shutil.which("tesseract") and not _has("rapidocr", ()):
        return Finding("OCR", "none for scanned pages", State.ABSENT, install_command("ocr"))
    from fingen.documents.ocr import find_engine  # it loads the reader of PDF files, to ask where tesseract's data is

    try:
        engines = {language: find_engine(ReadSettings(ocr=True, language=language)).name for language in ("en", "zh")}
    except UsageError as e:
        return Finding("OCR", str(e), State.ABSENT, install_command("ocr"))
    return Finding("OCR", ", ".join(f"{name} for {language}" for language, name in engines.items()))


# --- accounts --------------------------------------------------------------------------------------------------------------


def _keys() -> Iterator[Finding]:
    from fingen.teachers import KEYS
    from fingen.wire import find_key, is_key_from_file

    for teacher, name in KEYS.items():
        type_in = f"read -rs {name} && export {name}" if sys.platform != "win32" else f"set /p {name}="
        try:
            is_there = find_key(name) is not None
        except TeacherError as e:
            yield Finding(name, str(e), State.WRONG, type_in)
            continue
        if is_there:
            yield Finding(name, f"set, {'in .env here' if is_key_from_file(name) else 'in the environment'}")
        else:
            yield Finding(name, f"not set; for --teacher {teacher}", State.ABSENT, type_in)


def _hub() -> Finding:
    from huggingface_hub import get_token

    try:
        is_there = bool(get_token())
    except OSError as e:
        return Finding("Hub", f"its token cannot be read: {e.strerror}", State.ABSENT, "hf auth login")
    if is_there:
        return Finding("Hub", f"logged in, by {'HF_TOKEN' if os.environ.get('HF_TOKEN') else 'hf auth login'}")
    return Finding("Hub", "not logged in; for push, and models that ask for a licence", State.ABSENT, "hf auth login")


# --- what is made here -----------------------------------------------------------------------------------------------------


def _templates() -> Finding:
    from fingen import prompts

    try:
        folder = prompts.folder()
    except UsageError as e:
        return Finding("templates", str(e), State.WRONG, install_command(again=True))
    return Finding(
        "templates", f"those in ./{folder}, not the packaged ones" if prompts.is_local() else "the packaged ones"
    )


def _build(build: Path) -> Iterator[Finding]:
    from fingen.config import RESERVED_SET_NAMES
    from fingen.sets import JOURNAL, MANIFEST

    folders = [
        path for path in sorted(build.glob("*/")) if path.name not in RESERVED_SET_NAMES and not path.is_symlink()
    ]
    whole = [path for path in folders if (path / MANIFEST).is_file()]
    begun = [path for path in folders if (path / JOURNAL).is_file() and path not in whole]
    yield Finding("sets", f"{len(whole)} in {build}" + (f", {len(begun)} begun and not whole" if begun else ""))
    for folder in folders:
        if told := _in_use(folder):
            yield Finding(str(folder), told)
        elif (folder / JOURNAL).is_file() and (fault := _fault(folder / JOURNAL)):
            yield fault
    for folder in begun:
        yield Finding(str(folder), "begun and not whole; the command that began it goes on", State.ABSENT,
                      f"fingen journal {folder}")  # fmt: skip


def _in_use(folder: Path) -> str:
    """What is to be said of a set that another process holds; empty where none does."""
    from fingen.disk import LOCK, lock_file
    from fingen.errors import SetError
    from fingen.teachers.request_locks import LOCKS_FILE, RequestLocks

    try:
        if (folder / LOCK).is_file():
            with lock_file(folder / LOCK):
                pass
        if (folder / LOCKS_FILE).is_file():
            with RequestLocks(folder / LOCKS_FILE, alone=True):
                pass
    except SetError:
        return "in use: another fingen process works on it"
    except FingenError as e:
        return str(e)
    return ""


def _fault(path: Path) -> Finding | None:
    from fingen.teachers.journal import check_journal

    try:
        check_journal(path)
    except FingenError as e:
        return Finding(
            str(path), str(e).removeprefix(f"{path}: "), State.WRONG, f"mv {path.parent} {path.parent}.damaged"
        )
    return None


# --- the network -----------------------------------------------------------------------------------------------------------


def _network() -> Iterator[Finding]:
    """Whether the servers answer that fingen may ask; nothing is sent but the question."""
    servers: dict[str, tuple[str, Callable[[], bool]]] = {
        "anthropic": (
            os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com",
            lambda: _is_set("anthropic"),
        ),
        "openai": (os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1", lambda: _is_set("openai")),
        "Hub": (os.environ.get("HF_ENDPOINT") or "https://huggingface.co", lambda: _hub().state is State.OK),
    }
    with ThreadPoolExecutor(len(servers)) as threads:
        answers = threads.map(_reach, (url for url, _ in servers.values()))
        for (name, (url, is_used)), fault in zip(servers.items(), answers, strict=True):
            if not fault:
                yield Finding(name, f"{redact(url)} answers")
            else:
                said = f"{redact(url)} cannot be reached: {fault}"
                yield Finding(name, said, State.WRONG if is_used() else State.ABSENT, f"curl -I {redact(url)}")


def _is_set(teacher: str) -> bool:
    from fingen.teachers import KEYS
    from fingen.wire import find_key

    try:
        return find_key(KEYS[teacher]) is not None
    except TeacherError:
        return False


def _reach(url: str) -> str:
    """Why a server does not answer; empty where it does, whatever it says. A name and password in its address are not sent."""
    try:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        with urlopen(Request(bare, method="HEAD", headers={"User-Agent": "fingen"}), timeout=REACH_SECONDS):
            return ""
    except HTTPError:
        return ""
    except (OSError, ValueError, HTTPException) as e:
        return redact(str(getattr(e, "reason", e)))
