"""The public API: the commands' own functions, by the commands' names, with the commands' options as keywords.

A keyword is what the command's option is (`--per-chunk 3` is `per_chunk=3`): it is read as that is, and has its default. What
fingen.toml and FINGEN_ variables say holds for commands alone, but for FINGEN_BUDGET, which holds for all that spends. Nothing is
printed: `on_event` gets what happens on the way, a function returns what its command sums up, and what goes wrong is raised, as
an error of `fingen.errors`. A result with an `exit_code` of 1 is short of what was asked.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar, Unpack

import click

from fingen import config
from fingen.cli import main
from fingen.cli.options import settings_of
from fingen.documents import Progress
from fingen.errors import DocumentError, UsageError, from_system
from fingen.events import Answered, Estimate, Note, Waiting
from fingen.keywords import (
    DistillOptions,
    ExportOptions,
    File,
    FinetuneOptions,
    GatherOptions,
    ImportOptions,
    IntentOptions,
    MergeOptions,
    Pdf2qaOptions,
    PreferOptions,
    PullOptions,
    PushOptions,
    ReadOptions,
    ScoreOptions,
    ShowOptions,
    TraceOptions,
    VerifyOptions,
    WithdrawOptions,
)
from fingen.records import Document
from fingen.sets import RecordSet, newest_set, open_set
from fingen.teachers.asking import Pending

if TYPE_CHECKING:
    from fingen.hub import AdapterPlan, ModelPlan, Pulled, PulledAdapter, Pushed, PushPlan
    from fingen.lineage.trace import Traced
    from fingen.lineage.withdraw import Withdrawal
    from fingen.pipeline.export import Exported
    from fingen.pipeline.importing import Imported
    from fingen.pipeline.parts import PartOutcome
    from fingen.pipeline.show import Shown
    from fingen.pipeline.summary import Summary
    from fingen.pipeline.synth import SynthSummary
    from fingen.review.prefer import Preferred
    from fingen.scoring.run import Planned, Scored
    from fingen.training.distill.plan import DistillPlan
    from fingen.training.distill.run import Distilled
    from fingen.training.gguf_file import Packed
    from fingen.training.plan import TrainingPlan
    from fingen.training.run import Tuned
    from fingen.training.seeds import Seeds
    from fingen.training.settings import Resolved
    from fingen.training.use import Merged
    from fingen.verification.run import Verification

NOT_HERE = {"json", "quiet", "debug"}  # options of how a command speaks
P = ParamSpec("P")
R = TypeVar("R")


@dataclasses.dataclass(frozen=True)
class Example:
    """News of a training: its first row as the model sees it, what is given and what is learned."""

    prompt: str
    answer: str


Event: TypeAlias = Progress | Document | DocumentError | Answered | Waiting | Note | Example
OnEvent: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing with an event."""


def public(command: str = "", *only: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function of the API: its keywords are the options of a command, if it has one, or `only` some of them.

    What the system raises becomes an error of fingen's own.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        options = {name: option for name, option in _options(command).items() if not only or name in only}
        signature = _signature(function, options)

        @functools.wraps(function)
        def call(*arguments: P.args, **keywords: P.kwargs) -> R:
            signature.bind(*arguments, **keywords)
            try:
                return function(*arguments, **keywords)
            except (MemoryError, OSError) as e:
                raise from_system(e) from e

        if options:
            helps = "".join(f"\n        {name}: {option.help}" for name, option in options.items())
            call.__doc__ = f"{function.__doc__ or ''}\n    Keywords:{helps}\n"
        call.__signature__ = signature  # type: ignore[attr-defined]  # where inspect looks for it
        return call

    return decorate


def _options(command: str) -> dict[str, click.Option]:
    """The options of a command by their keywords."""
    if not command:
        return {}
    found: click.Command | None = main
    for name in command.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), name)
    assert found is not None, command
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    by_keyword = {option.opts[0].lstrip("-").replace("-", "_"): option for option in options}
    return {name: option for name, option in by_keyword.items() if name not in NOT_HERE}


def _signature(function: Callable[..., Any], options: Mapping[str, click.Option]) -> inspect.Signature:
    """A function's own parameters and those options, with their defaults, as help() and notebooks show them."""
    own = inspect.signature(function)
    kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.required else option.to_info_dict()["default"],
        )
        for name, option in options.items()
    ]
    return own.replace(parameters=[*kept, *keywords])


