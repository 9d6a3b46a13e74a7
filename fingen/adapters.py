"""What an adapter is on disk: build/adapters/<name>/, read and shown without torch.

adapter_model.safetensors  adapter_config.json      the weights, as peft reads them
tokenizer.json ...  chat_template.jinja              the base model's tokenizer, with the template of the training
training.jsonl  loss.svg  loss.png                   the history and its curve
README.md                                            the card, rendered from the manifest
fingen.json                                          the manifest: what made it; written last
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import jinja2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fingen.disk import (
    InnerPath,
    Name,
    NoNameError,
    dump_json,
    is_inner_path,
    read_whole,
    refuse_links,
    say_invalid,
    sha256_file,
    write_text,
)
from fingen.errors import UsageError, visible
from fingen.records import Frozen
from fingen.sets import markdown_text
from fingen.text import as_shown

MANIFEST = "fingen.json"
CARD = "README.md"
CURVE, PICTURE = "loss.svg", "loss.png"  # the picture is there where matplotlib is
HISTORY = "training.jsonl"
WEIGHTS = ("adapter_model.safetensors", "adapter_config.json")
FOREIGN = WEIGHTS[1]  # an adapter that others made has this, and no manifest
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "tokenizer.model",
)  # fmt: skip
FILES = frozenset(
    {*WEIGHTS, *TOKENIZER, HISTORY, CURVE, PICTURE, CARD, MANIFEST}
)  # no other file is part of an adapter
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"})
CARD_TEMPLATE = Path(__file__).with_name("adapter_card.md.j2")
CONFIG_BYTES = 1_000_000  # of adapter_config.json
NAMED = 3  # rows that a line of those left out names; the manifest names all
HEADER_BYTES = 100_000_000  # of a safetensors file, at most
_PLAIN = re.compile(r"[\w ,.:;/@+()=%-]*")  # what means nothing in Markdown, beside an underscore at an end of a word


class Interval(Frozen):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Majority(Frozen):
    """What one answer throughout, the class that is right most often in the rows, comes to."""

    answer: str
    accuracy: Interval
    macro_f1: Interval


class AdapterScore(Frozen):
    """What an adapter, or its base model alone, came to on some rows. Figures that have no meaning there are None."""

    on: str  # the rows, such as "intent test"
    subject: Literal["adapter", "base"]
    generated: bool = False  # whether the answers were written and read where options could be read off
    rows: Annotated[int, Field(ge=1)]
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    unparseable: int | None = None  # answers that name no option or several; they count as wrong
    majority: Majority | None = None
    rouge_l: Interval | None = None
    word_f1: Interval | None = None  # of the rows in English
    char_f1: Interval | None = None  # of the rows in Chinese
    figures_recall: Interval | None = None  # of the figures of the right answers, those that the answers have
    note: str = ""


class _Part(BaseModel):
    """A part of a manifest: what is read of it must be there; what else is there is kept."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Base(_Part):
    source: str
    hub_id: str | None
    revision: str | None
    built: bool
    licence: str | None
    remote_code: bool

    @model_validator(mode="after")
    def _check(self) -> Self:
        """A base on the Hub is loaded from there, whatever `source` says; another one from a folder."""
        if self.hub_id is not None and not (self.source == self.hub_id and is_inner_path(self.hub_id)):
            raise NoNameError("source and hub_id are no id on the Hub, or not the same one")
        if visible(self.source) != self.source or "://" in self.source:
            raise NoNameError("source is no folder")
        return self


class _Set(_Part):
    name: Name
    sha256: str
    repo: str | None = None  # on the Hub, where it was pushed
    commit: str | None = None


class _Template(_Part):
    form: str
    sha256: str | None  # None: an adapter of others, of which it is not known


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    before: str
    behind: str
    options: dict[str, str]
    is_input: bool = False


class _Rows(_Part):
    train: int
    validation: int
    left_out: dict[str, list[str]]


class _Metrics(_Part):
    steps: int
    kept_step: int
    loss: float | None
    validation_loss: float | None


class _Manifest(_Part):
    format: Literal[1]
    name: Name
    run: str
    base: _Base
    load: str
    set: _Set | None  # None, as rows and metrics: an adapter of others
    recipe: str | None
    template: _Template
    frame: _Frame | None = None
    rows: _Rows | None
    metrics: _Metrics | None
    settings: dict[str, Any]
    sources: dict[str, str]
    files: dict[InnerPath, str]
    scores: list[AdapterScore] = []


def parse_manifest(text: str, where: str) -> dict[str, Any]:
    """The manifest of an adapter. `where` is named where it is none.

    Raises:
        UsageError: it is not JSON, or not what a manifest is.
    """
    try:
        manifest: dict[str, Any] = json.loads(text)
        _Manifest.model_validate(manifest)
    except ValidationError as e:
        raise UsageError(f"{where}: damaged: {say_invalid(e)}", hint="restore it, or tune again") from e
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{where}: damaged", hint="restore it, or tune again with --replace") from e
    return manifest


