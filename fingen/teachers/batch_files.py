"""Export requests to a file and import answers: JSON lines in the form of OpenAI's batches, or Anthropic's for answers.

What a batch of either provider gives back is read by the same functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from fingen.disk import cut_lines, dump_json, open_atomic, sha256_text
from fingen.errors import UsageError
from fingen.records import Completion, Request, Usage
from fingen.teachers.outstanding import Outstanding, OutstandingRequest
from fingen.teachers.request_locks import RequestLocks
from fingen.teachers.sdk import SdkTeacher
from fingen.wire import ANSWER_BYTES, RETRYABLE, mapping, parse_object

URL = "/v1/chat/completions"
FILE_REQUESTS = (
    5_000  # in one file: `vllm run-batch` holds all of a file in memory, and writes when the last one is answered
)
GROUP = 256  # requests held, and answers stored, in one step
FINAL_ERRORS = frozenset(
    "invalid_request_error authentication_error permission_error not_found_error request_too_large billing_error".split()
)
EXPIRED, CANCELED = "expired", "canceled"
SHOWN = 5  # rows of a kind that a report names


@dataclass(frozen=True)
class Result:
    """One line of results: an answer as it came (`payload`), or why there is none."""

    custom_id: str
    protocol: str  # anthropic, openai
    payload: Mapping[str, Any] | None
    error: str = ""
    is_final: bool = False  # asking again would not help
    is_lost: bool = False  # it was answered, says the provider, and there is no answer: it may be billed


@dataclass
class Imported:
    """What became of the rows of files of answers. Rows are counted from 1."""

    file: str
    taken: int = 0  # answers that are new
    known: int = 0  # that were here before
    duplicates: list[str] = field(default_factory=list)  # more rows for one request
    failed: dict[str, int] = field(default_factory=dict)  # no answer in the row: why -> rows
    unknown: list[str] = field(default_factory=list)  # custom ids that nobody gave out
    broken: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)  # that say they wrote the answers, where it is not the teacher
    left_out: list[str] = field(default_factory=list)  # files of a folder that hold no results
    empty: list[str] = field(default_factory=list)  # files that hold nothing at all

    @property
    def is_short(self) -> bool:
        """Whether a row gave nothing that can be used."""
        return bool(self.failed or self.unknown or self.broken)

    def lines(self) -> list[str]:
        """The counts, and the rows by name."""
        failed = sum(self.failed.values())
        counts = f"{self.taken} answers taken, {self.known} known before, {failed} without an answer"
        lines = [f"{self.file}: {counts}"]
        lines += [f"{self.file}: {rows} without an answer: {why}" for why, rows in list(self.failed.items())[:SHOWN]]
        named = (("duplicate", self.duplicates), ("of an unknown custom_id", self.unknown), ("broken", self.broken))
        for what, rows in named:
            more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            lines += [f"{self.file}: {len(rows)} rows {what}: {'; '.join(rows[:SHOWN])}{more}"] if rows else []
        if self.empty:
            more = f"; and {len(self.empty) - SHOWN} more" if len(self.empty) > SHOWN else ""
            lines.append(f"empty, so that it held no answers: {', '.join(self.empty[:SHOWN])}{more}")
        if self.left_out:
            more = f"; and {len(self.left_out) - SHOWN} more" if len(self.left_out) > SHOWN else ""
            lines.append(f"left out, as they hold no results: {', '.join(self.left_out[:SHOWN])}{more}")
        if self.models:
            lines.append(f"{self.file}: the answers say that they are from {', '.join(self.models)}")
        return lines


# ---- the form


def short_hash(key: str) -> str:
    """Hash a key for the start of a custom id, which identifies the request in any journal."""
    return sha256_text(key)[:24]


def custom_id(key: str, token: str) -> str:
    """The name of a request in a batch; within the 64 letters, digits, - and _ that both providers take."""
    return f"{short_hash(key)}-{token}"


def request_line(name: str, body: Mapping[str, Any]) -> bytes:
    """A request as OpenAI's batches and `vllm run-batch` read it."""
    return dump_json({"custom_id": name, "method": "POST", "url": URL, "body": body}).encode() + b"\n"


def read_result(line: bytes) -> Result:
    """One line of results, of either protocol.

    Raises:
        ValueError: it is neither's; says what it is.
    """
    row = parse_object(line)
    name = row.get("custom_id")
    if not isinstance(name, str):
        raise ValueError("no custom_id")
    if isinstance(row.get("result"), Mapping):
        return _read_anthropic(name, row["result"])
    if "response" in row or "error" in row:
        return _read_openai(name, mapping(row.get("response")), row.get("error"))
    raise ValueError("neither a result of a message batch nor a response")


def _read_anthropic(name: str, result: Mapping[str, Any]) -> Result:
    kind = result.get("type")
    if kind == "succeeded" and isinstance(result.get("message"), Mapping):
        return _answered(name, "anthropic", result["message"])
    if kind in (EXPIRED, CANCELED):
        return Result(name, "anthropic", None, kind)
    if kind != "errored":
        raise ValueError("a result that is neither succeeded, errored, canceled nor expired")
    outer = mapping(result.get("error"))
    error = mapping(outer.get("error")) or outer
    what = str(error.get("type") or "errored")
    return Result(name, "anthropic", None, _say(what, error.get("message")), is_final=what in FINAL_ERRORS)