def _read(command: str, keywords: Mapping[str, object]) -> dict[str, Any]:
    """The keywords that say something, by the command's own names and as it reads them.

    Raises:
        UsageError: a value that the option does not take.
    """
    values, context = {}, click.Context(click.Command(command))
    for name, option in _options(command).items():
        given = keywords.get(name)
        if given is None and option.envvar:  # a variable that is meant for all that spends, not for one command
            given = option.resolve_envvar_value(context)
        if given is not None:
            try:
                value = option.process_value(context, _typed(given, is_list=option.multiple))
            except click.BadParameter as e:
                raise UsageError(f"{name}: {e.message}", hint=option.help or "") from None
            values[option.name or name] = value
    return values


def _typed(value: Any, *, is_list: bool) -> Any:
    """A value as it is typed on a command line: once or several times, its parts parted by commas."""
    if isinstance(value, Mapping):
        value = [f"{name}={each}" for name, each in value.items()]
    is_one = isinstance(value, str | PathLike) or not isinstance(value, Iterable)
    if is_list:
        return (value,) if is_one else tuple(value)
    return value if is_one else ",".join(map(str, value))


def _consent(values: dict[str, Any]) -> Callable[[Estimate], None]:
    """A teacher that was named may be asked; one that was found by its key only with `yes`."""
    from fingen.pipeline.pdf2qa import require_named

    return (lambda estimate: None) if values.pop("yes", False) else require_named


def _set(folder: File | None) -> Path:
    """The set that is meant; None: the newest in build/."""
    return newest_set(config.BUILD) if folder is None else Path(folder)


# --- documents and sets ------------------------------------------------------------------------------------------------


@public("pdf2qa", *ReadOptions.__annotations__)
def read_report(path: File, /, *, on_event: OnEvent = ignore, **options: Unpack[ReadOptions]) -> Document:
    """Read one report into chunks, in a process with limits of time and memory, as `fingen pdf2qa` does.

    Raises:
        DocumentError: it cannot be read; `reason` says why.
    """
    from fingen.documents import InputFile, read_documents

    settings = settings_of(config.ReadSettings, _read("pdf2qa", options))
    source = InputFile(Path(path), Path(path).name)
    for event in read_documents([source], settings, workers=1, cache=config.CACHE):
        on_event(event)
        if not isinstance(event, Progress):
            outcome = event
    if isinstance(outcome, DocumentError):
        raise outcome
    return outcome


@public("pdf2qa")
def pdf2qa(
    *reports: File, on_event: OnEvent = ignore, **options: Unpack[Pdf2qaOptions]
) -> Summary | PartOutcome | Estimate | Pending:
    """Read reports, files or folders of them, and make a question-answer set.

    To name a teacher is to agree to its price. One that would be found by its key in the environment is asked with `yes` only.

    Returns:
        With `dry_run` an estimate; where answers are still to come, from batches or a file, what is pending; with `shard` what
        was done for the part.

    Raises:
        UsageError: no report can be read, or a teacher was found and not agreed to. SetError: what is in `out` was made
        otherwise. ShortfallError: no record came of it. TeacherError: it refused. LimitError: the disk is full.
    """
    from fingen.pipeline.pdf2qa import pdf2qa

    if not reports:
        raise UsageError("no reports", hint="name reports, or folders of them")
    values = _read("pdf2qa", options)
    consent = _consent(values)
    settings = settings_of(config.Pdf2qa, values, inputs=tuple(map(Path, reports)))
    return pdf2qa(settings, on_event=on_event, consent=consent)


@public("gather")
def gather(
    *parts: File, on_event: OnEvent = ignore, **options: Unpack[GatherOptions]
) -> Summary | SynthSummary | Pending:
    """Make one set of the parts that several machines made with `shard`: the same files as one machine would have made.

    Returns:
        Where batches of the parts are still on their way, what is pending.

    Raises:
        SetError: a part is missing, there twice, or of another set. UsageError: requests are left to ask of a teacher that costs,
        and `yes` is not given. TeacherError: it refused. LimitError: the disk is full.
    """
    from fingen.pipeline.gathering import gather_parts

    if not parts:
        raise UsageError("no parts", hint="name the folders of all parts")
    values = _read("gather", options)
    settings = settings_of(config.Gather, values)
    values["replaces"] = values.pop("replace", False)
    return gather_parts(tuple(map(Path, parts)), values.pop("out"), settings, on_event=on_event, **values)