def is_adapter(folder: Path) -> bool:
    """Whether an adapter of any origin lies there."""
    return any((folder / name).is_file() for name in (MANIFEST, FOREIGN))


def read_adapter(folder: Path) -> dict[str, Any]:
    """The manifest of an adapter whose files are as they were written.

    Raises:
        UsageError: there is no whole adapter, or a file was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder}: no whole adapter: it has no {MANIFEST}", hint="make one: fingen finetune --help")
    refuse_links(folder)
    manifest = parse_manifest(read_whole(path).decode(errors="replace"), str(path))
    for name, sha256 in manifest["files"].items():
        if not (folder / name).is_file() or sha256_file(folder / name) != sha256:
            raise UsageError(f"{folder / name}: missing or changed since it was made", hint="restore it, or tune again")
    read_adapter_config(folder / WEIGHTS[1])
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the card, then the manifest; where the manifest lists the card, with its new hash."""
    write_text(folder / CARD, render_card(manifest, folder=folder.as_posix()))
    files = dict(manifest["files"])
    if CARD in files:
        files[CARD] = sha256_file(folder / CARD)
    write_text(folder / MANIFEST, dump_json({**manifest, "files": files}, indent=2) + "\n")


def write_scores(folder: Path, scores: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Put scores into the manifest of an adapter and onto its card; the manifest as it then is.

    Each is a `AdapterScore`. One of the same rows and subject, answered in the same way, is replaced, the others stay.

    Raises:
        UsageError: there is no whole adapter, or a score is none.
    """
    manifest = read_adapter(folder)
    try:
        new = [AdapterScore.model_validate(score) for score in scores]
    except ValidationError as e:
        raise UsageError(f"no score of an adapter: {say_invalid(e)}", hint="see fingen.adapters.Score") from e
    old = [AdapterScore.model_validate(score) for score in manifest.get("scores", ())]
    every = {(score.on, score.subject, score.generated): score for score in (*old, *new)}
    # Those of the same rows stand together, in the order in which their rows were first scored.
    order = list(dict.fromkeys(score.on for score in every.values()))
    stand = sorted(every.values(), key=lambda score: (order.index(score.on), score.subject == "adapter"))
    manifest = {**manifest, "scores": [score.model_dump(mode="json") for score in stand]}
    write_manifest(folder, manifest)
    return manifest


def render_card(
    manifest: Mapping[str, Any], *, folder: str, repo: str | None = None, licence: str | None = None
) -> str:
    """The card: for the folder that the adapter is in, or, with `repo`, for the Hub."""
    environment = jinja2.Environment(
        finalize=as_shown, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # Markdown: `text` escapes for it
    )  # fmt: skip
    environment.filters["text"] = markdown
    environment.filters["figure"] = _figure
    template = environment.from_string(CARD_TEMPLATE.read_text(encoding="utf-8"))
    scores = [AdapterScore.model_validate(score) for score in manifest.get("scores", ())]
    return template.render(
        m=manifest,
        trained_on=render_rows(manifest) if manifest["rows"] else "",
        steps=render_steps(manifest) if manifest["metrics"] else "",
        classes=render_classes(manifest) if manifest["metrics"] else "",
        preferred=render_preferred(manifest) if manifest["metrics"] else "",
        front_matter=yaml.safe_dump(_front_matter(manifest, licence), allow_unicode=True, sort_keys=False),
        choices=[score for score in scores if score.accuracy],
        texts=[score for score in scores if not score.accuracy],
        folder=folder,
        repo=repo,
        licence=licence,
    )


def render_rows(manifest: Mapping[str, Any]) -> str:
    """Which training rows the weights have seen, and how often."""
    rows, metrics = manifest["rows"], manifest["metrics"]
    seen = rows.get("seen")
    if seen is None:
        return f"{rows['train']:,} in the training; how many of them were seen was not written down"
    share = "" if seen["rows"] == rows["train"] else f"{seen['rows']:,} of "
    least, most = seen["least"], seen["most"]
    often = "once" if most == 1 else f"{most} times" if least == most else f"{least} or {most} times"
    until = "" if metrics["kept_step"] == metrics["steps"] else f" until step {metrics['kept_step']:,}"
    return f"{share}{rows['train']:,} trained on, each {often}{until}"


def render_left_out(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each reason for which rows were left out, with the first of their ids."""
    return [
        f"left out: {len(ids):,} rows: {reason} ({', '.join(ids[:NAMED])}{', ...' if len(ids) > NAMED else ''})"
        for reason, ids in left_out.items()
    ]


def render_steps(manifest: Mapping[str, Any]) -> str:
    """How far the training went, and which of its weights these are, and why."""
    metrics = manifest["metrics"]
    steps, planned, why = metrics["steps"], metrics.get("planned_steps"), metrics.get("kept")
    early = f" of {planned:,}, ended early" if planned and planned > steps else ""
    return f"{steps:,}{early}, weights of step {metrics['kept_step']:,}" + (f" ({why})" if why else "")


def render_preferred(manifest: Mapping[str, Any]) -> str:
    """In how many of the pairs that were not learned the chosen answer gained more; empty where there are none."""
    found = manifest["metrics"].get("preferred")
    if not found:
        return ""
    share = f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
    return f"{share}: in {found['right']:,} of {found['pairs']:,} {found['on']} pairs the chosen answer gained more than the rejected one"


def render_classes(manifest: Mapping[str, Any]) -> str:
    """Macro F1 and accuracy on the validation rows, and what one answer to all of them gets; empty where there are none."""
    metrics = manifest["metrics"]
    majority = metrics.get("majority")
    if majority is None:
        return "" if metrics.get("validation_macro_f1") is None else f"{metrics['validation_macro_f1']:.3f}"
    return (
        f"{metrics['validation_macro_f1']:.3f}, accuracy {metrics['validation_accuracy']:.3f}; always answering "
        f"{majority['answer']!r}: {majority['macro_f1']:.3f}, {majority['accuracy']:.3f}"
    )


def _front_matter(manifest: Mapping[str, Any], licence: str | None) -> dict[str, Any]:
    """What the Hub must know: it links base model and data sets by their ids."""
    hub_id, repo = manifest["base"]["hub_id"], (manifest["set"] or {}).get("repo")
    return {
        **({"license": licence} if licence else {}),
        **({"base_model": hub_id, "base_model_relation": "adapter"} if hub_id else {}),
        **({"datasets": [repo]} if repo else {}),
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["finance", "lora", "fingen"],
    }


def markdown(value: object) -> str:
    """A value as harmless text in a line of Markdown; what means nothing there stays as it is."""
    line = visible(str(value))
    return line if _PLAIN.fullmatch(line) and not line.startswith("_") and "__" not in line else markdown_text(line)


def _figure(figure: Interval | None) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})" if figure else ""


