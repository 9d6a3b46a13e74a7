"""`fingen push`: a set, an adapter or a model to the Hugging Face Hub, whole, checked, documented, in one commit."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli import completers
from fingen.cli.common import Command, again, command_options, echo, set_argument, tell
from fingen.cli.options import options_of, settings_of
from fingen.cli.working import working
from fingen.config import Push
from fingen.errors import UsageError

if TYPE_CHECKING:
    from fingen.hub import AdapterPlan, ModelPlan, Pushed, PushPlan

SHOWN = 8  # differences that the plan names


@click.command("push", cls=Command)
@click.argument(
    "folder",
    required=False,
    type=click.Path(path_type=Path),
    metavar="[SET|ADAPTER|MODEL]",
    shell_complete=completers.anything,
)
@options_of(Push)
@click.option(
    "--yes", is_flag=True, help="Agree to what is shown, without being asked; needed where there is no terminal."
)
@command_options
@click.pass_context
def command(
    ctx: click.Context, /, folder: Path | None, yes: bool, as_json: bool, quiet: bool, debug: bool, **options: Any
) -> None:
    """Publish a set, an adapter or a model on the Hugging Face Hub, with manifest and card, in one commit.

    SET is a folder below build/ (default: the newest); its rows go as they are and as typed tables. It is checked first (fingen
    verify). ADAPTER is a folder below build/adapters/: weights as safetensors, tokenizer, curve, scores. MODEL is a folder that
    `fingen distill` or `fingen merge` has made; its files in GGUF stay here. All are looked through for personal data and keys; what
    would go where is shown, and asked for on a terminal. Journals, checkpoints and pickles never go. The token is HF_TOKEN, or that
    of `hf auth login`; --dry-run shows without one what would go. Interrupt it when you like: the same command goes on, and it
    stays one commit.

    \b
    Examples:
      $ fingen push
      $ fingen push build/intent --repo you/finance-intent --license cc-by-4.0 --public
      $ fingen push build/reports --dry-run
      $ fingen push build/adapters/intent-llama3
      $ fingen push build/models/fpb-smollm2-drop6 --license apache-2.0
      $ fingen push saves/mine --base llama3 --form chat
    """
    from fingen.adapters import is_adapter
    from fingen.hub import push, push_adapter, push_model
    from fingen.training.merged import MERGED

    settings = settings_of(Push, options)
    target = set_argument(folder, quiet=quiet)

    def agree(plan: PushPlan | AdapterPlan | ModelPlan) -> None:
        with pausing():
            show(plan)

    def show(plan: PushPlan | AdapterPlan | ModelPlan) -> None:
        if not quiet and not (as_json and settings.dry_run):
            echo(*_plan_lines(plan), err=True)
        if yes or settings.dry_run or not plan.changes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                f"nobody has agreed to publish {_what(plan)} as {plan.repo}; nothing was uploaded",
                hint="add --yes, or run it on a terminal",
            )
        if not click.confirm(f"Publish it as {plan.repo} ({plan.visibility})?", err=True):
            raise UsageError("nothing was uploaded", hint="--dry-run shows the same and asks nothing")

    if not is_adapter(target) and (settings.base or settings.form):
        raise UsageError("--base and --form go with an adapter", hint="leave them out for a set or a model")
    pushed: Pushed[Any]
    with working(f"checking {target}", quiet=quiet) as pausing:
        if is_adapter(target):
            pushed = push_adapter(target, settings, agree, quiet=quiet)
        elif (target / MERGED).is_file():
            pushed = push_model(target, settings, agree, quiet=quiet)
        else:
            pushed = push(target, settings, agree, quiet=quiet)
    if settings.dry_run:
        pushed = dataclasses.replace(pushed, next=" && ".join(filter(None, (pushed.next, again(ctx)))))
    tell(pushed, [_done(pushed, dry_run=settings.dry_run)], as_json=as_json)


def _what(plan: PushPlan | AdapterPlan | ModelPlan) -> str:
    from fingen.hub import AdapterPlan, ModelPlan

    if isinstance(plan, ModelPlan):
        return plan.model
    return plan.adapter if isinstance(plan, AdapterPlan) else plan.set


def _plan_lines(plan: PushPlan | AdapterPlan | ModelPlan) -> list[str]:
    """What would go where."""
    from fingen.hub import AdapterPlan, ModelPlan

    size = _size(sum(plan.files.values()))
    there = "" if not plan.exists else ", there already" if plan.changes else ", there as it is here"
    lines = [f"{_what(plan)} -> {plan.url}  ({plan.visibility}{there})"]
    files = f"  files:   {len(plan.files)}, {size}; {len(plan.sent)} to send" + _named("; to remove: ", plan.removed)
    failing: dict[str, int] = {}
    if isinstance(plan, AdapterPlan):
        scores = f"{plan.scores} on the card" if plan.scores else "none yet (fingen score)"
        lines += [f"  base:    {plan.base}", f"  set:     {plan.set}", f"  scores:  {scores}", files]
    elif isinstance(plan, ModelPlan):
        lines += [f"  base:    {plan.base}", f"  made of: {plan.made_by}", files]
    else:
        rows = ", ".join(f"{count:,} {split}" for split, count in plan.rows.items())
        lines += [f"  rows:    {sum(plan.rows.values()):,} ({rows})", files, f"  teacher: {plan.teacher}"]
        lines += _verbatim_lines(plan)
        failing = plan.failing
    lines.append(f"  licence: {plan.licence or 'none given (--license)'}")
    lines += [f"  differs: {difference}" for difference in plan.differences[:SHOWN]]
    lines += [f"  loses:   {loss}" for loss in plan.losses[:SHOWN]]
    lines += [f"  failing: {law}, {count:,} rows; the card says so" for law, count in failing.items()]
    return lines + [f"  note:    {note}" for note in plan.notes]


def _verbatim_lines(plan: PushPlan) -> list[str]:
    """How much of each report goes word for word, with and without --without-quotes."""
    lines = []
    for told in plan.verbatim[:SHOWN]:
        run = "not known: its passages are not here" if told.run_words is None else f"{told.run_words:,}"
        run += f" ({told.run_id})" if told.run_id else ""
        quotes = f"{told.quote_words:,} words in quotes, {told.passage_words:,} in passages"
        kept = " stay here" if plan.without_quotes else "; with --without-quotes 0"
        lines.append(f"  of {told.document}: {quotes}{kept}; the most in a row in an answer: {run}")
    rest = plan.verbatim[SHOWN:]
    words = sum(told.quote_words + told.passage_words for told in rest)
    return lines + ([f"  of {len(rest)} more reports: {words:,} words; --json has each"] if rest else [])


def _named(before: str, names: list[str]) -> str:
    return before + ", ".join(names) if names else ""


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _done(pushed: Pushed[Any], *, dry_run: bool) -> str:
    plan = pushed.plan
    if dry_run:
        return "nothing was sent (--dry-run)"
    if pushed.commit:
        return f"pushed: {plan.url}  commit {pushed.commit[:12]}"
    return f"{'public now' if plan.publishes else 'already up to date'}: {plan.url}"
