"""The answers of a journal as JSON lines, and back: a set can be remade byte for byte when its teacher answers no more.

A line is an object, and its `kind` says of what. They come in this order:

    settings   what the set was begun with
    split      a unit (company, document, passage or cluster), and the split that it went to
    text       what many requests share, a system text or an answer's schema, under its `name`
    request    a question: its key, task, template (with the template's SHA-256), texts and passages
    answer     what came back: text, usage, cost. Of an attempt that failed there is one too

No line has a day, a place or a key. The key of a request is the hash of its teacher and texts, that of a repair
the hash of the key before it and of what was said of the answer: an answer to another question is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from fingen.disk import cut_lines, dump_json, open_atomic, open_file, say_invalid, sha256_text
from fingen.errors import SetError, UsageError
from fingen.records import Completion, Frozen, SplitUnit
from fingen.teachers import KEYS
from fingen.teachers.journal import ANSWERED, COLUMNS, FORGOTTEN, TOKENS, Journal, join_turns, read_completion
from fingen.wire import Secret, find_key

MOST_TOKENS = 1 << 40  # that an answer may say it has used
MOST_USD = 1e6  # that an answer may say it has cost
TAKE_ANOTHER = "have it exported again: fingen journal export SET FILE"
NO_ARCHIVE = (
    "name a file that `fingen journal export SET FILE` wrote; what a batch or a cluster answered is taken with --import-answers, by "
    "the command that asked"
)
FOREIGN = {  # what pydantic calls it -> what is wrong with a line that says of nothing
    "json_invalid": "not JSON, or cut",
    "dict_type": "no object",
    "union_tag_not_found": "an object that does not say its `kind`",
    "union_tag_invalid": "an object of an unknown `kind`",
}

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Settings(Frozen):
    kind: Literal["settings"] = "settings"
    version: Literal[1] = 1
    settings: dict[str, Any] | None


class _Split(Frozen):
    kind: Literal["split"] = "split"
    unit: str
    split: Literal["train", "validation", "test", "memory"]


class _Text(Frozen):
    kind: Literal["text"] = "text"
    name: Key
    text: str


class _Request(Frozen):
    kind: Literal["request"] = "request"
    key: Key
    task: str
    template: str
    template_sha256: str  # empty: not known
    system: Key
    prompt: str
    answer_schema: Key
    max_tokens: int = Field(ge=0, le=MOST_TOKENS)
    chunks: list[str]


class _Answer(Frozen):
    kind: Literal["answer"] = "answer"
    answer: Completion


_LINE: TypeAdapter[_Settings | _Split | _Text | _Request | _Answer] = TypeAdapter(
    Annotated[_Settings | _Split | _Text | _Request | _Answer, Field(discriminator="kind")]
)


@dataclass(frozen=True)
class Archived:
    """What an archive holds, or what of it is new to a journal. Units are those that went to a split."""

    requests: int
    answers: int
    units: int
    known: int = 0  # answers that were not taken: their request has one, or they were here
    forgotten: int = 0  # answers whose texts were taken out: they are in no archive


def export_answers(journal: Journal, path: Path, prompts: Mapping[str, str]) -> Archived:
    """Write all requests and answers of a journal to a file; `prompts` are the SHA-256 of its templates by name.

    Raises:
        SetError: a key of this machine stands in one of them. UsageError, LimitError: the file cannot be written.
    """
    secrets = [Secret(key) for name in KEYS.values() if (key := find_key(name))]
    counts = dict.fromkeys(("settings", "split", "text", "request", "answer"), 0)
    with open_atomic(path) as file:
        for line in _lines(journal, prompts):
            text = dump_json(line)
            if any(secret.mask(text) != text for secret in secrets):
                raise SetError(f"{journal.path}: a key of this machine stands in a {line['kind']}; nothing was written",
                               hint="leave the variable with that key unset if it is none")  # fmt: skip
            file.write(text + "\n")
            counts[line["kind"]] += 1
    forgotten = journal.rows("SELECT count(*) FROM completions WHERE key = ?", FORGOTTEN)[0][0]
    return Archived(counts["request"], counts["answer"], counts["split"], forgotten=forgotten)


def _lines(journal: Journal, prompts: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    yield _Settings(settings=journal.settings()).model_dump(mode="json")
    for unit, split in journal.splits().items():
        yield {"kind": "split", "unit": unit, "split": split}
    for row in journal.rows("SELECT hash, text FROM texts ORDER BY hash"):
        yield {"kind": "text", "name": row["hash"], "text": row["text"]}
    for row in journal.rows("SELECT * FROM requests WHERE key <> ? ORDER BY key", FORGOTTEN):
        told = {
            name: row[name] for name in ("key", "task", "template", "system", "prompt", "answer_schema", "max_tokens")
        }
        chunks = TypeAdapter(list[str]).validate_json(row["chunks"])
        yield {"kind": "request", **told, "template_sha256": prompts.get(row["template"], ""), "chunks": chunks}
    query = f"SELECT {', '.join(COLUMNS)} FROM completions WHERE key <> ? ORDER BY id"
    for row in journal.rows(query, FORGOTTEN):
        yield {"kind": "answer", "answer": read_completion(dict(row)).model_dump(mode="json")}


def import_answers(path: Path, journal: Journal, *, most_bytes: int) -> Archived:
    """Take the answers of an archive into a journal. What the journal has stays; all of the file is taken, or nothing.

    Raises:
        UsageError: the file is larger than is allowed, or cannot be opened.
        SetError: a line that is none; an answer to a question that is not in the file, or to another one; names the line.
    """
    with open_file(path) as file:
        if path.stat().st_size > most_bytes:
            raise UsageError(f"{path}: {path.stat().st_size:,} bytes, and {most_bytes:,} may be taken",
                             hint="take more with --max-mib, if you trust those who made it")  # fmt: skip
        with journal.transaction() as db:
            taking = _Taking(journal, db)
            for number, line in enumerate(cut_lines(file), 1):
                try:
                    taking.take(_LINE.validate_json(line))
                except ValidationError as e:
                    foreign = FOREIGN.get(e.errors()[0]["type"])
                    said = f"no line of an archive of answers: {foreign}" if foreign else say_invalid(e)
                    hint = NO_ARCHIVE if foreign and number == 1 else TAKE_ANOTHER
                    raise SetError(f"{path}, line {number}: {said}; nothing was taken", hint=hint) from e
                except ValueError as e:
                    raise SetError(f"{path}, line {number}: {e}; nothing was taken", hint=TAKE_ANOTHER) from e
            if not taking.lines:
                raise SetError(f"{path}: no line in it", hint=TAKE_ANOTHER)
        return Archived(taking.requests, taking.answers, taking.units, known=taking.known)


class _Taking:
    """An archive on its way into a journal, line by line, inside of a transaction."""

    def __init__(self, journal: Journal, db: sqlite3.Connection) -> None:
        self._journal, self._db = journal, db
        self._answered = journal.names(ANSWERED)
        self._texts: set[str] = set()  # names that the archive has given a text
        self._asked: set[str] = set()  # keys of its requests
        self._alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)  # by what a repair shares with them
        self._right: set[tuple[str, str]] = set()  # keys that were found to be those of a teacher and these texts
        self.lines = self.requests = self.answers = self.units = self.known = 0

    def take(self, line: _Settings | _Split | _Text | _Request | _Answer) -> None:
        """Take one line.

        Raises:
            ValueError: it does not fit those before it.
        """
        self.lines += 1
        if isinstance(line, _Settings) != (self.lines == 1):
            raise ValueError("the settings are the first line, and no other one")
        match line:
            case _Settings():
                if line.settings and line.settings.get("split_by") not in (None, *get_args(SplitUnit)):
                    raise ValueError("its settings divide a set by nothing that is known")
                if line.settings is not None and self._journal.settings() is None:
                    self._run("REPLACE INTO meta VALUES ('settings', ?)", dump_json(line.settings))
            case _Split():
                self.units += self._run("INSERT INTO units VALUES (?, ?) ON CONFLICT DO NOTHING", line.unit, line.split)
            case _Text():
                if sha256_text(line.text) != line.name:
                    raise ValueError("the text is not the one that its name is the hash of")
                self._texts.add(line.name)
                self._run("INSERT INTO texts VALUES (?, ?) ON CONFLICT DO NOTHING", line.name, line.text)
            case _Request():
                self._ask(line)
            case _Answer():
                self._answer(line.answer)

    def _ask(self, line: _Request) -> None:
        if not {line.system, line.answer_schema} <= self._texts:
            raise ValueError("its texts do not stand before it")
        self._asked.add(line.key)
        self._alike[line.system, line.answer_schema, *line.chunks].append(line.key)
        values = (line.key, line.task, line.template, line.system, line.prompt, line.answer_schema, line.max_tokens)
        query = "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self.requests += self._run(query, *values, dump_json(line.chunks))

    def _answer(self, answer: Completion) -> None:
        if answer.key not in self._asked:
            raise ValueError("its request does not stand before it")
        _refuse_impossible(answer)
        if (answer.key, answer.teacher) not in self._right:
            query = """SELECT prompt, s.text AS system, a.text AS answer_schema, s.hash, a.hash, chunks FROM requests
                JOIN texts s ON s.hash = system JOIN texts a ON a.hash = answer_schema WHERE key = ?"""
            [(prompt, system, schema, *shared, chunks)] = self._journal.rows(query, answer.key)
            is_own = sha256_text(answer.teacher, system, prompt, schema) == answer.key
            alike = self._alike[*shared, *json.loads(chunks)]
            if not is_own and not any(self._repairs(answer.key, prompt, before) for before in alike):
                raise ValueError(f"no answer of {answer.teacher[:80]} to this request: its key is another")
            self._right.add((answer.key, answer.teacher))
        row = {**answer.model_dump(exclude={"usage"}), **answer.usage.model_dump()}
        same = " AND ".join(f"{name} IS ?" for name in COLUMNS)
        is_here = self._journal.rows(f"SELECT 1 FROM completions WHERE {same}", *(row[name] for name in COLUMNS))
        if answer.key in self._answered or is_here:
            self.known += 1
        else:
            self._journal.insert_completion(answer)
            self.answers += 1

    def _repairs(self, key: str, prompt: str, before: str) -> bool:
        """Whether a request goes on from an answer to another one: its key is that one's with what is said of the answer."""
        query = "SELECT prompt, text FROM requests JOIN completions USING (key) WHERE key = ? AND error IS NULL"
        begins = (join_turns(asked, answer, "") for asked, answer in self._journal.rows(query, before))
        return any(sha256_text(before, prompt[len(begin) :]) == key for begin in begins if prompt.startswith(begin))

    def _run(self, query: str, *values: str | int) -> int:
        return self._db.execute(query, values).rowcount


def _refuse_impossible(answer: Completion) -> None:
    """Refuse a count or price that none has: it would make a budget larger, or use it up."""
    cost = answer.cost_usd
    if not all(0 <= getattr(answer.usage, name) <= MOST_TOKENS for name in TOKENS):
        raise ValueError("so many tokens no answer has")
    if cost is not None and not 0 <= cost <= MOST_USD:  # NaN is neither
        raise ValueError("so much no answer costs")
    if answer.attempt < 1:
        raise ValueError("an attempt has a number from 1")