_NAME = r"^[\w.-]{1,200}$"  # of a module: peft takes it for a pattern, and this one means itself
ModuleNames = Annotated[list[Annotated[str, Field(pattern=_NAME)]], Field(max_length=10_000)]
Rank = Annotated[int, Field(ge=1, le=4096)]


class _Class(BaseModel):
    """The class that an adapter was trained on, where no task says it. peft imports it in places: it is one of transformers'."""

    model_config = ConfigDict(extra="forbid", strict=True)

    base_model_class: Annotated[str, Field(pattern=r"^\w+$")]
    parent_library: Annotated[str, Field(pattern=r"^transformers\.[\w.]+$")]


class _Config(BaseModel):
    """What adapter_config.json may say besides switches and numbers: all else that is said there is refused.

    peft has settings that import modules by their names, read files, repeat layers and search with patterns of one's own.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    peft_type: Literal["LORA"]
    task_type: Literal["CAUSAL_LM"] | None = None
    auto_mapping: _Class | None = None
    base_model_name_or_path: str | None = None
    r: Rank = 8
    target_modules: ModuleNames | Literal["all-linear"]
    exclude_modules: ModuleNames | None = None
    target_parameters: ModuleNames | None = None
    modules_to_save: ModuleNames | None = None
    layers_to_transform: list[int] | int | None = None
    rank_pattern: dict[Annotated[str, Field(pattern=_NAME)], Rank] = {}
    alpha_pattern: dict[Annotated[str, Field(pattern=_NAME)], float] = {}
    bias: Literal["none", "all", "lora_only"] = "none"
    init_lora_weights: bool | str | None = True
    megatron_core: str | None = None  # means nothing without megatron_config
    revision: str | None = None
    peft_version: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        odd = sorted(
            name for name, value in (self.model_extra or {}).items() if value and not isinstance(value, int | float)
        )
        if odd:
            raise ValueError(f"{', '.join(odd)}: no setting that is taken from others")
        return self


def read_adapter_config(path: Path, where: str = "") -> str | None:
    """The base model that adapter_config.json names, once it is known to say nothing that peft should not be told.

    Args:
        path: the file.
        where: by what it is known.

    Raises:
        UsageError: it is of no LoRA adapter, or says more than one needs.
    """
    try:
        with path.open("rb") as file:
            said = file.read(CONFIG_BYTES + 1)
        return _Config.model_validate_json(said if len(said) <= CONFIG_BYTES else b"").base_model_name_or_path
    except OSError as e:
        raise UsageError(f"{where or path}: cannot be read: {e.strerror}", hint="name the folder of an adapter") from e
    except ValidationError as e:
        hint = "only LoRA adapters are read here, and those that need no more than their weights"
        raise UsageError(f"{where or path}: {say_invalid(e)}", hint=hint) from e


def is_pickle(name: str) -> bool:
    """Whether a file of that name can run code when it is read."""
    return Path(name).suffix.lower() in PICKLES


def check_safetensors(path: Path) -> None:
    """Make sure by its header that a file is safetensors, and not something else by that name.

    Raises:
        UsageError: it is not.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        try:
            header = json.loads(file.read(length)) if length <= min(HEADER_BYTES, size - 8) else None
        except ValueError:
            header = None
    if not isinstance(header, dict):
        raise UsageError(f"{path.name}: no safetensors file, whatever its name", hint="take an adapter that has one")
