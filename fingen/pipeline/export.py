"""The conductor of `fingen export`: the rows of a set in the forms that other tools read, one after the other."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

from fingen import __version__
from fingen.disk import (
    check_writable,
    describe,
    dump_json,
    open_atomic,
    read_object,
    sha256_file,
    sha256_text,
    write_text,
)
from fingen.errors import SetError, UsageError
from fingen.events import Outcome, command_line
from fingen.pipeline.llamafactory import FILES, TRAIN, TRAINED, Runs, find_runs
from fingen.records import Manifest, Record
from fingen.sets import COLUMNS, MANIFEST, RANKED, SPLITS, read_manifest, read_split, write_table

INFO = "dataset_info.json"
MADE = ".export"  # JSON, written first and last: what the files were made of, and what they are; no data to who loads the folder
LLAMAFACTORY, TRL = "llamafactory", "trl"
FORMULA = frozenset("=+-@")  # with what a spreadsheet takes a cell for a formula
BREAKS = ("\t", "\r")  # what it would misread at the start of a cell
QUOTES = frozenset("'\"")  # what it may drop there, with white space and marks that cannot be seen
MORE = {"system": "system", "history": "turns"}  # columns of an Alpaca row that a set may need -> the field of a record
OPENAI_LEAST = 10  # examples that OpenAI's fine-tuning asks for
BATCH_ROWS = 5_000  # rows of a Parquet table that are in memory at once
ROLE_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
TURN_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "system_tag": "system",
}


@dataclass(frozen=True)
class Form:
    """A form of export: how a row looks, how rows are written, and what LLaMA-Factory must know of it."""

    suffix: str
    row: Callable[[Record, frozenset[str]], dict[str, Any]]  # with the columns that not all sets need, of MORE
    write: Callable[[Path, Iterable[dict[str, Any]]], None]
    info: (
        dict[str, Any] | None
    )  # of an entry in dataset_info.json, save the file's name; None: LLaMA-Factory reads no such rows


@dataclass(frozen=True)
class Exported(Outcome):
    """What an export wrote."""

    set: str
    format: str
    files: dict[str, int]  # file -> rows
    neutralised: int  # CSV cells that began a formula and have an apostrophe before it now


def export(
    folder: Path,
    form_name: str,
    out: Path,
    *,
    replace: bool = False,
    model: str | None = None,
    recipe: str | None = None,
) -> Exported:
    """Write each split of a set to a file of its own in `out`, and dataset_info.json for LLaMA-Factory last.

    Rows are read, turned and written one by one: memory does not grow with the set.

    Args:
        folder: the set.
        form_name: one of FORMS.
        out: a folder; files of another export are written over with `replace` only.
        replace: see there.
        model: with llamafactory: the base model that its files are for.
        recipe: with llamafactory: the recipe that they follow.

    Raises:
        SetError: no such set, or it is damaged; UsageError: `out` holds something else, or files of these names; no such model
            or recipe. LimitError: the disk is full.
    """
    manifest = read_manifest(folder)
    form = _find_form(form_name, manifest)
    splits = [split for split in SPLITS if manifest.splits.get(split)]
    if not splits:
        raise SetError(f"{folder}: the set has no records", hint=f"its rejects say why: {folder / 'rejected.jsonl'}")
    runs = _find_runs(form_name, model, recipe, is_ranking=manifest.is_preferences)
    beside = runs.texts(manifest.name, manifest.splits) if runs else {}
    made = {
        "set": manifest.name,
        "manifest": sha256_file(folder / MANIFEST),
        "format": form_name,
        "fingen": __version__,
        **({"beside": sha256_text(*beside.values())} if beside else {}),
    }
    more = frozenset(_find_more(folder, splits))
    before = read_object(out / MADE)  # what an earlier export says of itself
    if (counts := _counts_there(out, made, before)) is not None:
        return _exported(folder, manifest, form_name, out, counts, more, runs, changed=False)
    own = [*(f"{split}{form.suffix}" for split in SPLITS), *(FILES if form_name == LLAMAFACTORY else ())]
    in_the_way = _find_room(out, own, made, before, replace=replace)
    _write_made(out, {**made, "goes": [path.name for path in in_the_way]})
    for path in in_the_way:
        path.unlink()
    counts = Counts()
    for split in splits:
        path = out / f"{split}{form.suffix}"
        records = (_trimmed(record) if runs and runs.trims else record for record in read_split(folder, split))
        rows = counts.count(path, (form.row(record, more) for record in records))
        form.write(path, counts.neutralise(rows) if form.suffix == ".csv" else rows)
    info = {INFO: dump_json(_info(manifest.name, form, splits, more), indent=2) + "\n"} if form.info else {}
    texts = {**beside, **info}
    for name, text in texts.items():
        write_text(out / name, text)
    files = {path.name: sha256_file(path) for path in [*map(Path, counts.rows), *(out / name for name in texts)]}
    by_name = {Path(path).name: count for path, count in counts.rows.items()}
    _write_made(out, {**made, "files": files, "rows": by_name, "neutralised": counts.neutralised})
    return _exported(folder, manifest, form_name, out, counts, more, runs, changed=True)


def _find_form(name: str, manifest: Manifest) -> Form:
    """The form of that name for the rows of a set.

    Raises:
        UsageError: they are preferences, for which it has no place.
    """
    forms = RANKED_FORMS if manifest.is_preferences else FORMS
    if name not in forms:
        said = f"--format {name} has no place for the rejected answers of {manifest.name}"
        raise UsageError(said, hint=f"take one of {', '.join(forms)}")
    return forms[name]


def _find_runs(form_name: str, model: str | None, recipe: str | None, *, is_ranking: bool) -> Runs | None:
    if form_name == LLAMAFACTORY:
        return find_runs(model, recipe, is_ranking=is_ranking)
    for option, value in (("--model", model), ("--recipe", recipe)):
        if value:
            raise UsageError(f"{option} goes with --format {LLAMAFACTORY}", hint=f"leave it out for {form_name}")
    return None


def _find_more(folder: Path, splits: Iterable[str]) -> set[str]:
    """The columns of MORE that some record of the set has something in."""
    found: set[str] = set()
    for split in splits:
        for record in read_split(folder, split):
            found |= {column for column, field in MORE.items() if getattr(record, field)}
            if len(found) == len(MORE):
                return found
    return found


def _count_long(folder: Path, splits: Iterable[str], runs: Runs) -> int:
    """The rows that are trained or validated on and may be cut off there."""
    read = (record for split in splits if split in TRAINED for record in read_split(folder, split))
    return sum(map(runs.may_cut, read))


def _exported(
    folder: Path,
    manifest: Manifest,
    form_name: str,
    out: Path,
    counts: Counts,
    more: frozenset[str],
    runs: Runs | None,
    *,
    changed: bool,
) -> Exported:
    splits = {Path(path).stem: rows for path, rows in counts.rows.items()}
    return Exported(
        set=str(folder),
        format=form_name,
        files=counts.rows,
        neutralised=counts.neutralised,
        changed=changed,
        notes=[
            *_notes(form_name, counts, more),
            *(runs.notes(splits, _count_long(folder, splits, runs)) if runs else ()),
        ],
        next=_next(form_name, manifest, out, more),
    )


def _write_made(out: Path, made: Mapping[str, Any]) -> None:
    write_text(out / MADE, dump_json(made, indent=2) + "\n")


def _counts_there(out: Path, made: Mapping[str, Any], before: Mapping[str, Any]) -> Counts | None:
    """The rows of an export that was made of the same and is whole; None where there is no such export."""
    files = before.get("files", {})
    is_same = bool(files) and all(before.get(name) == value for name, value in made.items())
    if not is_same or any(not (out / name).is_file() or sha256_file(out / name) != files[name] for name in files):
        return None
    return Counts({str(out / name): rows for name, rows in before["rows"].items()}, before["neutralised"])


@dataclass
class Counts:
    """Rows by file, and cells that were neutralised."""

    rows: dict[str, int] = field(default_factory=dict)
    neutralised: int = 0

    def count(self, path: Path, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass the rows on, counted."""
        self.rows[str(path)] = 0
        for row in rows:
            self.rows[str(path)] += 1
            yield row

    def neutralise(self, rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
        """The rows with an apostrophe before what would start a formula: a spreadsheet then shows the cell as it is."""
        for row in rows:
            formulas = {name: f"'{cell}" for name, cell in row.items() if _starts_formula(cell)}
            self.neutralised += len(formulas)
            yield {**row, **formulas}


def _starts_formula(cell: str) -> bool:
    """Whether a spreadsheet may find a formula in a cell; signs of other widths count as what they look like."""
    if cell.startswith(BREAKS):
        return True
    signs = (normalize("NFKC", char) for char in cell if not (char.isspace() or category(char) in ("Cc", "Cf")))
    return next((sign for sign in signs if sign not in QUOTES), "") in FORMULA


def _find_room(
    out: Path, own: Iterable[str], made: Mapping[str, Any], before: Mapping[str, Any], *, replace: bool
) -> list[Path]:
    """Refuse to write over something else, or over files without leave; returns those of an earlier export, which go.

    `own` are the names of files that it may write. A run of this very export that was killed has left what it was made of,
    and what was to go.
    """
    check_writable(out)
    if not before and (said := describe(out)):
        raise UsageError(said, hint="write the export to a folder of its own with --out")
    names = [*own, INFO, *before.get("files", ()), *before.get("goes", ())]
    there = [path for name in dict.fromkeys(names) if (path := out / Path(name).name).exists()]
    if there and not replace and {name: value for name, value in before.items() if name != "goes"} != made:
        said = ", ".join(path.name for path in there)
        if before:
            said = f"an export of {before.get('set')} as {before.get('format')}: {said}"
        raise UsageError(f"{out} holds {said}", hint="write elsewhere with --out, or write over them with --replace")
    return there


def _info(name: str, form: Form, splits: Iterable[str], more: frozenset[str]) -> dict[str, Any]:
    """The entries of dataset_info.json: the training split under the set's own name, the others behind it."""
    info = form.info or {}
    if _hides_turns(form, more):
        return {}
    if form.row in (_alpaca, _ranked, _flat):  # what the rows do not have must not be named: it would be looked for
        named = sorted(more & {"system"} if form.row is _flat else more)
        info = {**info, "columns": {**info["columns"], **{column: column for column in named}}}
    return {
        name if split == "train" else f"{name}_{split}": {"file_name": f"{split}{form.suffix}", **info}
        for split in splits
    }


def _hides_turns(form: Form, more: frozenset[str]) -> bool:
    """Whether LLaMA-Factory would learn last answers without what was said before: it reads no turns from a column of JSON."""
    return "history" in more and form.row is _flat


def _notes(form_name: str, counts: Counts, more: frozenset[str]) -> list[str]:
    notes = []
    if _hides_turns(FORMS[form_name], more):
        notes.append(
            "earlier turns are JSON in the column turns, where LLaMA-Factory does not read them: dataset_info.json names "
            "none of these files; take --format llamafactory for it"
        )
    if "history" in more and form_name == TRL:
        notes.append("its rows are messages: with assistant_only_loss=True TRL learns all answers of a conversation")
    if counts.neutralised:
        notes.append(f"{counts.neutralised:,} cells began a formula; they have an apostrophe before it now")
    rows = next(iter(counts.rows.values()))
    if form_name == "openai" and rows < OPENAI_LEAST:
        notes.append(f"{rows} rows: OpenAI's fine-tuning asks for {OPENAI_LEAST} at least")
    return notes


def _next(form_name: str, manifest: Manifest, out: Path, more: frozenset[str]) -> str:
    if form_name == "excel":
        return f"open {command_line(out / 'train.csv')} in Excel"
    if form_name == TRL:
        return f"trl {'dpo' if manifest.is_preferences else 'sft'} ... {command_line('--dataset_name', out)}"
    if form_name == "openai":
        return f"upload {command_line(out / 'train.jsonl')} with the purpose fine-tune"
    if form_name == LLAMAFACTORY:
        return f"cd {command_line(out)} && llamafactory-cli train {TRAIN}"
    if _hides_turns(FORMS[form_name], more):
        return "datasets.load_dataset on the files"
    words = command_line(f"dataset_dir={out}", f"dataset={manifest.name}")
    return f"llamafactory-cli train ... {words}; or datasets.load_dataset on the files"


# --- rows --------------------------------------------------------------------------------------------------------------


def _alpaca(record: Record, more: frozenset[str]) -> dict[str, Any]:
    return {"instruction": record.instruction, "input": record.input, "output": record.output, **_more(record, more)}


def _ranked(record: Record, more: frozenset[str]) -> dict[str, Any]:
    answers = {"chosen": record.output, "rejected": record.rejected}
    return {"instruction": record.instruction, "input": record.input, **answers, **_more(record, more)}


def _more(record: Record, more: frozenset[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if "system" in more:
        row["system"] = record.system
    if "history" in more:
        row["history"] = _history(record)
    return row


def _history(record: Record) -> list[list[str]]:
    """The earlier turns as pairs of a question and its answer.

    Raises:
        SetError: they are no such pairs.
    """
    roles = [turn.role for turn in record.turns]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        hint = "take --format sharegpt, which has turns of any order"
        raise SetError(f"{record.id}: its earlier turns are no questions and answers in turn", hint=hint)
    texts = [turn.content for turn in record.turns]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]


def _trimmed(record: Record) -> Record:
    """The record without white space around its question, its answer and earlier turns: as the chat template of its base has them."""
    first = "instruction" if record.instruction.strip() else "input"
    last = "input" if record.input.strip() else "instruction"
    values = {"instruction": record.instruction, "input": record.input if record.input.strip() else ""}
    values[first] = values[first].lstrip()
    values[last] = values[last].rstrip()
    turns = tuple(turn.model_copy(update={"content": turn.content.strip()}) for turn in record.turns)
    return record.model_copy(update={**values, "output": record.output.strip(), "turns": turns})


def _asked(record: Record) -> list[dict[str, str]]:
    """Who says what, from the system message to the question."""
    system = [{"role": "system", "content": record.system}] if record.system else []
    return [*system, *record.messages, {"role": "user", "content": record.prompt}]


def _answered(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _sharegpt(record: Record, more: frozenset[str]) -> dict[str, Any]:
    names = {"user": TURN_TAGS["user_tag"], "assistant": TURN_TAGS["assistant_tag"]}
    said = [*_asked(record), *_answered(record.output)]
    return {
        "conversations": [{"from": names.get(each["role"], each["role"]), "value": each["content"]} for each in said]
    }


def _messages(record: Record, more: frozenset[str]) -> dict[str, Any]:
    return {"messages": [*_asked(record), *_answered(record.output)]}


def _chatml(record: Record, more: frozenset[str]) -> dict[str, Any]:
    return {**_messages(record, more), "id": record.id}


def _trl(record: Record, more: frozenset[str]) -> dict[str, Any]:
    if record.rejected:
        pair = {"chosen": _answered(record.output), "rejected": _answered(record.rejected)}
        return {"prompt": _asked(record), **pair}
    if "history" in more:  # of a prompt and its completion the last answer alone would be learned
        return _messages(record, more)
    return {"prompt": _asked(record), "completion": _answered(record.output)}


def _openai_pair(record: Record, more: frozenset[str]) -> dict[str, Any]:
    answers = {"preferred_output": _answered(record.output), "non_preferred_output": _answered(record.rejected)}
    return {"input": {"messages": _asked(record)}, **answers}


def _flat(record: Record, more: frozenset[str]) -> dict[str, Any]:
    """The row as the set has it: one text a column, lists and objects as JSON."""
    return record.model_dump(mode="json")


# --- files -------------------------------------------------------------------------------------------------------------


def _write_list(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with open_atomic(path) as file:
        for number, row in enumerate(rows):
            file.write(("[\n" if number == 0 else ",\n") + dump_json(row))
        file.write("\n]\n")


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with open_atomic(path) as file:
        for row in rows:
            file.write(dump_json(row) + "\n")


def _write_csv(path: Path, rows: Iterable[dict[str, Any]], mark: str = "") -> None:
    """All cells quoted: a line end of any kind inside one is then no end of the row to any reader. `mark` stands first."""
    rows = iter(rows)
    first = next(rows)
    with open_atomic(path) as file:
        file.write(mark)
        writer = csv.DictWriter(file, fieldnames=list(first), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(chain([first], rows))


def _write_excel(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """The same with the mark by which Excel knows UTF-8: it takes a file without one for the system's own encoding."""
    _write_csv(path, rows, mark="\ufeff")


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = iter(rows)
    first = next(rows)
    write_table(path, chain([first], rows), list(first), BATCH_ROWS)


_SHAREGPT = {"formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": TURN_TAGS}
_OPENAI = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": ROLE_TAGS}
_ALPACA = {"formatting": "alpaca", "columns": COLUMNS}
_RANKED = {"formatting": "alpaca", "ranking": True, "columns": RANKED}

FORMS = {
    "alpaca": Form(".json", _alpaca, _write_list, _ALPACA),
    LLAMAFACTORY: Form(".json", _alpaca, _write_list, _ALPACA),
    "sharegpt": Form(".json", _sharegpt, _write_list, _SHAREGPT),
    "chatml": Form(".jsonl", _chatml, _write_lines, _OPENAI),
    "openai": Form(".jsonl", _messages, _write_lines, _OPENAI),
    TRL: Form(".jsonl", _trl, _write_lines, None),
    "csv": Form(".csv", _flat, _write_csv, _ALPACA),
    "excel": Form(".csv", _flat, _write_excel, _ALPACA),
    "parquet": Form(".parquet", _flat, _write_parquet, _ALPACA),
}
RANKED_FORMS = {  # for the rows of a set of preferences
    "alpaca": Form(".json", _ranked, _write_list, _RANKED),
    LLAMAFACTORY: Form(".json", _ranked, _write_list, _RANKED),
    "openai": Form(".jsonl", _openai_pair, _write_lines, None),
    TRL: FORMS[TRL],
    "csv": Form(".csv", _flat, _write_csv, _RANKED),
    "parquet": Form(".parquet", _flat, _write_parquet, _RANKED),
}