@public("synth intent")
def synth_intent(
    *, on_event: OnEvent = ignore, **options: Unpack[IntentOptions]
) -> SynthSummary | PartOutcome | Estimate | Pending:
    """Make a set of intent items: what a client says, lettered options, and the letter that is right. Else as `pdf2qa`.

    Raises:
        ShortfallError: fewer items than were asked for. UsageError, SetError, TeacherError, LimitError: as `pdf2qa`.
    """
    from fingen.pipeline.synth import synth
    from fingen.tasks.client_specs import ClientSpecs
    from fingen.tasks.intent import form
    from fingen.tasks.labels import read_labels, reweighed

    values = _read("synth intent", options)
    consent = _consent(values)
    own = {name: values.pop(name, None) for name in ("labels", "with_other", "weights", "fixed_options")}
    settings = settings_of(config.Synth, values)
    labels = read_labels(own["labels"], settings.language, with_other=bool(own["with_other"]))
    labels = reweighed(labels, own["weights"])
    asked = form(seed=settings.seed, fixed_options=bool(own["fixed_options"]))
    specs = ClientSpecs(labels, settings.language, seed=settings.seed)
    return synth(settings, asked, labels, specs, on_event=on_event, consent=consent)


@public("import")
def import_set(name: str, /, *paths: File, **options: Unpack[ImportOptions]) -> Imported:
    """Make a set of rows that others published, or of your own: `name` is a data set or a form, `paths` are its files.

    Raises:
        UsageError: no such source or file. SetError: a malformed row. ShortfallError: no row can be a record.
        HubError: with `download`, the Hub refused.
    """
    from fingen.imports.base import Options
    from fingen.pipeline.importing import import_set

    values = _read("import", options)
    out = values.pop("out", config.BUILD / name)
    columns = {field.name: values.pop(field.name) for field in dataclasses.fields(Options) if field.name in values}
    return import_set(name, tuple(map(Path, paths)), out, options=Options(**columns), **values)


@public("prefer")
def prefer(folder: File | None = None, /, **options: Unpack[PreferOptions]) -> Preferred:
    """Make pairs of a better and a worse answer of what a set (None: the newest in build/) and its reviewers have rejected.

    Raises:
        SetError: no such set, or `out` holds something else. ShortfallError: no pair came of it.
    """
    from fingen.review.prefer import prefer

    return prefer(_set(folder), settings_of(config.Prefer, _read("prefer", options)))


@public()
def load_set(folder: File | None = None, /) -> RecordSet:
    """Open a set; None: the newest in build/. Its rows are read when they are asked for.

    Raises:
        SetError: there is no such set, or it is not whole.
    """
    return open_set(_set(folder))


@public("export")
def export(folder: File | None = None, /, **options: Unpack[ExportOptions]) -> Exported:
    """Write the rows of a set (None: the newest in build/) in the form that another tool reads.

    Raises:
        SetError: no such set. UsageError: something else is in `out`. LimitError: the disk is full.
    """
    from fingen.pipeline.export import export

    values = _read("export", options)
    return export(_set(folder), values.pop("form"), values.pop("out"), **values)


# --- checks ------------------------------------------------------------------------------------------------------------


@public("verify")
def verify(target: File | None = None, /, **options: Unpack[VerifyOptions]) -> Verification:
    """Check every row of a set (None: the newest in build/), or of any Alpaca file, anew. Nothing is asked of anybody.

    Raises:
        UsageError: no such set or file. SetError: it cannot be read as one.
    """
    from fingen.disk import check_writable, open_atomic
    from fingen.pipeline.filters import open_benchmarks
    from fingen.verification.page import render_html
    from fingen.verification.run import verify

    values = _read("verify", options)
    values["keep_out"] = open_benchmarks(values.get("keep_out", ()))
    page: Path | None = values.pop("html", None)
    if page:
        check_writable(page.parent)
    found = verify(_set(target), **values)
    if page:
        with open_atomic(page) as file:
            file.write(render_html(found))
    return found