def _read_openai(name: str, response: Mapping[str, Any], error: object) -> Result:
    body, status = response.get("body"), response.get("status_code", 200)
    if isinstance(body, Mapping) and status == 200 and not error:
        return _answered(name, "openai", body)
    code = mapping(error).get("code")
    if code in ("batch_expired", "batch_cancelled"):
        return Result(name, "openai", None, EXPIRED if code == "batch_expired" else CANCELED)
    inner = mapping(mapping(body).get("error")) or mapping(mapping(error).get("error")) or mapping(error)
    what = f"status {status}" if isinstance(status, int) and status != 200 else str(code or "no answer")
    is_final = isinstance(status, int) and 400 <= status < 500 and status not in RETRYABLE
    return Result(name, "openai", None, _say(what, inner.get("message") or error), is_final=is_final)


def _answered(name: str, protocol: str, payload: Mapping[str, Any]) -> Result:
    if _reader(protocol).has_answer(payload):
        return Result(name, protocol, payload)
    error = mapping(payload.get("error")) or {"message": payload.get("error")}
    return Result(name, protocol, None, _say("no answer in the answer", error.get("message")), is_lost=True)


def _say(what: str, message: object) -> str:
    text = " ".join(message.split())[:200] if isinstance(message, str) else ""
    return f"{what}: {text}" if text else what


def build_completion(teacher: SdkTeacher, key: str, result: Result) -> Completion:
    """The answer in a result, at the price of a batch. It may be in the form of the other protocol."""
    payload = result.payload or {}
    if teacher.name.startswith(f"{result.protocol}:"):
        return teacher.completion(key, payload, batch=True)
    read = _reader(result.protocol).completion(key, payload)
    cost = teacher.cost_usd(read.usage, batch=True) if read.usage != Usage() else None
    return read.model_copy(update={"teacher": teacher.name, "cost_usd": cost})


@cache
def _reader(protocol: str) -> SdkTeacher:
    """Open a teacher to read answers of a protocol with; it sends nothing."""
    if protocol == "anthropic":
        from fingen.teachers.anthropic import Anthropic

        return Anthropic("reader")
    from fingen.teachers.openai import OpenAI

    return OpenAI("reader")


# ---- out


def part_of(path: Path, number: int) -> Path:
    """Name one of several files that stand in place of one: FILE-00001.jsonl and so on."""
    return path.with_name(f"{path.stem}-{number:05d}{path.suffix}")


def export_requests(
    path: Path, requests: Iterable[Request], teacher: SdkTeacher, outstanding: Outstanding, locks: RequestLocks
) -> int:
    """Write the requests to a file and hold them until their answers are imported; returns how many.

    Those that another process is asking are left out. There is no file where nothing is left to ask.

    Raises:
        UsageError: the file is there already.
        LimitError: it cannot be written; nothing is held then.
    """
    if path.exists():
        raise UsageError(
            f"--export-requests: {path} is there already", hint="name another file: this one's requests may be held"
        )
    token = outstanding.begin("export")
    queue, count = iter(requests), 0
    locks.take(token)
    try:
        with open_atomic(path) as file:
            while group := list(islice(queue, GROUP)):
                items = [
                    OutstandingRequest(custom_id(r.key, token), r, teacher.worst_usd(r, batch=True)) for r in group
                ]
                held = hold_claimed(items, token, outstanding, locks)
                for item in held:
                    file.write(request_line(item.custom_id, teacher.body(item.request)).decode())
                count += len(held)
            # Before the file appears: a file whose requests nobody holds would be asked for a second time.
            if count:
                outstanding.move(token, "sending", str(path.resolve()))
    except BaseException:
        outstanding.release(token)
        locks.release(token)
        raise
    if count:
        outstanding.move(token, "out", str(path))
    else:
        outstanding.release(token)
        path.unlink()
    locks.release(token)
    return count


def hold_claimed(
    items: list[OutstandingRequest], token: str, outstanding: Outstanding, locks: RequestLocks
) -> list[OutstandingRequest]:
    """Hold what no other process is asking at this moment; returns it."""
    mine = [item for item in items if locks.take(item.request.key)]
    try:
        held = outstanding.hold(token, mine)
    finally:
        for item in mine:
            locks.release(item.request.key)
    return [item for item in mine if item.custom_id in held]


# ---- in


