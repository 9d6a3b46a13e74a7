"""`fingen finetune`: a LoRA adapter for a base model, trained on a set."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingen.cli.common import Command, again, command_options, echo, print_json
from fingen.cli.options import options_of, settings_of
from fingen.cli.tuning import Voice, gib, resolve, said, settings_lines, take_settings, training_options
from fingen.config import Finetune, Tuning
from fingen.errors import ShortfallError

if TYPE_CHECKING:
    from fingen.training.plan import TrainingPlan
    from fingen.training.run import Tuned
    from fingen.training.seeds import Seeds
    from fingen.training.settings import Resolved


@click.command("finetune", cls=Command)
@options_of(Finetune, "model", "data", "out", "recipe", "objective", "beta")
@training_options(Tuning)
@options_of(Finetune, "seeds", "resume", "replace", "report_to", "trust_remote_code", "dry_run")
@command_options
@click.pass_context
def command(ctx: click.Context, /, table: Path | None, overrides: tuple[str, ...], as_json: bool, quiet: bool, debug: bool,
            **options: Any) -> None:  # fmt: skip
    """Train a LoRA adapter for a base model on a set.

    Only answers are learned, not prompts. Rows are put to the model as they will be in use, with the base model's own chat
    template, which stays with the adapter. Everything that is in the way is said at once, before anything is downloaded.
    `--model tiny` makes a base model of its own, without a download: for trying the road, on any machine. An adapter that is no
    better than the majority class on the validation rows is written, and the exit code is 1.

    \b
    Examples:
      $ fingen finetune --model tiny
      $ fingen finetune --model llama3 --dry-run
      $ fingen finetune --model qwen2.5 --set build/intent --recipe openfindata-intent
      $ fingen finetune --model qwen2.5 --rank 16 --load 4bit --override learning_rate=2e-4 --resume
      $ fingen finetune --model qwen2.5 --objective dpo --set build/reports-preferences --learning-rate 2e-5
    """
    from fingen.training.plan import build_plan
    from fingen.training.preflight import refuse
    from fingen.training.run import finetune
    from fingen.training.seeds import Seeds, finetune_seeds

    resolved = resolve(
        ctx,
        take_settings(Tuning, options),
        table,
        overrides,
        recipe=options["recipe"],
        model=options["model"],
        objective=options["objective"],
    )
    settings = settings_of(Finetune, options)
    voice = Voice(quiet=quiet)
    plan = build_plan(settings, resolved.tuning)
    if plan.data and settings.data is None:
        voice.say(f"the newest set: {plan.data}")
    if settings.dry_run:
        if as_json:
            print_json(_plan_json(plan, resolved))
        else:
            following = [] if plan.obstacles else [f"next: {again(ctx)}"]
            echo(*_plan_lines(plan, resolved, settings.seeds), *following)
        refuse(plan.obstacles)
        return
    if resolved.sources:
        voice.say(said(resolved))
    train = finetune_seeds if settings.seeds else finetune
    made = train(settings, resolved.tuning, sources=resolved.sources, say=voice.say, show=voice.show)
    if not voice.is_first:
        return
    runs = made.runs if isinstance(made, Seeds) else (made,)
    if as_json:
        print_json(_seeds_json(made) if isinstance(made, Seeds) else _run_json(made))
    else:
        echo(*(_seeds_lines(made) if isinstance(made, Seeds) else _lines(made)))
    for run in runs:
        _check_learned(run)


def _duration(seconds: tuple[float, float] | None) -> str:
    if seconds is None:
        return "not known"
    low, high = (f"{value / 3600:.1f} h" if value > 5400 else f"{value / 60:.0f} min" if value > 90 else f"{value:.0f} s"
                 for value in seconds)  # fmt: skip
    return f"about {low} to {high}, by a measurement of this machine's matrix products"


def _plan_lines(plan: TrainingPlan, resolved: Resolved, seeds: int | None) -> list[str]:
    return [
        f"base model: {plan.base.source}   set: {plan.data or 'none'}   adapter: {plan.out or 'not known'}",
        f"rows: {plan.rows:,}, about {plan.tokens:,} tokens | {plan.validation:,} validation",
        f"steps: {plan.steps:,}, warm-up: {plan.warmup_steps:,}" + (f", for each of {seeds} seeds" if seeds else ""),
        f"memory: about {gib(plan.estimate_bytes())} needed, {gib(plan.free_bytes)} free on {plan.trains_on}",
        f"time: {_duration(plan.estimate_seconds())}",
        *settings_lines(resolved, plan.warnings, len(plan.obstacles)),
    ]


def _plan_json(plan: TrainingPlan, resolved: Resolved) -> dict[str, Any]:
    return {
        "base": plan.base.source,
        "set": str(plan.data) if plan.data else None,
        "adapter": str(plan.out) if plan.out else None,
        "rows": plan.rows,
        "validation": plan.validation,
        "estimated_tokens": plan.tokens,
        "steps": plan.steps,
        "warmup_steps": plan.warmup_steps,
        "warnings": plan.warnings,
        "need_bytes": plan.estimate_bytes(),
        "free_bytes": plan.free_bytes,
        "estimated_seconds": plan.estimate_seconds(),
        "settings": dataclasses.asdict(resolved.tuning),
        "sources": resolved.sources,
        "obstacles": [dataclasses.asdict(obstacle) for obstacle in plan.obstacles],
    }


def _run_json(made: Tuned) -> dict[str, Any]:
    done = {"seconds": made.seconds, "tokens": made.tokens}  # of this run: none where all was there
    return {"adapter": str(made.adapter), "changed": made.changed, "notes": made.notes, **done, **made.manifest}


def _seeds_json(made: Seeds) -> dict[str, Any]:
    figures = {name: dataclasses.asdict(figure) for name, figure in made.figures.items()}
    return {
        "adapters": [_run_json(run) for run in made.runs],
        "figures": figures,
        "changed": made.changed,
        "next": made.next,
    }


def _seeds_lines(made: Seeds) -> list[str]:
    lines = [line for run in made.runs for line in (*_lines(run), "") if not line.startswith("next: ")]
    lines += [
        f"{name.replace('_', ' ')} over {one.runs} seeds: {one.mean:.4f} mean, {one.sd:.4f} standard deviation, "
        f"{one.least:.4f} to {one.most:.4f}"
        for name, one in made.figures.items()
    ]
    return [*lines, f"next: {made.next}"]


def _lines(made: Tuned) -> list[str]:
    from fingen.adapters import render_classes, render_left_out, render_preferred, render_rows, render_steps

    manifest = made.manifest
    rows, metrics = manifest["rows"], manifest["metrics"]
    validation = metrics["validation_loss"]
    lines = [
        f"{made.adapter}   base model: {manifest['base']['source']}   set: {manifest['set']['name']}",
        "",
        f"rows: {render_rows(manifest)} | {rows['validation']:,} validation",
        *render_left_out(rows["left_out"]),
        f"steps: {render_steps(manifest)}",
        f"loss: {metrics['loss']:.4f} at the end | validation loss "
        + ("not measured: no validation rows" if validation is None else f"{validation:.4f}"),
    ]
    if preferred := render_preferred(manifest):
        lines.append(f"preferred: {preferred}")
    if classes := render_classes(manifest):
        lines.append(f"validation macro F1: {classes}")
    if made.changed and made.seconds:
        lines.append(f"trained for {made.seconds:.0f} s, {made.tokens / made.seconds:,.0f} tokens/s")
    lines.append(f"{'written' if made.changed else 'already up to date'}: {made.adapter}")
    return lines if metrics.get("learned") is False else [*lines, f"next: {made.next}"]


def _check_learned(made: Tuned) -> None:
    """Do nothing where the adapter has learned something, or where nobody can say.

    Raises:
        ShortfallError: it has not.
    """
    metrics, settings = made.manifest["metrics"], made.manifest["settings"]
    if metrics.get("learned") is False:
        raise ShortfallError(
            f"{made.adapter}: learned nothing: at or below the majority class on {made.manifest['rows']['validation']:,} "
            "validation rows",
            hint=f"try another learning rate (it was {settings['learning_rate']:.2g}), more --epochs or rows, a higher "
            "--rank, or a larger base model, with --replace; see that the answers can be told from the questions",
        )