@public("show")
def show(folder: File | None = None, id: str | None = None, /, **options: Unpack[ShowOptions]) -> Shown:
    """The record of a set (None: the newest in build/) whose id starts with `id` (None: the first), with its evidence.

    Raises:
        SetError: no such set or record. UsageError: with `png`, there is no page to draw; with `html`, no document without
        pages. DocumentError: it cannot be read.
    """
    from fingen.pipeline.show import show, write_marked, write_pictures

    values = _read("show", options)
    shown, page = show(_set(folder), id, inputs=values.pop("inputs", ())), values.pop("html", None)
    if page:
        write_marked(shown, page)
    if "png" not in values:
        return shown
    return dataclasses.replace(shown, pictures=write_pictures(shown, values.pop("png"), **values))


@public("trace")
def trace(*words: File, **options: Unpack[TraceOptions]) -> Traced:
    """What rests on a report (a file, its name or hash), a row (its id, behind a set or alone), a set, an adapter or a model.

    Raises:
        UsageError: there is no such thing, or there are several.
    """
    from fingen.disk import check_writable, write_text
    from fingen.lineage.page import render_html
    from fingen.lineage.trace import trace

    if len(words) not in (1, 2):
        raise UsageError(f"{len(words)} words", hint="name one thing, or a set and the id of a row")
    values = _read("trace", options)
    page: Path | None = values.pop("html", None)
    if page:
        check_writable(page.parent)
    found = trace([os.fspath(word) for word in words], values.pop("build", config.BUILD))
    if page:
        write_text(page, render_html(found))
    return found


@public("withdraw")
def withdraw(report: File, /, **options: Unpack[WithdrawOptions]) -> Withdrawal:
    """Make each set that rests on a report anew without it; with `dry_run` only say what would be.

    Raises:
        UsageError: no such report. SetError: a set is damaged, or another process works on one; nothing is changed then.
    """
    from fingen.lineage.withdraw import withdraw

    values = _read("withdraw", options)
    return withdraw(os.fspath(report), values.pop("build", config.BUILD), **values)


# --- models ------------------------------------------------------------------------------------------------------------


@public("finetune")
def finetune(*, on_event: OnEvent = ignore, **options: Unpack[FinetuneOptions]) -> Tuned | Seeds | TrainingPlan:
    """Train a LoRA adapter for a base model on a set. `override` gives any other setting, by its name.

    Returns:
        With `dry_run` a plan, with all that is in the way; with `seeds` all adapters, and what they come to.

    Raises:
        UsageError: something is in the way. LimitError: out of memory or disk. Interrupted: `resume` goes on.
    """
    from fingen.training.plan import build_plan
    from fingen.training.run import finetune
    from fingen.training.seeds import finetune_seeds

    values = _read("finetune", options)
    resolved = _resolve(values, model=values.get("model", config.Finetune.model))
    settings = settings_of(config.Finetune, values)
    if settings.dry_run:
        return build_plan(settings, resolved.tuning)
    train = finetune_seeds if settings.seeds else finetune
    return train(
        settings,
        resolved.tuning,
        sources=resolved.sources,
        say=lambda text: on_event(Note(text)),
        show=lambda prompt, answer: on_event(Example(prompt, answer)),
    )


def _resolve(values: dict[str, Any], kind: type[config.Tuning] = config.Tuning, model: str = "") -> Resolved:
    """Take the settings of a training out of a command's values, by the strength of where they come from."""
    from fingen.training import settings

    names = [field.name for field in dataclasses.fields(kind)]
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("keyword", {name: values.pop(name) for name in names if name in values}),
        ("override", settings.parse_overrides(values.pop("overrides", ()))),
    ]
    if table := values.pop("table", None):
        layers.append((str(table), settings.read_table(table)))
    below = settings.published(values.get("recipe"), model, kind, objective=values.get("objective"))
    return settings.resolve([*layers, *below], kind)