def import_answers(
    paths: Sequence[Path],
    requests: Mapping[str, Request],
    teacher: SdkTeacher,
    outstanding: Outstanding,
    locks: RequestLocks,
) -> Imported:
    """Take the answers in files back, raw; `judge` then looks at them. Every row ends in one of the counts.

    The requests are by their keys. Of a folder all files are read, in any order; those without a result are named.

    Raises:
        UsageError: a file cannot be read, no row of it is a result, or a folder holds none.
    """
    report = Imported(", ".join(map(str, paths[:SHOWN])) + (" ..." if len(paths) > SHOWN else ""))
    keys = {short_hash(key): key for key in requests}
    intake = _Intake(requests, keys, teacher, outstanding, locks, report)
    named = {path.resolve(): path for path in paths if not path.is_dir()}
    found = {each.resolve(): each for path in paths if path.is_dir() for each in _files_in(path)}
    is_several = len({**named, **found}) > 1
    for place, path in {**found, **named}.items():
        rows = intake.rows
        broken = intake.read_file(path, is_several=is_several)
        report.empty += [str(path)] * (intake.rows == rows)
        if broken and place in named:
            raise UsageError(
                f"--import-answers: {path}, {broken}; no row of it is a result",
                hint="give the output file of an OpenAI batch, of vllm run-batch, or the results of a message batch",
            )
        report.left_out += [path.name] * bool(broken)
    report.models = [name for name, _ in intake.models.most_common() if name != teacher.model]
    return report


def _files_in(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not files:
        raise UsageError(
            f"--import-answers: {folder} holds no file", hint="name the folder that the batch or the cluster wrote to"
        )
    return files


@dataclass
class _Intake:
    """Reads rows, and stores them in groups."""

    requests: Mapping[str, Request]  # by their keys
    keys: Mapping[str, str]  # by short hash
    teacher: SdkTeacher
    outstanding: Outstanding
    locks: RequestLocks
    report: Imported
    rows: int = 0
    results: int = 0
    models: Counter[str] = field(default_factory=Counter)
    files: list[str] = field(default_factory=list)  # what their rows are named with: "", where there is one
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)  # custom id -> file and row of its answer
    answers: dict[str, Completion] = field(default_factory=dict)  # not stored yet
    failures: dict[str, str] = field(default_factory=dict)

    def read_file(self, path: Path, *, is_several: bool) -> str:
        """Count the rows of a file, and keep what is in them; returns what its first row is, where none of them is a result.

        Raises:
            UsageError: it cannot be read.
        """
        self.files.append(f"{path.name}, " if is_several else "")
        results, before = self.results, len(self.report.broken)
        try:
            with path.open("rb") as file:
                for number, line in enumerate(cut_lines(file, ANSWER_BYTES), 1):
                    self.read(number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        except OSError as e:
            raise UsageError(
                f"--import-answers: {path}: {e.strerror}", hint="name the file that the batch or the cluster wrote"
            ) from e
        finally:
            self.flush()
        if self.results > results or len(self.report.broken) == before:
            return ""
        first = f"row {self.report.broken[before].partition('row ')[2]}"
        del self.report.broken[before:]
        return first

    def read(self, number: int, line: bytes) -> None:
        """Count one row, and keep what is in it."""
        if not line.strip():
            return
        self.rows += 1
        row = self.row(len(self.files) - 1, number)
        try:
            result = read_result(line)
        except ValueError as e:
            self.report.broken.append(f"{row}: {e}")
            return
        self.results += 1
        own = self.keys.get(result.custom_id.partition("-")[0])
        request = self.requests[own] if own else None
        key = request.key if request else self.outstanding.keys([result.custom_id]).get(result.custom_id)
        if key is None:
            self.report.unknown.append(f"{row}: {result.custom_id[:64]}")
        elif result.custom_id in self.seen:
            self.report.duplicates.append(f"{row}: as {self.row(*self.seen[result.custom_id])}")
        elif result.payload is None:
            self.fail(result)
        else:
            self.take(number, request, result, build_completion(self.teacher, key, result))
        if len(self.answers) >= GROUP:
            self.flush()

    def row(self, file: int, number: int) -> str:
        """Name a row, with its file where there are several."""
        return f"{self.files[file]}row {number}"

    def take(self, number: int, request: Request | None, result: Result, answer: Completion) -> None:
        """Keep an answer, if the item is still to be answered; one that was let go of is taken up again."""
        name = result.custom_id
        self.seen[name] = len(self.files) - 1, number
        if self.outstanding.state(name) == "held" and name not in self.failures:
            self.answers[name] = answer
        elif request is None or not self.adopt(OutstandingRequest(name, request), answer):
            self.report.known += 1
            return
        self.models[str((result.payload or {}).get("model") or self.teacher.model)] += 1
        self.report.taken += 1

    def adopt(self, item: OutstandingRequest, answer: Completion) -> bool:
        """Store an answer that nothing waits for; False where its request has one, or is asked at this moment."""
        self.flush()
        if not self.locks.take(item.request.key):
            return False
        try:
            return self.outstanding.adopt(item, answer)
        finally:
            self.locks.release(item.request.key)

    def fail(self, result: Result) -> None:
        """Note that a row has no answer; a later row may have one."""
        self.report.failed[result.error] = self.report.failed.get(result.error, 0) + 1
        self.failures[result.custom_id] = result.error

    def flush(self) -> None:
        """Store what was read."""
        if self.answers or self.failures:
            self.outstanding.store(self.answers, self.failures)
            self.answers, self.failures = {}, {}