@public("distill")
def distill(
    teacher: File, /, *, on_event: OnEvent = ignore, **options: Unpack[DistillOptions]
) -> Distilled | DistillPlan:
    """Make a smaller model that answers as its teacher does: an adapter, a merged model, or a model as it is.

    `override` gives any other setting, by its name.

    Returns:
        With `dry_run` a plan, with all that is in the way.

    Raises:
        UsageError: something is in the way, or the two vocabularies have too little in common. LimitError: out of memory or disk.
        Interrupted: `resume` goes on.
    """
    from fingen.training.distill.plan import build_plan
    from fingen.training.distill.run import distill

    values = _read("distill", options)
    resolved = _resolve(values, config.Distilling)
    settings, tuning = settings_of(config.Distill, values, teacher=os.fspath(teacher)), resolved.tuning
    assert isinstance(tuning, config.Distilling)
    if settings.dry_run:
        return build_plan(settings, tuning)
    return distill(
        settings,
        tuning,
        sources=resolved.sources,
        say=lambda text: on_event(Note(text)),
        show=lambda prompt, answer: on_event(Example(prompt, answer)),
    )


@public("merge")
def merge(adapter: File, /, **options: Unpack[MergeOptions]) -> Merged | Packed:
    """Write base model and adapter as one model, after a check that both say the same; with `gguf` as such a file too.

    Returns:
        Of the folder of a model, which `gguf` takes too, that file.

    Raises:
        ShortfallError: they do not; nothing is left. UsageError: no such adapter, or `out` holds something else.
    """
    from fingen.training.preflight import is_model, need_extra

    need_extra()
    from fingen.training.use import merge

    values, folder = _read("merge", options), Path(adapter)
    kind, out = values.pop("kind", None), values.pop("out", config.BUILD / "models" / folder.resolve().name)
    if kind and is_model(folder):
        from fingen.training.gguf_file import write_gguf

        return write_gguf(folder, kind)
    merged = merge(folder, out, **values)
    if kind:
        from fingen.training.gguf_file import write_gguf

        write_gguf(out, kind)
    return merged


@public("score")
def score(*adapters: File, on_event: OnEvent = ignore, **options: Unpack[ScoreOptions]) -> Scored | Planned:
    """Score adapters, models, teachers, classifiers, a baseline or raw answers, each figure with its interval.

    Returns:
        With `dry_run` what would be asked, and what it would cost.

    Raises:
        UsageError: nobody to score, or nothing says what is right. SetError: rows are damaged. TeacherError, HubError,
        LimitError: what was answered until then is kept.
    """
    from fingen.scoring.run import build_plan, score

    values = _read("score", options)
    settings = settings_of(config.Scoring, values, adapters=tuple(map(str, adapters)))
    return build_plan(settings) if settings.asking.dry_run else score(settings, on_event=on_event)


# --- the Hub -----------------------------------------------------------------------------------------------------------


@public("push")
def push(
    folder: File | None = None, /, **options: Unpack[PushOptions]
) -> Pushed[PushPlan] | Pushed[AdapterPlan] | Pushed[ModelPlan]:
    """Publish a set (None: the newest in build/), an adapter or a model on the Hugging Face Hub, in one commit.

    Raises:
        UsageError: nobody agreed with `yes`, or what is there would lose something. ShortfallError: it is not fit to go.
        HubError: the Hub refuses.
    """
    from fingen.adapters import MANIFEST
    from fingen.hub import push, push_adapter, push_model
    from fingen.training.merged import MERGED

    values = _read("push", options)
    agreed = values.pop("yes", False)
    wishes = settings_of(config.Push, values)

    def agree(plan: PushPlan | AdapterPlan | ModelPlan) -> None:
        if plan.changes and not (agreed or wishes.dry_run):
            raise UsageError(
                f"nobody has agreed to publish this as {plan.repo} ({plan.visibility}); nothing was uploaded",
                hint="yes=True agrees; dry_run=True says what would go where",
            )

    chosen = _set(folder)
    if (chosen / MANIFEST).is_file():
        return push_adapter(chosen, wishes, agree, quiet=True)
    if (chosen / MERGED).is_file():
        return push_model(chosen, wishes, agree, quiet=True)
    return push(chosen, wishes, agree, quiet=True)


@public("pull")
def pull(repo: str, /, **options: Unpack[PullOptions]) -> Pulled | PulledAdapter:
    """Bring a data set or an adapter from the Hugging Face Hub into build/, and check it.

    Raises:
        UsageError, SetError: `out` is in the way, or the data are not what they say. HubError: the Hub refuses.
    """
    from fingen.hub import pull

    values = _read("pull", options)
    form, taking = values.pop("form", None), settings_of(config.Taking, values)
    return pull(repo, values.pop("out", None), config=form, taking=taking, quiet=True, **values)
